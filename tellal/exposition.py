"""Shows instruments to Prometheus: as a page, and on a small server for processes without one."""

import asyncio

from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    start_http_server,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# A second series for each counter, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library says nothing of it


def shown(*registries: CollectorRegistry) -> CollectorRegistry:
    """Return these registries as one, with what the operating system says of this process."""
    together = CollectorRegistry()
    for registry in registries:
        together.register(registry)
    ProcessCollector(registry=together)
    return together


def page(registry: CollectorRegistry) -> bytes:
    """Write what stands in a registry now."""
    return generate_latest(registry)


async def listen(registry: CollectorRegistry, host: str, port: int, stop: asyncio.Event) -> None:
    """Answer scrapes until told to stop, from a thread of its own.

    Raises:
        OSError: The port is taken.
    """
    server, thread = start_http_server(port, host, registry)
    try:
        await stop.wait()
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()
