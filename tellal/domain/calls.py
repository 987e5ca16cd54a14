"""Calls that officers owe applicants: why, when one may be made, and when it is of no use (E43)."""

from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from tellal.domain.business_days import Working, WorkingDay
from tellal.domain.cases import HOPELESS, CallOutcome

AGENTS = "agents"
"""The provider that the people of the call centre are."""

_LONGEST_REST = 60
"""Days in a row without work that a calendar may have before it is taken for a broken one."""


class Purpose(StrEnum):
    """Why somebody is called: as the first he hears of his case, or to be told its result."""

    FIRST_CONTACT = "first_contact"
    INFORM = "inform"


class TaskState(StrEnum):
    """Where a task is; `claimed` ends by itself when the officer's time is over."""

    OPEN = "open"
    CLAIMED = "claimed"
    DONE = "done"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"


def may_call_at(
    at: datetime, *, begin: time, end: time, working: WorkingDay, zone: ZoneInfo, half_ends: time
) -> datetime:
    """Return the first instant from `at` on at which somebody may be called: hours of work days.

    Raises:
        ValueError: The calendar knows of no further business day.
    """
    local = at.astimezone(zone)
    for offset in range(_LONGEST_REST):
        day = local.date() + timedelta(days=offset)
        kind = working(day)
        last = min(end, half_ends) if kind is Working.HALF else end
        if kind is Working.NONE or last <= begin:
            continue
        opens, closes = datetime.combine(day, begin, zone), datetime.combine(day, last, zone)
        if at <= opens:
            return opens
        if at < closes:
            return at
    raise ValueError(f"no business day within {_LONGEST_REST} days after {local.date()}")


def is_unreachable(
    outcome: CallOutcome,
    attempts: int,
    first: datetime,
    now: datetime,
    *,
    most: int,
    over: timedelta,
) -> bool:
    """Say whether calling is over: it is hopeless, or was tried often enough and long enough."""
    return outcome in HOPELESS or (attempts >= most and now >= first + over)
