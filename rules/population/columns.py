"""Reads what is stored of a customer as typed columns, and computes measures of it.

A value of the wrong type is absent, as in `rules.decide`: a number with a fraction, or beyond
2**53, is no number; an empty list is no list; a date that no calendar has is no date.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Integer,
    Numeric,
    Text,
    and_,
    case,
    cast,
    extract,
    false,
    func,
    literal,
    null,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from rules.calendars import CALENDAR
from rules.definitions import Count
from rules.measures import Measure, MeasureKind
from rules.names import CONSENT, COUNT, LAST
from rules.population.layers import Column, Layers, number
from rules.population.needs import FACTS, Needs, Run, Source, consent_column
from rules.population.places import MONTH_DAY, TODAY, YEAR, calendar_column
from rules.shards import Shard
from rules.vocabulary import MAX_INT, PythonType, moderate
from tellal.domain.channels import Channel
from tellal.domain.decisions import Value

Wish = tuple[str, PythonType]
"""A path, and the type that its value must be of."""

_SQL: Mapping[type, TypeEngine[Any]] = {
    str: Text(),
    int: BigInteger(),
    bool: Boolean(),
    tuple: JSONB(),
}
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"
_INSTANTS = frozenset({MeasureKind.AGO, MeasureKind.EPOCH})
_DAYS = frozenset({MeasureKind.DAYS, MeasureKind.DAY, MeasureKind.YEARS})
_EPOCH = date(1970, 1, 1)
_INSTANT = DateTime(timezone=True)


class Stored:
    """Typed columns of what is stored, each computed once however many rules read it."""

    def __init__(self, layers: Layers, source: Source, run: Run, wishes: Iterable[Wish]) -> None:
        self._run = run
        self._names: dict[Wish, str] = {}
        wanted = [wish for wish in dict.fromkeys(wishes) if wish[0] not in run.document]
        raw = sorted({path for path, _ in wanted if path not in source.texts})
        layers.add({f"raw_{n}": layers[FACTS][path] for n, path in enumerate(raw)})
        columns: dict[str, Column] = {}
        for n, (path, kind) in enumerate(wanted):
            name = f"value_{n}"
            self._names[path, kind] = name
            if path in source.texts:
                text = type_coerce(layers[source.texts[path]], Text)
                columns[name] = text.collate("C") if kind is str else _absent(kind)
                continue
            column = typed(layers[f"raw_{raw.index(path)}"], kind)
            if path in source.marks:
                held = true() if kind is bool else _absent(kind)
                column = case((layers[source.marks[path]], held), else_=column)
            columns[name] = column
        layers.add(columns)

    def read(self, layers: Layers, path: str, kind: PythonType) -> Column:
        """Return the column of a path's value, null where there is none of the type."""
        if path in self._run.document:
            return _constant(self._run.document[path], kind)
        return layers[self._names[path, kind]]


class Moments:
    """Columns of the dates and instants that measures begin with; a broken one is absent."""

    def __init__(self, layers: Layers, stored: Stored, measures: Iterable[Measure]) -> None:
        self._names: dict[tuple[str, bool], str] = {}
        new: dict[str, Column] = {}
        for measure in measures:
            if measure.kind in _INSTANTS | _DAYS:
                key = measure.of, measure.kind in _INSTANTS
                if key not in self._names:
                    self._names[key] = f"moment_{len(self._names)}"
                    text = stored.read(layers, measure.of, str)
                    new[self._names[key]] = _instant(text) if key[1] else _date(text)
        layers.add(new)

    def read(self, layers: Layers, measure: Measure) -> Column:
        """Return the column of the date or instant that a measure is of."""
        return layers[self._names[measure.of, measure.kind in _INSTANTS]]


