"""The Temporal server of the stack, through kills and from an older file."""

import urllib.request
from collections.abc import Iterator

import pytest
from temporalio.api.operatorservice.v1 import (
    ListSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)
from temporalio.client import Client

from tellal.ids import new_id
from tellal.settings import Settings
from tellal.stack.premises import Premises
from tellal.stack.temporal import Temporal
from tellal.temporal import SEARCH_ATTRIBUTES, connect

OURS = {name for name, _ in SEARCH_ATTRIBUTES}


@pytest.fixture(scope="module")
def own(premises: Premises) -> Iterator[Temporal]:
    """A server with a UI that tests may kill."""
    server = Temporal(premises, ui=True, name="own-temporal")
    server.start()
    yield server
    server.stop()


async def attributes(client: Client) -> set[str]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    known = await client.operator_service.list_search_attributes(request)
    return set(known.custom_attributes)


async def test_the_server_knows_our_search_attributes(temporal: Client) -> None:
    assert await attributes(temporal) >= OURS


async def test_a_journey_survives_a_kill(own: Temporal) -> None:
    client = await connect(Settings(TEMPORAL_ADDRESS=own.address))
    id = new_id()
    await client.start_workflow("waiting", id=id, task_queue="nobody")

    own.kill()
    own.start()

    description = await client.get_workflow_handle(id).describe()
    assert description.workflow_type == "waiting"


async def test_a_file_without_our_search_attributes_gets_them(own: Temporal) -> None:
    client = await connect(Settings(TEMPORAL_ADDRESS=own.address))
    await client.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace="default", search_attributes=["TellalRule"])
    )
    before = await attributes(client)

    own.stop()
    own.start()

    client = await connect(Settings(TEMPORAL_ADDRESS=own.address))
    assert "TellalRule" not in before
    assert await attributes(client) >= OURS


def test_the_ui_shows_pages(own: Temporal) -> None:
    with urllib.request.urlopen(own.ui_url) as page:
        assert page.status == 200
