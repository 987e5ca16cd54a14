"""Lanes of one worker share its processor: who goes first when somebody rings for a lane.

Slots and queues of their own do not help an urgent message past a flood if every step towards its
hand-over waits for the flood's turn. So the lanes below begin nothing from the ring until the lane
above has looked and its calls are on their way: some milliseconds, and at most half of the time.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tellal.domain.channels import Lane

LOOK_AGAIN_S = 0.002
"""How soon to ask again for the way."""

_LONGEST_S = 0.25
_SHARE = 0.5
_QUIET_S = 5.0
"""So long nobody has rung for the lanes above when a lane below may take larger bites."""
_ABOVE: Mapping[Lane, Sequence[Lane]] = {
    Lane.CRITICAL: (),
    Lane.JOURNEYS: (Lane.CRITICAL,),
    Lane.BULK: (Lane.CRITICAL, Lane.JOURNEYS),
}


class Rings(Protocol):
    """What counts how often somebody rang for a lane."""

    def rings(self, lane: Lane) -> int:
        """Count the calls for a lane."""
        ...


@dataclass(slots=True)
class _Patience:
    """How long a lane goes on giving way: it shrinks meanwhile, and grows again half as fast."""

    left_s: float = _LONGEST_S
    asked_at: float = field(default_factory=time.monotonic)
    gives_way: bool = False

    def bears(self, *, is_hurried: bool) -> bool:
        """Say whether to give way, if a lane above is in a hurry."""
        now = time.monotonic()
        change = (now - self.asked_at) * (_SHARE - self.gives_way)
        self.left_s = min(_LONGEST_S, max(0.0, self.left_s + change))
        self.asked_at = now
        self.gives_way = is_hurried and self.left_s > 0
        return self.gives_way


class RightOfWay:
    """Knows for which lanes at work here somebody has rung who was not looked after yet."""

    def __init__(self, bell: Rings) -> None:
        """Take what counts the rings."""
        self._bell = bell
        self._at_work: Counter[Lane] = Counter()
        self._seen: dict[Lane, int] = {}
        self._rang_at: dict[Lane, float] = {}
        self._patience = {lane: _Patience() for lane in Lane}

    @contextmanager
    def at_work(self, lane: Lane) -> Iterator[None]:
        """Count a lane among those that are looked after here; nobody waits for the others."""
        self._at_work[lane] += 1
        self.looked(lane, self._bell.rings(lane))
        try:
            yield
        finally:
            self._at_work[lane] -= 1

    def looked(self, lane: Lane, seen: int) -> None:
        """Note that a lane has looked since it rang so often, and has begun what it found."""
        if seen > self._seen.get(lane, seen):
            self._rang_at[lane] = time.monotonic()
        self._seen[lane] = max(seen, self._seen.get(lane, 0))

    def is_free(self, lane: Lane) -> bool:
        """Say whether a lane may begin something."""
        is_hurried = any(
            self._at_work[above] and self._bell.rings(above) > self._seen[above]
            for above in _ABOVE[lane]
        )
        return not self._patience[lane].bears(is_hurried=is_hurried)

    def is_quiet_above(self, lane: Lane) -> bool:
        """Say whether there are lanes above, and nobody has rung here for them for a while."""
        above = _ABOVE[lane]
        since = time.monotonic() - _QUIET_S
        rang = any(
            self._rang_at.get(one, 0.0) > since
            or (self._at_work[one] and self._bell.rings(one) > self._seen[one])
            for one in above
        )
        return bool(above) and not rang

    async def wait(self, lane: Lane) -> None:
        """Wait until a lane may begin something."""
        while not self.is_free(lane):  # noqa: ASYNC110 - patience ends without an event
            await asyncio.sleep(LOOK_AGAIN_S)
