"""Mails about mails, as mail systems write them: delivery reports, feedback loops, odd ones.

Forms: RFC 3464 (delivery reports), RFC 5965 (feedback loops), and what qmail and an out-of-office
program write.
"""

from datetime import UTC, datetime
from email import message_from_string
from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from enum import StrEnum

from tellal.carrier.letter import Letter

_HOST = "mailbox.tellal.invalid"
_DAEMON = f"MAILER-DAEMON@{_HOST}"


class Kind(StrEnum):
    """What is written about a mail."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    ABUSE = "abuse"
    ODD = "odd"
    """It failed, in qmail's words: no machine reads more than to whom it comes."""
    AWAY = "away"
    """Its reader is out of office."""


_REPORTS = {Kind.FAILED: "5.1.1", Kind.DELAYED: "4.4.1", Kind.DELIVERED: "2.0.0"}
_REPORTS |= {Kind.RELAYED: "2.0.0"}


def written_about(letter: Letter, kind: Kind, code: str, at: datetime) -> bytes:
    """Write what a mail system sends back about a mail, to its envelope's sender."""
    recipient = letter.recipients[0]
    mail: Message
    match kind:
        case Kind.ABUSE:
            mail = _complaint(letter, recipient, at)
        case Kind.ODD:
            mail = _plain(_DAEMON, "failure notice", _QMAIL.format(recipient=recipient))
        case Kind.AWAY:
            mail = _plain(recipient, "Out of office", "I am back on Monday.\n")
            mail["Auto-Submitted"] = "auto-replied"
        case _:
            mail = _report(letter, recipient, kind, code or _REPORTS[kind], at)
    mail["To"] = letter.sender
    mail["Date"] = format_datetime(at.astimezone(UTC))
    mail["Message-ID"] = make_msgid(domain=_HOST)
    return b"Return-Path: <>\r\n" + mail.as_bytes(policy=SMTP)


_QMAIL = """Hi. This is the qmail-send program at mailbox.tellal.invalid.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{recipient}>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Subject: something
"""


def _plain(sender: str, subject: str, text: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = sender
    mail["Subject"] = subject
    mail.set_content(text)
    return mail


def _report(letter: Letter, recipient: str, kind: Kind, code: str, at: datetime) -> MIMEMultipart:
    fields = f"Reporting-MTA: dns; {_HOST}\nArrival-Date: {format_datetime(letter.at)}\n\n"
    fields += f"Final-Recipient: rfc822; {recipient}\nAction: {kind}\nStatus: {code}\n"
    if kind in (Kind.FAILED, Kind.DELAYED):
        fields += f"Diagnostic-Code: smtp; {code[0]}50 {code} as the rehearsal wants it\n"
    if kind is Kind.DELAYED:
        fields += f"Will-Retry-Until: {format_datetime(at)}\n"
    words = f"This is the mail system at {_HOST}.\n\n<{recipient}>: {kind}\n"
    mail = _enclosing(words, "delivery-status", fields, letter)
    mail["From"] = f"Mail Delivery System <{_DAEMON}>"
    mail["Subject"] = f"Delivery Status Notification ({kind})"
    mail["Auto-Submitted"] = "auto-replied"
    return mail


def _complaint(letter: Letter, recipient: str, at: datetime) -> MIMEMultipart:
    fields = (
        "Feedback-Type: abuse\nUser-Agent: Tellal-Mailbox/1\nVersion: 1\n"
        f"Original-Mail-From: <{letter.sender}>\nOriginal-Rcpt-To: <{recipient}>\n"
        f"Arrival-Date: {format_datetime(at)}\n"
    )
    words = "This is an abuse report about a mail that its reader marked as spam.\n"
    mail = _enclosing(words, "feedback-report", fields, letter)
    mail["From"] = f"fbl@{_HOST}"
    mail["Subject"] = "FW: a mail that was marked as spam"
    return mail


def _enclosing(words: str, kind: str, fields: str, letter: Letter) -> MIMEMultipart:
    """Put together words for people, fields for machines, and the headers of the mail itself."""
    mail = MIMEMultipart("report", report_type=kind)
    mail.attach(MIMEText(words, "plain", "us-ascii"))
    told = MIMENonMultipart("message", kind)
    # Python writes what claims to be a message from messages: one for each group of fields.
    for group in fields.split("\n\n"):
        Message.attach(told, message_from_string(group))
    mail.attach(told)
    headers, _, _ = letter.raw.partition(b"\r\n\r\n")
    returned = f"Return-Path: <{letter.sender}>\n" + headers.decode("ascii", "replace")
    enclosed = MIMEText(returned.replace("\r\n", "\n"), "rfc822-headers", "utf-8")
    mail.attach(enclosed)
    return mail
