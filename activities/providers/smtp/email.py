"""E-mail over a relay: few connections, each used for many mails; one call is one hand-over.

aiosmtplib's steps are called one by one, because the step that failed decides what is known: before
DATA nothing was handed over, after it the relay may have the mail although it did not say so.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from activities.providers.smtp.signing import Dkim
from activities.providers.smtp.writing import Mail, write
from tellal.clock import SystemClock
from tellal.domain.channels import Channel, Receipts
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.domain.return_paths import Attempt
from tellal.settings import SmtpSettings

_PROVIDER = "smtp"
_MAILS_PER_CONNECTION = 100
_IDLE_S = 20.0
"""Relays hang up on the idle; a connection that slept longer is not trusted with a mail."""

_HALT, _BAD = Remedy.HALT, Remedy.BAD_ADDRESS

CODES: Mapping[str, Remedy] = {
    # Status codes of RFC 3463 and its registry; what is not here goes on to the next channel.
    "5.1.1": _BAD,  # no such mailbox
    "5.1.2": _BAD,  # no such system
    "5.1.3": _BAD,  # the address cannot be read
    "5.1.6": _BAD,  # the mailbox has moved, nobody knows where
    "5.1.10": _BAD,  # the domain takes no mail
    "5.2.1": _BAD,  # the mailbox is disabled
    "5.1.7": _HALT,  # our sender's address cannot be read
    "5.1.8": _HALT,  # our sender's domain does not exist
    "5.7.3": _HALT,  # not authenticated
    "5.7.8": _HALT,  # credentials refused
    "5.7.9": _HALT,  # authentication too weak
    "5.7.11": _HALT,  # encryption needed for it
    "530": _HALT,  # authentication required
    "535": _HALT,  # authentication failed
}

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b")
_TRANSIENT, _PERMANENT = range(400, 500), range(500, 600)
_LOST = (SMTPServerDisconnected, SMTPTimeoutError, OSError)


@dataclass(slots=True, kw_only=True)
class _Connection:
    client: SMTP
    mails: int = 0
    used_at: float = 0.0
    broken: bool = False

    def is_worn(self) -> bool:
        idle = time.monotonic() - self.used_at
        return (
            self.broken
            or not self.client.is_connected
            or self.mails >= _MAILS_PER_CONNECTION
            or idle > _IDLE_S
        )


class SmtpEmail:
    """Sends mails in text and HTML, each under a Message-ID that all its attempts share."""

    def __init__(self, settings: SmtpSettings) -> None:
        """Take the relay, and the key that signs, if the settings name a domain to sign for.

        Raises:
            InvalidInputError: The key cannot be used.
        """
        self._settings = settings
        self._dkim = Dkim(settings.dkim) if settings.dkim.domain else None
        self._return_paths = settings.bounces.paths
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: list[_Connection] = []

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return _PROVIDER

    @property
    def channel(self) -> Channel:
        """The channel that it carries."""
        return Channel.EMAIL

    @property
    def receipts(self) -> Receipts:
        """A relay tells only of mails that came back."""
        return Receipts.BOUNCE_ONLY

    @property
    def looks_up(self) -> bool:
        """A relay cannot be asked what became of a mail."""
        return False

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Hand the mail over; every failure is an answer, never an exception."""
        now = SystemClock().now()
        try:
            mail = write(message, now)
        except (ValueError, IndexError, UnicodeError):
            # A line break in a header, an address that is none: it can never be written.
            return _rejected("unwritable", Remedy.NEXT_CHANNEL)
        raw = mail.raw if self._dkim is None else self._dkim.sign(mail.raw, now)
        mail = replace(mail, raw=raw, sender=self._back_to(message) or mail.sender)
        async with self._slots:
            try:
                connection = await self._connected()
            except (SMTPException, OSError) as error:
                return _not_connected(error)
            async with self._given_back(connection):
                return await _hand_over(connection, mail, message.address)

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Return None: a relay cannot be asked."""
        del message, since
        return None

    async def close(self) -> None:
        """Take leave of the relay."""
        while self._idle:
            await _leave(self._idle.pop())

    def _back_to(self, message: OutgoingMessage) -> str | None:
        """Return the envelope's sender, to which a mail comes back; None for its own."""
        if self._return_paths is None:
            return None
        return self._return_paths.of(Attempt(message_id=message.id, number=message.attempt))

    async def _connected(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_worn():
                return connection
            await _leave(connection)
        settings = self._settings
        client = SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.username or None,
            password=settings.password.get_secret_value() or None,
            timeout=settings.timeout_s,
            use_tls=settings.tls == "implicit",
            start_tls=settings.tls == "starttls",
        )
        await client.connect()
        return _Connection(client=client)

    @asynccontextmanager
    async def _given_back(self, connection: _Connection) -> AsyncGenerator[None]:
        connection.mails += 1
        try:
            yield
        except BaseException:
            # Cancelled in the middle of the dialogue: what the relay waits for is unknown.
            connection.client.close()
            raise
        connection.used_at = time.monotonic()
        if connection.is_worn():
            await _leave(connection)
        else:
            self._idle.append(connection)


