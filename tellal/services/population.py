"""Decides a topic for a brand's whole population, or for some of it, in one statement.

What a customer's row says here is what `services.asking` and `services.history` say of him one by
one. The rules make the statement (`rules.population`); this is where its columns come from.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Float,
    Select,
    String,
    any_,
    column,
    func,
    literal,
    select,
    table as unmapped,
    tablesample,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from rules.ir import Ir
from rules.membership import MEMBERSHIP, asking_who
from rules.population import codes
from rules.population.needs import Run
from rules.population.places import Place
from rules.population.reading import VERDICTS, Reader, Sum, Summary, read_sum, way
from rules.population.statements import (
    NEW,
    OLD,
    SAMPLE,
    MakeSource,
    Question,
    belonging,
    decisions,
    difference as difference_of,
    sums,
)
from rules.rulebook import Rulebook
from tellal.domain.channels import Channel
from tellal.domain.decisions import Reason, Value, Verdict
from tellal.domain.routes import RouteTable
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow
from tellal.services.asking import NOTHING, Circumstances
from tellal.services.components import channels_down
from tellal.services.history import Journey
from tellal.services.population_source import Reach, population_source, read_reach
from tellal.services.sender_facts import sender_facts

_customers = table(CustomerRow).c
_classes = unmapped("pg_class", column("oid"), column("reltuples"))
_AT_ONCE = 1_000
SETTINGS = select(
    func.set_config("jit", "off", True),  # noqa: FBT003 - until the transaction ends
    func.set_config("work_mem", "96MB", True),  # noqa: FBT003
    func.set_config("datestyle", "ISO, YMD", True),  # noqa: FBT003
)
"""Compiling a statement of this size costs more than it saves; hashes of a million need room. Dates
are compared as they are written."""

_PARTS = 2
"""So many processes work at sums of many people; each more would read all tables once more."""
_MANY = 20_000
_SAMPLED = 20_000
_WHOLE = str(2**29)
_PART_BY_PART = select(
    func.set_config("min_parallel_table_scan_size", _WHOLE, True),  # noqa: FBT003
    func.set_config("min_parallel_index_scan_size", _WHOLE, True),  # noqa: FBT003
)
"""A process takes a part as a whole only where no step of it is divided among processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Who is asked about: all customers of a brand, or those of these ids.

    `own` holds the journey that asks again, by customer; a simulated question hears of rehearsals.
    """

    brand_id: str
    ids: Collection[str] | None = None
    own: Mapping[str, Journey] = field(default_factory=dict)
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What is asked about everybody: the topic, the instant, who they are and what surrounds it."""

    topic: str
    at: datetime
    whom: Population
    around: Circumstances = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """What one rulebook says to somebody: its verdict, first reason and first channel."""

    verdict: Verdict
    reason: Reason | None
    channel: Channel | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """So many customers about whom two rulebooks differ in one way, with some of their ids.

    `kind` is one of `same`, `gain`, `lose`, `channel`, `time` and `unsure` (caps by the calendar
    leave open how long somebody waits); the costs are of first channels.
    """

    kind: str
    old: Stand
    new: Stand
    number: int
    sample: tuple[str, ...]
    old_cost: Decimal
    new_cost: Decimal


