"""Twilio's Calls resource, as the official client speaks to it: calls that read a text out."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

from tellal.carrier.book import Book, Entry
from tellal.carrier.callbacks import Callbacks
from tellal.carrier.faults import FaultKind
from tellal.carrier.settings import CarrierSettings
from tellal.carrier.twilio_requests import RefusalError, is_address, is_number
from tellal.domain.channels import Channel

FATES = frozenset({"completed", "busy", "no-answer", "failed", "machine"})
"""How a call may end: `machine` is one that an answering machine picked up."""
_EVENTS: Mapping[str, str] = {
    "initiated": "initiated",
    "ringing": "ringing",
    "in-progress": "answered",
}
"""The event under which a step is told; every end is told as `completed`."""
_LONGEST_TWIML = 4000
_OVER = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A checked request to call; `said` is what the person will hear."""

    to: str
    sender: str
    said: str
    language: str
    status_callback: str
    events: frozenset[str]

    def callback_value(self, name: str) -> str:
        """Return a query value of the caller's callback address."""
        return parse_qs(urlsplit(self.status_callback).query).get(name, [""])[0]


def wanted(body: str) -> Wanted:
    """Check a request to call, in Twilio's order: recipient, caller, what is said, the rest.

    Raises:
        RefusalError: Twilio would not take it.
    """
    form = parse_qs(body, keep_blank_values=True)

    def one(name: str) -> str:
        return form.get(name, [""])[-1]

    _refuse(when=not one("To"), code=21201)
    _refuse(when=not is_number(one("To")), code=21211)
    _refuse(when=not one("From"), code=21213)
    _refuse(when=not is_number(one("From")), code=21212)
    said, language = _heard(one("Twiml"))
    callback = one("StatusCallback")
    _refuse(when=bool(callback) and not is_address(callback), code=21609)
    return Wanted(
        to=one("To"),
        sender=one("From"),
        said=said,
        language=language,
        status_callback=callback,
        events=frozenset(form.get("StatusCallbackEvent", ["completed"])),
    )


def _refuse(*, when: bool, code: int) -> None:
    if when:
        raise RefusalError(400, code)


def _heard(twiml: str) -> tuple[str, str]:
    _refuse(when=not twiml or len(twiml) > _LONGEST_TWIML, code=21205)
    # What is declared in it could grow without end; Twilio's language has no declarations.
    _refuse(when="<!" in twiml, code=12100)
    try:
        root = ET.fromstring(twiml)  # noqa: S314 (without declarations nothing can grow)
    except ET.ParseError as error:
        raise RefusalError(400, 12100) from error
    said = root.findall("Say")
    _refuse(when=root.tag != "Response" or not said, code=12200)
    return " ".join(one.text or "" for one in said), said[0].get("language", "")


