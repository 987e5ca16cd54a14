"""A heartbeat beside work of which no one piece says how long it takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

_EVERY_S = 1.0


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Beat as long as the work within goes on."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(_EVERY_S)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
