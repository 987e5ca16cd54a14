"""Feeds a run with its errands, evenly over a time."""

import asyncio
import time
from dataclasses import dataclass, field

from tellal.chaos.asking import PatientCaller
from tellal.chaos.errands import EVENTS, MANDATORY, Errand, Person, Plan
from tellal.domain.channels import Channel

_AT_ONCE = 12
_OUTAGES_OVER = 0.8
"""The part of the time over which outages are confirmed: the last has many people to tell, too."""


@dataclass(kw_only=True)
class Feed:
    """Asks for everything that a plan holds."""

    caller: PatientCaller
    plan: Plan
    outages: dict[str, str] = field(default_factory=dict)
    """The outage's id by its district."""
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    _asked: int = 0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def share(self) -> float:
        """How much has been asked for, from 0 to 1.

        It goes by the events: an outage asks for hundreds at once.
        """
        return self._asked / len(self.plan.events)

    async def reaches(self, share: float) -> None:
        """Wait until so much has been asked for."""
        while self.share < share:
            self._moved.clear()
            await self._moved.wait()

    async def introduce(self) -> None:
        """Make the customers known, and their consents."""
        async with asyncio.TaskGroup() as group:
            for person in self.plan.people:
                group.create_task(self._introduce(person))

    async def run(self, seconds: float) -> None:
        """Ask for everything, spread over so many seconds (longer, if the API is slow or away)."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            districts = sorted(self.plan.outages)
            for place, district in enumerate(districts):
                at = begun + seconds * _OUTAGES_OVER * place / len(districts)
                group.create_task(self._outage(district, at))
            group.create_task(self._events(begun, seconds))

    async def _events(self, begun: float, seconds: float) -> None:
        async with asyncio.TaskGroup() as group:
            for place, errand in enumerate(self.plan.events):
                await _until(begun + seconds * place / len(self.plan.events))
                await self._gate.acquire()
                group.create_task(self._event(errand))

    async def _event(self, errand: Errand) -> None:
        try:
            body = {"customer": errand.customer, "type": EVENTS[errand.topic], "data": {}}
            await self.caller.write("/events", body)
        finally:
            self._gate.release()
        self._asked += 1
        self._moved.set()

    async def _outage(self, district: str, at: float) -> None:
        await _until(at)
        declared = await self.caller.write(
            "/outages",
            {
                "title": district,
                "topic": MANDATORY,
                "segment": {"customer.district": district},
                "variables": {
                    "area": district,
                    "expected_end": "18:30",
                    "workaround": "Acil durumda 186'yı arayın.",
                    "hotline": "186",
                },
            },
        )
        self.outages[district] = str(declared["id"])
        await self.caller.write(f"/outages/{declared['id']}/confirm", {})

    async def _introduce(self, person: Person) -> None:
        async with self._gate:
            path = f"/customers/{person.ref}"
            await self.caller.write(path, _customer(person), method="PUT")
            if person.channel is not Channel.PUSH:
                await self.caller.write(f"{path}/consents", _consent(person))


def _customer(person: Person) -> dict[str, object]:
    return {
        "locale": "tr-TR",
        "first_name": "",
        "contacts": [{"channel": person.channel.value, "address": person.address}],
        "attributes": {"district": person.district, "segment": person.segment},
    }


def _consent(person: Person) -> dict[str, object]:
    return {
        "channel": person.channel.value,
        "state": "granted",
        "source": "branch",
        "evidence": {},
    }


async def _until(instant: float) -> None:
    await asyncio.sleep(max(0.0, instant - time.monotonic()))
