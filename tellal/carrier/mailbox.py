"""The mailbox: a real SMTP server that keeps what it gets, with a view of it over HTTP."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tellal.carrier.letter import TAKEN
from tellal.carrier.letter_file import LetterFile
from tellal.carrier.letters import Letters, MailFault, Stage
from tellal.carrier.mailbox_views import create_mailbox
from tellal.carrier.returning import Returning

_CAP = 20_000
_LARGEST_MAIL = 10 * 1024 * 1024
_HANG_S = 60.0


class Postman:
    """Aiosmtpd's handler: takes every mail, unless a fault says otherwise."""

    def __init__(self, letters: Letters, returning: Returning, hang_s: float = _HANG_S) -> None:
        self._letters = letters
        self._returning = returning
        self._hang_s = hang_s

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        """Take a recipient, or refuse it."""
        del session
        self._letters.tried(address)
        fault = self._letters.fault_at(Stage.RCPT, [address])
        if fault is not None:
            return self._struck(server, fault)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail, or refuse it, or keep it and say nothing."""
        del session
        recipients = [str(recipient) for recipient in envelope.rcpt_tos]
        fault = self._letters.fault_at(Stage.DATA, recipients)
        if fault is not None and not fault.keeps_the_mail:
            return self._struck(server, fault)
        letter = self._letters.keep(
            at=datetime.now(UTC),
            sender=str(envelope.mail_from),
            recipients=recipients,
            raw=envelope.original_content or b"",
            told=TAKEN if fault is None else 0,
        )
        self._returning.taken(letter)
        if fault is not None and fault.hang_after_data:
            # When the client gives up, aiosmtpd cancels this with the connection.
            await asyncio.sleep(self._hang_s)
        elif fault is not None:
            _tear(server)
        return "250 2.0.0 OK"

    @staticmethod
    def _struck(server: SMTP, fault: MailFault) -> str:
        if fault.disconnect:
            _tear(server)
        return fault.reply()


def _tear(server: SMTP) -> None:
    """Break the connection off; whatever is answered then is not heard."""
    if isinstance(server.transport, asyncio.WriteTransport):
        server.transport.abort()


def _anybody(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object
) -> AuthResult:
    """Let anybody in who gives a name and a password: the mailbox is for rehearsals."""
    del server, session, envelope, mechanism
    return AuthResult(success=isinstance(given, LoginPassword), handled=False)


def serve(host: str, smtp_port: int, http_port: int, file: Path | None = None) -> None:
    """Serve until the process is told to stop; `/healthz` answers when both doors are open.

    What is taken is written to `file` before it is answered for, and read back at the start.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(run(host, smtp_port, http_port, file))


async def run(host: str, smtp_port: int, http_port: int, file: Path | None = None) -> None:
    """Serve mail and HTTP in the running loop, until HTTP's server is told to stop."""
    # aiosmtpd's log names senders and recipients, and what they say.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    on_disk = None if file is None else LetterFile(file)
    letters = Letters(_CAP, on_disk)
    returning = Returning()
    answer = _door(letters, returning)
    door = await asyncio.get_running_loop().create_server(answer, host, smtp_port)
    views = uvicorn.Config(
        create_mailbox(letters, returning),
        host=host,
        port=http_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    try:
        await uvicorn.Server(views).serve()
    finally:
        door.close()
        returning.clear()
        if on_disk is not None:
            on_disk.close()


def _door(letters: Letters, returning: Returning) -> Callable[[], SMTP]:
    """Return what answers each connection."""
    loop, postman = asyncio.get_running_loop(), Postman(letters, returning)

    def answer() -> SMTP:
        letters.connections += 1
        return SMTP(
            postman,
            data_size_limit=_LARGEST_MAIL,
            enable_SMTPUTF8=True,
            hostname="mailbox.tellal.invalid",
            ident="Tellal mailbox",
            authenticator=_anybody,
            auth_require_tls=False,
            loop=loop,
        )

    return answer
