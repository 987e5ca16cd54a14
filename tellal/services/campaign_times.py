"""When a campaign runs: its days, and the instants at which its hour comes to each time zone.

Days are counted on the calendar of the wall, so that ten o'clock stays ten o'clock when clocks
change; a time that is skipped that night is the first instant after it, one that comes twice the
earlier (`rules.quiet.instant`).
"""

import calendar
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from rules.calendars import Day, kinds_of
from rules.quiet import instant
from rules.situations import zone_of
from tellal.domain.campaigns import LOCAL, Every, Holidays, When

_DAY = timedelta(days=1)
_MOST_DAYS = 366 * 30
_FREE = frozenset({Day.SAT, Day.SUN, Day.HOLIDAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """The zones that reach the planned hour at one instant; no zones: everybody at once."""

    at: datetime
    zones: tuple[str, ...]


def days_of(when: When, country: str) -> Iterator[datetime]:
    """Go through the times on the wall at which a campaign runs, in their order.

    What falls on a day to be skipped is left out; a holiday is treated as the plan says.
    """
    last: date | None = None
    for day in _planned(when):
        moved = _moved(when, day, country)
        if moved is None or (last is not None and moved <= last):
            continue
        if when.until and moved > when.until:
            return
        last = moved
        yield datetime.combine(moved, when.at.time())


def waves(when: When, at: datetime, zones: Sequence[str]) -> tuple[Wave, ...]:
    """Return when the hour comes to whom: by each zone's clock, or to all by that of the plan."""
    if when.zone != LOCAL:
        return (Wave(at=instant(at.date(), at.time(), zone_of(when.zone)), zones=()),)
    by_instant: dict[datetime, list[str]] = {}
    for zone in sorted(zones):
        by_instant.setdefault(instant(at.date(), at.time(), zone_of(zone)), []).append(zone)
    return tuple(Wave(at=one, zones=tuple(by_instant[one])) for one in sorted(by_instant))


def next_run(
    when: When, country: str, zones: Sequence[str], *, after: datetime | None
) -> tuple[datetime, tuple[Wave, ...]] | None:
    """Return the next time on the wall and its waves that begin later than `after`; None if none.

    Without `after` it is the first of all.
    """
    for at in days_of(when, country):
        found = waves(when, at, zones)
        if found and (after is None or found[0].at > after):
            return at, found
    return None


def shifted(when: When, at: datetime, campaign_id: str) -> datetime:
    """Put a run off by chance, within the plan's jitter; the same run always by the same."""
    if not when.jitter:
        return at
    chance = hashlib.sha256(f"{campaign_id}{at.isoformat()}".encode()).digest()
    return at + when.jitter * (int.from_bytes(chance[:4]) / 2**32)


def opens_at(window: tuple[time, time] | None, zone: str, now: datetime) -> datetime | None:
    """Return when the window opens again by a zone's clock; None while it is open."""
    if window is None:
        return None
    there = zone_of(zone)
    local = now.astimezone(there)
    if window[0] <= local.time() < window[1]:
        return None
    day = local.date() if local.time() < window[0] else local.date() + _DAY
    return instant(day, window[0], there)


def _planned(when: When) -> Iterator[date]:
    """Go through the days before holidays are looked at."""
    first = when.at.date()
    match when.every:
        case None:
            yield first
        case Every.DAY | Every.WEEK:
            on = when.on or (frozenset({first.weekday()}) if when.every is Every.WEEK else None)
            for number in range(_MOST_DAYS):
                day = first + number * _DAY
                if on is None or day.weekday() in on:
                    yield day
        case Every.MONTH | Every.YEAR:
            months = 1 if when.every is Every.MONTH else 12
            for number in range(_MOST_DAYS // 30):
                yield _months_on(first, number * months)


def _months_on(first: date, months: int) -> date:
    """Return the same day of a later month, its last one where it has no such day."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    month += 1
    return date(year, month, min(first.day, calendar.monthrange(year, month)[1]))


def _moved(when: When, day: date, country: str) -> date | None:
    if day in when.skip:
        return None
    if when.holidays is Holidays.SEND or Day.HOLIDAY not in kinds_of(day, country):
        return day
    if when.holidays is Holidays.SKIP:
        return None
    while kinds_of(day, country) & _FREE or day in when.skip:
        day += _DAY
    return day
