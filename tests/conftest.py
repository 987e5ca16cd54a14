"""Real servers for every test that asks for one."""

pytest_plugins = [
    "tests.support.carrier",
    "tests.support.house",
    "tests.support.postgres",
    "tests.support.temporal",
]
