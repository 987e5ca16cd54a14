"""How many messages people got in a period, and what annoyed them: by sums, never by name.

A message counts from its hand-over, unless it is known not to have arrived; a banner once it was
shown. Rehearsals do not count.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import CTE, Row, Select, Subquery, case, func, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel
from tellal.domain.customers import ConsentState
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import LOST, MessageState
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ComplaintRow, ConsentRow, CustomerRow
from tellal.persistence.tables.ledger import SILENT, DecisionRow, MessageRow

_messages = table(MessageRow).c
_customers = table(CustomerRow).c
_complaints = table(ComplaintRow).c
_consents = table(ConsentRow).c
_decisions = table(DecisionRow).c

LONGEST = timedelta(days=366)
BUCKETS: Sequence[tuple[str, int]] = (("1", 1), ("2", 2), ("3-5", 5), ("6-10", 10), ("11+", 10**9))
"""How people are grouped by the messages that they got: a name, and the most of the group."""

_BY = ("message_class", "channel", "topic")
"""By what messages are counted, besides all together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Messages of one kind, and how many people got how many of them (groups `0`, `1`, `3-5` …)."""

    messages: int
    customers: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicAnnoyance(Share):
    """A topic's messages, and what they led to.

    The rate is complaints per thousand messages, nothing where there were none. `refusals` are
    consents taken back on account of one of its messages.
    """

    topic: str
    complaints: int
    per_thousand: float | None
    refusals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MostTold:
    """One of those who got the most messages, by our own id: references may name a person."""

    customer_id: str
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Annoyance:
    """A brand's period: `customers` maps groups (`0`, `1`, `3-5` …) to numbers of people.

    `suppressed` says how often which reason kept a message back, and `refusals` are consents taken
    back by channel, for whatever reason.
    """

    begins: datetime
    ends: datetime
    messages: int
    customers: Mapping[str, int]
    by_class: Mapping[str, Share]
    by_channel: Mapping[str, Share]
    topics: Sequence[TopicAnnoyance]
    most: Sequence[MostTold]
    refusals: Mapping[str, int]
    suppressed: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Period:
    brand_id: str
    begins: datetime
    ends: datetime


async def annoyance(
    tx: AsyncSession, brand_id: str, begins: datetime, ends: datetime, *, most: int = 10
) -> Annoyance:
    """Sum a period up.

    Raises:
        InvalidInputError: It ends before it begins, or is longer than a year.
    """
    if not timedelta() < ends - begins <= LONGEST:
        raise InvalidInputError(
            "a period has a beginning, an end, and a year at most", field="from"
        )
    period = _Period(brand_id=brand_id, begins=begins, ends=ends)
    shares = await _shares(tx, period)
    whole = shares[""].get("", Share(messages=0, customers={}))
    refused = (await tx.execute(_refusals(period))).all()
    return Annoyance(
        begins=begins,
        ends=ends,
        messages=whole.messages,
        customers=whole.customers,
        by_class=shares["message_class"],
        by_channel=shares["channel"],
        topics=await _topics(tx, period, shares["topic"], whole, refused),
        most=await _most(tx, period, most),
        refusals=_summed((row.channel, row.number) for row in refused),
        suppressed=_summed((await tx.execute(_suppressed(period))).all()),
    )


def _told(period: _Period) -> CTE:
    """Select what people got; nobody has seen a banner that was only offered."""
    seen = or_(
        _messages.channel != Channel.BANNER.value, _messages.state == MessageState.DELIVERED.value
    )
    return (
        select(_messages.customer_id, *(_messages[name] for name in _BY))
        .where(
            _messages.brand_id == period.brand_id,
            _messages.handed_at >= period.begins,
            _messages.handed_at < period.ends,
            _messages.state.not_in(sorted(LOST)),
            _messages.simulated.is_(False),
            seen,
        )
        .cte("told")
    )


def _each(told: CTE) -> Subquery:
    """Count for each person: all messages, and those of each class, channel and topic."""
    whose, kinds = told.c.customer_id, [told.c[name] for name in _BY]
    sets = func.grouping_sets(tuple_(whose), *(tuple_(whose, kind) for kind in kinds))
    grouped = ((func.grouping(told.c[name]) == 0, name) for name in _BY)
    by = case(*grouped, else_="")
    kind = func.coalesce(*kinds, "")
    counted = select(by.label("by"), kind.label("kind"), func.count().label("messages"))
    return counted.group_by(sets).subquery("each")


async def _shares(tx: AsyncSession, period: _Period) -> dict[str, dict[str, Share]]:
    """Return by what is counted (empty: nothing), and by kind, who got how much."""
    each = _each(_told(period))
    bounds = [0, *(most for _, most in BUCKETS)]
    groups = [
        func.count().filter(each.c.messages > over, each.c.messages <= most)
        for over, most in pairwise(bounds)
    ]
    sums = select(each.c.by, each.c.kind, func.sum(each.c.messages), *groups)
    rows = (await tx.execute(sums.group_by(each.c.by, each.c.kind).order_by(each.c.kind))).all()
    everybody = await _everybody(tx, period.brand_id)
    shares: dict[str, dict[str, Share]] = {name: {} for name in ("", *_BY)}
    shares[""][""] = Share(messages=0, customers=_groups(everybody, [0] * len(BUCKETS)))
    for by, kind, messages, *numbers in rows:
        share = Share(messages=int(messages), customers=_groups(everybody, numbers))
        shares[by][kind] = share
    return shares


def _groups(everybody: int, numbers: Sequence[int]) -> dict[str, int]:
    named = {name: int(number) for (name, _), number in zip(BUCKETS, numbers, strict=True)}
    return {"0": everybody - sum(named.values()), **named}


async def _everybody(tx: AsyncSession, brand_id: str) -> int:
    query = select(func.count()).where(_customers.brand_id == brand_id)
    return int((await tx.execute(query)).scalar_one())


async def _most(tx: AsyncSession, period: _Period, most: int) -> list[MostTold]:
    told = _told(period)
    number = func.count()
    query = select(told.c.customer_id, number).group_by(told.c.customer_id)
    rows = await tx.execute(query.order_by(number.desc(), told.c.customer_id).limit(most))
    return [MostTold(customer_id=whose, messages=int(count)) for whose, count in rows]


async def _topics(
    tx: AsyncSession,
    period: _Period,
    shares: Mapping[str, Share],
    whole: Share,
    refused: Sequence[Row[Any]],
) -> list[TopicAnnoyance]:
    complaints = _summed((await tx.execute(_complained(period))).all())
    refusals = _summed((row.topic, row.number) for row in refused if row.topic is not None)
    nobody = Share(messages=0, customers=_groups(sum(whole.customers.values()), [0] * len(BUCKETS)))
    found = []
    for topic in sorted(shares.keys() | complaints.keys() | refusals.keys()):
        share, number = shares.get(topic, nobody), complaints.get(topic, 0)
        rate = round(1000 * number / share.messages, 3) if share.messages else None
        found.append(
            TopicAnnoyance(
                topic=topic,
                messages=share.messages,
                customers=share.customers,
                complaints=number,
                per_thousand=rate,
                refusals=refusals.get(topic, 0),
            )
        )
    return found


def _complained(period: _Period) -> Select[Any]:
    return (
        select(_complaints.topic, func.count())
        .where(
            _complaints.brand_id == period.brand_id,
            _complaints.filed_at >= period.begins,
            _complaints.filed_at < period.ends,
        )
        .group_by(_complaints.topic)
    )


def _refusals(period: _Period) -> Select[Any]:
    """Select refusals by channel, and by the topic of the message that was refused, if one was.

    One-click refusals and those at a carrier name their message; others have no topic.
    """
    named = _consents.evidence["message"].as_string()
    return (
        select(_consents.channel, _messages.topic, func.count().label("number"))
        .select_from(table(ConsentRow).outerjoin(table(MessageRow), _messages.id == named))
        .where(
            _consents.brand_id == period.brand_id,
            _consents.state == text(f"'{ConsentState.REFUSED.value}'"),
            _consents.recorded_at >= period.begins,
            _consents.recorded_at < period.ends,
        )
        .group_by(_consents.channel, _messages.topic)
    )


def _suppressed(period: _Period) -> Select[Any]:
    return (
        select(_decisions.reason, func.count())
        .where(
            _decisions.brand_id == period.brand_id,
            _decisions.at >= period.begins,
            _decisions.at < period.ends,
            text(SILENT),
        )
        .group_by(_decisions.reason)
    )


def _summed(numbers: Iterable[Sequence[Any]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, number in numbers:
        sums[str(name)] = sums.get(str(name), 0) + int(number)
    return dict(sorted(sums.items()))
