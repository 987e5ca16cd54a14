"""Real servers for every test that asks for one."""

pytest_plugins = [
    "tests.support.carrier",
    "tests.support.house",
    "tests.support.postgres",
    "tests.support.temporal",
    # After those whose modules it imports: pytest rewrites asserts at the first import.
    "tests.support.api",
]
