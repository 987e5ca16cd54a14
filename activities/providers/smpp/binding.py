"""Connects to a message centre and is let in."""

import asyncio
import ssl

from activities.providers.smpp.codes import code_of
from tellal.domain.errors import TellalError
from tellal.settings import SmppSettings
from tellal.smpp.pdus import Command, bind
from tellal.smpp.session import Handler, Session, is_refusal


class BindRefusedError(TellalError):
    """The message centre does not let us in; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the message centre refuses the bind: {code_of(status)}")
        self.status = status


class Bound:
    """A session of ours, and the task that reads it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._reading = asyncio.create_task(session.run())

    async def close(self) -> None:
        """Part from the message centre."""
        await self.session.unbind()
        await self._reading


async def bound(settings: SmppSettings, command: Command, handler: Handler) -> Bound:
    """Connect and bind.

    Raises:
        BindRefusedError: The message centre says no.
        OSError: There is no way to it.
        TimeoutError: It does not answer.
        TellalError: The connection ended before it let us in.
    """
    tls = ssl.create_default_context() if settings.tls else None
    async with asyncio.timeout(settings.timeout_s):
        reader, writer = await asyncio.open_connection(settings.host, settings.port, ssl=tls)
    made = Bound(
        Session(
            reader,
            writer,
            handler,
            alive_every_s=settings.alive_every_s,
            timeout_s=settings.timeout_s,
        )
    )
    try:
        answer = await made.session.ask(
            bind(
                command,
                system_id=settings.system_id,
                password=settings.password.get_secret_value(),
                system_type=settings.system_type,
            )
        )
    except BaseException:
        made.session.cut()
        raise
    if is_refusal(answer):
        made.session.cut()
        raise BindRefusedError(answer.status)
    return made
