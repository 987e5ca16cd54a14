"""The simulated provider: takes everything, sends nothing, and tells what the address ordered.

Rehearsals and magic addresses end here. Its receipts come as a carrier's would, a moment later,
but without HTTP: it is given whom to tell. What an address means stands in
`tellal.domain.simulation`.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Protocol

from tellal.clock import Clock, SystemClock
from tellal.domain.channels import Channel, Receipts
from tellal.domain.messages import (
    Answer,
    HandOver,
    MessageState,
    OutgoingMessage,
    Receipt,
    Remedy,
)
from tellal.domain.simulation import SIMULATED, Fate, fate_of

_log = logging.getLogger(__name__)

_AGAIN_AFTER_S = 1.0
"""When receipts that nobody could take are told again."""

BUSY, NO_SUCH_ADDRESS, REFUSED_BY_PERSON, ABSENT = "busy", "no_such_address", "opted_out", "absent"

_REFUSALS: Mapping[Fate, tuple[str, Remedy]] = {
    Fate.REFUSED: (NO_SUCH_ADDRESS, Remedy.BAD_ADDRESS),
    Fate.OPTED_OUT: (REFUSED_BY_PERSON, Remedy.OPTED_OUT),
}


class Receiver(Protocol):
    """Takes receipts in, as the inbox of callbacks does."""

    async def __call__(self, receipts: Sequence[Receipt]) -> object:
        """Take receipts; they are told again if this raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long after the hand-over a receipt comes."""

    soon: timedelta = timedelta(seconds=1)
    slow: timedelta = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, order=True)
class _Due:
    at: float
    order: int
    receipt: Receipt = field(compare=False)


class Simulated:
    """Answers by the fate of an address, on every channel; nothing is sent anywhere.

    It keeps nothing but receipts that are still to be told: what it did with an attempt follows
    from the message itself. Receipts that a killed process did not tell are never told, as if the
    address were silent.
    """

    def __init__(
        self, receive: Receiver, *, clock: Clock | None = None, pace: Pace | None = None
    ) -> None:
        self._receive = receive
        self._clock = clock or SystemClock()
        self._pace = pace or Pace()
        self._due: list[_Due] = []
        self._told = 0
        self._sooner = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return SIMULATED

    @property
    def channel(self) -> Channel:
        """It carries every channel; text messages are the first."""
        return Channel.SMS

    @property
    def receipts(self) -> Receipts:
        """It tells what became of everything, whatever the channel; only the silent are silent."""
        return Receipts.DELIVERY

    @property
    def looks_up(self) -> bool:
        """It can be asked: what it did follows from the message."""
        return True

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Answer as the address orders, and tell the rest later."""
        fate = fate_of(message.channel, message.address)
        if fate is Fate.LATER and message.attempt == 1:
            return _rejected(BUSY, Remedy.RETRY)
        if fate in _REFUSALS:
            return _rejected(*_REFUSALS[fate])
        self._tell_of(message, fate)
        return _accepted(message)

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Say whether this attempt was taken; its receipt is told anew, for it may be lost.

        What is never taken is to be handed over again, and hears then why not.
        """
        del since
        answer = await self.send(message)
        if answer.answer is Answer.REJECTED:
            return replace(answer, remedy=Remedy.RETRY)
        return answer

    async def recall(self, reference: str) -> bool:
        """Give back what this process has taken and not told of yet; its receipt is never told.

        What was taken for a silent address is not known any more.
        """
        left = [one for one in self._due if one.receipt.reference != reference]
        if len(left) == len(self._due):
            return False
        heapify(left)
        self._due = left
        return True

    async def close(self) -> None:
        """Tell at once what was to be told later, and end; what nobody can take now is lost."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
            self._telling = None
        rest = [one.receipt for one in sorted(self._due)]
        self._due.clear()
        if rest:
            try:
                await self._receive(self._now_told(rest))
            except Exception as error:  # noqa: BLE001 - the process ends all the same
                _log.warning("receipts are lost", extra={"error": type(error).__name__})

    def _tell_of(self, message: OutgoingMessage, fate: Fate) -> None:
        if fate is Fate.SILENT:
            return
        lost = fate is Fate.UNDELIVERED
        receipt = Receipt(
            provider=SIMULATED,
            reference=_reference(message),
            message_id=message.id,
            state=MessageState.UNDELIVERED if lost else MessageState.DELIVERED,
            code=ABSENT if lost else "",
            remedy=Remedy.NEXT_CHANNEL if lost else None,
            received_at=self._clock.now(),
        )
        after = self._pace.slow if fate is Fate.SLOW else self._pace.soon
        self._put([receipt], after.total_seconds())

    def _put(self, receipts: Sequence[Receipt], after_s: float) -> None:
        at = asyncio.get_running_loop().time() + after_s
        if self._due and at < self._due[0].at:
            self._sooner.set()
        for receipt in receipts:
            self._told += 1
            heappush(self._due, _Due(at, self._told, receipt))
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        """Tell receipts as they fall due, many at a time; end when none is left."""
        loop = asyncio.get_running_loop()
        while self._due:
            self._sooner.clear()
            wait = self._due[0].at - loop.time()
            if wait > 0:
                # A receipt that is due earlier may come in meanwhile.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._sooner.wait(), wait)
                continue
            now = loop.time()
            batch = []
            while self._due and self._due[0].at <= now:
                batch.append(heappop(self._due).receipt)
            await self._hand_on(batch)

    async def _hand_on(self, batch: Sequence[Receipt]) -> None:
        try:
            await self._receive(self._now_told(batch))
        except Exception as error:  # noqa: BLE001 - the ledger may be away, and comes back
            _log.warning("receipts are told again", extra={"error": type(error).__name__})
            self._put(batch, _AGAIN_AFTER_S)
        except asyncio.CancelledError:
            # Closing comes between: it tells them once more, and a repeat changes nothing.
            self._due += [_Due(0.0, 0, receipt) for receipt in batch]
            raise

    def _now_told(self, receipts: Sequence[Receipt]) -> list[Receipt]:
        now = self._clock.now()
        return [replace(receipt, received_at=now) for receipt in receipts]


def _reference(message: OutgoingMessage) -> str:
    return f"{SIMULATED}-{message.id}-{message.attempt}"


def _accepted(message: OutgoingMessage) -> HandOver:
    return HandOver(answer=Answer.ACCEPTED, provider=SIMULATED, reference=_reference(message))


def _rejected(code: str, remedy: Remedy) -> HandOver:
    return HandOver(answer=Answer.REJECTED, provider=SIMULATED, code=code, remedy=remedy)
