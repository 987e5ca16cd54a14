"""Reads by when a complaint is to be answered, by the authority over which it came."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from rules.calendars import Day, kinds_of
from rules.entries import Entry, read_entry
from rules.law_packs import load_packs
from rules.source import Report
from tellal.domain.errors import RulebookError

FILE = "complaints.yaml"

_VERSION = 1
_SHAPE = "the law of complaints is a mapping with 'version' and 'authorities'"
_KEYS = ("id", "means", "source", "days", "working_days", "warn_days", "to_check")
_FREE = frozenset({Day.SAT, Day.SUN, Day.HOLIDAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDuty:
    """By when a complaint is to be answered: so many days, or working days, after it came.

    From `warn` before that somebody is to look; `to_check` says that counsel has not confirmed it.
    """

    authority: str
    means: str
    source: str
    days: int
    working: bool
    warn: timedelta
    to_check: bool = False

    def due(self, received: datetime, zone: ZoneInfo, country: str) -> datetime:
        """Return the end of the last day, where the brand is."""
        day = received.astimezone(zone).date()
        if not self.working:
            day += timedelta(days=self.days)
        else:
            for _ in range(self.days):
                day = _next_working(day, country)
        return datetime.combine(day + timedelta(days=1), time(0), tzinfo=zone)


@cache
def duties_of(country: str) -> Mapping[str, AnswerDuty]:
    """Return a country's duties by authority, of the packs that ship with Tellal."""
    return read_duties(load_packs().of(country).file(FILE))


def read_duties(path: Path) -> Mapping[str, AnswerDuty]:
    """Read a file of duties.

    Raises:
        RulebookError: It is none; all mistakes are listed with their places.
    """
    report = Report()
    head = read_entry(path, "the law of complaints", _SHAPE, report)
    if head is None:
        raise RulebookError(report.in_order())
    head.only(("version", "authorities"), required=("version", "authorities"))
    if "version" in head.raw and head.raw["version"] != _VERSION:
        head.wrong("version", f"the law of complaints says 'version: {_VERSION}'")
    duties: dict[str, AnswerDuty] = {}
    for entry in head.entries("authorities"):
        duty = _duty(entry)
        if duty.authority in duties:
            entry.wrong("id", f"'{duty.authority}' stands there twice")
        duties[duty.authority] = duty
    if not duties:
        head.wrong("authorities", "it names no authority")
    if report.findings:
        raise RulebookError(report.in_order())
    return duties


def _duty(entry: Entry) -> AnswerDuty:
    entry.only(_KEYS, required=("id", "means", "source", "warn_days"))
    working = "working_days" in entry.raw
    if working == ("days" in entry.raw):
        entry.wrong("id", "say either 'days' or 'working_days'")
    days = entry.number("working_days" if working else "days", 1, most=366)
    warn = entry.number("warn_days", 1, most=366)
    if warn > days:
        entry.wrong("warn_days", "it warns before the complaint has come")
    return AnswerDuty(
        authority=entry.id(),
        means=entry.text("means"),
        source=entry.text("source"),
        days=days,
        working=working,
        warn=timedelta(days=warn),
        to_check=entry.flag("to_check"),
    )


def _next_working(day: date, country: str) -> date:
    day += timedelta(days=1)
    while kinds_of(day, country) & _FREE:
        day += timedelta(days=1)
    return day