async def _hand_over(connection: _Connection, mail: Mail, recipient: str) -> HandOver:
    client = connection.client
    options = () if (mail.sender + recipient).isascii() else ("SMTPUTF8",)
    try:
        await client.mail(mail.sender, options=options, encoding="utf-8")
        await client.rcpt(recipient, encoding="utf-8")
    except SMTPResponseException as refusal:
        await _start_over(connection, refusal)
        return _refused(refusal)
    except _LOST:
        connection.broken = True
        return _rejected("lost_before_data", Remedy.RETRY)
    try:
        await client.data(mail.raw)
    except SMTPResponseException as refusal:
        connection.broken = refusal.code == 421  # noqa: PLR2004 (the relay hangs up)
        return _refused(refusal)
    except _LOST as error:
        connection.broken = True
        code = "timeout" if isinstance(error, TimeoutError) else "connection_lost"
        return _answer(Answer.AMBIGUOUS, code=code, remedy=Remedy.RECONCILE)
    return _answer(Answer.ACCEPTED, reference=mail.message_id)


async def _start_over(connection: _Connection, refusal: SMTPResponseException) -> None:
    connection.broken = refusal.code == 421  # noqa: PLR2004 (the relay hangs up)
    if not connection.broken:
        try:
            await connection.client.rset()
        except (SMTPException, OSError):
            connection.broken = True


async def _leave(connection: _Connection) -> None:
    try:
        if connection.client.is_connected and not connection.broken:
            await connection.client.quit()
    except (SMTPException, OSError):
        pass
    finally:
        connection.client.close()


def _not_connected(error: SMTPException | OSError) -> HandOver:
    if isinstance(error, SMTPResponseException):
        # Refused before any mail was named: it is about us, so permanent means the whole route.
        permanent = error.code in _PERMANENT
        return _rejected(str(error.code), Remedy.HALT if permanent else Remedy.RETRY)
    if not isinstance(error, OSError):
        # No encryption, no way to log in: the relay lacks what the settings ask for.
        return _rejected("not_supported", Remedy.HALT)
    return _rejected("unreachable", Remedy.RETRY)


def _refused(refusal: SMTPResponseException) -> HandOver:
    enhanced = _ENHANCED.match(refusal.message)
    code = enhanced[1] if enhanced else str(refusal.code)
    if refusal.code in _TRANSIENT:
        return _rejected(code, Remedy.RETRY)
    if refusal.code in _PERMANENT:
        listed = CODES.get(code) or CODES.get(str(refusal.code))
        return _rejected(code, listed or Remedy.NEXT_CHANNEL)
    return _answer(Answer.AMBIGUOUS, code=code, remedy=Remedy.RECONCILE)


def _rejected(code: str, remedy: Remedy) -> HandOver:
    return _answer(Answer.REJECTED, code=code, remedy=remedy)


def _answer(
    answer: Answer, *, reference: str = "", code: str = "", remedy: Remedy | None = None
) -> HandOver:
    return HandOver(
        answer=answer, provider=_PROVIDER, reference=reference, code=code, remedy=remedy
    )
