"""What an outage asks of the ledger: what is due, and to decide the audience of a round."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from activities.beating import beating
from tellal.domain.journeys import OutageStep

_LOOK_EVERY_S = 1.0


class OutageDesk(Protocol):
    """Outages as their workflows see them."""

    async def look(self, outage_id: str) -> OutageStep:
        """Do what is due for an outage and say how it stands."""
        ...

    async def decide_chunk(self, notice_id: str) -> bool:
        """Decide the next of a round's audience; say whether more are left."""
        ...

    async def open_outcomes(self, outage_id: str) -> int:
        """Count the outcomes that have not come to an end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutOutage:
    """Which outage."""

    outage_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutRound:
    """Which round of telling."""

    notice_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOutage:
    """Which outage to watch, and for how long at most."""

    outage_id: str
    at_most_s: float


class OutageActivities:
    """Outages' requests, answered by the desk."""

    def __init__(self, desk: OutageDesk) -> None:
        self._desk = desk

    @activity.defn(name="tellal.look_at_outage")
    async def look(self, about: AboutOutage) -> OutageStep:
        """Do what the clock has made due; done twice, the second time finds nothing due."""
        return await self._desk.look(about.outage_id)

    @activity.defn(name="tellal.decide_round")
    async def decide_round(self, about: AboutRound) -> int:
        """Decide a round's audience chunk by chunk; return how many chunks this try decided.

        The ledger keeps how far it has come, so that another try goes on there.
        """
        chunks = 0
        async with beating():
            while await self._desk.decide_chunk(about.notice_id):
                chunks += 1
        return chunks

    @activity.defn(name="tellal.decide_audience")
    async def decide_audience(self, about: AboutOutage) -> int:
        """Decide all rounds of an outage; runs that began before there were rounds ask for it."""
        chunks = 0
        async with beating():
            for notice_id in (await self._desk.look(about.outage_id)).undecided:
                while await self._desk.decide_chunk(notice_id):
                    chunks += 1
        return chunks

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
