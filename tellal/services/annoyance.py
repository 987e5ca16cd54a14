"""How many messages people got in a period, and what annoyed them: by sums, never by name.

A message counts from its hand-over, unless it is known not to have arrived. Rehearsals do not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CTE, ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.customers import ConsentState
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import LOST
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ComplaintRow, ConsentRow, CustomerRow
from tellal.persistence.tables.ledger import DecisionRow, MessageRow

_messages = table(MessageRow).c
_customers = table(CustomerRow).c
_complaints = table(ComplaintRow).c
_consents = table(ConsentRow).c
_decisions = table(DecisionRow).c

LONGEST = timedelta(days=366)
BUCKETS: Sequence[tuple[str, int]] = (("1", 1), ("2", 2), ("3-5", 5), ("6-10", 10), ("11+", 10**9))
"""How people are grouped by the messages that they got: a name, and the most of the group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicAnnoyance:
    """A topic's messages and complaints; the rate is per thousand messages."""

    topic: str
    messages: int
    complaints: int
    per_thousand: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Annoyance:
    """A brand's period: `customers` maps groups (`0`, `1`, `3-5` …) to numbers of people.

    `most` names those who got the most messages, by the brand's own reference; `suppressed` says
    how often which reason kept a message back, and `refusals` are consents withdrawn by channel.
    """

    begins: datetime
    ends: datetime
    messages: int
    customers: Mapping[str, int]
    by_class: Mapping[str, int]
    by_channel: Mapping[str, int]
    topics: Sequence[TopicAnnoyance]
    most: Sequence[tuple[str, int]]
    refusals: Mapping[str, int]
    suppressed: Mapping[str, int]


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
    told = (
        select(_messages.customer_id, _messages.topic, _messages.channel, _messages.message_class)
        .where(
            _messages.brand_id == brand_id,
            _messages.handed_at >= begins,
            _messages.handed_at < ends,
            _messages.state.not_in(sorted(LOST)),
            _messages.simulated.is_(False),
        )
        .cte("told")
    )
    each = (
        select(told.c.customer_id, func.count().label("messages"))
        .group_by(told.c.customer_id)
        .cte("each")
    )
    topics = await _counts(tx, told, told.c.topic)
    return Annoyance(
        begins=begins,
        ends=ends,
        messages=sum(topics.values()),
        customers=await _grouped(tx, brand_id, each),
        by_class=await _counts(tx, told, told.c.message_class),
        by_channel=await _counts(tx, told, told.c.channel),
        topics=await _by_topic(tx, brand_id, begins, ends, topics),
        most=await _most(tx, each, most),
        refusals=await _refusals(tx, brand_id, begins, ends),
        suppressed=await _suppressed(tx, brand_id, begins, ends),
    )


async def _counts(tx: AsyncSession, told: CTE, by: ColumnElement[str]) -> dict[str, int]:
    query = select(by, func.count()).select_from(told).group_by(by).order_by(by)
    return {str(name): int(number) for name, number in await tx.execute(query)}


async def _grouped(tx: AsyncSession, brand_id: str, each: CTE) -> dict[str, int]:
    group = case(*((each.c.messages <= most, name) for name, most in BUCKETS)).label("of")
    named = select(group).select_from(each).subquery("named")
    rows = await tx.execute(select(named.c.of, func.count()).group_by(named.c.of))
    found = {str(name): int(number) for name, number in rows}
    whole = select(func.count()).where(_customers.brand_id == brand_id)
    everybody = int((await tx.execute(whole)).scalar_one())
    groups = {name: found.get(name, 0) for name, _ in BUCKETS}
    return {"0": everybody - sum(groups.values()), **groups}


async def _most(tx: AsyncSession, each: CTE, most: int) -> list[tuple[str, int]]:
    query = (
        select(_customers.ref, each.c.messages)
        .join(each, each.c.customer_id == _customers.id)
        .order_by(each.c.messages.desc(), _customers.ref)
        .limit(most)
    )
    return [(str(ref), int(number)) for ref, number in await tx.execute(query)]


async def _by_topic(
    tx: AsyncSession, brand_id: str, begins: datetime, ends: datetime, told: Mapping[str, int]
) -> list[TopicAnnoyance]:
    query = (
        select(_complaints.topic, func.count())
        .where(
            _complaints.brand_id == brand_id,
            _complaints.filed_at >= begins,
            _complaints.filed_at < ends,
        )
        .group_by(_complaints.topic)
    )
    complained = {str(topic): int(number) for topic, number in await tx.execute(query)}
    return [
        TopicAnnoyance(
            topic=topic,
            messages=told.get(topic, 0),
            complaints=complained.get(topic, 0),
            per_thousand=round(1000 * complained.get(topic, 0) / max(1, told.get(topic, 0)), 3),
        )
        for topic in sorted(told.keys() | complained.keys())
    ]


async def _refusals(
    tx: AsyncSession, brand_id: str, begins: datetime, ends: datetime
) -> dict[str, int]:
    query = (
        select(_consents.channel, func.count())
        .where(
            _consents.brand_id == brand_id,
            _consents.state == ConsentState.REFUSED.value,
            _consents.recorded_at >= begins,
            _consents.recorded_at < ends,
        )
        .group_by(_consents.channel)
        .order_by(_consents.channel)
    )
    return {str(channel): int(number) for channel, number in await tx.execute(query)}


async def _suppressed(
    tx: AsyncSession, brand_id: str, begins: datetime, ends: datetime
) -> dict[str, int]:
    query = (
        select(_decisions.reason, func.count())
        .where(
            _decisions.brand_id == brand_id,
            _decisions.verdict == "suppress",
            _decisions.at >= begins,
            _decisions.at < ends,
            _decisions.body["simulated"].as_boolean().is_not(True),
        )
        .group_by(_decisions.reason)
        .order_by(_decisions.reason)
    )
    return {str(reason): int(number) for reason, number in await tx.execute(query)}
