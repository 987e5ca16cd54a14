"""Cases as officers see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.errors import NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.persistence.tables.operations import CaseEntryRow, CaseRow

_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_customers = table(CustomerRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEntry:
    """One line of a case's history."""

    command: str
    by: str
    body: Mapping[str, object]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSummary:
    """A message of a case, and where it is."""

    id: str
    topic: str
    channel: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case as officers see it."""

    id: str
    number: str
    customer_ref: str
    channel: str
    source_system: str
    subject: str
    state: str
    team: str
    answer: str
    result: str
    calls: int
    reminders: int
    simulated: bool
    opened_at: datetime
    resolved_at: datetime | None
    entries: tuple[CaseEntry, ...] = ()
    messages: tuple[MessageSummary, ...] = ()


async def view(tx: AsyncSession, brand_id: str, number: str) -> CaseView:
    """Show a case with its history and its messages.

    Raises:
        NotFoundError: The brand has no such case.
    """
    query = select(_cases.c.id).where(_cases.c.brand_id == brand_id, _cases.c.number == number)
    case_id = (await tx.execute(query)).scalar_one_or_none()
    if case_id is None:
        raise NotFoundError(f"no case {number!r}")
    return await show(tx, case_id)


async def page(
    tx: AsyncSession,
    brand_id: str,
    *,
    state: str | None = None,
    customer_ref: str | None = None,
    after: str = "",
    limit: int = 50,
) -> tuple[CaseView, ...]:
    """List the brand's cases in the order of their opening, without histories."""
    query = (
        select(_cases, _customers.c.ref)
        .join(_customers, _customers.c.id == _cases.c.customer_id)
        .where(_cases.c.brand_id == brand_id, _cases.c.id > after)
        .order_by(_cases.c.id)
        .limit(limit)
    )
    if state is not None:
        query = query.where(_cases.c.state == state)
    if customer_ref is not None:
        query = query.where(_customers.c.ref == customer_ref)
    return tuple(_view(row) for row in (await tx.execute(query)).all())


async def show(tx: AsyncSession, case_id: str) -> CaseView:
    """Show a case by our own id, with its history and its messages."""
    query = (
        select(_cases, _customers.c.ref)
        .join(_customers, _customers.c.id == _cases.c.customer_id)
        .where(_cases.c.id == case_id)
    )
    row = (await tx.execute(query)).one()
    entries = await tx.execute(
        select(_entries).where(_entries.c.case_id == case_id).order_by(_entries.c.id)
    )
    messages = await tx.execute(
        select(_messages.c.id, _messages.c.topic, _messages.c.channel, _messages.c.state)
        .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
        .where(_outcomes.c.workflow_id == f"case/{case_id}")
        .order_by(_messages.c.id)
    )
    return _view(
        row,
        entries=[CaseEntry(command=e.command, by=e.by, body=e.body, at=e.at) for e in entries],
        messages=[
            MessageSummary(id=m.id, topic=m.topic, channel=m.channel, state=m.state)
            for m in messages
        ],
    )


def _view(
    row: Row[Any],
    entries: Sequence[CaseEntry] = (),
    messages: Sequence[MessageSummary] = (),
) -> CaseView:
    return CaseView(
        id=row.id,
        number=row.number,
        customer_ref=row.ref,
        channel=row.channel,
        source_system=row.source_system,
        subject=row.subject,
        state=row.state,
        team=row.team,
        answer=row.answer,
        result=row.result,
        calls=row.calls,
        reminders=row.reminders,
        simulated=row.simulated,
        opened_at=row.opened_at,
        resolved_at=row.resolved_at,
        entries=tuple(entries),
        messages=tuple(messages),
    )
