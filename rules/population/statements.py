"""The statements: decisions of everybody, their sums, and the difference of two rulebooks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    FromClause,
    Select,
    and_,
    case,
    column,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from rules.limits import check_size
from rules.population import codes
from rules.population.columns import Fields, Moments, Stored, wishes_of
from rules.population.layers import Column, Layers, fenced, number
from rules.population.needs import (
    COUNTRY_OF,
    TIMEZONE_OF,
    Needs,
    Run,
    Source,
    channels_of,
    needs_of,
)
from rules.population.phases import SUPPRESS, Phases
from rules.population.places import COUNTRY, PLACE, TIMEZONE, Gazetteer, Place
from rules.rulebook import Rulebook
from rules.source import Report
from tellal.domain.errors import InvalidInputError, RulebookError

OLD, NEW = "old_", "new_"
SAMPLE = 20
ALIKE = "alike"
"""How many people a row stands for, once they have been put together."""
SAME, GAIN, LOSE, CHANNEL, TIME, UNSURE = "same", "gain", "lose", "channel", "time", "unsure"
"""How decisions of two rulebooks differ: somebody is spoken to or is not, over something else, or
at another time; or caps by the calendar leave it open."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked about everybody: by which rulebook, about what, where and in which run."""

    topic: str
    run: Run
    places: Sequence[Place]


MakeSource = Callable[[Needs], Source]


def decisions(book: Rulebook, asked: Question, source: MakeSource) -> Select[Any]:
    """Select the decision about each customer; `reading.summary` reads a row.

    Raises:
        InvalidInputError: The rulebook has no such topic, or a place has no such time zone.
        RulebookError: The rules are more than one statement can hold.
    """
    people, phases = _decided(book, asked, source)
    shard = book.shards[asked.topic]
    names = [
        "verdict",
        "reason",
        "plan",
        "withheld",
        "unwanted",
        "told",
        "converted",
        "is_pending",
        "exhausted",
    ]
    names += ["unsure", "full", "begins", "starts", "cap_stop", "quiet_stop"]
    for channel in channels_of(shard):
        names += [f"went_{channel}", f"leaves_{channel}"]
        names += [f"quiet_{channel}"] if shard.quiet_hours else []
    layers = people.layers
    masks = [phases.masks.name(mask) for mask in range(phases.masks.number)]
    columns = [layers["id"], layers[PLACE], *(layers[mask].label(mask) for mask in masks)]
    columns += [phases[name].label(name) for name in names]
    return people.select(columns)


def belonging(book: Rulebook, asked: Question, source: MakeSource) -> Select[Any]:
    """Select the ids of all whom no suppression of a topic stops (`rules.membership`).

    Raises:
        InvalidInputError: The rulebook has no such topic, or a place has no such time zone.
        RulebookError: The rules are more than one statement can hold.
    """
    people, phases = _decided(book, asked, source)
    stopped = phases["stops"] == number(codes.SUPPRESSED)
    rows = people.select([people.layers["id"], stopped.is_(true()).label("stopped")]).subquery()
    return select(rows.c.id).where(~rows.c.stopped)


def sums(book: Rulebook, asked: Question, source: MakeSource) -> Select[Any]:
    """Count decisions by verdict, first reason, plan, channels and the hour at which they go.

    Raises:
        InvalidInputError: The rulebook has no such topic, or a place has no such time zone.
        RulebookError: The rules are more than one statement can hold.
    """
    people, phases = _decided(book, asked, source)
    hour = func.date_bin(
        timedelta(hours=1), phases["starts"], literal(_EPOCH, DateTime(timezone=True))
    )
    groups = [
        phases["verdict"].label("verdict"),
        phases["reason"].label("reason"),
        phases["plan"].label("plan"),
        phases["way"].collate("C").label("way"),
        hour.label("hour"),
        phases["unsure"].label("unsure"),
    ]
    alike = people.put_together(phases.state)
    counted = alike.select([*groups, func.sum(alike.layers[ALIKE]).label("number")])
    return counted.group_by(*range_of(groups))


def difference(old: Rulebook, new: Rulebook, asked: Question, source: MakeSource) -> Select[Any]:
    """Count how the decisions of two rulebooks differ, with a sample of customers of each kind.

    Raises:
        InvalidInputError: A rulebook has no such topic, or a place has no such time zone.
        RulebookError: The rules are more than one statement can hold.
    """
    both = [(_checked(book, asked.topic), prefix) for book, prefix in ((old, OLD), (new, NEW))]
    needs = needs_of(old, asked.topic) | needs_of(new, asked.topic)
    people, [before, after] = _people(both, asked, needs, source(needs))
    layers = people.layers
    layers.add({"change": _kind(before, after)})
    changed = layers["change"] != SAME
    groups = [
        layers["change"].label("change"),
        *(
            one[name].label(f"{prefix}{name}")
            for one, prefix in ((before, OLD), (after, NEW))
            for name in ("verdict", "reason", "begins")
        ),
    ]
    sample = func.array_agg(layers["id"]).filter(changed)
    counted = people.sum([*groups, func.count().label("number"), sample.label("sample")])
    grouped = counted.group_by(*range_of(groups)).subquery()
    return select(
        *(one for one in grouped.c if one.name != "sample"),
        func.trim_array(
            grouped.c.sample, func.greatest(func.cardinality(grouped.c.sample) - number(SAMPLE), 0)
        ).label("sample"),
    )


