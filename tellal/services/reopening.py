"""Outcomes that were closed on a provider's word, and open again when the message comes back.

A relay that takes a mail ends the plan; that the mail bounced is heard minutes or days later. The
person was not told then: while there is still sense in it the next channel goes, and the sweeper,
not the workflow that has gone home, brings it forward.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Receipts
from tellal.domain.messages import HANDED_OVER, MessageState, OutcomeState
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import CauseRow, MessageRow, OutcomeRow
from tellal.services.moves import Applied

_causes = table(CauseRow)
_messages = table(MessageRow).c
_outcomes = table(OutcomeRow)

_CAME_BACK = frozenset({MessageState.UNDELIVERED, MessageState.FAILED})
_CLOSED_ON_TRUST = frozenset({OutcomeState.TOLD, OutcomeState.UNKNOWN})

_TELLS = or_(
    _messages.state == MessageState.DELIVERED.value,
    and_(
        _messages.state.in_(sorted(HANDED_OVER)),
        _messages.receipts != Receipts.DELIVERY.value,
    ),
)
"""Whether a message has told, as `tells` of the domain says it."""


async def reopen(
    tx: AsyncSession, done: Sequence[Applied], outcomes: Mapping[str, Row[Any]], now: datetime
) -> None:
    """Open what only messages had closed that came back now; the caller holds the locks.

    What another message has told stays told. Where the cause was stopped, or its time is over,
    nobody is told, and the outcome says so.
    """
    codes = {
        row.outcome_id: move.code
        for move, row in done
        if move.state in _CAME_BACK
        and row.receipts == Receipts.BOUNCE_ONLY
        and outcomes[row.outcome_id].state in _CLOSED_ON_TRUST
    }
    if not codes:
        return
    query = (
        select(
            _messages.outcome_id,
            func.bool_or(_TELLS).label("told"),
            func.max(_messages.expires_at).label("expires_at"),
            func.max(_causes.c.state).label("cause"),
        )
        .join(_causes, _causes.c.id == _messages.cause_id)
        .where(_messages.outcome_id.in_(sorted(codes)))
        .group_by(_messages.outcome_id)
        .order_by(_messages.outcome_id)
    )
    for row in await tx.execute(query):
        if row.told:
            continue
        goes_on = row.cause != "stopped" and row.expires_at > now
        values: dict[str, object] = {
            "state": OutcomeState.FAILED,
            "reason": codes[row.outcome_id],
            "closed_at": now,
        }
        if goes_on:
            values = {
                "state": OutcomeState.OPEN,
                "reason": "",
                "closed_at": None,
                "check_at": now,
            }
        await tx.execute(update(_outcomes).where(_outcomes.c.id == row.outcome_id).values(**values))
