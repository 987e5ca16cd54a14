"""The server's side of the rule engine's process: questions out in batches, answers in."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import cast

from rules.questions import EngineAnswer
from rules.rulebook import Rulebook
from tellal.domain.decisions import Value

_HEAD = 4
_STALLS = 5
"""So many deadlines without a sign of life, and the child is given up."""


class ChildFailure(StrEnum):
    """Why a question got no answer."""

    LATE = "late"
    GONE = "gone"


Answer = EngineAnswer | ChildFailure


async def start_child(
    book: Rulebook, *, deadline_s: float, wake: Callable[[], None]
) -> "EngineChild":
    """Start a process that runs a rulebook's programs, and wait until it is ready.

    `wake` is called when the child has failed. Its working directory is where the `rules` package
    lies, so that it finds the package however this process found it.

    Raises:
        ConnectionError: The process ended before it was ready.
    """
    loop = asyncio.get_running_loop()
    child = EngineChild(loop, book, deadline_s=deadline_s, wake=wake)
    await loop.subprocess_exec(
        lambda: child,
        sys.executable,
        "-m",
        "rules.engine_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[1],
    )
    try:
        await child.prepare()
    except BaseException:
        await child.kill()
        raise
    return child


class EngineChild(asyncio.SubprocessProtocol):
    """One process, for one revision of a rulebook.

    Everything happens in callbacks of the event loop, not in tasks: an answer that has come in is
    taken before a deadline that has passed, however late the loop comes to it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        book: Rulebook,
        *,
        deadline_s: float,
        wake: Callable[[], None],
    ) -> None:
        self.revision = book.revision
        self.failure: str | None = None
        self._loop = loop
        self._book = book
        self._rules = {
            topic: tuple(asked.rule.id for asked in shard.order)
            for topic, shard in book.shards.items()
        }
        self._fields = {topic: shard.fields for topic, shard in book.shards.items()}
        self._deadline_s = deadline_s
        self._wake = wake
        self._ready: asyncio.Future[None] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.SubprocessTransport | None = None
        self._received = bytearray()
        self._next = 0
        self._unsent: list[tuple[int, str, list[Value | None]]] = []
        self._waiting: dict[int, tuple[str, asyncio.Future[Answer]]] = {}
        self._owed: set[int] = set()
        self._heard_at = loop.time()

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._transport.get_pid() if self._transport else None

    @property
    def behind(self) -> bool:
        """Whether it owes an answer that is late already."""
        return bool(self._owed)

    async def prepare(self) -> None:
        """Hand the programs over and wait until they are loaded.

        Raises:
            ConnectionError: The process ended before.
        """
        programs = {topic: program.to_json() for topic, program in self._book.programs.items()}
        self._write(programs)
        await self._ready

    def ask(self, topic: str, document: Mapping[str, Value]) -> "asyncio.Future[Answer]":
        """Ask; the answer comes within the deadline, if only to say that there is none."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        if self.failure is not None:
            future.set_result(ChildFailure.GONE)
            return future
        self._next += 1
        self._waiting[self._next] = (topic, future)
        values = [document.get(path) for path in self._fields[topic]]
        self._unsent.append((self._next, topic, values))
        if len(self._unsent) == 1:
            self._loop.call_soon(self._flush)
        return future

    async def kill(self) -> None:
        """End the process, also one that is frozen, and wait until it is gone."""
        if self._transport is None:
            return
        if self._transport.get_returncode() is None:
            self._transport.kill()
        await self._gone
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Not asked for its class: uvloop's transports do what asyncio's do, and are none of them.
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 - asyncio names it
        """Take answers in."""
        self._heard_at = self._loop.time()
        self._received += data
        while len(self._received) >= _HEAD:
            end = _HEAD + int.from_bytes(self._received[:_HEAD], "big")
            if len(self._received) < end:
                return
            frame = bytes(self._received[_HEAD:end])
            del self._received[:end]
            self._take(json.loads(frame))

    def process_exited(self) -> None:
        """Answer everybody who waits: there will be no answer."""
        self._fail("died")
        if not self._gone.done():
            self._gone.set_result(None)

    def _take(self, frame: object) -> None:
        if frame == "ready" and not self._ready.done():
            self._ready.set_result(None)
        if not isinstance(frame, list):
            return
        for number, facts, held in frame:
            self._owed.discard(number)
            topic, future = self._waiting.pop(number, ("", None))
            if future is not None and not future.done():
                rules = self._rules[topic]
                fired = frozenset([rules[position] for position in held])
                future.set_result(EngineAnswer(facts=frozenset(facts), fired=fired))

    def _flush(self) -> None:
        batch, self._unsent = self._unsent, []
        if self.failure is not None:
            return
        self._write(batch)
        self._loop.call_later(self._deadline_s, self._expire, [number for number, *_ in batch])

    def _write(self, frame: object) -> None:
        if self._transport is None:
            return
        pipe = cast(asyncio.WriteTransport | None, self._transport.get_pipe_transport(0))
        if pipe is not None and not pipe.is_closing():
            body = json.dumps(frame, ensure_ascii=False).encode()
            pipe.write(len(body).to_bytes(_HEAD, "big") + body)

    def _expire(self, numbers: list[int]) -> None:
        for number in numbers:
            waiting = self._waiting.pop(number, None)
            if waiting is None:
                continue
            if not self._owed:
                self._loop.call_later(self._deadline_s * _STALLS, self._watch)
            self._owed.add(number)
            if not waiting[1].done():
                waiting[1].set_result(ChildFailure.LATE)

    def _watch(self) -> None:
        """Give the child up if it has been silent since it fell behind."""
        if not self._owed or self.failure is not None:
            return
        silent = self._loop.time() - self._heard_at
        if silent >= self._deadline_s * _STALLS:
            self._fail("hung")
        else:
            self._loop.call_later(self._deadline_s, self._watch)

    def _fail(self, why: str) -> None:
        if self.failure is None:
            self.failure = why
        if not self._ready.done():
            self._ready.set_exception(ConnectionError("the rule engine ended while it started"))
        waiting, self._waiting = self._waiting, {}
        for _, future in waiting.values():
            if not future.done():
                future.set_result(ChildFailure.GONE)
        self._wake()
