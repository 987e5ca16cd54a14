"""Shows when keys were last used, beside the requests and not in their transactions."""

import asyncio
import logging
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from tellal.clock import Clock
from tellal.persistence.session import Sessions
from tellal.services.keys import USE_SHOWN_EVERY, ApiKey, show_use

_log = logging.getLogger(__name__)


class KeyUses:
    """Writes uses from one task of its own; a request only leaves a note."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._noted: dict[str, datetime] = {}
        self._notes: asyncio.Queue[tuple[str, datetime] | None] = asyncio.Queue()

    def note(self, key: ApiKey) -> None:
        """Note that a key is used now, unless that was noted less than a minute ago."""
        now = self._clock.now()
        known = (self._noted.get(key.id), key.last_used_at)
        if any(at is not None and now - at < USE_SHOWN_EVERY for at in known):
            return
        self._noted[key.id] = now
        self._notes.put_nowait((key.id, now))

    async def run(self) -> None:
        """Write notes until told to stop; what was noted before that is written, too."""
        while (note := await self._notes.get()) is not None:
            await self._write(*note)

    def stop(self) -> None:
        """Have `run` end when it has written what is noted."""
        self._notes.put_nowait(None)

    async def _write(self, key_id: str, at: datetime) -> None:
        try:
            async with self._sessions() as tx, tx.begin():
                await show_use(tx, key_id, at=at)
        except SQLAlchemyError as error:
            # A use that is not shown harms nobody; the next one is noted in a minute.
            _log.warning(
                "use of a key not shown", extra={"key_id": key_id, "error": type(error).__name__}
            )
