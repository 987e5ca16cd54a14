"""A lane at work: takes messages from the desk, hands them to providers, brings answers back.

Only this calls providers. It runs for minutes and beats its heart, so that the lane of a worker
that was killed is soon taken over by another. What it had in its hands then is in doubt, and is
looked up before anything is sent again: an attempt is made at most once.

Claims and answers go to the ledger in batches, because a transaction per message would cost more
than the call. A batch is what the lane calls within four tenths of a second at the speed that it
has just shown; what could not be called within a second is given back.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from temporalio import activity

from activities.right_of_way import LOOK_AGAIN_S, RightOfWay
from tellal import metrics
from tellal.domain.channels import Lane
from tellal.domain.handover import Answered, Doubt
from tellal.domain.messages import NOT_CALLED, Answer, HandOver, OutgoingMessage, Remedy
from tellal.ports import Sender
from tellal.telemetry import bind

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_MOST_FAILURES = 30
_LOOK_UPS = 8
_AHEAD_S = 0.4
_LONGEST_AHEAD_S = 1.0
_LARGEST_BATCH = 500
_LARGEST_CLAIM = 32
"""A larger one keeps the lanes above waiting while it is put together."""
_LARGEST_CLAIM_ALONE = 128
"""While nobody needs a lane above; more then share what a claim reads besides its messages."""
_GATHER_S = 0.03
_GATHER_MANY_S = 0.06
_MANY_A_SECOND = 100.0
"""From this speed on answers are gathered for longer: transactions cost more than the wait."""
_WINDOW_S = 0.25


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

    async def promote(self, lane: Lane) -> int:
        """Queue deferred messages whose time has come; return how many."""
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
    """Keeps lanes at work with the senders of this worker, by provider."""

    def __init__(
        self,
        desk: HandOverDesk,
        senders: Mapping[str, Sender],
        side_by_side: Mapping[Lane, int],
    ) -> None:
        self._desk = desk
        self._senders = senders
        self._side_by_side = side_by_side
        self._way = RightOfWay(desk)

    @activity.defn(name="tellal.work_lane")
    async def work(self, order: WorkLane) -> ShiftReport:
        """Work for a shift, or until the worker shuts down; tried again, it goes on."""
        slots, way = self._side_by_side[order.lane], self._way
        with way.at_work(order.lane):
            return await _Shift(self._desk, self._senders, order.lane, slots, way).run(
                order.shift_s
            )


class _Calls:
    """Hands messages over side by side, and counts how fast that goes."""

    def __init__(
        self, senders: Mapping[str, Sender], slots: int, is_free: Callable[[], bool]
    ) -> None:
        self.answered: list[Answered] = []
        self.counts = dict.fromkeys(Answer, 0)
        self.moved = asyncio.Event()
        self.has_answers = asyncio.Event()
        self._senders = senders
        self._slots = slots
        self._is_free = is_free
        self._put_off: asyncio.TimerHandle | None = None
        self._waiting: deque[tuple[float, OutgoingMessage]] = deque()
        self._calls: dict[asyncio.Task[HandOver], OutgoingMessage] = {}
        self._speed = 0.0
        self._finished = 0
        self._window_began = time.monotonic()

    @property
    def idle(self) -> bool:
        return not self._calls and not self._waiting

    @property
    def in_hand(self) -> list[str]:
        """The messages that nobody has heard about yet, but for those on their way back."""
        waiting = [message.id for _, message in self._waiting]
        calling = [message.id for message in self._calls.values()]
        return waiting + calling + [one.message.id for one in self.answered]

    @property
    def room(self) -> int:
        """How many more messages can be called within the time for which it claims ahead."""
        return max(0, self._capacity - len(self._calls) - len(self._waiting))

    @property
    def has_much_room(self) -> bool:
        """Whether a claim is worth its transaction: half of what may be in hand is not."""
        return self.idle or self.room >= self._capacity // 2

    @property
    def gather_s(self) -> float:
        """How long to gather answers before they are recorded."""
        return _GATHER_MANY_S if self._speed >= _MANY_A_SECOND else _GATHER_S

    @property
    def _capacity(self) -> int:
        return min(_LARGEST_BATCH, self._slots + int(self._speed * _AHEAD_S))

    def take(self, messages: Sequence[OutgoingMessage]) -> None:
        """Call these as soon as a slot is free, in their order."""
        now = time.monotonic()
        self._waiting.extend((now, message) for message in messages)
        self._call_next()

    def measure(self) -> None:
        """Learn the speed from what was finished since the last look."""
        elapsed = time.monotonic() - self._window_began
        if elapsed >= _WINDOW_S:
            self._speed = (self._speed + self._finished / elapsed) / 2
            self._finished, self._window_began = 0, time.monotonic()

    def give_back(self, older_than_s: float) -> None:
        """Give back what could not be called in time: it is queued again."""
        limit = time.monotonic() - older_than_s
        while self._waiting and self._waiting[0][0] <= limit:
            _, message = self._waiting.popleft()
            # Whoever is called now is slower than was thought.
            self._speed, self._finished = 0.0, 0
            self._answer(
                message,
                HandOver(
                    answer=Answer.REJECTED,
                    provider=message.provider,
                    code=NOT_CALLED,
                    remedy=Remedy.RETRY,
                    retry_after_s=0.0,
                ),
            )

    def cancel(self) -> None:
        """Give up; whoever was being called is in doubt."""
        if self._put_off is not None:
            self._put_off.cancel()
        for task in self._calls:
            task.cancel()

    def _call_next(self) -> None:
        while self._waiting and len(self._calls) < self._slots:
            if self._gives_way():
                return
            _, message = self._waiting.popleft()
            task = asyncio.create_task(self._call(message))
            self._calls[task] = message
            task.add_done_callback(self._called)

    def _gives_way(self) -> bool:
        """Put off further calls while a lane above is about to look."""
        if self._is_free():
            return False
        if self._put_off is None:
            loop = asyncio.get_running_loop()
            self._put_off = loop.call_later(LOOK_AGAIN_S, self._call_what_was_put_off)
        return True

    def _call_what_was_put_off(self) -> None:
        self._put_off = None
        self._call_next()

    def _called(self, task: asyncio.Task[HandOver]) -> None:
        message = self._calls.pop(task)
        if task.cancelled():
            return
        self._finished += 1
        self.counts[task.result().answer] += 1
        self._call_next()
        self._answer(message, task.result())
        if self.has_much_room:
            self.moved.set()

    def _answer(self, message: OutgoingMessage, answer: HandOver) -> None:
        self.answered.append(Answered(message=message, answer=answer))
        self.has_answers.set()

    async def _call(self, message: OutgoingMessage) -> HandOver:
        bind(message_id=message.id)
        began = time.perf_counter()
        answer = await self._answered_by(self._senders[message.provider], message)
        metrics.handed_over(
            message.provider,
            message.channel.value,
            answer.answer.value,
            answer.code,
            time.perf_counter() - began,
        )
        return answer

    async def _answered_by(self, sender: Sender, message: OutgoingMessage) -> HandOver:
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


class _Shift:
    """One run of one lane: claims, has called, brings answers back, looks up what is in doubt."""

    def __init__(
        self,
        desk: HandOverDesk,
        senders: Mapping[str, Sender],
        lane: Lane,
        slots: int,
        way: RightOfWay,
    ) -> None:
        self._desk = desk
        self._senders = senders
        self._lane = lane
        self._way = way
        self._calls = _Calls(senders, slots, partial(way.is_free, lane))
        self._bringing: list[Answered] = []

    async def run(self, seconds: float) -> ShiftReport:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        upkeep = [
            loop.create_task(self._keep()),
            loop.create_task(self._bring_answers()),
            loop.create_task(self._clear_doubts()),
        ]
        failures = 0
        try:
            while True:
                activity.heartbeat()
                ending = loop.time() >= end or activity.is_worker_shutdown()
                self._calls.give_back(0.0 if ending else _LONGEST_AHEAD_S)
                if ending and self._is_through:
                    return self._report()
                try:
                    await self._round(claims=not ending)
                    failures = 0
                except Exception as error:
                    # The database may be away for a while.
                    failures += 1
                    self._stumbled(error)
                    if failures >= _MOST_FAILURES:
                        raise
                    await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            for task in upkeep:
                task.cancel()
            self._calls.cancel()

    @property
    def _is_through(self) -> bool:
        return self._calls.idle and not self._calls.answered and not self._bringing

    async def _round(self, *, claims: bool) -> None:
        self._calls.measure()
        self._calls.moved.clear()
        await self._way.wait(self._lane)
        seen = self._desk.rings(self._lane)
        most = _LARGEST_CLAIM_ALONE if self._way.is_quiet_above(self._lane) else _LARGEST_CLAIM
        room = min(self._calls.room, most) if claims else 0
        claimed = await self._desk.claim(self._lane, room) if room else ()
        self._calls.take(claimed)
        self._way.looked(self._lane, seen)
        if claims and room and len(claimed) == room and self._calls.has_much_room:
            return
        await self._wait(seen, listens=claims and len(claimed) < room)

    async def _wait(self, seen: int, *, listens: bool) -> None:
        """Wait for room, for new work if there is room, or for a while."""
        moved = asyncio.create_task(self._calls.moved.wait())
        waits: set[asyncio.Task[None] | asyncio.Task[bool]] = {moved}
        if listens:
            ring = self._desk.wait(self._lane, seen, _LOOK_EVERY_S)
            waits.add(asyncio.ensure_future(ring))
        await asyncio.wait(waits, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()

    async def _bring_answers(self) -> None:
        """Record answers as they come, gathered while others are still being called."""
        calls = self._calls
        while True:
            await calls.has_answers.wait()
            if not calls.idle and len(calls.answered) < _LARGEST_BATCH:
                await asyncio.sleep(calls.gather_s)
            await self._way.wait(self._lane)
            calls.has_answers.clear()
            self._bringing, calls.answered = calls.answered, []
            try:
                await self._desk.record(self._bringing)
            except Exception as error:  # noqa: BLE001 - answers must not be forgotten
                self._stumbled(error)
                calls.answered = self._bringing + calls.answered
                calls.has_answers.set()
                await asyncio.sleep(_LOOK_EVERY_S)
            self._bringing = []
            calls.moved.set()

    async def _keep(self) -> None:
        """Prolong the leases of what is in hand, whatever else happens."""
        while True:
            await asyncio.sleep(self._desk.keep_every_s)
            in_hand = self._calls.in_hand + [one.message.id for one in self._bringing]
            if in_hand:
                await self._without_fail(self._desk.keep(in_hand))

    async def _clear_doubts(self) -> None:
        while True:
            await self._without_fail(self._look_after())
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _look_after(self) -> None:
        if await self._desk.promote(self._lane):
            self._calls.moved.set()
        await self._desk.recover(self._lane)
        doubts = await self._desk.doubts(self._lane, _LOOK_UPS)
        await asyncio.gather(*(self._look_up(doubt) for doubt in doubts))

    async def _look_up(self, doubt: Doubt) -> None:
        bind(message_id=doubt.message.id)
        found = await self._senders[doubt.message.provider].look_up(doubt.message, doubt.since)
        if found is not None:
            await self._desk.settle(doubt, found)

    async def _without_fail(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - upkeep goes on; the next turn may succeed
            self._stumbled(error)

    def _stumbled(self, error: Exception) -> None:
        metrics.lane_stumbled(self._lane.value)
        _log.warning(
            "a lane stumbled", extra={"lane": self._lane.value, "error": type(error).__name__}
        )

    def _report(self) -> ShiftReport:
        return ShiftReport(
            accepted=self._calls.counts[Answer.ACCEPTED],
            rejected=self._calls.counts[Answer.REJECTED],
            ambiguous=self._calls.counts[Answer.AMBIGUOUS],
        )
