"""Real servers for every test that asks for one."""

import signal

# A shell ignores Ctrl-C for what it runs in the background, and children inherit that; the tests
# that send it must mean the same everywhere.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.support.carrier",
    "tests.support.house",
    "tests.support.postgres",
    "tests.support.temporal",
    # After those whose modules it imports: pytest rewrites asserts at the first import.
    "tests.support.api",
]
