"""What time means where customers live: dates, holidays, quiet hours, periods of caps.

PostgreSQL converts no zones and asks no clock. All of it is computed here, by the functions that
the reference uses, once per zone and country, and goes along with the statement as a small table.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    FromClause,
    Integer,
    Text,
    bindparam,
    cast,
    column,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from rules.calendars import CALENDAR, calendar_facts
from rules.definitions import OnReach, Period, QuietAction, QuietHours, Rule
from rules.periods import next_period, period_of
from rules.quiet import ROUNDS, hours_on, latest_end, quiet_until
from rules.reference import Asked
from rules.shards import Shard
from rules.situations import zone_of

PLACE, TIMEZONE, COUNTRY = "place", "place_timezone", "place_country"
TODAY, YEAR, MONTH_DAY = "today", "this_year", "month_day"

PERIODS = 40
"""How many periods ahead a cap by the calendar looks for a free one; slots are taken at once, so
that hardly ever a second is looked at."""

_DAY = timedelta(days=1)
_CHAIN = timedelta(days=ROUNDS + 2)
"""How far the ends of quiet hours may lead on from one to another."""

Kinds = dict[str, TypeEngine[Any]]


@dataclass(frozen=True, slots=True)
class Place:
    """A time zone and a country in which customers live."""

    timezone: str
    country: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """The quiet hours of a shard by number: those that defer come first.

    A set of them is a mask; the set of those that defer is its lowest bits.
    """

    rules: tuple[Asked[QuietHours], ...]
    bits: tuple[int, ...]
    deferring: int

    def mask(self, rules: Iterable[QuietHours]) -> int:
        """Return some of the rules as a mask."""
        wanted = {rule.id for rule in rules}
        return sum(
            1 << bit
            for asked, bit in zip(self.rules, self.bits, strict=True)
            if asked.rule.id in wanted
        )

    def numbered(self) -> list[tuple[QuietHours, int]]:
        """Return the rules in their order, each with its bit."""
        return [(asked.rule, bit) for asked, bit in zip(self.rules, self.bits, strict=True)]


def quiet_of(shard: Shard) -> Quiet:
    """Number the quiet hours of a shard."""
    rules = shard.quiet_hours
    ranked = sorted(range(len(rules)), key=lambda n: rules[n].rule.action is not QuietAction.DEFER)
    deferring = sum(asked.rule.action is QuietAction.DEFER for asked in rules)
    return Quiet(rules, tuple(ranked.index(n) for n in range(len(rules))), deferring)


def waits_for_caps(shard: Shard) -> bool:
    """Say whether a full cap may put a channel off, so that quiet hours are asked later on."""
    return any(asked.rule.on_reach is OnReach.DEFER for asked in shard.caps)


def calendar_column(path: str) -> str:
    """Name the column of a fact of the calendar."""
    return f"calendar_{path.removeprefix(CALENDAR)}"


class Gazetteer:
    """Writes the table of places; every rulebook that is asked adds its columns."""

    def __init__(self, places: Sequence[Place], at: datetime) -> None:
        self._at = at
        self._zones = [zone_of(place.timezone) for place in places]
        self._places = places
        self.same: dict[str, str] = {}
        self._kinds: Kinds = {
            PLACE: Integer(),
            TIMEZONE: Text(),
            COUNTRY: Text(),
            TODAY: Date(),
            YEAR: Integer(),
            MONTH_DAY: Integer(),
        }
        self._rows = [
            self._where(n, place, zone)
            for n, (place, zone) in enumerate(zip(places, self._zones, strict=True))
        ]

    def add(self, shard: Shard, prefix: str) -> None:
        """Add what the rules of a shard need."""
        for place, zone, row in zip(self._places, self._zones, self._rows, strict=True):
            for n, rule in enumerate(shard.dated):
                self._set(
                    row, f"{prefix}active_{n}", Boolean(), self._in_force(rule, zone, place.country)
                )
            for n, asked in enumerate(shard.law):
                there = asked.rule.countries
                bound = not there or place.country in there
                self._set(row, f"{prefix}law_{n}", Boolean(), bound)
            for n, cap in enumerate(shard.caps):
                if isinstance(cap.rule.window, Period):
                    bounds = self._periods(cap.rule.window, zone)
                    self._set(row, f"{prefix}periods_{n}", _INSTANTS, bounds)
            if shard.quiet_hours:
                self._keep_quiet(row, shard, place, zone, prefix)
        self._join_equal()

    def idle(self, shard: Shard) -> frozenset[str]:
        """Name the rules that are in force in none of the places: nobody lives under them."""
        where = list(zip(self._places, self._zones, strict=True))
        return frozenset(
            rule.id
            for rule in shard.dated
            if not any(self._in_force(rule, zone, place.country) for place, zone in where)
        )

    def table(self) -> FromClause:
        """Return the table; it is one parameter of the statement, a JSON document."""
        document = cast(bindparam("places", json.dumps(self._rows), type_=Text), JSONB)
        named = [column(name, kind) for name, kind in self._kinds.items()]
        found = func.jsonb_to_recordset(document).table_valued(*named, name="places")
        return found.render_derived(with_types=True)

    def _where(self, n: int, place: Place, zone: ZoneInfo) -> dict[str, object]:
        today = self._at.astimezone(zone).date()
        row: dict[str, object] = {
            PLACE: n,
            TIMEZONE: place.timezone,
            COUNTRY: place.country,
            TODAY: today.isoformat(),
            YEAR: today.year,
            MONTH_DAY: today.month * 100 + today.day,
        }
        for path, value in calendar_facts(self._at, zone, place.country).items():
            kind: TypeEngine[Any] = Text() if isinstance(value, str) else Integer()
            kind = Boolean() if isinstance(value, bool) else kind
            self._set(row, calendar_column(path), kind, value)
        return row

    def _join_equal(self) -> None:
        """Keep one of columns that say the same of every place; `same` names it for the others."""
        known: dict[str, str] = {}
        for name, kind in list(self._kinds.items()):
            values = json.dumps([repr(kind), *(row[name] for row in self._rows)])
            kept = known.setdefault(values, name)
            if kept != name:
                self.same[name] = kept
                del self._kinds[name]
                for row in self._rows:
                    del row[name]

    def _set(self, row: dict[str, object], name: str, kind: TypeEngine[Any], value: object) -> None:
        self._kinds[name] = kind
        row[name] = value

    def _in_force(self, rule: Rule, zone: ZoneInfo, country: str) -> bool | None:
        """Say whether a bounded rule is in force; null, as it is absent when it is not."""
        return rule.in_force(self._at.astimezone(zone).date(), country) or None

    def _periods(self, window: Period, zone: ZoneInfo) -> list[str]:
        begin, end = period_of(window, self._at, zone)
        bounds = [begin, end]
        while len(bounds) <= PERIODS:
            bounds.append(next_period(window, bounds[-1], zone))
        return [bound.isoformat() for bound in bounds]

    def _keep_quiet(
        self, row: dict[str, object], shard: Shard, place: Place, zone: ZoneInfo, prefix: str
    ) -> None:
        quiet = quiet_of(shard)
        binding = [rule for rule, _ in quiet.numbered() if rule.binds(place.country)]
        self._set(row, f"{prefix}binding", BigInteger(), quiet.mask(binding))
        days: list[date] = []
        if waits_for_caps(shard):
            days = self._days(shard)
        hours = _Hours(quiet, zone, place.country, self._at, days)
        self._set(row, f"{prefix}quiet_from", _INSTANTS, [b.isoformat() for b in hours.bounds])
        self._set(row, f"{prefix}quiet_which", ARRAY(BigInteger()), hours.masks)
        self._set(row, f"{prefix}quiet_until", _INSTANTS, hours.settled())

    def _days(self, shard: Shard) -> list[date]:
        """Return the days on which a channel may find itself once caps have put it off."""
        deferring = [a.rule for a in shard.caps if a.rule.on_reach is OnReach.DEFER]
        windows = [cap.window for cap in deferring if isinstance(cap.window, timedelta)]
        far = max([*windows, shard.topic.expires, *(_AHEAD for _ in deferring)])
        first = self._at.date() - 3 * _DAY
        return [first + n * _DAY for n in range((far + _CHAIN).days + 6)]


_AHEAD = timedelta(days=32)
_INSTANTS: TypeEngine[Any] = ARRAY(DateTime(timezone=True))


class _Hours:
    """Cuts time where quiet hours begin or end: between two cuts nothing changes.

    The first piece is the instant of the decision itself; without `days` it is the only one.
    """

    def __init__(
        self, quiet: Quiet, zone: ZoneInfo, country: str, at: datetime, days: Sequence[date]
    ) -> None:
        self._quiet = quiet
        cuts = {at}
        for asked in quiet.rules:
            rule = asked.rule
            there = ZoneInfo(rule.timezone) if rule.timezone else zone
            for day in days:
                found = hours_on(rule, day, there, country)
                cuts.update(cut for cut in found or () if cut > at)
        self.bounds = sorted(cuts)
        self._ends: list[dict[int, datetime]] = [
            {
                bit: end
                for rule, bit in quiet.numbered()
                if rule.binds(country)
                and (end := quiet_until(rule, bound, zone, country)) is not None
            }
            for bound in self.bounds
        ]
        self.masks = [sum(1 << bit for bit in ends) for ends in self._ends]
        self._at_once = None if days else (zone, country)

    def settled(self) -> list[str]:
        """Return before when no channel may go, for every set of deferring rules and every piece.

        The pieces of a set stand together, the sets in the order of their masks; where a channel
        may go at once, it is where its piece begins: an array with nulls would be read from its
        beginning for every element.
        """
        return [
            (end or bound).isoformat()
            for mask in range(1 << self._quiet.deferring)
            for bound, end in zip(self.bounds, self._ends_of(mask), strict=True)
        ]

    def _ends_of(self, mask: int) -> list[datetime | None]:
        if self._at_once is not None:
            return [self._follow(mask, *self._at_once)]
        return [self._chained(mask, piece) for piece in range(len(self.bounds))]

    def _follow(self, mask: int, zone: ZoneInfo, country: str) -> datetime | None:
        rules = [rule for rule, bit in self._quiet.numbered() if mask >> bit & 1]
        bound = tuple(rule for rule in rules if rule.binds(country))
        end = latest_end(bound, self.bounds[0], zone, country)
        return end if end > self.bounds[0] else None

    def _chained(self, mask: int, piece: int) -> datetime | None:
        """Follow ends into other quiet hours, as `rules.quiet.latest_end` does."""
        until: datetime | None = None
        for _ in range(ROUNDS):
            ends = [end for bit, end in self._ends[piece].items() if mask >> bit & 1]
            if not ends:
                break
            until = max(ends)
            piece = bisect_right(self.bounds, until) - 1
        return until
