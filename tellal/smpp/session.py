"""A connection over which both ends ask and answer, many requests at a time (SMPP 3.4, 2.4).

It keeps itself alive: where nothing has come for a while it asks whether anybody is there, and
where nobody answers that it ends.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tellal.domain.errors import TellalError
from tellal.smpp.pdus import (
    GENERIC_NACK,
    HEADER_OCTETS,
    LARGEST_PDU,
    Command,
    Pdu,
    Status,
    UnreadableError,
    answer_to,
    nack,
    pdu,
)

_log = logging.getLogger(__name__)

_LAST_NUMBER = 0x7FFFFFFF
_ASKED_AT_ONCE = 200
"""How many requests of the peer's are worked in side by side; the others wait in the network."""
_PARTING_S = 1.0

Handler = Callable[[Pdu], Awaitable[Pdu | None]]
"""Answers a request of the peer's; None says nothing."""


class NotLeftError(TellalError):
    """The request was not sent: the connection had ended before."""


class LostError(TellalError):
    """The request was sent, and the connection ended before an answer came."""


class Session:
    """One connection, from the first unit to the last; `run` reads it until it ends."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handler: Handler,
        *,
        alive_every_s: float,
        timeout_s: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._alive_every_s = alive_every_s
        self._timeout_s = timeout_s
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Pdu]] = {}
        self._room = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._handling: set[asyncio.Task[None]] = set()
        self._heard_at = asyncio.get_running_loop().time()
        self._ended = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._ended.is_set()

    async def wait_until_ended(self) -> None:
        """Wait until the connection has ended, whoever ended it."""
        await self._ended.wait()

    async def ask(self, request: Pdu, timeout_s: float | None = None) -> Pdu:
        """Ask, and return the answer, whatever it says.

        Raises:
            NotLeftError: It did not leave.
            LostError: It left, and the connection ended before there was an answer.
            TimeoutError: It left, and there was no answer in time.
        """
        if self.ended:
            raise NotLeftError("the connection has ended")
        self._number = self._number % _LAST_NUMBER + 1
        number = self._number
        answer: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(request.numbered(number))
            async with asyncio.timeout(self._timeout_s if timeout_s is None else timeout_s):
                return await answer
        finally:
            self._waiting.pop(number, None)

    async def run(self) -> None:
        """Read until either end ends it; whoever still waits for an answer then hears of it."""
        keeping = asyncio.create_task(self._keep_alive())
        try:
            while True:
                await self._take(await self._next())
        except (OSError, EOFError, UnreadableError):
            _log.debug("a connection of SMPP has ended")
        finally:
            keeping.cancel()
            self._end()

    async def unbind(self) -> None:
        """Part in peace: say so, wait a moment for the answer, and end the connection."""
        with suppress(TellalError, TimeoutError):
            await self.ask(pdu(Command.UNBIND), min(_PARTING_S, self._timeout_s))
        self.cut()

    def cut(self) -> None:
        """End the connection without a word, and without what has not left yet."""
        self._writer.transport.abort()
        self._end()

    async def _next(self) -> Pdu:
        head = await self._reader.readexactly(4)
        length = int.from_bytes(head, "big")
        if not HEADER_OCTETS <= length <= LARGEST_PDU:
            raise UnreadableError("the length of a unit is none")
        unit = Pdu(head + await self._reader.readexactly(length - len(head)))
        self._heard_at = asyncio.get_running_loop().time()
        return unit

    async def _take(self, unit: Pdu) -> None:
        if unit.is_answer:
            answer = self._waiting.pop(unit.sequence, None)
            if answer is not None and not answer.done():
                answer.set_result(unit)
        elif unit.command == Command.ENQUIRE_LINK:
            self._say(answer_to(unit))
        elif unit.command == Command.UNBIND:
            self._say(answer_to(unit))
            raise EOFError
        else:
            await self._room.acquire()
            task = asyncio.create_task(self._handle(unit))
            self._handling.add(task)
            task.add_done_callback(self._handled)

    def _handled(self, task: asyncio.Task[None]) -> None:
        self._handling.discard(task)
        self._room.release()

    async def _handle(self, unit: Pdu) -> None:
        try:
            answer = await self._handler(unit)
        except UnreadableError:
            answer = nack(unit, Status.UNKNOWN_COMMAND)
        except Exception as error:  # noqa: BLE001 - the peer is told to come again
            _log.warning("a request over SMPP failed", extra={"error": type(error).__name__})
            answer = answer_to(unit, status=Status.TRY_LATER)
        if answer is not None:
            self._say(answer)

    def _say(self, unit: Pdu) -> None:
        if not self.ended:
            self._writer.write(unit.raw)

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            silent_s = loop.time() - self._heard_at
            if silent_s < self._alive_every_s:
                await asyncio.sleep(self._alive_every_s - silent_s)
                continue
            try:
                await self.ask(pdu(Command.ENQUIRE_LINK))
            except (TellalError, TimeoutError):
                self._end()
                return

    def _end(self) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        for task in self._handling:
            task.cancel()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(LostError("the connection ended before an answer came"))
        self._writer.close()


def is_refusal(answer: Pdu) -> bool:
    """Say whether an answer says no."""
    return answer.status != Status.OK or answer.command == GENERIC_NACK
