"""Windows of caps by the customer's calendar: days, weeks from Monday, months."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rules.definitions import Period
from rules.quiet import instant

_DAY = timedelta(days=1)


def period_of(period: Period, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the beginning and the end of the period in which an instant lies."""
    today = at.astimezone(zone).date()
    first = _first_day(period, today)
    return _midnight(first, zone), _midnight(_first_after(period, first), zone)


def next_period(period: Period, begin: datetime, zone: ZoneInfo) -> datetime:
    """Return the end of the period that begins at an instant."""
    return period_of(period, begin, zone)[1]


def _first_day(period: Period, day: date) -> date:
    if period is Period.DAY:
        return day
    return day - day.weekday() * _DAY if period is Period.WEEK else day.replace(day=1)


def _first_after(period: Period, first: date) -> date:
    longest = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 31}[period]
    return _first_day(period, first + longest * _DAY)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return instant(day, time(0), zone)
