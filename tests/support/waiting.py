"""Waits for a condition instead of for a while."""

import asyncio
from collections.abc import Awaitable, Callable

_PATIENCE_S = 20.0


async def until(holds: Callable[[], Awaitable[bool]], *, timeout_s: float = _PATIENCE_S) -> None:
    """Look until the condition holds; a test whose condition never holds fails here."""
    async with asyncio.timeout(timeout_s):
        while not await holds():  # noqa: ASYNC110 - the condition is another process's
            await asyncio.sleep(0.02)
