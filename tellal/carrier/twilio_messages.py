"""Messages at the simulated Twilio: what is known of each, and its walk to the phone."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from pydantic import TypeAdapter

from tellal.carrier.book import Book, Entry
from tellal.carrier.callbacks import Callbacks
from tellal.carrier.faults import FaultKind
from tellal.carrier.settings import CarrierSettings
from tellal.carrier.twilio_requests import WHATSAPP
from tellal.domain.channels import Channel

_WINDOW = timedelta(hours=24)
"""How long WhatsApp takes free text after a person has written."""
_GSM_7_ONLY = 128
_SEGMENT_GSM, _SEGMENT_UCS2 = 153, 67
_SINGLE_GSM, _SINGLE_UCS2 = 160, 70

KIND = "twilio"
"""The kind of a line of the journal that is a message resource."""


def new_sid() -> str:
    """Return a message SID of Twilio's form."""
    return "SM" + secrets.token_hex(16)


@dataclass(slots=True, kw_only=True)
class TextMessage:
    """One message resource. `fate` is the last status of its walk, with `fate_code` if it fails."""

    sid: str
    to: str
    sender: str
    body: str
    status: str
    created: datetime
    updated: datetime
    entry: Entry
    service: str = ""
    status_callback: str = ""
    send_at: datetime | None = None
    sent: datetime | None = None
    error_code: int | None = None
    fate: str = "delivered"
    fate_code: int | None = None
    faults: frozenset[FaultKind] = field(default_factory=frozenset)
    late_s: float = 0.0
    deleted: bool = False

    @property
    def kind(self) -> str:
        """What it is in the journal."""
        return KIND

    def as_line(self) -> bytes:
        """Write all of it for the journal."""
        return _MESSAGE.dump_json(self)

    @property
    def arrived(self) -> bool:
        """Whether its walk is over."""
        return self.status in {self.fate, "canceled"}

    def segments(self) -> int:
        """Count segments by the length alone: enough for a rehearsal, not for a bill."""
        plain = all(ord(character) < _GSM_7_ONLY for character in self.body)
        single, several = (_SINGLE_GSM, _SEGMENT_GSM) if plain else (_SINGLE_UCS2, _SEGMENT_UCS2)
        length = len(self.body)
        return 1 if length <= single else -(-length // several)

    def as_resource(self, account_sid: str) -> dict[str, object]:
        """Write it as Twilio's API does."""
        uri = f"/2010-04-01/Accounts/{account_sid}/Messages/{self.sid}"
        failed = self.error_code is not None
        return {
            "account_sid": account_sid,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": format_datetime(self.created),
            "date_sent": format_datetime(self.sent) if self.sent else None,
            "date_updated": format_datetime(self.updated),
            "direction": "outbound-api",
            "error_code": self.error_code,
            "error_message": "Message Delivery - see error_code" if failed else None,
            "from": self.sender or None,
            "messaging_service_sid": self.service or None,
            "num_media": "0",
            "num_segments": str(self.segments()),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }

    def as_callback(self, account_sid: str, status: str) -> dict[str, str]:
        """Write the form of a status callback."""
        form = {
            "AccountSid": account_sid,
            "ApiVersion": "2010-04-01",
            "From": self.sender,
            "MessageSid": self.sid,
            "MessageStatus": status,
            "SmsSid": self.sid,
            "SmsStatus": status,
            "To": self.to,
        }
        if self.service:
            form["MessagingServiceSid"] = self.service
        if status in {"undelivered", "failed"} and self.fate_code is not None:
            form["ErrorCode"] = str(self.fate_code)
        if self.entry.channel is Channel.WHATSAPP:
            form["ChannelPrefix"] = WHATSAPP.removesuffix(":")
            form["ChannelToAddress"] = self.entry.to
            form["EventType"] = status.upper()
        return form


_MESSAGE = TypeAdapter(TextMessage)


def remembered(fields: Mapping[str, object]) -> TextMessage:
    """Return a message as the journal has it."""
    return _MESSAGE.validate_python(fields)


class TextMessages:
    """All message resources of the account, bounded, with an index by recipient.

    And when each person last wrote over WhatsApp.
    """

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._by_sid: dict[str, TextMessage] = {}
        self._by_recipient: dict[str, list[TextMessage]] = {}
        self._wrote: dict[str, datetime] = {}

    def person_wrote(self, number: str, at: datetime) -> None:
        """Note that a person wrote over WhatsApp, which opens a window for free text."""
        self._wrote[number] = max(at, self._wrote.get(number, at))

    def takes_free_text(self, number: str, at: datetime) -> bool:
        """Say whether a person wrote over WhatsApp in the 24 hours before."""
        return number in self._wrote and at - self._wrote[number] <= _WINDOW

    def add(self, message: TextMessage) -> None:
        """Keep a message; beyond the cap the oldest is forgotten."""
        self._by_sid[message.sid] = message
        self._by_recipient.setdefault(message.to, []).append(message)
        if len(self._by_sid) > self._cap:
            oldest = self._by_sid.pop(next(iter(self._by_sid)))
            of_recipient = self._by_recipient[oldest.to]
            of_recipient.remove(oldest)
            if not of_recipient:
                del self._by_recipient[oldest.to]

    def get(self, sid: str) -> TextMessage | None:
        """Return a message by its SID, unless it was deleted."""
        found = self._by_sid.get(sid)
        return None if found is None or found.deleted else found

    def newest_first(self, to: str) -> Sequence[TextMessage]:
        """Return a recipient's messages, or everybody's, newest first."""
        pool = self._by_recipient.get(to, []) if to else list(self._by_sid.values())
        return [message for message in pool[::-1] if not message.deleted]

    def clear(self) -> None:
        """Forget everything."""
        self._by_sid.clear()
        self._by_recipient.clear()
        self._wrote.clear()


class Walk:
    """Moves messages from status to status, and tells their callbacks."""

    def __init__(self, settings: CarrierSettings, callbacks: Callbacks, book: Book) -> None:
        self._settings = settings
        self._callbacks = callbacks
        self._book = book
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, message: TextMessage) -> None:
        """Let a message walk on its own."""
        task = asyncio.create_task(self._walk(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def walking(self) -> int:
        """How many messages are on their way."""
        return len(self._tasks)

    async def _walk(self, message: TextMessage) -> None:
        settings = self._settings
        if message.send_at is not None and message.status == "scheduled":
            await asyncio.sleep((message.send_at - datetime.now(UTC)).total_seconds())
            if message.status != "scheduled":
                return
            message.status = "queued"
        told: list[str] = []
        for status, pause in self._ahead(message, settings):
            await asyncio.sleep(pause)
            self._step(message, status)
            if FaultKind.REORDER_CALLBACKS in message.faults:
                told.append(status)
            else:
                await self.tell(message, status)
                self.note(message)
        for status in reversed(told):
            await self.tell(message, status)
        if told:
            self.note(message)

    def note(self, message: TextMessage) -> None:
        """Write down how far it is: after the telling, for a callback may repeat but not fail."""
        self._book.note(
            message.entry,
            status=message.status,
            updated=message.updated.isoformat(),
            sent=message.sent.isoformat() if message.sent else None,
            error_code=message.error_code,
            **({} if message.body else {"body": ""}),
            **({"deleted": True} if message.deleted else {}),
        )

    @classmethod
    def _ahead(cls, message: TextMessage, settings: CarrierSettings) -> Sequence[tuple[str, float]]:
        """Return the steps that are still before a message; it may come from the journal."""
        steps = cls._steps(message, settings)
        names = [status for status, _ in steps]
        return steps[names.index(message.status) + 1 :] if message.status in names else steps

    @staticmethod
    def _steps(message: TextMessage, settings: CarrierSettings) -> Sequence[tuple[str, float]]:
        # A message that "failed" never left Twilio; one "undelivered" was sent and came back.
        if message.fate == "failed":
            return (("sending", settings.sending_after_s), ("failed", settings.sent_after_s))
        arriving = ("delivered", "read") if message.fate == "read" else (message.fate,)
        return (
            ("sending", settings.sending_after_s),
            ("sent", settings.sent_after_s),
            *((status, settings.delivered_after_s + message.late_s) for status in arriving),
        )

    @staticmethod
    def _step(message: TextMessage, status: str) -> None:
        message.status = message.entry.status = status
        message.updated = datetime.now(UTC)
        if status == "sent":
            message.sent = message.updated
        if status == message.fate and message.fate_code is not None:
            message.error_code = message.fate_code
            message.entry.error_code = str(message.fate_code)

    async def tell(self, message: TextMessage, status: str) -> None:
        """Post the callback of a status, unless a fault swallows it; twice if one doubles it."""
        if (
            not message.status_callback
            or status not in self._settings.callback_statuses
            or FaultKind.NO_CALLBACKS in message.faults
        ):
            return
        form: Mapping[str, str] = message.as_callback(self._settings.account_sid, status)
        await self._callbacks.post(message.status_callback, form)
        if FaultKind.DUPLICATE_CALLBACKS in message.faults:
            await self._callbacks.post(message.status_callback, form)

    async def close(self) -> None:
        """Stop every walk where it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
