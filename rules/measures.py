"""What is computed of stored values before the rules are asked: time that has passed, text tests.

A measure is a path of its own in the document, named after what it computes, as in
`days(customer.contract.ends)`. Every executor sees an ordinary number or yes; who computes, says
so here once. A measure of something absent or malformed is absent.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from tellal.domain.decisions import Value

MAX_LITERAL = 60
"""Characters of a text that another is tested for."""

_FORM = re.compile(r"(\w+)\(([^(),]+)(?:,([0-9a-f]+))?\)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_EPOCH = date(1970, 1, 1)


class MeasureKind(StrEnum):
    """What is computed."""

    AGO = "ago"
    """Whole seconds since an instant; negative before it."""
    EPOCH = "epoch"
    """An instant as seconds since 1970."""
    DAYS = "days"
    """Days since a date by the customer's calendar; negative before it."""
    DAY = "day"
    """A date as days since 1970."""
    YEARS = "years"
    """Full years since a date by the customer's calendar; who was born on 29 February has his
    birthday on 1 March."""
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    CONTAINS = "contains"


_KINDS = frozenset(kind.value for kind in MeasureKind)
TEXT_TESTS = frozenset({MeasureKind.STARTS_WITH, MeasureKind.ENDS_WITH, MeasureKind.CONTAINS})


@dataclass(frozen=True, slots=True)
class Measure:
    """Something computed of one stored field; `literal` is what a text is tested for."""

    kind: MeasureKind
    of: str
    literal: str = ""

    @property
    def path(self) -> str:
        """Its name in a document: plain ASCII but for the field, since the engine hashes it."""
        if self.kind in TEXT_TESTS:
            return f"{self.kind}({self.of},{self.literal.encode().hex()})"
        return f"{self.kind}({self.of})"

    @property
    def words(self) -> str:
        """Its name as people read it."""
        return f"{self.kind}({self.of}, '{self.literal}')" if self.literal else self.path


@lru_cache(maxsize=10_000)
def measure_of(path: str) -> Measure | None:
    """Return the measure that a path names, None for a stored field."""
    match = _FORM.fullmatch(path)
    if match is None or match[1] not in _KINDS:
        return None
    return Measure(MeasureKind(match[1]), match[2], bytes.fromhex(match[3] or "").decode())


def sources_of(paths: Iterable[str]) -> frozenset[str]:
    """Return the fields that paths are of: a measure's own field, any other path itself."""
    return frozenset(
        path if (measure := measure_of(path)) is None else measure.of for path in paths
    )


def measured(
    measures: Iterable[Measure], document: Mapping[str, Value], at: datetime, zone: ZoneInfo
) -> dict[str, Value]:
    """Compute measures of a document's values at an instant, where the customer lives."""
    found: dict[str, Value] = {}
    today: date | None = None
    for one in measures:
        seen = document.get(one.of)
        if not isinstance(seen, str):
            continue
        if one.kind in TEXT_TESTS:
            found[one.path] = _tested(one, seen)
        elif one.kind in {MeasureKind.AGO, MeasureKind.EPOCH}:
            if (instant := instant_of(seen)) is not None:
                found[one.path] = _seconds(one.kind, instant, at)
        elif (day := day_of(seen)) is not None:
            today = today or at.astimezone(zone).date()
            found[one.path] = _days(one.kind, day, today)
    return found


def day_of(text: str) -> date | None:
    """Read a date as documents hold it, `2026-03-01`; None if it is none."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def instant_of(text: str) -> datetime | None:
    """Read an instant as documents hold it, `2026-03-01T12:00:00Z`; None if it is none."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def written(instant: datetime) -> str:
    """Write an instant as documents hold it."""
    return f"{instant.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def seconds_since(then: datetime, at: datetime) -> int:
    """Count whole seconds, rounded down, so that all executors round alike."""
    passed = at - then
    return passed.days * 86_400 + passed.seconds


def _tested(one: Measure, seen: str) -> bool:
    if one.kind is MeasureKind.STARTS_WITH:
        return seen.startswith(one.literal)
    return seen.endswith(one.literal) if one.kind is MeasureKind.ENDS_WITH else one.literal in seen


def _seconds(kind: MeasureKind, instant: datetime, at: datetime) -> int:
    return seconds_since(instant, at) if kind is MeasureKind.AGO else int(instant.timestamp())


def _days(kind: MeasureKind, day: date, today: date) -> int:
    if kind is MeasureKind.DAYS:
        return (today - day).days
    if kind is MeasureKind.DAY:
        return (day - _EPOCH).days
    return today.year - day.year - ((today.month, today.day) < (day.month, day.day))