def range_of(groups: Sequence[Column]) -> list[Column]:
    """Name columns by their place, so that their expressions are not written twice."""
    return [number(place) for place in range(1, len(groups) + 1)]


def _kind(before: Phases, after: Phases) -> Column:
    spoke, speaks = (one["verdict"] != number(SUPPRESS) for one in (before, after))
    return case(
        (or_(before["unsure"], after["unsure"]), UNSURE),
        (and_(spoke, ~speaks), LOSE),
        (and_(~spoke, speaks), GAIN),
        (before["way"] != after["way"], CHANNEL),
        (before["starts"] != after["starts"], TIME),
        else_=SAME,
    )


@dataclass(frozen=True, slots=True)
class _People:
    """Everybody, with where they live, and what is computed of them."""

    layers: Layers
    places: FromClause
    everybody: FromClause
    parts: Sequence[FromClause] = ()

    def put_together(self, names: Sequence[str]) -> "_People":
        """Put together who lives in one place and is alike in some columns, with their number.

        What follows from these columns is then computed once for all of them. A part is put
        together where it is read, so that few rows pass from one process to another.
        """
        columns = self.layers.varying([PLACE, *names])
        parts = [
            self._select([*columns, func.count().label(ALIKE)], [ground]).group_by(
                *range_of(columns)
            )
            for ground in self.parts or [self.everybody]
        ]
        rows = parts[0].subquery() if len(parts) == 1 else union_all(*parts).subquery()
        alike = rows
        if len(parts) > 1:
            apart = [one for one in rows.c if one.name != ALIKE]
            number_of = func.sum(rows.c[ALIKE]).cast(BigInteger).label(ALIKE)
            alike = select(*apart, number_of).group_by(*apart).subquery()
        where = [one for one in self.places.c if one.name != PLACE]
        there = alike.join(self.places, self.places.c[PLACE] == alike.c[PLACE])
        ground = select(*alike.c, *where).select_from(there).subquery()
        return _People(self.layers, self.places, ground)

    def select(self, columns: Sequence[Column]) -> Select[Any]:
        """Select columns of everybody who lives in one of the places."""
        return self._select(columns, [self.everybody])

    def sum(self, columns: Sequence[Column]) -> Select[Any]:
        """Select sums of everybody who lives in one of the places, part by part."""
        return self._select(columns, self.parts or [self.everybody])

    def _select(self, columns: Sequence[Column], grounds: Sequence[FromClause]) -> Select[Any]:
        here = self.layers[PLACE].is_not(null())
        parts = [self.layers.over(ground, [*columns, here]) for ground in grounds]
        rows = parts[0] if len(parts) == 1 else union_all(*map(select, parts)).subquery()
        return select(*columns).select_from(rows).where(here)


def _decided(book: Rulebook, asked: Question, source: MakeSource) -> tuple[_People, Phases]:
    needs = needs_of(_checked(book, asked.topic), asked.topic)
    people, [phases] = _people([(book, "")], asked, needs, source(needs))
    return people, phases


def _checked(book: Rulebook, topic: str) -> Rulebook:
    shard = book.shards.get(topic)
    if shard is None:
        raise InvalidInputError(f"the rulebook has no topic '{topic}'", field="topic")
    report = Report()
    check_size(shard, report)
    if report.findings:
        raise RulebookError(report.in_order())
    return book


def _people(
    books: Sequence[tuple[Rulebook, str]], asked: Question, needs: Needs, source: Source
) -> tuple[_People, list[Phases]]:
    shards = [book.shards[asked.topic] for book, _ in books]
    gazetteer = Gazetteer(asked.places or [Place("UTC", "")], asked.run.at)
    for shard, (_, prefix) in zip(shards, books, strict=True):
        gazetteer.add(shard, prefix)
    table = gazetteer.table()
    everybody = _ground(source.rows, table)
    layers = Layers([*everybody.c, column(ALIKE, BigInteger)])
    layers.same(gazetteer.same)
    wishes = [wish for shard in shards for wish in wishes_of(shard)]
    stored = Stored(layers, source, asked.run, wishes)
    measures = [measure for shard in shards for measure in shard.derivable.measures]
    moments = Moments(layers, stored, measures)
    found = []
    for shard, (book, prefix) in zip(shards, books, strict=True):
        fields = Fields(
            layers=layers,
            shard=shard,
            counts=book.counts,
            needs=needs,
            run=asked.run,
            stored=stored,
            moments=moments,
            prefix=prefix,
        )
        phases = Phases(
            layers=layers,
            shard=shard,
            fields=fields,
            needs=needs,
            run=asked.run,
            prefix=prefix,
            idle=gazetteer.idle(shard),
        )
        phases.add()
        found.append(phases)
    parts = [_ground(part, table) for part in source.parts]
    return _People(layers, table, everybody, parts), found


def _ground(rows: FromClause, places: FromClause) -> FromClause:
    """Join places to people.

    People are fenced, so that places are joined last: no hash and no sort then holds their arrays
    per row. An outer join tells the planner that everybody stays; who lives elsewhere is left out
    above.
    """
    people = fenced(select(rows))
    there = and_(
        places.c[TIMEZONE] == people.c[TIMEZONE_OF], places.c[COUNTRY] == people.c[COUNTRY_OF]
    )
    return select(*people.c, *places.c).select_from(people.outerjoin(places, there)).subquery()
