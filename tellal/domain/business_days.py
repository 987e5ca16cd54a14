"""Business days: when a number of them has passed, where holidays and half-days are known.

A half-day (in Turkey the day before a feast, from one o'clock on) counts as a business day that
ends early, so that a deadline never falls later than somebody strict would have it.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

_LONGEST_REST = 60
"""Days in a row without work that a calendar may have before it is taken for a broken one."""


class Working(StrEnum):
    """How long is worked on a day."""

    FULL = "full"
    HALF = "half"
    NONE = "none"


WorkingDay = Callable[[date], Working]
"""Says how long is worked on a day, somewhere."""


def deadline(
    begins: datetime, days: int, working: WorkingDay, *, zone: ZoneInfo, half_day_ends: time
) -> datetime:
    """Return the end of so many business days after the day on which something began.

    That day itself does not count. The last one counts whole: the end is midnight, or the hour at
    which a half-day ends. `days` is at least 1.

    Raises:
        ValueError: The calendar knows of no further business day.
    """
    day = begins.astimezone(zone).date()
    for _ in range(days):
        day = _next(day, working)
    if working(day) is Working.HALF:
        return datetime.combine(day, half_day_ends, zone)
    return datetime.combine(day + timedelta(days=1), time(), zone)


def oldest(
    now: datetime, days: int, working: WorkingDay, *, zone: ZoneInfo, half_day_ends: time
) -> datetime:
    """Return the earliest moment whose deadline of so many business days has not passed yet.

    Raises:
        ValueError: The calendar knows of no further business day.
    """
    begins = datetime.combine(now.astimezone(zone).date(), time(), zone)
    while True:
        earlier = datetime.combine(begins.date() - timedelta(days=1), time(), zone)
        if deadline(earlier, days, working, zone=zone, half_day_ends=half_day_ends) < now:
            return begins
        begins = earlier


def _next(day: date, working: WorkingDay) -> date:
    for _ in range(_LONGEST_REST):
        day += timedelta(days=1)
        if working(day) is not Working.NONE:
            return day
    raise ValueError(f"no business day within {_LONGEST_REST} days after {day}")
