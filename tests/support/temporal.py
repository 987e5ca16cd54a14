"""One Temporal dev server for the test run, with our search attributes; a task queue per test."""

import gc
import time
from collections.abc import Iterator

import pytest
from temporalio.client import Client

from tellal.ids import new_id
from tellal.settings import Settings
from tellal.stack.premises import Premises
from tellal.stack.temporal import Temporal
from tellal.temporal import connect


@pytest.fixture(scope="session")
def temporal_server(premises: Premises) -> Iterator[Temporal]:
    """The server."""
    server = Temporal(premises)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def temporal(temporal_server: Temporal) -> Client:
    """A client as every process of Tellal has it."""
    return await connect(Settings(TEMPORAL_ADDRESS=temporal_server.address))


@pytest.fixture
def task_queue() -> str:
    """A task queue that no other test serves."""
    return f"test-{new_id()}"


def pytest_sessionfinish() -> None:
    """Let the client's threads end; a process that ends under them may abort (sdk-python#300)."""
    gc.collect()
    time.sleep(0.3)
