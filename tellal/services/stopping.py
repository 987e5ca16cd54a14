"""Stops a cause: from the commit on no message of it begins to leave, and the rest is cleared away.

The stop itself changes one row, and waits for nobody but those who have passed the gate (`gate`):
a lane's claim, a chunk that is being written. The messages that had not left are cancelled in pages
afterwards, so that no operator waits for two hundred thousand of them; until then the claim passes
them over, because their cause does not run.
"""

import asyncio
from datetime import datetime

from sqlalchemy import bindparam, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.channels import Lane
from tellal.domain.messages import UNSENT, MessageState, OutcomeState
from tellal.persistence.bulk import among
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import CauseRow, MessageRow, OutcomeRow
from tellal.services.gate import close_gate
from tellal.services.posting import LANE_CHANNEL
from tellal.services.reserving import release
from tellal.supervision import rest

_causes = table(CauseRow)
_outcomes = table(OutcomeRow)
_messages = table(MessageRow)

STOPPED = "stopped"
_WITH_THE_STOP = 200
"""How many messages are cancelled before the stop is answered: a small cause is over at once."""
_PAGE = 2_000
_LOOK_EVERY_S = 1.0
_BETWEEN_S = 0.05

_STOP = (
    update(_causes)
    .where(_causes.c.id == bindparam("cause"), _causes.c.state != STOPPED)
    .values(state=STOPPED, stopped_for=bindparam("why"))
)
_IN_FLIGHT = select(func.count()).where(
    _messages.c.cause_id == bindparam("cause"),
    _messages.c.state == MessageState.HANDING_OVER.value,
)
_UNSENT = _messages.c.state.in_(sorted(UNSENT))
_LOCK_UNSENT = (
    select(_messages.c.id, _messages.c.outcome_id)
    .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
    .where(_messages.c.cause_id == bindparam("cause"), _UNSENT)
    .limit(bindparam("most"))
    .with_for_update(key_share=True, skip_locked=True, of=[_messages, _outcomes])
)
_CANCEL = (
    update(_messages)
    .where(among(_messages.c.id))
    .values(
        state=MessageState.CANCELLED.value,
        state_at=bindparam("now", type_=Instant()),
        code=bindparam("why"),
    )
)
_SPOKEN = exists().where(
    _messages.c.outcome_id == _outcomes.c.id, _messages.c.state != MessageState.CANCELLED.value
)
_CLOSE = (
    update(_outcomes)
    .where(among(_outcomes.c.id), _outcomes.c.state == OutcomeState.OPEN.value, ~_SPOKEN)
    .values(
        state=OutcomeState.CANCELLED.value,
        reason=bindparam("why"),
        closed_at=bindparam("now", type_=Instant()),
        check_at=None,
    )
)
_TO_CLEAR = select(_causes.c.id, _causes.c.stopped_for).where(
    _causes.c.counted.is_(True),
    _causes.c.state == STOPPED,
    exists().where(_messages.c.cause_id == _causes.c.id, _UNSENT),
)
_RING = select(*(func.pg_notify(LANE_CHANNEL, lane.value) for lane in Lane))


async def stop_cause(tx: AsyncSession, cause_id: str, *, code: str, now: datetime) -> int:
    """Stop a cause; when the caller commits, nothing of it is handed over any more.

    `code` says why, in its messages and outcomes. Returns how many messages a provider is being
    handed at this moment. A part of the unsent ones is cancelled at once, the others soon after
    (`Stopping`). Until the commit no intent of any cause is written: commit soon.
    """
    await close_gate(tx)
    await tx.execute(_STOP, {"cause": cause_id, "why": code})
    in_flight = int((await tx.execute(_IN_FLIGHT, {"cause": cause_id})).scalar_one())
    await _cancel_some(tx, cause_id, code=code, now=now, most=_WITH_THE_STOP)
    # A lane that found the gate closed took it for a lane without work.
    await tx.execute(_RING)
    return in_flight


class Stopping:
    """Clears away what stopped causes had not sent; several may work side by side."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Clear away until told to stop."""
        while not stop.is_set():
            if not await self.clear_some():
                await rest(stop, _LOOK_EVERY_S)

    async def clear_some(self) -> int:
        """Cancel a page of the unsent messages of each stopped cause; return how many."""
        async with self._sessions() as tx:
            causes = (await tx.execute(_TO_CLEAR)).all()
        cleared = 0
        for cause_id, code in causes:
            cleared += await self._page(cause_id, code)
        return cleared

    async def clear(self, cause_id: str) -> int:
        """Cancel all that a stopped cause has not sent; return how many messages that were."""
        cleared = 0
        query = _TO_CLEAR.where(_causes.c.id == cause_id)
        while True:
            async with self._sessions() as tx:
                found = (await tx.execute(query)).one_or_none()
            if found is None:
                return cleared
            page = await self._page(cause_id, found.stopped_for)
            cleared += page
            if not page:
                # Somebody is at those that are left, for a moment.
                await asyncio.sleep(_BETWEEN_S)

    async def _page(self, cause_id: str, code: str) -> int:
        async with self._sessions() as tx, tx.begin():
            now = self._clock.now()
            return await _cancel_some(tx, cause_id, code=code, now=now, most=_PAGE)


async def _cancel_some(
    tx: AsyncSession, cause_id: str, *, code: str, now: datetime, most: int
) -> int:
    """Cancel unsent messages that nobody else is at, and close outcomes of which nothing left."""
    found = (await tx.execute(_LOCK_UNSENT, {"cause": cause_id, "most": most})).all()
    if not found:
        return 0
    ids = [row.id for row in found]
    await tx.execute(_CANCEL, {"among": ids, "now": now, "why": code})
    await release(tx, ids, now)
    outcomes = {row.outcome_id for row in found}
    await tx.execute(_CLOSE, {"among": list(outcomes), "now": now, "why": code})
    return len(found)
