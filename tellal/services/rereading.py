"""Takes what is published, or changed rule files, into force while the process runs."""

import asyncio
import logging

from rules.holder import RulebookHolder
from tellal.domain.errors import InvalidInputError, RulebookError
from tellal.services.shelf import Shelf
from tellal.supervision import rest

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0


async def reread(books: RulebookHolder, shelf: Shelf, stop: asyncio.Event) -> None:
    """Look again and again; what is broken leaves the last good rulebook in force."""
    while not stop.is_set():
        try:
            await shelf.look()
        except (RulebookError, InvalidInputError) as error:
            # Only where the database was away at the start: the process is not ready, and says so.
            _log.error("published rulebook refused", extra={"findings": str(error)})
        await asyncio.to_thread(books.reload)
        await rest(stop, _LOOK_EVERY_S)