class Deciding:
    """Decides for many; reads, and writes nothing.

    Sums of as many people as `many` and more are worked at part by part.
    """

    def __init__(self, routes: RouteTable, *, many: int = _MANY) -> None:
        self._routes, self._many = routes, many

    async def sums(
        self,
        tx: AsyncSession,
        book: Rulebook,
        matter: Matter,
    ) -> list[Sum]:
        """Count what would be decided, without a row per customer.

        Raises:
            InvalidInputError: The rulebook has no such topic, or a customer lives in no time zone.
            RulebookError: The rules are more than one statement can hold.
        """
        asked, source = await self._prepare(tx, matter, [book])
        rows = await tx.execute(sums(book, asked, source))
        return [read_sum(book, matter.topic, row) for row in rows]

    async def stream(
        self,
        tx: AsyncSession,
        book: Rulebook,
        matter: Matter,
    ) -> AsyncIterator[Summary]:
        """Decide one after another; a cursor in the server keeps what has not been read.

        Raises:
            InvalidInputError: The rulebook has no such topic, or a customer lives in no time zone.
            RulebookError: The rules are more than one statement can hold.
        """
        asked, source = await self._prepare(tx, matter, [book])
        reader = Reader(book, matter.topic)
        rows = await tx.stream(
            decisions(book, asked, source), execution_options={"yield_per": _AT_ONCE}
        )
        async for row in rows:
            yield reader.summary(row)

    async def belonging(
        self, tx: AsyncSession, book: Rulebook, segment: Ir, whom: Population, at: datetime
    ) -> Select[Any]:
        """Return the statement that selects the ids of those who meet a segment, in this session.

        It answers as `rules.standing.belongs` does, facts, measures and consents included.

        Raises:
            InvalidInputError: A customer lives in no time zone.
            RulebookError: The rules are more than one statement can hold.
        """
        narrowed = asking_who(book, segment)
        matter = Matter(topic=MEMBERSHIP, at=at, whom=whom)
        asked, source = await self._prepare(tx, matter, [narrowed])
        return belonging(narrowed, asked, source)

    async def difference(
        self,
        tx: AsyncSession,
        old: Rulebook,
        new: Rulebook,
        matter: Matter,
        costs: Mapping[Channel, Decimal] | None = None,
    ) -> list[Difference]:
        """Compare what two rulebooks would decide; `costs` estimates a message by its channel.

        Raises:
            InvalidInputError: A rulebook has no such topic, or a customer lives in no time zone.
            RulebookError: The rules are more than one statement can hold.
        """
        asked, source = await self._prepare(tx, matter, [old, new])
        rows = await tx.execute(difference_of(old, new, asked, source))
        return [_difference(old, new, matter.topic, row._mapping, costs or {}) for row in rows]  # noqa: SLF001

    async def _prepare(
        self,
        tx: AsyncSession,
        matter: Matter,
        books: Sequence[Rulebook],
    ) -> tuple[Question, MakeSource]:
        await tx.execute(SETTINGS)
        whom, around = matter.whom, matter.around
        down = await channels_down(tx, whom.brand_id, self._routes.needs, simulated=whom.simulated)
        sender: dict[str, Value] = {}
        for book in books:
            sender |= await sender_facts(tx, whom.brand_id, book, matter.topic)
        run = Run(
            at=matter.at,
            document={**around.document, **sender},
            banner=around.banner,
            down=frozenset(down),
        )
        found = (await tx.execute(places_of(whom))).all()
        places = [Place(timezone, country) for timezone, country in found]
        cuts = await _cuts(tx, whom, self._many)
        if cuts:
            await tx.execute(_PART_BY_PART)
        reach = await self._reach(tx, matter.topic, whom, books)
        asked = Question(topic=matter.topic, run=run, places=places)
        return asked, lambda needs: population_source(
            needs,
            topic=matter.topic,
            at=matter.at,
            brand_id=whom.brand_id,
            ids=whom.ids,
            own=whom.own,
            simulated=whom.simulated,
            reach=reach,
            cuts=cuts,
        )

    async def _reach(
        self, tx: AsyncSession, topic: str, whom: Population, books: Sequence[Rulebook]
    ) -> Reach:
        ways = {
            (channel, shard.topic.message_class)
            for book in books
            if (shard := book.shards.get(topic)) is not None
            for asked in shard.channels
            for channel, _ in asked.rule.steps
        }
        return await read_reach(tx, self._routes, ways, whom.brand_id, whom.ids)


def places_of(whom: Population) -> Select[str, str]:
    """Find where people live: in few places, so that of many people an index's steps are enough."""
    here = _customers.timezone, _customers.country
    mine = select(*here).where(_customers.brand_id == whom.brand_id)
    if whom.ids is not None:
        ids = literal(list(whom.ids), ARRAY(String))
        return mine.where(_customers.id == any_(ids)).distinct()
    step = mine.order_by(*here).limit(1)
    places = select(step.subquery()).cte("places", recursive=True)
    beyond = step.where(tuple_(*here) > tuple_(places.c.timezone, places.c.country)).lateral()
    places = places.union_all(select(beyond).select_from(places.join(beyond, true())))
    return select(places.c.timezone, places.c.country)


async def _cuts(tx: AsyncSession, whom: Population, many: int) -> list[str]:
    """Cut many customers into parts of about the same size, by a sample of their ids."""
    if whom.ids is not None:
        return []
    mine = select(_customers.id).where(_customers.brand_id == whom.brand_id)
    few = select(func.count() < many).select_from(mine.limit(many).subquery())
    if await tx.scalar(few):
        return []
    customers = table(CustomerRow)
    number = select(_classes.c.reltuples).where(_classes.c.oid == func.to_regclass(customers.name))
    share = min(100, 100 * _SAMPLED / max(1, await tx.scalar(number) or 1))
    sample = tablesample(customers, func.system(share)).c
    shares = literal([n / _PARTS for n in range(1, _PARTS)], ARRAY(Float))
    query = select(func.percentile_disc(shares).within_group(sample.id))
    found = await tx.scalar(query.where(sample.brand_id == whom.brand_id))
    return sorted(set(found or ()))


def _difference(
    old: Rulebook,
    new: Rulebook,
    topic: str,
    row: Mapping[str, Any],
    costs: Mapping[Channel, Decimal],
) -> Difference:
    stands = [_stand(book, topic, row, prefix) for book, prefix in ((old, OLD), (new, NEW))]
    spent = [
        row["number"] * costs.get(stand.channel, Decimal(0)) if stand.channel else Decimal(0)
        for stand in stands
    ]
    return Difference(
        kind=row["change"],
        old=stands[0],
        new=stands[1],
        number=row["number"],
        sample=tuple(sorted(row["sample"] or ())[:SAMPLE]),
        old_cost=spent[0],
        new_cost=spent[1],
    )


def _stand(book: Rulebook, topic: str, row: Mapping[str, Any], prefix: str) -> Stand:
    reason, begins = row[f"{prefix}reason"], way(row[f"{prefix}begins"])
    return Stand(
        verdict=VERDICTS[row[f"{prefix}verdict"]],
        reason=None if reason is None else codes.reason_of(book.shards[topic], reason),
        channel=begins[0] if begins else None,
    )
