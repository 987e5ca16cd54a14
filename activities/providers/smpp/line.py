"""The line on which messages go out: one session, made when it is needed and again when it ends.

As many submissions wait for their answers at a time as the window lets; the others wait here.
"""

import asyncio

from activities.providers.smpp.binding import BindRefusedError, Bound, bound
from tellal.domain.errors import TellalError
from tellal.settings import SmppSettings
from tellal.smpp.pdus import Command, Pdu, Status, answer_to
from tellal.smpp.session import NotLeftError

_NOT_AGAIN_FOR_S = 1.0
"""How long nobody tries to connect after that failed; all who wait would, one after the other."""


class Line:
    """Asks the message centre, over a session of its own."""

    def __init__(self, settings: SmppSettings) -> None:
        self._settings = settings
        self._bound: Bound | None = None
        self._connecting = asyncio.Lock()
        self._window = asyncio.Semaphore(settings.window)
        self._failed_at: float | None = None
        self._refused_with = 0

    async def ask(self, request: Pdu) -> Pdu:
        """Ask, and return the answer, whatever it says.

        Raises:
            BindRefusedError: The message centre does not let us in.
            NotLeftError: There was no way to it.
            LostError: It left, and the connection ended before there was an answer.
            TimeoutError: It left, and there was no answer in time.
        """
        async with self._window:
            made = await self._line()
            return await made.session.ask(request)

    async def close(self) -> None:
        """Part from the message centre."""
        if self._bound is not None and not self._bound.session.ended:
            await self._bound.close()

    async def _line(self) -> Bound:
        async with self._connecting:
            if self._bound is not None and not self._bound.session.ended:
                return self._bound
            now = asyncio.get_running_loop().time()
            if self._failed_at is not None and now - self._failed_at < _NOT_AGAIN_FOR_S:
                raise self._failure()
            try:
                self._bound = await bound(self._settings, Command.BIND_TRANSMITTER, _refuse)
            except (OSError, TellalError) as error:
                self._refused_with = error.status if isinstance(error, BindRefusedError) else 0
                self._failed_at = now
                raise self._failure() from error
            self._failed_at = None
            return self._bound

    def _failure(self) -> TellalError:
        if self._refused_with:
            return BindRefusedError(self._refused_with)
        return NotLeftError("there is no way to the message centre")


async def _refuse(request: Pdu) -> Pdu:
    """Have what comes this way brought to whoever receives; a transmitter gets nothing."""
    return answer_to(request, status=Status.TRY_LATER)
