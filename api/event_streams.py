"""Server-Sent Events: news of something that changes, until it is over or nobody listens.

The format is that of the HTML standard, section 9.2 ("Server-sent events"). An event's id says what
it says: who comes again with the id of the newest hears only what is new since.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy.exc import OperationalError, TimeoutError as PoolTimeoutError

from tellal.supervision import rest

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Nobody on the way keeps events back."""

_COME_AGAIN = b"retry: 3000\n\n"
_HEARTBEAT = b": still here\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is so at the moment, as JSON on one line; `over` says that it stays so.

    News of the same `matter` is no news, whatever else differs.
    """

    matter: str
    data: str
    over: bool

    @property
    def id(self) -> str:
        """What tells this from other news."""
        return sha256(self.matter.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often is looked, and how long nothing is said (seconds)."""

    look_every_s: float = 1.0
    heartbeat_s: float = 15.0


async def events(
    first: News,
    look: Callable[[], Awaitable[News | None]],
    ending: asyncio.Event,
    *,
    known: str = "",
    pace: Pace = Pace(),
) -> AsyncIterator[bytes]:
    """Tell of what is so and whenever it changes; end with it, or when this process ends.

    `look` says None when the listener may hear no more. `known` is the id of the last event that he
    has heard. A database that is away ends the stream: he comes again, and is told that by then.
    """
    news, silent_s = first, 0.0
    yield _COME_AGAIN
    while True:
        if news.id != known:
            known, silent_s = news.id, 0.0
            yield f"id: {news.id}\nevent: progress\ndata: {news.data}\n\n".encode()
        if news.over:
            yield b"event: end\ndata: {}\n\n"
            return
        await rest(ending, pace.look_every_s)
        if ending.is_set():
            return
        silent_s += pace.look_every_s
        if silent_s >= pace.heartbeat_s:
            silent_s = 0.0
            yield _HEARTBEAT
        try:
            found = await look()
        except (OperationalError, PoolTimeoutError):
            return
        if found is None:
            return
        news = found
