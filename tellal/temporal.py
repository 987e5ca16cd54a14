"""The one way to reach Temporal: one data converter and one set of search attributes for all."""

from collections.abc import Sequence

from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import pydantic_data_converter

from tellal.settings import Settings

SEARCH_ATTRIBUTES: tuple[tuple[str, str], ...] = (
    ("TellalBrand", "Keyword"),
    ("TellalTopic", "Keyword"),
    ("TellalStage", "Keyword"),
    ("TellalOutcome", "Keyword"),
    ("TellalRule", "Keyword"),
)
"""Name and type of what an engineer can filter workflows by; never anything about a person."""


async def connect(
    settings: Settings,
    *,
    identity: str | None = None,
    lazy: bool = False,
    interceptors: Sequence[Interceptor] = (),
) -> Client:
    """Connect to the Temporal server that the settings name.

    With `lazy` the connection is made at the first call, so that a process can start (and say
    that it is not ready) while Temporal is away.

    Raises:
        RuntimeError: The server cannot be reached.
    """
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=pydantic_data_converter,
        identity=identity,
        lazy=lazy,
        interceptors=interceptors,
    )
