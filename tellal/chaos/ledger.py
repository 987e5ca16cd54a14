"""Reads the ledger of a run: outcomes with their messages and attempts, and what still moves."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.chaos.judging import Attempt, Message, Outcome
from tellal.domain.messages import UNSENT, MessageState, OutcomeState
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import AttemptRow, CauseRow, MessageRow, OutcomeRow

_attempts = table(AttemptRow)
_causes = table(CauseRow)
_customers = table(CustomerRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)

_MOVING = [state.value for state in (*sorted(UNSENT), MessageState.HANDING_OVER)]


async def moving(sessions: Sessions) -> tuple[int, datetime | None]:
    """Return what still moves: how many outcomes and messages, and when a message last moved."""
    open_outcomes = select(func.count()).where(_outcomes.c.state == OutcomeState.OPEN)
    unsent = select(func.count()).where(_messages.c.state.in_(_MOVING))
    async with sessions() as tx:
        count = (await tx.execute(open_outcomes)).scalar_one()
        count += (await tx.execute(unsent)).scalar_one()
        newest = (await tx.execute(select(func.max(_messages.c.state_at)))).scalar_one()
    return count, newest


async def outcomes(sessions: Sessions) -> Sequence[Outcome]:
    """Return every outcome with all that belongs to it."""
    async with sessions() as tx:
        attempts = await _attempts_of(tx)
        messages = await _messages_of(tx, attempts)
        query = (
            select(_outcomes, _causes.c.key, _customers.c.ref)
            .join(_causes, _causes.c.id == _outcomes.c.cause_id)
            .join(_customers, _customers.c.id == _outcomes.c.customer_id)
            .order_by(_outcomes.c.id)
        )
        return [
            Outcome(
                cause=row.key,
                customer=row.ref,
                topic=row.topic,
                state=row.state,
                reason=row.reason,
                messages=messages[row.id],
            )
            for row in await tx.execute(query)
        ]


async def _attempts_of(tx: AsyncSession) -> Mapping[str, Sequence[Attempt]]:
    found: dict[str, list[Attempt]] = defaultdict(list)
    for row in await tx.execute(select(_attempts).order_by(_attempts.c.message_id, _attempts.c.n)):
        found[row.message_id].append(Attempt(n=row.n, answer=row.answer, code=row.code))
    return found


async def _messages_of(
    tx: AsyncSession, attempts: Mapping[str, Sequence[Attempt]]
) -> Mapping[str, Sequence[Message]]:
    found: dict[str, list[Message]] = defaultdict(list)
    for row in await tx.execute(select(_messages).order_by(_messages.c.id)):
        found[row.outcome_id].append(
            Message(
                id=row.id,
                message_class=row.message_class,
                channel=row.channel,
                state=row.state,
                code=row.code,
                attempts=attempts[row.id],
            )
        )
    return found
