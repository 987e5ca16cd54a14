"""One mail as the mailbox keeps it."""

from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from functools import partial
from typing import cast

_parse = partial(message_from_bytes, policy=default)
_HEADERS = BytesHeaderParser()

TAKEN = 250
"""SMTP's answer to a mail that was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail as it was handed over; `told` is what the client got for it, 0 when it got none."""

    number: int
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    told: int = TAKEN

    def parsed(self) -> EmailMessage:
        """Read the mail."""
        return cast("EmailMessage", _parse(self.raw))

    def body(self, kind: str) -> str:
        """Return the `plain` or `html` part, empty where there is none."""
        part = self.parsed().get_body((kind,))
        return "" if part is None else str(part.get_content())

    def in_short(self) -> dict[str, object]:
        """Write who got it and when, under the id that it carries: quick, for thousands."""
        return {
            "id": self.number,
            "at": self.at.isoformat(),
            "to": list(self.recipients),
            "message_id": str(_HEADERS.parsebytes(self.raw)["Message-ID"] or "").strip(),
            "told": self.told,
        }

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
            "told": self.told,
        }
