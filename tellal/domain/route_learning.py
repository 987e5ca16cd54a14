"""What a route's own answers and receipts teach about its share of the traffic.

A route that errs or whose receipts are late loses its share, keeps a little of it as probes, and
gets it back step by step when these go well. What is seen is a sample, so the lower bound of the
Wilson interval is what counts (E. B. Wilson, JASA 22, 1927): few events prove nothing.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Mode(StrEnum):
    """Who decides on a route's share."""

    AUTO = "auto"
    """What is learned."""
    DRAINED = "drained"
    """Somebody took it all away: nothing new goes by it."""
    PINNED = "pinned"
    """Somebody gave it all that it may carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A route's share: `factor` (0.02 to 1) of its weight, as learned, unless somebody decided.

    `usual_s` is how long a final receipt usually takes, None while nobody knows. `moved_at` is when
    the factor moved last.
    """

    route: str
    factor: float = 1.0
    mode: Mode = Mode.AUTO
    usual_s: float | None = None
    moved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a route since it moved last, at most a window long.

    Of `judged` attempts `faults` failed by the route's own doing; of `awaited` ones, which it took
    long ago enough, `late` got their final receipt late or not at all.
    """

    judged: int = 0
    faults: int = 0
    awaited: int = 0
    late: int = 0


class Why(StrEnum):
    """Why a share moved."""

    ERRORS = "errors"
    LATE_RECEIPTS = "late_receipts"
    HEALED = "healed"
    """Enough attempts went well."""
    QUIET = "quiet"
    """Nothing went wrong for a while, though little was tried."""
    DRAINED = "drained"
    PINNED = "pinned"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """How fast and from how much a route learns.

    Errors up to `tolerated` of all and late receipts up to `tolerated_late` are its everyday. It
    loses only by `least_faults` of `least_judged` and more. A receipt is late after `late_after`
    times the usual time and never before `late_from`.
    """

    window: timedelta = timedelta(seconds=60)
    quiet: timedelta = timedelta(seconds=60)
    settle: timedelta = timedelta(seconds=10)
    receipts_window: timedelta = timedelta(minutes=5)
    tolerated: float = 0.1
    tolerated_late: float = 0.3
    least_judged: int = 10
    least_faults: int = 3
    late_after: float = 4.0
    late_from: timedelta = timedelta(seconds=30)

    def late_in(self, usual_s: float) -> timedelta:
        """Return after which time a final receipt is late."""
        return max(self.late_from, timedelta(seconds=self.late_after * usual_s))


FLOOR = 0.02
"""What is left of a share at least: the probes by which it is seen that a route has healed."""
_Z = 1.96
_STEEPNESS = 3
_GROWTH = 2.0
_REMEMBERED = 0.9
"""How much of the usual time is kept when a new median of it is seen."""


def learned(share: Share, seen: Seen, now: datetime, lessons: Lessons) -> tuple[Share, Why] | None:
    """Return the share that follows from what was seen, and why; None while it stays."""
    worst, why = max(
        (_proved(seen.faults, seen.judged, lessons.tolerated, lessons), Why.ERRORS),
        (_proved(seen.late, seen.awaited, lessons.tolerated_late, lessons), Why.LATE_RECEIPTS),
    )
    if worst:
        return _moved(share, share.factor * (1 - worst) ** _STEEPNESS, why, now)
    healed = _healed(share, seen, now, lessons)
    return _moved(share, share.factor * _GROWTH, healed, now) if healed else None


def usual_after(usual_s: float | None, median_s: float) -> float:
    """Return how long receipts usually take when a new median of them is seen (seconds)."""
    if usual_s is None:
        return median_s
    return usual_s * _REMEMBERED + median_s * (1 - _REMEMBERED)


def lower_bound(events: int, trials: int) -> float:
    """Return the lower bound of Wilson's 95 % interval of a share; 0 of nothing."""
    if not trials:
        return 0.0
    p, z2 = events / trials, _Z * _Z
    spread = _Z * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials))
    return max(0.0, (p + z2 / (2 * trials) - spread) / (1 + z2 / trials))


def _proved(events: int, trials: int, tolerated: float, lessons: Lessons) -> float:
    """Return the share of events that is proved, 0 unless it is beyond what is tolerated."""
    if events < lessons.least_faults or trials < lessons.least_judged:
        return 0.0
    bound = lower_bound(events, trials)
    return bound if bound > tolerated else 0.0


def _healed(share: Share, seen: Seen, now: datetime, lessons: Lessons) -> Why | None:
    if share.factor >= 1 or share.moved_at is None:
        return None
    since = now - share.moved_at
    if seen.late > lessons.tolerated_late * seen.awaited:
        return None
    if seen.judged >= lessons.least_judged:
        well = seen.faults <= lessons.tolerated * seen.judged
        return Why.HEALED if well and since >= lessons.settle else None
    return Why.QUIET if not seen.faults and since >= lessons.quiet else None


def _moved(share: Share, factor: float, why: Why, now: datetime) -> tuple[Share, Why] | None:
    factor = min(1.0, max(FLOOR, factor))
    if factor == share.factor:
        return None
    return replace(share, factor=factor, moved_at=now), why
