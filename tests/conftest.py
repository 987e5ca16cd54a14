"""Real servers for every test that asks for one."""

import re
import signal

import pytest

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

UNSTEADY = re.compile(r"\{'|frozenset\(|\bat 0x")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a test whose name differs from process to process, which ends a parallel run.

    Sets of texts are shown in an order that each process draws anew; objects by their address.
    """
    if UNSTEADY.search(item.nodeid):
        msg = f"{item.nodeid}: the name holds a set or an address: give the parameter an id"
        raise pytest.UsageError(msg)
