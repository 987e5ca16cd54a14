"""Takes changed rule files into force while the process runs."""

import asyncio

from rules.holder import RulebookHolder
from tellal.supervision import rest

_LOOK_EVERY_S = 1.0


async def reread(books: RulebookHolder, stop: asyncio.Event) -> None:
    """Look at the files again and again; a broken one leaves the last good rulebook in force."""
    while not stop.is_set():
        await asyncio.to_thread(books.reload)
        await rest(stop, _LOOK_EVERY_S)
