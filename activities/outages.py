"""What an outage asks of the ledger: to decide its audience, and to watch it come to an end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

_PAGE = 100
_LOOK_EVERY_S = 1.0


class OutageDesk(Protocol):
    """Outages as their workflows see them."""

    async def decide_page(self, outage_id: str, after: str, limit: int) -> str | None:
        """Decide the customers after a cursor; return the next cursor, None when through."""
        ...

    async def open_outcomes(self, outage_id: str) -> int:
        """Count the outcomes that have not come to an end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutOutage:
    """Which outage."""

    outage_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOutage:
    """Which outage to watch, and for how long at most."""

    outage_id: str
    at_most_s: float


class OutageActivities:
    """Outages' requests, answered by the desk."""

    def __init__(self, desk: OutageDesk) -> None:
        self._desk = desk

    @activity.defn(name="tellal.decide_audience")
    async def decide_audience(self, about: AboutOutage) -> int:
        """Decide the audience page by page; tried again, it goes on where it was.

        Returns how many pages this try decided. A page that is decided twice changes nothing.
        """
        details = activity.info().heartbeat_details
        cursor: str | None = str(details[0]) if details else ""
        pages = 0
        while cursor is not None:
            async with _beating(cursor):
                cursor = await self._desk.decide_page(about.outage_id, cursor, _PAGE)
            pages += 1
        return pages

    @activity.defn(name="tellal.watch_outage")
    async def watch(self, watch: WatchOutage) -> int:
        """Watch until no outcome is open, or for a while; return how many are."""
        loop = asyncio.get_running_loop()
        end = loop.time() + watch.at_most_s
        while True:
            activity.heartbeat()
            left = await self._desk.open_outcomes(watch.outage_id)
            if not left or loop.time() >= end or activity.is_worker_shutdown():
                return left
            await asyncio.sleep(_LOOK_EVERY_S)


@asynccontextmanager
async def _beating(cursor: str) -> AsyncIterator[None]:
    """Beat while a page is decided, however long that takes, with where the page began."""

    async def beat() -> None:
        while True:
            activity.heartbeat(cursor)
            await asyncio.sleep(_LOOK_EVERY_S)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
