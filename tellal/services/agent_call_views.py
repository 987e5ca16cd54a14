"""Calls of the call centre's people as they see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.calls import TaskState
from tellal.domain.errors import NotFoundError
from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.persistence.tables.operations import AgentCallRow
from tellal.services.call_claims import matching, standing_of

_calls = table(AgentCallRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_customers = table(CustomerRow)

UNDER_WAY = (MessageState.ACCEPTED.value, MessageState.SENT.value)
"""States of a message that somebody is still to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCall:
    """A call as agents see it; `number` and `script` only for whom has claimed it.

    `reason` says why nobody is to call any more, where the state is `cancelled`.
    """

    id: str
    message: str
    customer_ref: str
    topic: str
    message_class: str
    language: str
    state: str
    reason: str
    number: str
    script: str
    tries: int
    last_outcome: str
    claimed_by: str
    claimed_until: datetime | None
    not_before: datetime
    expires_at: datetime
    created_at: datetime
    ended_at: datetime | None


async def page(
    tx: AsyncSession,
    brand_id: str,
    now: datetime,
    *,
    state: TaskState | None = None,
    due: bool = False,
    after: str = "",
    limit: int = 50,
) -> tuple[AgentCall, ...]:
    """List calls in the order of their making; `due` are those that may be made now."""
    query = shown().where(
        _calls.c.brand_id == brand_id,
        _calls.c.id > after,
        *matching(_calls, state, now, due=due),
    )
    if due:
        query = query.where(_messages.c.state.in_(UNDER_WAY), _messages.c.expires_at > now)
    rows = await tx.execute(query.order_by(_calls.c.id).limit(limit))
    return tuple(view(row, now) for row in rows)


async def read(tx: AsyncSession, brand_id: str, call_id: str, *, lock: bool = False) -> Row[Any]:
    """Read a call with its message, and lock it.

    Raises:
        NotFoundError: The brand has no such call.
    """
    mine = (_calls.c.id == call_id) & (_calls.c.brand_id == brand_id)
    if lock:
        await tx.execute(select(_calls.c.id).where(mine).with_for_update(key_share=True))
    row: Row[Any] | None = (await tx.execute(shown().where(mine))).one_or_none()
    if row is None:
        raise NotFoundError("no such call")
    return row


def shown() -> Select[Any]:
    """Select calls with what is known of their messages."""
    return (
        select(
            _calls,
            _customers.c.ref,
            _messages.c.topic,
            _messages.c.message_class,
            _messages.c.contact_point_id,
            _messages.c.expires_at,
            _messages.c.state.label("message_state"),
            _outcomes.c.state.label("outcome_state"),
            _outcomes.c.plan["purposes"].label("purposes"),
            _outcomes.c.plan["without_consent"].label("without_consent"),
        )
        .join(_messages, _messages.c.id == _calls.c.message_id)
        .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
        .join(_customers, _customers.c.id == _calls.c.customer_id)
    )


def view(row: Row[Any], now: datetime, *, number: str = "") -> AgentCall:
    """Show a call; number and script where a number is given."""
    standing = standing_of(row, now)
    return AgentCall(
        id=row.id,
        message=row.message_id,
        customer_ref=row.ref,
        topic=row.topic,
        message_class=row.message_class,
        language=row.language,
        state=standing.state,
        reason=row.reason,
        number=number,
        script=row.script if number else "",
        tries=row.tries,
        last_outcome=row.last_outcome,
        claimed_by=standing.by,
        claimed_until=standing.until,
        not_before=row.not_before,
        expires_at=row.expires_at,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
