"""Quiet hours by the customer's own clock, right on the nights on which clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rules.calendars import kinds_of
from rules.definitions import QuietHours

_DAY = timedelta(days=1)
ROUNDS = 32


def quiet_until(
    rule: QuietHours, at: datetime, zone: ZoneInfo, country: str = ""
) -> datetime | None:
    """Return when the quiet hours end in which an instant lies, None if it lies in none.

    `country` says whose holidays count, where the rule asks for kinds of days.
    """
    local = at.astimezone(ZoneInfo(rule.timezone) if rule.timezone else zone)
    for day in (local.date() - _DAY, local.date(), local.date() + _DAY):
        hours = hours_on(rule, day, local.tzinfo, country)
        if hours is not None and hours[0] <= at < hours[1]:
            return hours[1]
    return None


def hours_on(
    rule: QuietHours, day: date, zone: object, country: str
) -> tuple[datetime, datetime] | None:
    """Return the quiet hours that begin on a day, None if it is no day for them."""
    if rule.days and rule.days.isdisjoint(kinds_of(day, country)):
        return None
    overnight = rule.end <= rule.begin
    begin = instant(day, rule.begin, zone)
    return begin, instant(day + _DAY if overnight else day, rule.end, zone)


def instant(day: date, clock: time, zone: object) -> datetime:
    """Return the instant at which a clock on the wall shows a time.

    A time that is skipped gives the first instant after the gap, one that comes twice the earlier.
    """
    if not isinstance(zone, ZoneInfo):
        raise TypeError("a time of day needs a zone of the database")
    wall = datetime.combine(day, clock, zone)
    found = wall.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return found
    # In a gap the two readings of the wall lie around the change; halve the way to it.
    before, after = wall.replace(fold=1).astimezone(UTC), found
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def latest_end(
    rules: tuple[QuietHours, ...], at: datetime, zone: ZoneInfo, country: str = ""
) -> datetime:
    """Return the first instant from `at` on that lies in no quiet hours of these rules.

    The end of one may lie within another; after a bounded number of rounds the last end is taken,
    since quiet hours around the clock have no end.
    """
    for _ in range(ROUNDS):
        ends = [end for rule in rules if (end := quiet_until(rule, at, zone, country)) is not None]
        if not ends:
            break
        at = max(ends)
    return at
