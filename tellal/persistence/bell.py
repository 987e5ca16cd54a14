"""Rings when PostgreSQL notifies a channel; who waits for a ring also wakes after a while.

A notification may be lost with its connection, so a ring is a reason to look, never the truth.
"""

import asyncio
import logging
from collections import Counter

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from tellal.persistence.session import Sessions

_log = logging.getLogger(__name__)

_RECONNECT_S = 1.0


class Bell:
    """Listens on one notification channel with a connection of its own.

    Rings are counted per payload. Who waits says which count he has seen before he looked, so a
    ring between his look and his wait is not missed, and any number may wait for the same payload.
    """

    def __init__(self, sessions: Sessions, channel: str) -> None:
        self._address = _address(sessions)
        self._channel = channel
        self._rings: Counter[str] = Counter()
        self._rang = asyncio.Condition()
        self._lost = 0

    def count(self, payload: str) -> int:
        """Return how often it rang for a payload; take it before looking for work."""
        return self._rings[payload] + self._lost

    async def wait(self, payload: str, seen: int, timeout_s: float) -> bool:
        """Wait until it has rung beyond `seen`, or for a while; say whether it rang."""
        async with self._rang:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._rang.wait_for(lambda: self.count(payload) > seen)
            except TimeoutError:
                return False
            return True

    async def ring(self, payload: str) -> None:
        """Ring in this process only."""
        async with self._rang:
            self._rings[payload] += 1
            self._rang.notify_all()

    async def listen(self) -> None:
        """Listen until cancelled; a lost connection is made again."""
        while True:
            try:
                await self._listen_once()
            except psycopg.Error as error:
                _log.warning("listening stopped, again soon", extra={"error": type(error).__name__})
                await asyncio.sleep(_RECONNECT_S)

    async def _listen_once(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._address, autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {self._channel}".encode())
            await self._ring_for_everybody()
            async for notice in connection.notifies():
                await self.ring(notice.payload)

    async def _ring_for_everybody(self) -> None:
        """What was said while nobody listened is not known, so everybody looks."""
        async with self._rang:
            self._lost += 1
            self._rang.notify_all()


def _address(sessions: Sessions) -> str:
    engine = sessions.kw["bind"]
    if not isinstance(engine, AsyncEngine):
        raise TypeError("the sessions are not bound to an engine")
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
