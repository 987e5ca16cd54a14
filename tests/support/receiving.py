"""A mail system of the tests that takes mail in over SMTP."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Receiver:
    """What it has got: the envelope's sender, its recipients, and the mail."""

    port: int = 0
    got: list[tuple[str | None, list[str], bytes]] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail."""
        del server, session
        raw = envelope.original_content or b""
        self.got.append((envelope.mail_from, list(envelope.rcpt_tos), raw))
        return "250 2.0.0 OK"


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    """Run it on a port of loopback for the length of a block."""
    loop, receiver = asyncio.get_running_loop(), Receiver()
    door = await loop.create_server(
        lambda: SMTP(receiver, hostname="receiver.invalid", loop=loop), "127.0.0.1", 0
    )
    receiver.port = door.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        door.close()
