"""Which messages of the ledger a hold reaches: as SQL, and counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel, MessageClass
from tellal.domain.holds import HoldScope, template_parts
from tellal.domain.messages import UNSENT, MessageState
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from tellal.ports import Texts

_messages = table(MessageRow)

WAITING = _messages.c.state.in_([state.value for state in sorted(UNSENT)])
"""Messages that no provider has heard of."""

FREE = or_(
    # One arm for each partial index: of a large ledger only what waits is looked at.
    and_(_messages.c.state == MessageState.QUEUED.value, _messages.c.held_by.is_(None)),
    and_(_messages.c.state == MessageState.DEFERRED.value, _messages.c.held_by.is_(None)),
)
"""Messages that wait, and that no hold has marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many messages of one kind wait, and how many of them have lost their use meanwhile."""

    topic: str
    message_class: str
    channel: str
    messages: int
    expired: int


async def reached(
    tx: AsyncSession, brand_id: str, scope: HoldScope, texts: Texts
) -> ColumnElement[bool]:
    """Return the condition under which an unmarked message of the brand falls under a scope.

    The scope's route is left out: it is chosen when a message is claimed.
    """
    parts = [_messages.c.brand_id == brand_id]
    if scope.topic:
        parts.append(_messages.c.topic == scope.topic)
    if scope.channel:
        parts.append(_messages.c.channel == scope.channel)
    if scope.message_class:
        parts.append(_messages.c.message_class == scope.message_class)
    if not scope.mandatory:
        parts.append(_messages.c.message_class != MessageClass.MANDATORY.value)
    if scope.template:
        parts.append(await _of_template(tx, brand_id, scope.template, texts))
    return and_(true(), *parts)


async def count(
    tx: AsyncSession, condition: ColumnElement[bool], *, at: datetime
) -> tuple[Waiting, ...]:
    """Count messages by topic, class and channel."""
    kinds = (_messages.c.topic, _messages.c.message_class, _messages.c.channel)
    expired = func.count().filter(_messages.c.expires_at <= at)
    query = select(*kinds, func.count(), expired).where(condition).group_by(*kinds)
    return tuple(
        Waiting(topic=topic, message_class=kind, channel=channel, messages=number, expired=late)
        for topic, kind, channel, number, late in await tx.execute(query.order_by(*kinds))
    )


def summed(*counts: Sequence[Waiting]) -> tuple[Waiting, ...]:
    """Add counts up, kind by kind."""
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for one in (one for part in counts for one in part):
        kind = (one.topic, one.message_class, one.channel)
        messages, expired = sums.get(kind, (0, 0))
        sums[kind] = (messages + one.messages, expired + one.expired)
    return tuple(
        Waiting(topic=kind[0], message_class=kind[1], channel=kind[2], messages=n, expired=late)
        for kind, (n, late) in sorted(sums.items())
    )


async def _of_template(
    tx: AsyncSession, brand_id: str, template: str, texts: Texts
) -> ColumnElement[bool]:
    """Return the condition for one text: people of several languages may be told by it."""
    topic, channel, _ = template_parts(template)
    of_text = and_(
        _messages.c.brand_id == brand_id,
        _messages.c.topic == topic,
        _messages.c.channel == channel,
    )
    languages = select(_messages.c.language).where(of_text, WAITING).distinct()
    told = [
        language
        for language in (await tx.execute(languages)).scalars()
        if texts.text_name(topic=topic, channel=Channel(channel), language=language) == template
    ]
    return and_(of_text, _messages.c.language.in_(told)) if told else false()
