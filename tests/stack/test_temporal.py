"""The Temporal server of the stack, as a client finds it."""

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

from tellal.temporal import SEARCH_ATTRIBUTES


async def test_the_server_knows_our_search_attributes(temporal: Client) -> None:
    request = ListSearchAttributesRequest(namespace=temporal.namespace)

    known = await temporal.operator_service.list_search_attributes(request)

    assert set(known.custom_attributes) >= {name for name, _ in SEARCH_ATTRIBUTES}
