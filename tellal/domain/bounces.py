"""Mails that come back: delivery reports (RFC 3464), feedback loops (RFC 5965), and odd ones.

Only the standard library reads them. Whose mail it was is not asked of their words: the address to
which they come says so. Whatever a stranger can send is looked at here, so nothing of it is trusted
or kept but the codes of mail systems.
"""

import email
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.policy import default
from enum import StrEnum

from tellal.domain.errors import InvalidInputError
from tellal.domain.mail_statuses import BOUNCED

LARGEST = 256 * 1024
"""Bytes that are read of a mail: what it reports comes before the mail that it gives back."""
_MOST_PARTS = 50
_MOST_GROUPS = 100
_LONGEST_FIELD = 2000

_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_DAEMONS = frozenset({"mailer-daemon", "mail-daemon", "postmaster", "mdaemon", "bounce", "bounces"})
_DELAYS = re.compile(
    r"\bdelay|\bwarning\b|not yet|still being retried|will (?:be retried|keep trying)",
    re.IGNORECASE,
)
_IN_BULK = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_ABUSE = frozenset({"abuse", "opt-out", "opt-out-list"})
_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to")
_FROM = ("return-path", "original-mail-from", "x-return-path")


class Said(StrEnum):
    """What a mail that came back says of the one that left."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    """It went on to where no reports are written."""
    COMPLAINT = "complaint"
    """Its reader said that it is spam."""
    NOTHING = "nothing"
    """An answer of a person or of his out-of-office program, a receipt for reading, a report of
    something else."""


_ACTIONS = {
    "failed": Said.FAILED,
    "delayed": Said.DELAYED,
    "delivered": Said.DELIVERED,
    "relayed": Said.RELAYED,
    "expanded": Said.RELAYED,
}
_OF_CLASS = {"5": Said.FAILED, "4": Said.DELAYED, "2": Said.DELIVERED}
_WORST_FIRST = (Said.FAILED, Said.DELIVERED, Said.RELAYED, Said.DELAYED)


class MalformedBounceError(InvalidInputError):
    """It cannot be read as a mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a mail reports; `code` is the mail system's, where it failed or is late.

    `addresses` are the lines in which the return address may stand, the likeliest first.
    """

    said: Said
    code: str = ""
    addresses: Sequence[str] = ()


def read_report(raw: bytes) -> Report:
    """Read a mail that came back; of one that is longer than `LARGEST`, its beginning.

    Raises:
        MalformedBounceError: It is no mail.
    """
    try:
        # Python's parser makes messages of the class that its policy names.
        mail: EmailMessage = email.message_from_bytes(raw[:LARGEST], policy=default)
        report = _read(mail)
    except Exception as error:  # the parser of the standard library trips over some mails
        message = f"it cannot be read ({type(error).__name__})"
        raise MalformedBounceError(message, hint="send the mail as it came") from error
    if report is None:
        raise MalformedBounceError("it has no headers", hint="send the mail as it came")
    return report


def _read(mail: EmailMessage) -> Report | None:
    if not mail.keys():
        return None
    parts = list(_parts(mail))
    said, code = _said(mail, parts)
    return Report(said=said, code=code, addresses=_addresses(mail, parts))


def _said(mail: EmailMessage, parts: Sequence[Message]) -> tuple[Said, str]:
    """Say what it reports: what machines wrote for machines counts before everything else."""
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            abuse = _field(_inner(part), "feedback-type").lower() in _ABUSE
            return (Said.COMPLAINT if abuse else Said.NOTHING), ""
    groups = [
        group
        for part in parts
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        for group in _groups(part)
    ]
    found = [_of_group(group) for group in groups[:_MOST_GROUPS]]
    told = [one for one in found if one is not None]
    if told:
        return min(told, key=lambda one: _WORST_FIRST.index(one[0]))
    if groups or mail.get_content_type() == "multipart/report":
        # A receipt for reading (RFC 8098), or a report of nobody in particular.
        return Said.NOTHING, ""
    return _of_odd(mail), BOUNCED


def _of_group(group: Message) -> tuple[Said, str] | None:
    """Read what is reported of one recipient; None if the group is of none."""
    action = _field(group, "action").lower()
    code = _code_of(group)
    said = _ACTIONS.get(action) or _OF_CLASS.get(code[:1])
    if said is None:
        return None
    if said is Said.FAILED and code.startswith("2"):
        # It contradicts itself: that it came back counts, the code does not.
        code = ""
    return said, (code or BOUNCED) if said is Said.FAILED else ""


def _code_of(group: Message) -> str:
    """Return the code that says most: a mail system that knows only `5.0.0` quotes another."""
    status = _CODE.search(_field(group, "status"))
    quoted = _CODE.search(_field(group, "diagnostic-code"))
    code = status[1] if status else ""
    if quoted and (not code or (code.endswith(".0.0") and quoted[1][0] == code[0])):
        return quoted[1]
    return code


def _of_odd(mail: EmailMessage) -> Said:
    """Say what a mail means that is no report by its form: only what came back from a machine."""
    submitted = _field(mail, "auto-submitted").partition(";")[0].strip().lower()
    precedence = _field(mail, "precedence").lower()
    if mail["X-Failed-Recipients"] is not None:
        return Said.FAILED
    answered = submitted == "auto-replied" or precedence in _IN_BULK
    answered = answered or any(mail[name] is not None for name in ("X-Autoreply", "X-Autorespond"))
    sender = _field(mail, "from").lower()
    local = sender.rpartition("<")[2].partition("@")[0].strip()
    if answered or (local not in _DAEMONS and "mailer-daemon" not in sender):
        return Said.NOTHING
    return Said.DELAYED if _DELAYS.search(_field(mail, "subject")) else Said.FAILED


def _parts(mail: Message) -> Iterator[Message]:
    """Walk what a mail holds, never into what it gives back, and not for ever."""
    waiting, seen = [mail], 0
    while waiting and seen < _MOST_PARTS:
        part, seen = waiting.pop(0), seen + 1
        yield part
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting.extend(one for one in payload if isinstance(one, Message))


def _groups(part: Message) -> list[Message]:
    """Return the groups of fields of a report; the parser makes messages of them."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return [one for one in payload if isinstance(one, Message)]
    return [email.message_from_string(block) for block in str(payload).split("\n\n")]


def _inner(part: Message) -> Message:
    """Return the fields of a part whose body is fields."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return payload[0]
    written = part.get_payload(decode=True)
    return email.message_from_bytes(written if isinstance(written, bytes) else b"")


def _field(message: Message, name: str) -> str:
    return str(message.get(name, ""))[:_LONGEST_FIELD].strip()


def _addresses(mail: EmailMessage, parts: Sequence[Message]) -> list[str]:
    """Gather where the return address may stand: whom it came to, and what it gives back."""
    lines = [str(line) for name in _TO for line in mail.get_all(name, [])]
    for part in parts[1:]:
        kind = part.get_content_type()
        if kind in ("message/rfc822", "message/feedback-report", "text/rfc822-headers"):
            inner = _inner(part)
            lines += [str(line) for name in _FROM for line in inner.get_all(name, [])]
    return [line[:_LONGEST_FIELD] for line in lines[:_MOST_PARTS]]
