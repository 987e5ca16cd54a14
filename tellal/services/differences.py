"""Says what a change of the rules would do to everybody: who gains a message, who loses one.

Each topic that the change concerns is decided for the whole population by both rulebooks, in one
statement; topics of which nothing changes are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.changes import changed_topics, shows_at_once
from rules.rulebook import Rulebook
from rules.vocabulary import did_you_mean
from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.decisions import Reason, Value, Verdict
from tellal.domain.errors import InvalidInputError
from tellal.domain.routes import RouteTable
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import CustomerRow
from tellal.services.asking import Circumstances
from tellal.services.editions import Edition
from tellal.services.impact import Everybody, says_the_same
from tellal.services.population import Deciding, Matter, Population
from tellal.services.prices import prices_of

_brands = table(BrandRow).c
_customers = table(CustomerRow).c

SAME = "same"
_CONCERNED = ("gain", "lose", "channel", "time", "unsure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """So many customers to whom one thing happens; `sample` names some by the brand's reference.

    `kind` is `gain`, `lose`, `channel`, `time`, `unsure` or `same`; `before` and `after` are a
    verdict with its channel or reason; `cost` is by how much first messages get dearer, in the
    routes' prices.
    """

    kind: str
    before: str
    after: str
    customers: int
    sample: Sequence[str]
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicChange:
    """What becomes of one topic."""

    topic: str
    shifts: Sequence[Shift]

    def number(self, *kinds: str) -> int:
        """Count the customers to whom one of some things happens."""
        return sum(shift.customers for shift in self.shifts if shift.kind in kinds)


class Differences:
    """Compares rulebooks over a brand's population; reads, and writes nothing."""

    def __init__(self, routes: RouteTable) -> None:
        self._routes = routes
        self._deciding = Deciding(routes)

    async def compare(
        self,
        tx: AsyncSession,
        brand_id: str,
        old: Rulebook,
        new: Rulebook,
        at: datetime,
        *,
        topics: Iterable[str] = (),
    ) -> list[TopicChange]:
        """Compare two rulebooks, for some topics or for all that differ.

        A topic that events raise is asked about as if the first of them had just happened, without
        anything that it carries.

        Raises:
            InvalidInputError: Neither book has one of the topics.
        """
        wanted = list(topics) or changed_topics(old, new)
        for topic in wanted:
            if topic not in old.topics and topic not in new.topics:
                near = did_you_mean(topic, new.topics)
                message = f"neither rulebook has a topic '{topic}'"
                raise InvalidInputError(message, field="topic", hint=near)
        return [
            TopicChange(topic=topic, shifts=await self._shifts(tx, brand_id, topic, (old, new), at))
            for topic in wanted
        ]

    async def _shifts(
        self,
        tx: AsyncSession,
        brand_id: str,
        topic: str,
        books: tuple[Rulebook, Rulebook],
        at: datetime,
    ) -> list[Shift]:
        old, new = books
        known = new if topic in new.topics else old
        raised = known.topics[topic].on
        event: dict[str, Value] = {"event.type": raised[0]} if raised else {}
        matter = Matter(
            topic=topic,
            at=at,
            whom=Population(brand_id=brand_id),
            around=Circumstances(document=event),
        )
        if topic not in old.topics or topic not in new.topics:
            return await self._whole(tx, known, matter, gained=topic in new.topics)
        costs = prices_of(self._routes, known.topics[topic].message_class)
        found = await self._deciding.difference(tx, old, new, matter, costs)
        refs = await _refs(tx, [one for each in found for one in each.sample])
        return [
            Shift(
                kind=one.kind,
                before=_words(one.old.verdict, one.old.channel, one.old.reason),
                after=_words(one.new.verdict, one.new.channel, one.new.reason),
                customers=one.number,
                sample=[refs[customer] for customer in one.sample],
                cost=one.new_cost - one.old_cost,
            )
            for one in found
        ]

    async def _whole(
        self, tx: AsyncSession, book: Rulebook, matter: Matter, *, gained: bool
    ) -> list[Shift]:
        """Say of a topic that only one book has who is, or was, spoken to."""
        costs = prices_of(self._routes, book.topics[matter.topic].message_class)
        shifts = []
        for one in await self._deciding.sums(tx, book, matter):
            speaks = one.verdict is not Verdict.SUPPRESS
            channel = next(iter(one.channels), None)
            words = _words(one.verdict, channel, one.reason)
            cost = one.number * costs.get(channel, Decimal(0)) if channel else Decimal(0)
            shifts.append(
                Shift(
                    kind=("gain" if gained else "lose") if speaks else SAME,
                    before="no such topic" if gained else words,
                    after=words if gained else "no such topic",
                    customers=one.number,
                    sample=[],
                    cost=cost if gained else -cost,
                )
            )
        return shifts


class PopulationImpact:
    """Counts whom a change of rules concerns by deciding about everybody with both.

    Somebody whom two topics concern is counted twice, up to the number of all customers. A change
    of texts, or one that shows at another moment only, concerns everybody: nobody comes by a second
    person's approval by publishing today what has its effect tomorrow.
    """

    def __init__(self, differences: Differences, clock: Clock) -> None:
        self._differences = differences
        self._clock = clock

    async def count(self, tx: AsyncSession, before: Edition, after: Edition) -> int:
        """Return how many customers a change from one edition to another concerns."""
        everybody = await Everybody().count(tx, before, after)
        if says_the_same(before, after) or before.texts != after.texts:
            return everybody
        if not shows_at_once(before.book, after.book):
            return everybody
        concerned = 0
        for brand_id in (await tx.execute(select(_brands.id))).scalars().all():
            changes = await self._differences.compare(
                tx, brand_id, before.book, after.book, self._clock.now()
            )
            concerned += sum(change.number(*_CONCERNED) for change in changes)
        return min(concerned, everybody)


def _words(verdict: Verdict, channel: Channel | None, reason: Reason | None) -> str:
    more = (channel.value if channel else "", reason.code if reason else "")
    return " ".join(word for word in (verdict.value, *more) if word)


async def _refs(tx: AsyncSession, ids: Sequence[str]) -> dict[str, str]:
    query = select(_customers.id, _customers.ref).where(_customers.id.in_(set(ids)))
    return {row.id: row.ref for row in await tx.execute(query)}
