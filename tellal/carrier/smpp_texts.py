"""Texts at the simulated message centre: their segments, what becomes of them, their receipts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from smpp34 import DeliverSm, SubmitSm

from tellal.carrier.book import ACCEPTED, Book, Entry
from tellal.carrier.faults import FaultKind, WayBack
from tellal.carrier.settings import CarrierSettings
from tellal.domain.channels import Channel
from tellal.smpp.pdus import Pdu
from tellal.smpp.receipts import IS_RECEIPT, Report, State, receipt_parameters, receipt_text
from tellal.smpp.texts import Written, written_in

_INTERNATIONAL = 1
_WANTS_A_RECEIPT = 0x01
_WANTS_OF_FAILURES = 0x02
_RECEIPT_BITS = 0x03
_STATUS = {State.DELIVERED: "delivered", State.REJECTED: "failed"}

Bring = Callable[[Pdu], Awaitable[None]]
"""Brings something to the client; returns once it was taken."""


@dataclass(slots=True, kw_only=True)
class Segment:
    """A submission that was taken, under the message centre's id."""

    reference: str
    submitted: SubmitSm
    written: Written
    at: datetime
    fate: State
    way_back: WayBack

    @property
    def wants_receipt(self) -> bool:
        """Whether the client asked to be told of this end (5.2.17)."""
        wanted = self.submitted.registered_delivery & _RECEIPT_BITS
        failed = self.fate is not State.DELIVERED
        return wanted == _WANTS_A_RECEIPT or (wanted == _WANTS_OF_FAILURES and failed)

    def receipt(self) -> Pdu:
        """Write the receipt, from the recipient to the sender."""
        one = self.submitted
        report = Report(reference=self.reference, state=self.fate)
        text = receipt_text(
            report, text=self.written.text, submitted=self.at, done=datetime.now(UTC)
        )
        return Pdu(
            DeliverSm(
                one.destination_addr,
                one.source_addr,
                text,
                source_addr_ton=one.dest_addr_ton,
                source_addr_npi=one.dest_addr_npi,
                dest_addr_ton=one.source_addr_ton,
                dest_addr_npi=one.source_addr_npi,
                esm_class=IS_RECEIPT,
                tlvs=receipt_parameters(report),
            ).encode()
        )


@dataclass(slots=True, kw_only=True)
class _Text:
    """A text, with its segments as they come in and as they end."""

    total: int
    segments: dict[int, Segment] = field(default_factory=dict)
    ends: dict[int, State] = field(default_factory=dict)
    entry: Entry | None = None

    @property
    def is_whole(self) -> bool:
        return len(self.segments) == self.total

    @property
    def lost(self) -> State | None:
        """How a segment of it was lost, None if none was."""
        return next((end for end in self.ends.values() if end is not State.DELIVERED), None)

    def written_down(self, told: int) -> Entry:
        """Write it for the book."""
        whole = [self.segments[number] for number in sorted(self.segments)]
        first, words = whole[0], "".join(one.written.text for one in whole)
        entry = _entry_of(first.submitted, words, answer=ACCEPTED, told=told)
        entry.reference, entry.status = first.reference, "accepted"
        entry.data = {**entry.data, "references": " ".join(one.reference for one in whole)}
        return entry


class Texts:
    """Puts segments together as phones do, and brings receipts."""

    def __init__(self, settings: CarrierSettings, book: Book, bring: Bring) -> None:
        self._book = book
        self._bring = bring
        self._takes_s = (
            settings.sending_after_s + settings.sent_after_s + settings.delivered_after_s
        )
        self._open: dict[tuple[str, str, int, int], _Text] = {}
        self._of: dict[str, _Text] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        """How many segments are on their way to a phone; receipts that nobody takes are not."""
        return len(self._of)

    async def take(self, segment: Segment, *, told: int) -> None:
        """Take a segment, and let it go its way.

        Where receipts come out of order, its own is brought before this returns, and so before the
        client hears of having been heard.
        """
        text = self._text_of(segment)
        self._of[segment.reference] = text
        if text.is_whole:
            text.entry = text.written_down(told)
            self._book.add(text.entry)
        if FaultKind.REORDER_CALLBACKS in segment.way_back.kinds:
            await self._arrive(segment)
            return
        task = asyncio.create_task(self._go(segment))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self, reference: str) -> bool:
        """Call a segment back; False if there is none on its way."""
        text = self._of.pop(reference, None)
        if text is None:
            return False
        if text.entry is not None:
            text.entry.status = "canceled"
            self._book.note(text.entry)
        return True

    def clear(self) -> None:
        """Forget every segment, and receipts that nobody has taken."""
        self._open.clear()
        self._of.clear()
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Stop every segment where it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _text_of(self, segment: Segment) -> _Text:
        """Put a segment to those that have come of its text."""
        place, one = segment.written.place, segment.submitted
        if place is None:
            return _Text(total=1, segments={1: segment})
        key = (one.source_addr, one.destination_addr, place.key, place.total)
        text = self._open.setdefault(key, _Text(total=place.total))
        text.segments[place.number] = segment
        if text.is_whole:
            del self._open[key]
        return text

    async def _go(self, segment: Segment) -> None:
        await asyncio.sleep(self._takes_s + segment.way_back.late_s)
        await self._arrive(segment)

    async def _arrive(self, segment: Segment) -> None:
        text = self._of.pop(segment.reference, None)
        if text is None:
            return
        place = segment.written.place
        text.ends[place.number if place else 1] = segment.fate
        if text.entry is not None and len(text.ends) == text.total:
            text.entry.status = _STATUS.get(text.lost or State.DELIVERED, "undelivered")
            text.entry.error_code = text.lost.value if text.lost else ""
            self._book.note(text.entry)
        if FaultKind.NO_CALLBACKS in segment.way_back.kinds or not segment.wants_receipt:
            return
        times = 2 if FaultKind.DUPLICATE_CALLBACKS in segment.way_back.kinds else 1
        for _ in range(times):
            await self._bring(segment.receipt())


def number_of(submitted: SubmitSm) -> str:
    """Return the recipient as the book has numbers."""
    international = submitted.dest_addr_ton == _INTERNATIONAL
    return f"+{submitted.destination_addr}" if international else submitted.destination_addr


def text_of(submitted: SubmitSm) -> Written:
    """Read the text of a submission.

    Raises:
        UnreadableError: It is none.
    """
    return written_in(
        submitted.short_message,
        esm_class=submitted.esm_class,
        data_coding=submitted.data_coding,
    )


def refused(submitted: SubmitSm, *, answer: str, told: int) -> Entry:
    """Write down a submission that was not taken."""
    return _entry_of(submitted, text_of(submitted).text, answer=answer, told=told)


def _entry_of(submitted: SubmitSm, text: str, *, answer: str, told: int) -> Entry:
    return Entry(
        at=datetime.now(UTC),
        channel=Channel.SMS,
        to=number_of(submitted),
        answer=answer,
        told=told,
        sender=submitted.source_addr,
        text=text,
        data={
            "carrier": "smpp",
            "source_ton": str(submitted.source_addr_ton),
            "data_coding": str(submitted.data_coding),
            "validity_period": submitted.validity_period,
        },
    )
