"""Planned works: announced early enough (B10), and done when they disturb least (B09)."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from tellal.domain.errors import ConflictError
from tellal.domain.incidents import LeadTime
from tellal.domain.outage_plan import span

TOO_LATE = "too_late"
_DAY = timedelta(days=1)


def needed_hours(lead_time: LeadTime) -> float:
    """Return how many hours beforehand works have to be announced."""
    return lead_time.lead / timedelta(hours=1)


def is_too_late(lead_time: LeadTime | None, starts_at: datetime, now: datetime) -> bool:
    """Say whether works are announced later than their sector demands."""
    return lead_time is not None and now > starts_at - lead_time.lead


def check_lead_time(
    lead_time: LeadTime | None, starts_at: datetime, now: datetime, *, because: str = ""
) -> None:
    """Refuse an announcement that comes too late, unless somebody says why it has to be.

    Raises:
        ConflictError: `too_late`; the message says how much time is needed, and how much there is.
    """
    if lead_time is None or because.strip() or not is_too_late(lead_time, starts_at, now):
        return
    left = max(timedelta(), starts_at - now)
    raise ConflictError(
        f"works of the sector {lead_time.sector} in {lead_time.country} are announced at least "
        f"{needed_hours(lead_time):g} hours beforehand, and {span(left)} are left "
        f"({lead_time.source})",
        code=TOO_LATE,
        hint="move the works, or say why they cannot wait",
    )


def reminder_at(
    lead_time: LeadTime | None, starts_at: datetime, announced_at: datetime
) -> datetime:
    """Return when to remind people of works; half-way if they were announced too late for that."""
    if lead_time is None:
        return starts_at - min(_DAY, (starts_at - announced_at) / 2)
    due = starts_at - lead_time.remind_before
    return due if due > announced_at else announced_at + (starts_at - announced_at) / 2


def hours_hint(
    lead_time: LeadTime | None, starts_at: datetime, ends_at: datetime, zone: tzinfo
) -> str:
    """Warn of works outside of the hours in which they disturb least; empty if there is no need."""
    if lead_time is None:
        return ""
    outside = (ends_at - starts_at) - _within(lead_time, starts_at, ends_at, zone)
    if outside < timedelta(minutes=1):
        return ""
    return (
        f"{span(outside)} of the works lie outside of the hours in which they disturb least, "
        f"{lead_time.work_from:%H:%M} to {lead_time.work_until:%H:%M} ({lead_time.source})"
    )


def _within(lead_time: LeadTime, starts_at: datetime, ends_at: datetime, zone: tzinfo) -> timedelta:
    """Return how much of the works lies in these hours, by the clocks of a place."""
    day = starts_at.astimezone(zone).date() - _DAY
    last = ends_at.astimezone(zone).date()
    found = timedelta()
    while day <= last:
        opens, closes = _hours(lead_time, day, zone)
        found += max(timedelta(), min(closes, ends_at) - max(opens, starts_at))
        day += _DAY
    return found


def _hours(lead_time: LeadTime, day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    overnight = lead_time.work_until <= lead_time.work_from
    until = day + _DAY if overnight else day
    return _instant(day, lead_time.work_from, zone), _instant(until, lead_time.work_until, zone)


def _instant(day: date, clock: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)