@dataclass(slots=True, kw_only=True)
class PhoneCall:
    """One call resource; `fate` is how it will end."""

    wanted: Wanted
    entry: Entry
    fate: str = "completed"
    error_code: str = ""
    sid: str = field(default_factory=lambda: "CA" + secrets.token_hex(16))
    status: str = "queued"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))
    faults: frozenset[FaultKind] = frozenset()
    deleted: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.status in _OVER

    def as_resource(self, account_sid: str) -> dict[str, object]:
        """Write it as Twilio's API does."""
        uri = f"/2010-04-01/Accounts/{account_sid}/Calls/{self.sid}.json"
        picked_up = self.status == "completed"
        return {
            "account_sid": account_sid,
            "answered_by": "machine_start" if picked_up and self.fate == "machine" else None,
            "api_version": "2010-04-01",
            "date_created": format_datetime(self.created),
            "date_updated": format_datetime(self.updated),
            "direction": "outbound-api",
            "duration": "12" if picked_up else "0" if self.is_over else None,
            "from": self.wanted.sender,
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "start_time": format_datetime(self.created),
            "end_time": format_datetime(self.updated) if self.is_over else None,
            "status": self.status,
            "subresource_uris": {},
            "to": self.wanted.to,
            "uri": uri,
        }

    def as_callback(self, account_sid: str, status: str, number: int) -> dict[str, str]:
        """Write the form of a status callback."""
        form = {
            "AccountSid": account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.sid,
            "CallStatus": status,
            "CallbackSource": "call-progress-events",
            "Direction": "outbound-api",
            "From": self.wanted.sender,
            "SequenceNumber": str(number),
            "Timestamp": format_datetime(datetime.now(UTC)),
            "To": self.wanted.to,
        }
        if status == "completed":
            form["CallDuration"] = "12"
            if self.fate == "machine":
                form["AnsweredBy"] = "machine_start"
        if status == "failed" and self.error_code:
            form["ErrorCode"] = self.error_code
        return form

    def steps(self, settings: CarrierSettings) -> Sequence[tuple[str, float]]:
        """Return what becomes of it, each after a pause (s)."""
        ringing = (("initiated", settings.sending_after_s), ("ringing", settings.sent_after_s))
        match self.fate:
            case "failed":
                return (ringing[0], ("failed", settings.sent_after_s))
            case "busy" | "no-answer":
                return (*ringing, (self.fate, settings.delivered_after_s))
            case _:
                after_s = settings.delivered_after_s
                return (*ringing, ("in-progress", after_s), ("completed", after_s))


class Exchange:
    """All calls of the account, and their way to the phones. They do not outlive the process."""

    def __init__(self, settings: CarrierSettings, callbacks: Callbacks, book: Book) -> None:
        self._settings = settings
        self._callbacks = callbacks
        self._book = book
        self._calls: dict[str, PhoneCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        """How many calls are being made."""
        return len(self._tasks)

    def begin(self, call: PhoneCall) -> None:
        """Let a call ring."""
        call.entry.reference, call.entry.status = call.sid, call.status
        self._calls[call.sid] = call
        if len(self._calls) > self._settings.book_cap:
            del self._calls[next(iter(self._calls))]
        task = asyncio.create_task(self._ring(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def get(self, sid: str) -> PhoneCall | None:
        """Return a call by its SID, unless it was deleted."""
        found = self._calls.get(sid)
        return None if found is None or found.deleted else found

    def newest_first(self, to: str) -> Sequence[PhoneCall]:
        """Return the calls to a number, or all, newest first."""
        there = [one for one in self._calls.values() if not one.deleted]
        return [one for one in there[::-1] if not to or one.wanted.to == to]

    def clear(self) -> None:
        """Forget every call."""
        self._calls.clear()

    async def close(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ring(self, call: PhoneCall) -> None:
        told: list[tuple[str, int]] = []
        for number, (status, pause_s) in enumerate(call.steps(self._settings)):
            await asyncio.sleep(pause_s)
            call.status = call.entry.status = status
            call.updated = datetime.now(UTC)
            told.append((status, number))
            if FaultKind.REORDER_CALLBACKS not in call.faults:
                await self._tell(call, *told.pop())
            self._book.note(call.entry, status=status)
        for status, number in reversed(told):
            await self._tell(call, status, number)

    async def _tell(self, call: PhoneCall, status: str, number: int) -> None:
        event = _EVENTS.get(status, "completed")
        asked = call.wanted.status_callback and event in call.wanted.events
        if not asked or FaultKind.NO_CALLBACKS in call.faults:
            return
        form = call.as_callback(self._settings.account_sid, status, number)
        for _ in range(2 if FaultKind.DUPLICATE_CALLBACKS in call.faults else 1):
            await self._callbacks.post(call.wanted.status_callback, form)


def entry_of(wanted: Wanted, answer: str, told: int, headers: Mapping[str, str]) -> Entry:
    """Write a request to call as the book has it."""
    return Entry(
        at=datetime.now(UTC),
        channel=Channel.CALL,
        to=wanted.to,
        answer=answer,
        told=told,
        sender=wanted.sender,
        text=wanted.said,
        message_id=wanted.callback_value("m"),
        attempt=wanted.callback_value("a"),
        data={"language": wanted.language},
        headers=headers,
    )
