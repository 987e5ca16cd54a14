"""Mails as they come (RFC 5322, RFC 2045): who writes what, and whether a person does at all."""

import email
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from enum import StrEnum
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

from tellal.domain.applications import one_line, paragraphs
from tellal.domain.errors import InvalidInputError

_LONGEST_NAME = 200
_LONGEST_REFERENCE = 500
_MOST_ATTACHMENTS = 50
_BY_NOBODY = frozenset({"mailer-daemon", "postmaster", "noreply", "no-reply", "do-not-reply"})
_IN_BULK = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_SIGNS = ("x-autoreply", "x-autorespond", "x-loop", "feedback-id")
_BREAKS = frozenset(
    {"address", "article", "blockquote", "br", "div", "h1", "h2", "h3", "h4", "hr", "li", "p", "tr"}
)
_BLANKS = re.compile(r"\s+")
_UNSEEN = frozenset({"head", "script", "style", "template", "title"})


class Became(StrEnum):
    """What became of a mail: a case, one that there was already, a bounce, or nothing."""

    CASE = "case"
    BOUNCE = "bounce"
    REPEAT = "repeat"
    IGNORED = "ignored"
    ASIDE = "aside"


class MalformedMailError(InvalidInputError):
    """Nobody can be answered: it says not, or not so that it can be read, who writes what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as it was read; `automatic` says that no person has written it just so."""

    reference: str
    sender: str
    subject: str
    text: str
    attachments: Sequence[Mapping[str, str]]
    automatic: bool


def read_mail(raw: bytes) -> Mail:
    """Read a mail; one that was cut off at the end is read as far as it goes.

    Raises:
        MalformedMailError: It cannot be read, or has no sender.
    """
    try:
        # Python's parser makes messages of the class that its policy names.
        parsed = email.message_from_bytes(raw, policy=default)
        return _read(parsed, raw)
    except MalformedMailError:
        raise
    except Exception as error:  # the parser of the standard library trips over some mails
        raise MalformedMailError(f"it cannot be read ({type(error).__name__})") from error


def _read(mail: EmailMessage, raw: bytes) -> Mail:
    sender = _sender(mail)
    text = paragraphs(_text(mail))
    subject = one_line(str(mail["Subject"] or ""))
    return Mail(
        reference=one_line(str(mail["Message-ID"] or ""), _LONGEST_REFERENCE)
        or f"sha256:{sha256(raw).hexdigest()}",
        sender=sender,
        subject=subject or one_line(text.partition("\n")[0]) or "E-mail",
        text=text,
        attachments=_attachments(mail),
        automatic=_is_automatic(mail, sender),
    )


def _sender(mail: EmailMessage) -> str:
    addresses: Sequence[Any] = getattr(mail["From"], "addresses", ())
    if len(addresses) != 1 or not addresses[0].username or not addresses[0].domain:
        raise MalformedMailError("it does not say who writes")
    return str(addresses[0].addr_spec)


def _is_automatic(mail: EmailMessage, sender: str) -> bool:
    """Say whether a machine has written it, or it went to many (RFC 3834, RFC 2919, RFC 2369)."""
    submitted = str(mail["Auto-Submitted"] or "no").partition(";")[0].strip().lower()
    names = [name.lower() for name in mail]
    return (
        submitted != "no"
        or any(name.startswith("list-") or name in _SIGNS for name in names)
        or str(mail["Precedence"] or "").strip().lower() in _IN_BULK
        or str(mail["Return-Path"] or "").strip() == "<>"
        or mail.get_content_type() == "multipart/report"
        or sender.partition("@")[0].lower() in _BY_NOBODY
    )


def _text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain", "html"))
    if body is None:
        return ""
    try:
        words = body.get_content()
    except LookupError:  # it names a set of characters that there is not
        payload = body.get_payload(decode=True)
        words = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    if not isinstance(words, str):
        return ""
    return _without_markup(words) if body.get_content_subtype() == "html" else words


def _attachments(mail: EmailMessage) -> list[Mapping[str, str]]:
    found = []
    for part in mail.walk():
        if part.is_multipart() or part.get_content_disposition() != "attachment":
            continue
        name = one_line(part.get_filename() or "", _LONGEST_NAME)
        found.append({"name": name, "type": part.get_content_type()})
    return list(found[:_MOST_ATTACHMENTS])


class _Words(HTMLParser):
    """Gathers what a reader would see of a document."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in _UNSEEN:
            self._hidden += 1
        elif tag in _BREAKS:
            self.seen.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BREAKS:
            self.seen.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.seen.append(_BLANKS.sub(" ", data))


def _without_markup(html: str) -> str:
    words = _Words()
    words.feed(html)
    words.close()
    return "".join(words.seen)
