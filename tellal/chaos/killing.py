"""Kills processes at moments that a seed decides, and starts them again."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tellal.stack.process import PartError
from tellal.stack.service import Part

Say = Callable[[str], None]

_LONGEST_DOWN_S = 2.0
_STARTS = 8
_BETWEEN_STARTS_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """A kill to come: of what, after which share of the work, and how long it lies."""

    part: str
    after: float
    down_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A kill that happened, and when the part was ready again (seconds after the beginning)."""

    part: str
    at_s: float
    back_s: float


def schedule(parts: Sequence[str], kills: int, chance: random.Random) -> list[Blow]:
    """Spread kills over the work, each part as often as any other or once more."""
    victims = [parts[n % len(parts)] for n in range(kills)]
    chance.shuffle(victims)
    moments = sorted(chance.random() for _ in victims)
    return [
        Blow(part=part, after=after, down_s=chance.uniform(0, _LONGEST_DOWN_S))
        for part, after in zip(victims, moments, strict=True)
    ]


class Work(Protocol):
    """What is being done while parts are killed."""

    @property
    def share(self) -> float:
        """How much of it has been asked for, from 0 to 1."""
        ...

    async def reaches(self, share: float) -> None:
        """Wait until so much of it has been asked for."""
        ...


class Killer:
    """Kills as scheduled; several parts may lie at once, but one that lies is not killed again.

    On a slow machine kills come later, not when everything is over.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        *,
        revived: Callable[[str], Awaitable[None]],
        work: Work,
        say: Say,
    ) -> None:
        self._parts = parts
        self._revived = revived
        self._work = work
        self._say = say
        self._turns = {name: asyncio.Lock() for name in parts}
        self._begun = 0.0
        self.kills: list[Kill] = []

    async def run(self, blows: Sequence[Blow]) -> None:
        """Deal every blow, and wait until everything runs again."""
        self._begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for blow in blows:
                await self._work.reaches(blow.after)
                group.create_task(self._strike(blow))

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    async def _strike(self, blow: Blow) -> None:
        part = self._parts[blow.part]
        async with self._turns[blow.part]:
            await asyncio.to_thread(part.kill)
            at = self._elapsed
            self._say(f"{at:7.1f} s  killed {blow.part:<9} after {self._work.share:4.0%}")
            await asyncio.sleep(blow.down_s)
            await self._start(part)
            await self._revived(blow.part)
            self.kills.append(Kill(part=blow.part, at_s=at, back_s=self._elapsed))

    async def _start(self, part: Part) -> None:
        """Start a part as a supervisor does: what it needs may itself be down for a while."""
        for last in [False] * (_STARTS - 1) + [True]:
            try:
                await asyncio.to_thread(part.start)
            except PartError as error:
                if last:
                    raise
                self._say(f"{self._elapsed:7.1f} s  {error}; once more")
                await asyncio.sleep(_BETWEEN_STARTS_S)
            else:
                return
