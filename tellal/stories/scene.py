"""A story on stage: what is said, what is expected, and what was seen."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")

PATIENCE_S = 40.0
_PAUSE_S = 0.1


class Process(Protocol):
    """A process of a running stack, which a story may kill and start again."""

    def kill(self) -> None:
        """Kill it where it stands."""
        ...

    def start(self) -> None:
        """Start it, and wait until it works."""
        ...


class Stage(Protocol):
    """Where stories are played: the addresses of a running stack."""

    @property
    def api_url(self) -> str:
        """The API."""
        ...

    @property
    def carrier_url(self) -> str:
        """The carrier simulator."""
        ...

    @property
    def mailbox_url(self) -> str:
        """The mailbox."""
        ...

    @property
    def worker(self) -> Process:
        """The worker."""
        ...

    @property
    def database_url(self) -> str:
        """The database.

        Stories act over HTTP. Of the database they make their brands and keys and, where a story
        needs a whole town, its customers; and they read what the ledger knows, to compare it.
        """
        ...

    @property
    def rulebook(self) -> Path:
        """The folder of rule files that the stack reads and that a story may edit."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryResult:
    """What a story expected and what was observed, name by name; ok when they are equal."""

    id: str
    expected: Mapping[str, object]
    observed: Mapping[str, object]

    @property
    def ok(self) -> bool:
        """Say whether everything that was expected was observed, and anything was expected."""
        return bool(self.expected) and self.expected == self.observed


Say = Callable[[str], None]
Moment = Callable[[str], Awaitable[None]]


async def nothing_happens(_name: str) -> None:
    """Disturb nothing: what a story's moments do unless a test makes trouble in them."""


@dataclass(kw_only=True)
class Scene:
    """One telling of a story.

    `moment` is called where a mishap would hurt most, so that a test can kill a process there.
    """

    stage: Stage
    say: Say
    moment: Moment = nothing_happens
    expected: dict[str, object] = field(default_factory=dict)
    observed: dict[str, object] = field(default_factory=dict)

    def expect(self, name: str, wanted: object, seen: object) -> None:
        """Note an expectation and what was seen, and tell the audience."""
        self.expected[name] = wanted
        self.observed[name] = seen
        mark = "✓" if wanted == seen else "✗"
        tail = "" if wanted == seen else f" — expected {wanted!r}, saw {seen!r}"
        self.say(f"  {mark} {name}{tail}")

    async def until(
        self,
        look: Callable[[], Awaitable[T]],
        enough: Callable[[T], bool],
        within_s: float = PATIENCE_S,
    ) -> T:
        """Look until it is enough or the patience is over; return the last look."""
        end = time.monotonic() + within_s
        seen = await look()
        while not enough(seen) and time.monotonic() < end:
            await asyncio.sleep(_PAUSE_S)
            seen = await look()
        return seen

    async def settled(
        self, look: Callable[[], Awaitable[T]], quiet_s: float = 1.5, within_s: float = PATIENCE_S
    ) -> T:
        """Look until nothing has changed for a while: how one sees that nothing more comes."""
        end = time.monotonic() + within_s
        seen = await look()
        since = time.monotonic()
        while time.monotonic() - since < quiet_s and time.monotonic() < end:
            await asyncio.sleep(_PAUSE_S)
            now = await look()
            if now != seen:
                seen, since = now, time.monotonic()
        return seen

    def result(self, id: str) -> StoryResult:
        """Close the story."""
        return StoryResult(id=id, expected=dict(self.expected), observed=dict(self.observed))
