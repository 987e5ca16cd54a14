"""What a refusal stops: everything commercial on the channel that no provider has heard of yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, insert, or_, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel, MessageClass
from tellal.domain.customers import ConsentState, Customer
from tellal.domain.messages import UNSENT, MessageState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ConsentRow
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.services.moves import Move
from tellal.services.progress import Progress

_consents = table(ConsentRow)
_messages = table(MessageRow).c
_outcomes = table(OutcomeRow).c

_COMMERCIAL = _messages.message_class == MessageClass.COMMERCIAL.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A channel that the reader of a message refuses, by that message."""

    channel: Channel
    address: str
    source: str
    message_id: str


async def refuse_channel(
    tx: AsyncSession, progress: Progress, customer: Customer, refused: Refused, now: datetime
) -> None:
    """Record a refusal and stop what waits; who had refused before is not written down again.

    The caller has locked the customer. When this has committed, no intent for the channel commits.
    """
    said = customer.consents.get(refused.channel)
    if said is None or said.state is not ConsentState.REFUSED:
        await tx.execute(
            insert(_consents).values(
                id=new_id(),
                brand_id=customer.brand_id,
                customer_id=customer.id,
                channel=refused.channel.value,
                recipient_type=customer.kind.value,
                address=refused.address,
                state=ConsentState.REFUSED.value,
                source=refused.source,
                evidence={"message": refused.message_id},
                recorded_at=now,
            )
        )
    await stop_refused(tx, progress, customer.id, refused.channel)


async def stop_refused(
    tx: AsyncSession,
    progress: Progress,
    customer_id: str,
    channel: Channel,
    purposes: Sequence[str] = (),
) -> int:
    """Cancel what a refusal of a channel is about, in its own transaction; return how many it were.

    One that names purposes leaves alone what was decided for others. The caller has locked the
    customer: nothing of his is being claimed, or will be.
    """
    refused = _COMMERCIAL & (_messages.channel == channel.value)
    if purposes:
        his = select(_outcomes.id).where(_outcomes.customer_id == customer_id, _for(purposes))
        refused &= _messages.outcome_id.in_(his)
    return await _cancel(tx, progress, customer_id, refused, "no_consent")


async def unsent_promotions(tx: AsyncSession, customer_id: str, channel: Channel) -> int:
    """Count what a refusal of a channel would stop."""
    his = _his_unsent(customer_id).where(_COMMERCIAL, _messages.channel == channel.value)
    return int((await tx.execute(select(func.count()).select_from(his.subquery()))).scalar_one())


def _for(purposes: Sequence[str]) -> ColumnElement[bool]:
    """Say whether an outcome is for one of some purposes, or names none."""
    named = _outcomes.plan["purposes"]
    return or_(named.is_(None), named == [], named.has_any(array(purposes)))


async def stop_unwished(tx: AsyncSession, progress: Progress, customer: Customer) -> int:
    """Cancel what a customer, whom the caller has locked, does not wish to hear any more."""
    wishes, stopped = customer.wishes, 0
    if wishes.service_only:
        stopped += await _cancel(tx, progress, customer.id, _COMMERCIAL, "service_only")
    if wishes.topics_off:
        off = _messages.topic.in_(sorted(wishes.topics_off)) & (
            _messages.message_class != MessageClass.MANDATORY.value
        )
        stopped += await _cancel(tx, progress, customer.id, off, "topic_off")
    return stopped


async def _cancel(
    tx: AsyncSession, progress: Progress, customer_id: str, which: ColumnElement[bool], code: str
) -> int:
    query = _his_unsent(customer_id).where(which).order_by(_messages.id)
    ids = (await tx.execute(query)).scalars().all()
    moves = [Move(message_id=one, state=MessageState.CANCELLED, code=code) for one in ids]
    await progress.move(tx, moves)
    return len(moves)


def _his_unsent(customer_id: str) -> Select[str]:
    return select(_messages.id).where(
        _messages.customer_id == customer_id, _messages.state.in_(sorted(UNSENT))
    )
