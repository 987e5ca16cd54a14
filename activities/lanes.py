"""A lane at work: takes messages from the desk, hands them to providers, brings answers back.

Only this calls providers. It runs for minutes and beats its heart, so that the lane of a worker
that was killed is soon taken over by another. What it had in its hands then is in doubt, and is
looked up before anything is sent again: an attempt is made at most once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from tellal.domain.channels import Channel, Lane
from tellal.domain.handover import Answered, Doubt
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.ports import Sender

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_MOST_FAILURES = 30
_LOOK_UPS = 8


class HandOverDesk(Protocol):
    """The ledger as a lane sees it; every call is a transaction of its own."""

    @property
    def keep_every_s(self) -> float:
        """How often to say that messages are still in hand."""
        ...

    async def claim(self, lane: Lane, limit: int) -> Sequence[OutgoingMessage]:
        """Commit intents and return what is to be handed over now."""
        ...

    async def keep(self, message_ids: Sequence[str]) -> None:
        """Say that these are still in hand."""
        ...

    async def record(self, answered: Sequence[Answered]) -> None:
        """Record providers' answers."""
        ...

    async def recover(self, lane: Lane) -> int:
        """Put in doubt what a dead lane had in hand."""
        ...

    async def doubts(self, lane: Lane, limit: int) -> Sequence[Doubt]:
        """Take what is to be looked up now."""
        ...

    async def settle(self, doubt: Doubt, found: HandOver) -> None:
        """Record what a look-up found."""
        ...

    def rings(self, lane: Lane) -> int:
        """Count the calls for a lane."""
        ...

    async def wait(self, lane: Lane, seen: int, timeout_s: float) -> None:
        """Wait for a call beyond `seen`, or for a while."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLane:
    """Which lane to keep at work, and for how long."""

    lane: Lane
    shift_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftReport:
    """How many hand-overs of a shift were answered in which way."""

    accepted: int
    rejected: int
    ambiguous: int


class LaneActivities:
    """Keeps lanes at work with the senders of this worker."""

    def __init__(
        self,
        desk: HandOverDesk,
        senders: Mapping[Channel, Sender],
        side_by_side: Mapping[Lane, int],
    ) -> None:
        self._desk = desk
        self._senders = senders
        self._side_by_side = side_by_side

    @activity.defn(name="tellal.work_lane")
    async def work(self, order: WorkLane) -> ShiftReport:
        """Work for a shift, or until the worker shuts down; tried again, it goes on."""
        shift = _Shift(self._desk, self._senders, order.lane, self._side_by_side[order.lane])
        return await shift.run(order.shift_s)


class _Shift:
    """One run of one lane. Claims only what can be called at once, so intents never wait."""

    def __init__(
        self, desk: HandOverDesk, senders: Mapping[Channel, Sender], lane: Lane, slots: int
    ) -> None:
        self._desk = desk
        self._senders = senders
        self._lane = lane
        self._slots = slots
        self._calls: dict[asyncio.Task[HandOver], OutgoingMessage] = {}
        self._answered: list[Answered] = []
        self._counts = dict.fromkeys(Answer, 0)

    async def run(self, seconds: float) -> ShiftReport:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        upkeep = [loop.create_task(self._keep()), loop.create_task(self._clear_doubts())]
        failures = 0
        try:
            while True:
                activity.heartbeat()
                ending = loop.time() >= end or activity.is_worker_shutdown()
                if ending and not self._calls and not self._answered:
                    return self._report()
                try:
                    await self._round(claims=not ending)
                    failures = 0
                except Exception as error:
                    # The database may be away for a while; answers must not be forgotten.
                    failures += 1
                    _log.warning(
                        "a lane stumbled",
                        extra={"lane": self._lane.value, "error": type(error).__name__},
                    )
                    if failures >= _MOST_FAILURES:
                        raise
                    await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            for task in [*upkeep, *self._calls]:
                task.cancel()

    async def _round(self, *, claims: bool) -> None:
        await self._bring_answers()
        seen = self._desk.rings(self._lane)
        free = self._slots - len(self._calls) if claims else 0
        claimed = await self._desk.claim(self._lane, free) if free else ()
        for message in claimed:
            self._calls[asyncio.create_task(self._call(message))] = message
        await self._wait(seen, listens=claims and len(claimed) < free)

    async def _wait(self, seen: int, *, listens: bool) -> None:
        """Wait for an answer, for new work if a slot is free, or for a while."""
        waits: set[asyncio.Task[HandOver] | asyncio.Task[None]] = set(self._calls)
        ring = asyncio.create_task(self._desk.wait(self._lane, seen, _LOOK_EVERY_S))
        if listens or not waits:
            waits.add(ring)
        await asyncio.wait(waits, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        ring.cancel()

    async def _bring_answers(self) -> None:
        for task in [task for task in self._calls if task.done()]:
            answer = task.result()
            self._counts[answer.answer] += 1
            self._answered.append(Answered(message=self._calls.pop(task), answer=answer))
        if self._answered:
            await self._desk.record(self._answered)
            self._answered = []

    async def _call(self, message: OutgoingMessage) -> HandOver:
        sender = self._senders[message.channel]
        try:
            return await sender.send(message)
        except Exception as error:  # noqa: BLE001 - it should not, and the lane must go on
            # Nobody knows whether the request left. Its words may hold an address: not logged.
            _log.warning(
                "a sender raised",
                extra={"provider": sender.provider, "error": type(error).__name__},
            )
            return HandOver(
                answer=Answer.AMBIGUOUS,
                provider=sender.provider,
                code=type(error).__name__,
                remedy=Remedy.RECONCILE,
            )

    async def _keep(self) -> None:
        """Prolong the leases of what is in hand, whatever else happens."""
        while True:
            await asyncio.sleep(self._desk.keep_every_s)
            in_hand = [message.id for message in self._calls.values()]
            in_hand += [one.message.id for one in self._answered]
            if in_hand:
                await self._without_fail(self._desk.keep(in_hand))

    async def _clear_doubts(self) -> None:
        while True:
            await self._without_fail(self._look_up_due())
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _look_up_due(self) -> None:
        await self._desk.recover(self._lane)
        doubts = await self._desk.doubts(self._lane, _LOOK_UPS)
        await asyncio.gather(*(self._look_up(doubt) for doubt in doubts))

    async def _look_up(self, doubt: Doubt) -> None:
        found = await self._senders[doubt.message.channel].look_up(doubt.message, doubt.since)
        if found is not None:
            await self._desk.settle(doubt, found)

    async def _without_fail(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - upkeep goes on; the next turn may succeed
            _log.warning(
                "upkeep of a lane failed",
                extra={"lane": self._lane.value, "error": type(error).__name__},
            )

    def _report(self) -> ShiftReport:
        return ShiftReport(
            accepted=self._counts[Answer.ACCEPTED],
            rejected=self._counts[Answer.REJECTED],
            ambiguous=self._counts[Answer.AMBIGUOUS],
        )
