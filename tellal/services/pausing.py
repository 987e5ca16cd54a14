"""Pauses causes and lets them go on: nothing leaves meanwhile, and nothing is dropped.

A pause is a stop that can be taken back: it goes through the same gate, so that nothing is handed
over any more once it is answered. What is queued stays queued; the claim passes it over because its
cause does not run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Interval, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Lane
from tellal.domain.messages import UNSENT, MessageState, OutcomeState
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import CauseRow, MessageRow, OutcomeRow
from tellal.services.gate import close_gate
from tellal.services.posting import LANE_CHANNEL

PAUSED = "paused"
_RUNNING = "running"
_causes = table(CauseRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_RING = select(*(func.pg_notify(LANE_CHANNEL, lane.value) for lane in Lane))
_WAITS = _messages.c.state.in_(sorted(UNSENT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a pause keeps: `held` may still leave, `expired` has run out meanwhile."""

    held: int
    expired: int


async def pause_causes(tx: AsyncSession, causes: Sequence[str]) -> int:
    """Pause causes that run; return how many messages a provider is being handed at this moment.

    Until the commit no intent of any cause is written: commit soon.
    """
    await close_gate(tx)
    mine = _causes.c.id.in_(causes)
    await tx.execute(update(_causes).where(mine, _causes.c.state == _RUNNING).values(state=PAUSED))
    in_flight = select(func.count()).where(
        _messages.c.cause_id.in_(causes),
        _messages.c.state == MessageState.HANDING_OVER.value,
    )
    found = int((await tx.execute(in_flight)).scalar_one())
    await tx.execute(_RING)
    return found


async def resume_causes(
    tx: AsyncSession, causes: Sequence[str], *, longer: timedelta | None = None
) -> None:
    """Let paused causes go on; what waits may take so much `longer` than it could."""
    mine = _causes.c.id.in_(causes)
    if longer is not None:
        more = literal(longer, Interval)
        waiting = (_messages.c.cause_id.in_(causes), _WAITS)
        await tx.execute(
            update(_messages).where(*waiting).values(expires_at=_messages.c.expires_at + more)
        )
        await tx.execute(
            update(_outcomes)
            .where(
                _outcomes.c.id.in_(select(_messages.c.outcome_id).where(*waiting)),
                _outcomes.c.state == OutcomeState.OPEN.value,
                _outcomes.c.check_at.is_not(None),
            )
            .values(check_at=_outcomes.c.check_at + more)
        )
    await tx.execute(update(_causes).where(mine, _causes.c.state == PAUSED).values(state=_RUNNING))
    await tx.execute(_RING)


async def kept(tx: AsyncSession, causes: Sequence[str], now: datetime) -> Kept:
    """Count what has not left of causes, and what of it has run out."""
    over = _messages.c.expires_at <= now
    query = select(
        func.count().filter(~over).label("held"), func.count().filter(over).label("expired")
    ).where(_messages.c.cause_id.in_(causes), _WAITS)
    row = (await tx.execute(query)).one()
    return Kept(held=row.held, expired=row.expired)
