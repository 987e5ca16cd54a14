"""Takes what is published, or changed rule files, into force while the process runs."""

import asyncio

from rules.holder import RulebookHolder
from tellal.services.shelf import Shelf
from tellal.supervision import rest

_LOOK_EVERY_S = 1.0


async def reread(books: RulebookHolder, shelf: Shelf, stop: asyncio.Event) -> None:
    """Look again and again; what is broken leaves the last good rulebook in force."""
    while not stop.is_set():
        await shelf.look()
        await asyncio.to_thread(books.reload)
        await rest(stop, _LOOK_EVERY_S)
