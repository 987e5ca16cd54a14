"""Brings outcomes forward: the desk that workflows and the sweeper come to.

Everything is read from the ledger under the customer's lock, so it may be called at any moment and
any number of times: by a workflow whose timer rang or that was woken, or by the sweeper for
outcomes that no workflow follows.
"""

from datetime import timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.errors import NotFoundError
from tellal.domain.journeys import Step
from tellal.domain.messages import OutcomeState
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, lock_customer_by_id
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import CauseRow, OutcomeRow
from tellal.services.advancing import BookOf, Look
from tellal.services.deciding import Deciding
from tellal.services.gate import pass_gate
from tellal.services.journey_news import is_swept
from tellal.services.pausing import PAUSED
from tellal.services.progress import Progress

_causes = table(CauseRow)
_outcomes = table(OutcomeRow)

_RECLAIM = timedelta(seconds=30)
"""How long a claimed outcome is left to the one who claimed it."""

_PAUSED = exists().where(_causes.c.id == _outcomes.c.cause_id, _causes.c.state == PAUSED)
"""What of a paused cause has run out is for whoever lets it go on to say."""


class Journeys:
    """Advances outcomes, each call in a transaction of its own."""

    def __init__(
        self, sessions: Sessions, deciding: Deciding, progress: Progress, book_of: BookOf
    ) -> None:
        self._sessions = sessions
        self._deciding = deciding
        self._progress = progress
        self._book_of = book_of

    async def advance(self, outcome_id: str) -> Step:
        """Do what is due for an outcome and say where it stands and until when to wait.

        Raises:
            NotFoundError: There is no such outcome.
        """
        async with self._sessions() as tx, tx.begin():
            customer_id, stopped = await _share_cause(tx, outcome_id)
            customer = await lock_customer_by_id(tx, customer_id)
            locked = (
                select(_outcomes)
                .where(_outcomes.c.id == outcome_id)
                .with_for_update(key_share=True)
            )
            outcome = (await tx.execute(locked)).one()
            look = Look(
                deciding=self._deciding,
                progress=self._progress,
                tx=tx,
                brand=await read_brand(tx, outcome.brand_id),
                customer=customer,
                outcome=outcome,
                book_of=self._book_of,
                stopped=stopped,
            )
            step = await look.take()
            if step.wait_until is not None and is_swept(outcome):
                await tx.execute(
                    update(_outcomes)
                    .where(_outcomes.c.id == outcome_id)
                    .values(check_at=step.wait_until)
                )
            return step

    async def due(self, limit: int) -> tuple[str, ...]:
        """Claim outcomes that no workflow follows and whose time to be looked at has come."""
        now = self._deciding.clock.now()
        async with self._sessions() as tx, tx.begin():
            due = (
                select(_outcomes.c.id)
                .where(
                    _outcomes.c.state == OutcomeState.OPEN, _outcomes.c.check_at <= now, ~_PAUSED
                )
                .order_by(_outcomes.c.check_at)
                .limit(limit)
                .with_for_update(skip_locked=True, key_share=True)
            )
            claimed = (
                update(_outcomes)
                .where(_outcomes.c.id.in_(due))
                .values(check_at=now + _RECLAIM)
                .returning(_outcomes.c.id)
            )
            return tuple((await tx.execute(claimed)).scalars())


async def _share_cause(tx: AsyncSession, outcome_id: str) -> tuple[str, bool]:
    """Share the cause as an intent does: what is posted now, a stop that comes later finds.

    Returns whose outcome it is, and whether its cause has been stopped.
    """
    await pass_gate(tx)
    query = (
        select(_outcomes.c.customer_id, _causes.c.state)
        .join(_causes, _causes.c.id == _outcomes.c.cause_id)
        .where(_outcomes.c.id == outcome_id)
        .with_for_update(read=True, of=_causes)
    )
    found = (await tx.execute(query)).one_or_none()
    if found is None:
        raise NotFoundError("no such outcome")
    return found.customer_id, found.state == "stopped"
