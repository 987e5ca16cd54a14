"""Messages and decisions as people read them, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel
from tellal.domain.errors import NotFoundError
from tellal.domain.simulation import is_magic
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.persistence.tables.ledger import AttemptRow, DecisionRow, MessageRow, ReceiptRow

_customers = table(CustomerRow).c
_points = table(ContactPointRow)
_messages = table(MessageRow)
_attempts = table(AttemptRow)
_receipts = table(ReceiptRow)
_decisions = table(DecisionRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A message and where it is; `code` is the provider's own word for what went wrong.

    `segments` and `cost` are what its text came to when it was handed over; `held_by` is the hold
    that keeps it back, `displaced_by` the message that took its slot of a cap. A `simulated` one is
    rehearsed, or goes to a magic address: no provider ever hears of it.
    """

    id: str
    customer: str
    topic: str
    message_class: str
    channel: str
    address: str
    simulated: bool
    state: str
    state_at: datetime
    code: str
    route: str
    provider: str
    reference: str
    segments: int | None
    cost: Decimal | None
    currency: str
    held_by: str | None
    displaced_by: str | None
    subject: str
    text: str
    outcome_id: str
    try_no: int
    not_before: datetime
    expires_at: datetime
    created_at: datetime
    handed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One call to a provider; no answer yet when `answer` is empty."""

    n: int
    provider: str
    intended_at: datetime
    answer: str
    code: str
    reference: str
    answered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptView:
    """What a provider said later."""

    state: str
    code: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDetail:
    """A message with everything that was tried and heard.

    `displaced` are the messages whose slots of caps it took.
    """

    message: MessageView
    attempts: tuple[AttemptView, ...]
    receipts: tuple[ReceiptView, ...]
    displaced: tuple[str, ...] = ()


async def messages(
    tx: AsyncSession,
    brand_id: str,
    *,
    customer: str | None = None,
    topic: str | None = None,
    state: str | None = None,
    after: str = "",
    limit: int = 50,
) -> list[MessageView]:
    """List a brand's messages in the order of their making."""
    query = _select_messages(brand_id).where(_messages.c.id > after)
    if customer is not None:
        query = query.where(_customers.ref == customer)
    if topic is not None:
        query = query.where(_messages.c.topic == topic)
    if state is not None:
        query = query.where(_messages.c.state == state)
    rows = await tx.execute(query.order_by(_messages.c.id).limit(limit))
    return [_message(row) for row in rows]


async def message(tx: AsyncSession, brand_id: str, message_id: str) -> MessageDetail:
    """Read a message with its attempts and receipts.

    Raises:
        NotFoundError: The brand has no such message.
    """
    query = _select_messages(brand_id).where(_messages.c.id == message_id)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("no such message")
    tried = select(_attempts).where(_attempts.c.message_id == message_id).order_by(_attempts.c.n)
    heard = select(_receipts).where(_receipts.c.message_id == message_id).order_by(_receipts.c.id)
    gone = select(_messages.c.id).where(_messages.c.displaced_by == message_id)
    return MessageDetail(
        message=_message(row),
        displaced=tuple((await tx.execute(gone.order_by(_messages.c.id))).scalars()),
        attempts=tuple(
            AttemptView(
                n=one.n,
                provider=one.provider,
                intended_at=one.intended_at,
                answer=one.answer,
                code=one.code,
                reference=one.reference,
                answered_at=one.answered_at,
            )
            for one in await tx.execute(tried)
        ),
        receipts=tuple(
            ReceiptView(state=one.state, code=one.code, received_at=one.received_at)
            for one in await tx.execute(heard)
        ),
    )


def _select_messages(brand_id: str) -> Select[Any]:
    return (
        select(_messages, _customers.ref, _points.c.address)
        .join(_customers.id.table, _customers.id == _messages.c.customer_id)
        .outerjoin(_points, _points.c.id == _messages.c.contact_point_id)
        .where(_messages.c.brand_id == brand_id)
    )


def _message(row: Row[Any]) -> MessageView:
    return MessageView(
        id=row.id,
        customer=row.ref,
        topic=row.topic,
        message_class=row.message_class,
        channel=row.channel,
        address=row.address or "",
        simulated=row.simulated or is_magic(Channel(row.channel), row.address or ""),
        state=row.state,
        state_at=row.state_at,
        code=row.code,
        route=row.route,
        provider=row.provider,
        reference=row.reference,
        segments=row.segments,
        cost=row.cost,
        currency=row.currency,
        held_by=row.held_by,
        displaced_by=row.displaced_by,
        subject=row.subject,
        text=row.text,
        outcome_id=row.outcome_id,
        try_no=row.try_no,
        not_before=row.not_before,
        expires_at=row.expires_at,
        created_at=row.created_at,
        handed_at=row.handed_at,
    )


async def decisions(
    tx: AsyncSession,
    brand_id: str,
    *,
    customer: str,
    topic: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Mapping[str, object]]:
    """List the decisions about a customer, newest first, each with its whole explanation."""
    query = _select_decisions(brand_id).where(_customers.ref == customer)
    if topic is not None:
        query = query.where(_decisions.c.topic == topic)
    if before:
        query = query.where(_decisions.c.id < before)
    rows = await tx.execute(query.order_by(_decisions.c.id.desc()).limit(limit))
    return [_decision(row) for row in rows]


async def decision(tx: AsyncSession, brand_id: str, decision_id: str) -> Mapping[str, object]:
    """Read one decision.

    Raises:
        NotFoundError: The brand has no such decision.
    """
    query = _select_decisions(brand_id).where(_decisions.c.id == decision_id)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("no such decision")
    return _decision(row)


def _select_decisions(brand_id: str) -> Select[Any]:
    return (
        select(_decisions, _customers.ref)
        .join(_customers.id.table, _customers.id == _decisions.c.customer_id)
        .where(_decisions.c.brand_id == brand_id)
    )


def _decision(row: Row[Any]) -> Mapping[str, object]:
    return {
        "id": row.id,
        "customer": row.ref,
        "reason": row.reason,
        "event_id": row.event_id,
        "outcome_id": row.outcome_id,
        "simulated": False,
        **row.body,
    }
