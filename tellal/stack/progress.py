"""News of a stack's parts while they start."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """How far a part is."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A part came to a stage, so many seconds after we began to wait for it."""

    part: str
    stage: Stage
    after_s: float = 0.0


Announce = Callable[[Progress], None]


def keep_quiet(_: Progress) -> None:
    """Announce nothing."""


@contextmanager
def announced(announce: Announce, part: str) -> Iterator[None]:
    """Announce that a part starts, and how that ended."""
    begun = time.monotonic()
    announce(Progress(part=part, stage=Stage.STARTING))
    stage = Stage.FAILED
    try:
        yield
        stage = Stage.READY
    finally:
        announce(Progress(part=part, stage=stage, after_s=time.monotonic() - begun))
