"""What the mailbox keeps: mails as they came, attempts to bring them, and faults."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from enum import StrEnum
from functools import partial
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field

_parse = partial(message_from_bytes, policy=default)


class Stage(StrEnum):
    """Where in the dialogue a fault strikes: at the recipient, or after the whole mail."""

    RCPT = "rcpt"
    DATA = "data"


class MailFault(BaseModel):
    """A refusal (`code`, `text`), a silence after the mail was taken, or a broken connection."""

    model_config = ConfigDict(extra="forbid")

    to: str = ""
    code: Annotated[int, Field(ge=400, le=599)] = 451
    text: str = ""
    stage: Stage = Stage.RCPT
    hang_after_data: bool = False
    disconnect: bool = False
    times: Annotated[int, Field(ge=1)] | None = None
    fired: int = 0

    @property
    def strikes_at(self) -> Stage:
        """The stage at which it strikes; one can only hang after the data."""
        return Stage.DATA if self.hang_after_data else self.stage

    def reply(self) -> str:
        """Write the refusal as an SMTP answer."""
        return f"{self.code} {self.text or 'refused by a rehearsed fault'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail as it was handed over."""

    number: int
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    def parsed(self) -> EmailMessage:
        """Read the mail."""
        return cast("EmailMessage", _parse(self.raw))

    def body(self, kind: str) -> str:
        """Return the `plain` or `html` part, empty where there is none."""
        part = self.parsed().get_body((kind,))
        return "" if part is None else str(part.get_content())

    def as_json(self) -> dict[str, object]:
        """Write it for the HTTP interface."""
        mail = self.parsed()
        return {
            "id": self.number,
            "at": self.at.isoformat(),
            "from": self.sender,
            "to": list(self.recipients),
            "subject": str(mail["Subject"] or ""),
            "message_id": str(mail["Message-ID"] or ""),
            "headers": {name: str(value) for name, value in mail.items()},
            "text": self.body("plain"),
            "html": self.body("html"),
        }


class Letters:
    """All mails, oldest first, bounded; and how often anybody tried."""

    def __init__(self, cap: int) -> None:
        self._letters: deque[Letter] = deque(maxlen=cap)
        self._cap = cap
        self._attempts: Counter[str] = Counter()
        self._faults: list[MailFault] = []
        self._last_number = 0
        self.connections = 0

    def keep(self, *, at: datetime, sender: str, recipients: Sequence[str], raw: bytes) -> None:
        """Keep a mail; beyond the cap the oldest is forgotten."""
        self._last_number += 1
        self._letters.append(
            Letter(
                number=self._last_number,
                at=at,
                sender=sender,
                recipients=tuple(recipients),
                raw=raw,
            )
        )

    def tried(self, recipient: str) -> None:
        """Count an attempt to bring a mail to a recipient."""
        self._attempts[recipient] += 1
        if len(self._attempts) > self._cap:
            del self._attempts[next(iter(self._attempts))]

    def attempts(self, recipient: str) -> int:
        """Return how often somebody tried, for a recipient or for all."""
        return self._attempts[recipient] if recipient else self._attempts.total()

    def find(self, to: str = "") -> Sequence[Letter]:
        """Return the mails to a recipient or to all, oldest first."""
        return [letter for letter in self._letters if not to or to in letter.recipients]

    def get(self, number: int) -> Letter | None:
        """Return a mail by its number."""
        return next((letter for letter in self._letters if letter.number == number), None)

    def add_fault(self, fault: MailFault) -> None:
        """Switch a fault on."""
        self._faults.append(fault)

    def fault_at(self, stage: Stage, recipients: Sequence[str]) -> MailFault | None:
        """Return the first fault that strikes here, and count it."""
        for fault in self._faults:
            spent = fault.times is not None and fault.fired >= fault.times
            hit = not fault.to or fault.to in recipients
            if fault.strikes_at is stage and hit and not spent:
                fault.fired += 1
                return fault
        return None

    def faults(self) -> Sequence[MailFault]:
        """Return every fault that was switched on."""
        return tuple(self._faults)

    def no_faults(self) -> None:
        """Switch all faults off."""
        self._faults.clear()

    def clear(self) -> None:
        """Forget every mail and every count."""
        self._letters.clear()
        self._attempts.clear()
        self.connections = 0
