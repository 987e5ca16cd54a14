"""Texts at the simulated NetGSM: what is known of each, and its way to a final status."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain

from pydantic import TypeAdapter

from tellal.carrier.book import Book, Entry
from tellal.carrier.callbacks import Callbacks
from tellal.carrier.faults import FaultKind
from tellal.carrier.netgsm_requests import ReportQuestion, written
from tellal.carrier.settings import CarrierSettings

KIND = "netgsm"
"""The kind of a line of the journal that is a text of NetGSM's."""

PENDING, DELIVERED, INVALID = 0, 1, 3

STATUSES: Mapping[int, str] = {
    PENDING: "pending",
    DELIVERED: "delivered",
    2: "expired",
    INVALID: "invalid_number",
    4: "not_sent",
    11: "rejected",
    12: "delivery_error",
    13: "duplicate",
    14: "no_credit",
    15: "blacklisted",
    16: "iys_rejected",
    17: "iys_error",
}
"""Statuses of a report (those of the official SDK for Node), and how the book names them."""

CANCELLED = "canceled"


def new_job_id() -> str:
    """Return a job id of NetGSM's form: 26 digits."""
    return "1" + "".join(secrets.choice("0123456789") for _ in range(25))


@dataclass(slots=True, kw_only=True)
class NetgsmText:
    """One text of a job; `fate` is the status that its report will end with."""

    job: str
    number: str
    reference: str
    created: datetime
    entry: Entry
    start: datetime | None = None
    status: int = PENDING
    fate: int = DELIVERED
    delivered: datetime | None = None
    faults: frozenset[FaultKind] = field(default_factory=frozenset)
    late_s: float = 0.0

    @property
    def kind(self) -> str:
        """What it is in the journal."""
        return KIND

    def as_line(self) -> bytes:
        """Write all of it for the journal."""
        return _TEXT.dump_json(self)

    @property
    def arrived(self) -> bool:
        """Whether nothing will become of it any more."""
        return self.status == self.fate or self.cancelled

    @property
    def cancelled(self) -> bool:
        """Whether it was called back in time."""
        return self.entry.status == CANCELLED

    def as_report(self) -> dict[str, object]:
        """Write it as a report has it."""
        return {
            "jobid": self.job,
            "number": self.number,
            "status": self.status,
            "operator": 0,
            "msglen": 1,
            "deliveredDate": written(self.delivered) if self.delivered else "",
            "errorCode": 0,
            "referansID": self.reference,
        }


_TEXT = TypeAdapter(NetgsmText)


def remembered(fields: Mapping[str, object]) -> NetgsmText:
    """Return a text as the journal has it."""
    return _TEXT.validate_python(fields)


class Jobs:
    """All texts of the account by their jobs, bounded."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._jobs: dict[str, list[NetgsmText]] = {}

    def add(self, text: NetgsmText) -> None:
        """Keep a text; beyond the cap the oldest job is forgotten."""
        self._jobs.setdefault(text.job, []).append(text)
        if len(self._jobs) > self._cap:
            del self._jobs[next(iter(self._jobs))]

    def of(self, job: str) -> Sequence[NetgsmText]:
        """Return the texts of a job."""
        return self._jobs.get(job, ())

    def unfinished(self) -> Sequence[NetgsmText]:
        """Return the texts that are on their way."""
        return [text for text in chain.from_iterable(self._jobs.values()) if not text.arrived]

    def answering(self, question: ReportQuestion) -> Sequence[NetgsmText]:
        """Return the page of texts that a question asks for, oldest first."""
        named: Iterator[str] = iter(question.jobs or self._jobs)
        texts = [
            text
            for text in chain.from_iterable(self.of(job) for job in named)
            if not text.cancelled and _between(text.created, question)
        ]
        return texts[question.page * question.size :][: question.size]

    def clear(self) -> None:
        """Forget everything."""
        self._jobs.clear()


def _between(created: datetime, question: ReportQuestion) -> bool:
    # Dates of a question have no fractions of a second.
    whole = created.replace(microsecond=0)
    return (question.since is None or whole >= question.since) and (
        question.until is None or whole <= question.until
    )


class Delivery:
    """Brings texts to their fate, and pushes reports if the account has an address for them."""

    def __init__(self, settings: CarrierSettings, callbacks: Callbacks, book: Book) -> None:
        self._callbacks = callbacks
        self._book = book
        self._push_url = settings.netgsm_push_url
        self._takes_s = (
            settings.sending_after_s + settings.sent_after_s + settings.delivered_after_s
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, text: NetgsmText) -> None:
        """Let a text go its way."""
        task = asyncio.create_task(self._bring(text))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def under_way(self) -> int:
        """How many texts are on their way."""
        return len(self._tasks)

    def cancel(self, text: NetgsmText) -> None:
        """Call a text back that was to be sent later."""
        text.entry.status = CANCELLED
        self._book.note(text.entry)

    async def _bring(self, text: NetgsmText) -> None:
        if text.start is not None:
            await asyncio.sleep((text.start - datetime.now(UTC)).total_seconds())
        await asyncio.sleep(self._takes_s + text.late_s)
        if text.cancelled:
            return
        early = text.as_report()
        text.status = text.fate
        if text.fate == DELIVERED:
            text.delivered = datetime.now(UTC)
        else:
            text.entry.error_code = str(text.fate)
        text.entry.status = STATUSES[text.fate]
        await self._push(text, early)
        delivered = text.delivered.isoformat() if text.delivered else None
        self._book.note(text.entry, status=text.status, delivered=delivered)

    async def _push(self, text: NetgsmText, early: Mapping[str, object]) -> None:
        if not self._push_url or FaultKind.NO_CALLBACKS in text.faults:
            return
        reports = [early, text.as_report()]
        if FaultKind.REORDER_CALLBACKS in text.faults:
            reports.reverse()
        times = 2 if FaultKind.DUPLICATE_CALLBACKS in text.faults else 1
        for report in reports:
            for _ in range(times):
                form = {name: str(value) for name, value in report.items()}
                await self._callbacks.post_unsigned(self._push_url, form)

    async def close(self) -> None:
        """Stop every text where it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
