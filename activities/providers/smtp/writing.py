"""Mails as bytes: the headers of a message, its text and HTML, and how to refuse the next one."""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime, parseaddr
from urllib.parse import urlsplit

from tellal.domain.messages import OutgoingMessage

_LONGEST_LINE = 998
"""What a line of a mail may hold (RFC 5322, section 2.1.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as it goes to the relay: `sender` is the envelope's, `raw` the whole of it."""

    sender: str
    message_id: str
    raw: bytes


def write(message: OutgoingMessage, now: datetime) -> Mail:
    """Write the mail; the same message always gets the same Message-ID.

    Raises:
        ValueError: A header or an address cannot be written.
    """
    name, address = parseaddr(message.sender)
    sender = Address(display_name=name, addr_spec=address)
    if not sender.domain:
        raise ValueError("the sender has no domain")
    message_id = f"<{message.id}@{sender.domain}>"
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = Address(addr_spec=message.address)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id
    # Keeps out-of-office programs from answering (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text, cte="quoted-printable")
    if message.html:
        mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
    raw = _way_out(message.unsubscribe_url) + mail.as_bytes(policy=WIRE)
    return Mail(sender=sender.addr_spec, message_id=message_id, raw=raw)


def _way_out(url: str) -> bytes:
    """Write the headers by which a mail program refuses for its reader (RFC 2369, RFC 8058).

    Not over the e-mail library, which tears an address longer than a line into encoded words.
    """
    if not url:
        return b""
    line = f"List-Unsubscribe: <{url}>"
    parts = urlsplit(url)
    odd = any(not "!" <= character <= "~" or character in '<>"' for character in url)
    if odd or parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("the address for refusals is none")
    if len(line) > _LONGEST_LINE:
        raise ValueError("the address for refusals does not fit on a line")
    # One click needs https (RFC 8058, section 3.1); over http the reader is shown the page.
    one_click = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return f"{line}\r\n{one_click if parts.scheme == 'https' else ''}".encode("ascii")
