"""The calendar where a customer lives: weekdays, public holidays and half-days by country.

Holidays come from the `holidays` library, by ISO country; a country that it does not know has
none. A half-day (in Turkey the afternoon before a feast) is no holiday.
"""

from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from tellal.domain.business_days import Working, WorkingDay
from tellal.domain.decisions import Value

CALENDAR = "calendar."
_HALF_DAY = "half_day"


class Day(StrEnum):
    """A kind of day."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"
    HOLIDAY = "holiday"
    HALF_DAY = "half_day"


WEEKDAYS = tuple(Day)[:7]


def kinds_of(day: date, country: str) -> frozenset[Day]:
    """Return what a day is: its weekday, and whether it is a holiday or a half-day."""
    kinds = {WEEKDAYS[day.weekday()]}
    if day in _free_days(country, day.year):
        kinds.add(Day.HOLIDAY)
    elif day in _half_days(country, day.year):
        kinds.add(Day.HALF_DAY)
    return frozenset(kinds)


def calendar_facts(at: datetime, zone: ZoneInfo, country: str) -> dict[str, Value]:
    """Return what rules may read of the moment: `calendar.*` by the customer's clock."""
    local = at.astimezone(zone)
    kinds = kinds_of(local.date(), country)
    return {
        "calendar.weekday": WEEKDAYS[local.weekday()].value,
        "calendar.hour": local.hour,
        "calendar.day": local.day,
        "calendar.month": local.month,
        "calendar.holiday": Day.HOLIDAY in kinds,
        "calendar.half_day": Day.HALF_DAY in kinds,
    }


def working_in(country: str) -> WorkingDay:
    """Return how long is worked in a country on a day: not on weekends and holidays."""

    def working(day: date) -> Working:
        kinds = kinds_of(day, country)
        if kinds & {Day.SAT, Day.SUN, Day.HOLIDAY}:
            return Working.NONE
        return Working.HALF if Day.HALF_DAY in kinds else Working.FULL

    return working


@lru_cache(maxsize=2_000)
def _free_days(country: str, year: int) -> frozenset[date]:
    return _days_of(country, year, "public")


@lru_cache(maxsize=2_000)
def _half_days(country: str, year: int) -> frozenset[date]:
    return _days_of(country, year, _HALF_DAY)


def _days_of(country: str, year: int, category: str) -> frozenset[date]:
    try:
        found = holidays.country_holidays(country, years=year, categories=category)
    except (NotImplementedError, ValueError):  # no such country, or it has no such days
        return frozenset()
    return frozenset(found)
