"""Cases as officers see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    FromClause,
    Row,
    ScalarSelect,
    Select,
    Subquery,
    and_,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.cases import ENDED, workflow_of
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

CASE_ID = bindparam("case_id", type_=_cases.c.id.type)
_ESCALATED = and_(_cases.c.escalated_at.is_not(None), _cases.c.state.not_in(ENDED))


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
    tracking_code: str | None
    reopened: int
    closure: str
    form_reference: str
    queue_ticket: str
    reply_by: str
    special_category: str
    verified_as: str
    opened_at: datetime
    due_at: datetime | None
    escalated_at: datetime | None
    unreachable_at: datetime | None
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
    overdue: bool = False,
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
    if overdue:
        query = query.where(_ESCALATED)
    return tuple(_view(row) for row in (await tx.execute(query)).all())


async def most_overdue(tx: AsyncSession, brand_id: str, *, limit: int) -> tuple[CaseView, ...]:
    """List the brand's escalated cases that have not ended, the longest overdue first."""
    query = (
        select(_cases, _customers.c.ref)
        .join(_customers, _customers.c.id == _cases.c.customer_id)
        .where(_cases.c.brand_id == brand_id, _ESCALATED)
        .order_by(_cases.c.due_at, _cases.c.id)
        .limit(limit)
    )
    return tuple(_view(row) for row in (await tx.execute(query)).all())


async def show(tx: AsyncSession, case_id: str) -> CaseView:
    """Show a case by our own id, with its history and its messages."""
    return to_view((await tx.execute(_SHOW, about(case_id))).one())


def about(case_id: str) -> dict[str, object]:
    """Return what the statements that show a case must know."""
    return {"case_id": case_id, "workflow_id": workflow_of(case_id)}


def to_view(row: Row[Any]) -> CaseView:
    """Read a row that was selected to show a case."""
    return _view(
        row,
        entries=[
            CaseEntry(
                command=entry["command"],
                by=entry["by"],
                body=entry["body"],
                at=datetime.fromisoformat(entry["at"]),
            )
            for entry in row.entries or ()
        ],
        messages=[MessageSummary(**message) for message in row.messages or ()],
    )


def entries_of_case() -> Select[Any]:
    """Select the lines of a case's history."""
    return select(_entries).where(_entries.c.case_id == CASE_ID)


def shown(case: FromClause, entries: Subquery) -> Select[Any]:
    """Select what officers see of a case, from its row and the lines of its history."""
    return select(
        case,
        _customers.c.ref,
        _listed(entries, ("command", "by", "body", "at")).label("entries"),
        _listed(_messages_of(case), ("id", "topic", "channel", "state")).label("messages"),
    ).join(_customers, _customers.c.id == case.c.customer_id)


def _messages_of(case: FromClause) -> Subquery:
    # The customer is named because his outcomes have an index.
    his = select(case.c.customer_id).scalar_subquery()
    return (
        select(_messages.c.id, _messages.c.topic, _messages.c.channel, _messages.c.state)
        .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
        .where(
            # Our ids are all as long, so that no case's begins another's.
            _outcomes.c.workflow_id.startswith(bindparam("workflow_id")),
            _outcomes.c.customer_id == his,
        )
        .subquery("notices")
    )


def _listed(rows: Subquery, names: Sequence[str]) -> ScalarSelect[Any]:
    """Gather rows in the order of their ids into one value: a query instead of two."""
    pairs = [part for name in names for part in (literal_column(f"'{name}'"), rows.c[name])]
    one = func.json_build_object(*pairs)
    return select(func.json_agg(aggregate_order_by(one, rows.c.id), type_=JSON)).scalar_subquery()


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
        tracking_code=row.tracking_code,
        reopened=row.round,
        closure=row.closure,
        form_reference=row.form_reference,
        queue_ticket=row.queue_ticket,
        reply_by=row.reply_by,
        special_category=row.special_category,
        verified_as=row.verified_as,
        opened_at=row.opened_at,
        due_at=row.due_at,
        escalated_at=row.escalated_at,
        unreachable_at=row.unreachable_at,
        resolved_at=row.resolved_at,
        entries=tuple(entries),
        messages=tuple(messages),
    )


_THE_CASE = select(_cases).where(_cases.c.id == CASE_ID).cte("the_case")
_SHOW = shown(_THE_CASE, entries_of_case().subquery("lines"))