class Fields:
    """Finds the column of any path that the rules of a shard read."""

    def __init__(
        self,
        *,
        layers: Layers,
        shard: Shard,
        counts: Mapping[str, Count],
        needs: Needs,
        run: Run,
        stored: Stored,
        moments: Moments,
        prefix: str,
    ) -> None:
        self._layers = layers
        self._kinds = dict(shard.readable)
        self._purposes = shard.topic.purposes
        self._measures = {measure.path: measure for measure in shard.derivable.measures}
        self._derivable = frozenset(
            (
                *(f"{CONSENT}{channel}" for channel in shard.derivable.consents),
                *(f"{COUNT}{name}" for name in shard.derivable.counts),
                *(f"{LAST}{name}" for name in shard.derivable.last),
                *shard.derivable.calendar,
            )
        )
        self._active = {rule.active: n for n, rule in enumerate(shard.dated)}
        self._counts, self._needs, self._run = counts, needs, run
        self._stored, self._moments, self._prefix = stored, moments, prefix

    def read(self, path: str) -> Column:
        """Return the column of a path."""
        if path in self._measures:
            return self._measured(self._measures[path])
        if path in self._active:
            return self._layers[f"{self._prefix}active_{self._active[path]}"]
        if path in self._derivable:
            return self._derived(path)
        kind = self._kinds.get(path)
        # What no field is called can be in no document.
        return _absent(str) if kind is None else self._stored.read(self._layers, path, kind)

    def _derived(self, path: str) -> Column:
        layers, name = self._layers, path.partition(".")[2]
        if path.startswith(CALENDAR):
            return layers[calendar_column(path)]
        if path.startswith(CONSENT):
            agreed = layers[consent_column(Channel(name), self._purposes)]
            return case((agreed, "granted"), (agreed.is_(false()), "refused"))
        count = self._counts[name]
        if path.startswith(COUNT):
            return func.coalesce(layers[self._needs.count_column(count)], number(0))
        return _whole(literal(self._run.at, _INSTANT) - layers[self._needs.last_column(count)])

    def _measured(self, one: Measure) -> Column:
        if one.kind in _DAYS:
            return self._in_days(one)
        if one.kind in _INSTANTS:
            instant = self._moments.read(self._layers, one)
            if one.kind is MeasureKind.EPOCH:
                return cast(extract("epoch", instant), BigInteger)
            return _whole(literal(self._run.at, _INSTANT) - instant)
        text, wanted = self._stored.read(self._layers, one.of, str), literal(one.literal, Text)
        if one.kind is MeasureKind.STARTS_WITH:
            return func.starts_with(text, wanted, type_=Boolean)
        if one.kind is MeasureKind.ENDS_WITH:
            return func.right(text, number(len(one.literal)), type_=Text) == wanted
        return func.strpos(text, wanted, type_=Integer) > number(0)

    def _in_days(self, one: Measure) -> Column:
        day, here = self._moments.read(self._layers, one), self._layers
        if one.kind is MeasureKind.DAYS:
            return type_coerce(here[TODAY] - day, Integer)
        if one.kind is MeasureKind.DAY:
            return type_coerce(day - literal(_EPOCH, Date), Integer)
        born = cast(extract("month", day) * 100 + extract("day", day), Integer)
        return (
            here[YEAR]
            - cast(extract("year", day), Integer)
            - case((here[MONTH_DAY] < born, number(1)), else_=number(0))
        )


def wishes_of(shard: Shard) -> list[Wish]:
    """Return what of the stored values a shard reads, with what measures are computed of."""
    return [*shard.readable, *((measure.of, str) for measure in shard.derivable.measures)]


def typed(raw: Column, kind: PythonType) -> Column:
    """Read a value of JSON as a type, null where it is of another."""
    form = func.jsonb_typeof(raw, type_=Text)
    if kind is str:
        text = raw.op("#>>")(literal([], ARRAY(Text)))
        return case((form == "string", type_coerce(text, Text))).collate("C")
    if kind is bool:
        return case((form == "boolean", cast(raw, Boolean)))
    if kind is int:
        exact = cast(raw, Numeric)
        whole = and_(
            func.scale(exact) == number(0), exact.between(number(-MAX_INT), number(MAX_INT))
        )
        return case((form == "number", case((whole, cast(exact, BigInteger)))))
    filled = func.jsonb_array_length(raw, type_=Integer) > number(0)
    return case((form == "array", case((filled, raw))))


def _date(text: Column) -> Column:
    # PostgreSQL reads dates in many forms; to write one out costs less than a regular expression.
    valid = and_(
        func.octet_length(text) == number(len("2026-03-01")),
        func.pg_input_is_valid(text, "date", type_=Boolean),
    )
    day = cast(text, Date)
    return case((valid, case((cast(day, Text) == text, day))))


def _instant(text: Column) -> Column:
    valid = func.pg_input_is_valid(text, "timestamptz", type_=Boolean)
    return case((text.op("~")(_TIME), case((valid, cast(text, _INSTANT)))))


def _whole(span: Column) -> Column:
    return cast(func.floor(extract("epoch", span)), BigInteger)


def _constant(value: Value, kind: PythonType) -> Column:
    if type(value) is not kind or value == () or (kind is int and not moderate(value)):
        return _absent(kind)
    if isinstance(value, tuple):
        return cast(literal(json.dumps(value), Text), JSONB)
    return literal(value, _SQL[kind])


def _absent(kind: PythonType) -> Column:
    return cast(null(), _SQL[kind])
