"""The one place where a message changes its state after it was queued.

Everything that hangs on a state goes into the same transaction: cap slots of what will not leave
are released, credit is settled or given back, bad addresses and refusals are recorded, plain
outcomes are closed, and the journey hears of it. Locks are taken in one order everywhere: cause,
customer, outcome, message; and always FOR NO KEY UPDATE, which rows that only refer to a locked one
(receipts, attempts) do not wait for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.messages import HANDED_OVER, UNSENT, MessageState, OutcomeState, Remedy
from tellal.persistence.bulk import arrays
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow, CustomerRow
from tellal.persistence.tables.ledger import CapUseRow, CauseRow, MessageRow, OutcomeRow
from tellal.services.credit_closing import close_moved
from tellal.services.gate import pass_gate
from tellal.services.journey_news import heard_of, is_swept, wake
from tellal.services.move_statements import (
    LOCK_MESSAGES,
    LOCK_OUTCOMES,
    LOOK_WHEN_SILENT,
    OF_OUTCOMES,
    WRITE_STATES,
)
from tellal.services.moves import Applied, Move, folded, leaves_no_trace, new_values, refusal
from tellal.services.reopening import reopen

_causes = table(CauseRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_caps = table(CapUseRow)
_points = table(ContactPointRow)
_consents = table(ConsentRow)
_customers = table(CustomerRow).c


DISPLACED = "displaced"
"""The code of a message whose slot of a cap went to one of a higher priority."""


class Progress:
    """Moves messages along the transition table, with all that follows from it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def move(self, tx: AsyncSession, moves: Sequence[Move]) -> None:
        """Apply moves in their order; steps that the table does not allow change nothing.

        A carrier may repeat itself and speak out of order, so a step backwards is no error.
        """
        if not moves:
            return
        moves = await self._spared(tx, moves)
        outcomes, messages = await self._lock(tx, [move.message_id for move in moves])
        now = self._clock.now()
        done = folded(moves, messages)
        if not done:
            return
        await self._write_states(tx, done, now)
        await close_moved(tx, done, now)
        await self._look_when_silent(tx, done, outcomes)
        await self._leave_routes(tx, done)
        await self._release_caps(tx, done, now)
        await self._learn(tx, done, now)
        await self._tell_journeys(tx, done, outcomes, now)
        await reopen(tx, done, outcomes, now)

    async def cancel_unsent(self, tx: AsyncSession, outcome_ids: Iterable[str], code: str) -> None:
        """Cancel what has not left of the given outcomes (which the caller has locked)."""
        query = select(_messages.c.id).where(
            _messages.c.outcome_id.in_(list(outcome_ids)), _messages.c.state.in_(list(UNSENT))
        )
        ids = (await tx.execute(query)).scalars().all()
        moves = [Move(message_id=i, state=MessageState.CANCELLED, code=code) for i in ids]
        await self.move(tx, moves)

    async def displace(
        self, tx: AsyncSession, message_id: str, *, by: str, until: datetime | None
    ) -> None:
        """Have a message that lost its slot of a cap wait until a later one; None ends it.

        The caller has locked it and its outcome, and found that it has not left.
        """
        of_it = update(_messages).where(_messages.c.id == message_id)
        if until is None:
            await tx.execute(of_it.values(displaced_by=by))
            over = Move(message_id=message_id, state=MessageState.EXPIRED, code=DISPLACED)
            await self.move(tx, [over])
            return
        await tx.execute(
            of_it.values(
                displaced_by=by,
                state=MessageState.DEFERRED,
                state_at=self._clock.now(),
                not_before=until,
                code=DISPLACED,
            )
        )

    async def wake(self, tx: AsyncSession, outcome_ids: Sequence[str]) -> None:
        """Have the journeys of these outcomes look at the ledger again."""
        query = select(*OF_OUTCOMES).where(_outcomes.c.id.in_(outcome_ids))
        found = (await tx.execute(query.order_by(_outcomes.c.id))).all()
        await wake(tx, [(row, OutcomeState(row.state)) for row in found], self._clock.now())

    async def _spared(self, tx: AsyncSession, moves: Sequence[Move]) -> Sequence[Move]:
        """Cancel what would be queued again although its cause was stopped meanwhile.

        The cause is shared as for an intent: a stop that goes on now is waited for.
        """
        again = [move.message_id for move in moves if move.state is MessageState.QUEUED]
        if not again:
            return moves
        await pass_gate(tx)
        query = (
            select(_messages.c.id, _causes.c.state)
            .join(_causes, _causes.c.id == _messages.c.cause_id)
            .where(_messages.c.id.in_(again))
            .order_by(_causes.c.id)
            .with_for_update(read=True, of=_causes)
        )
        stopped = {row.id for row in await tx.execute(query) if row.state == "stopped"}
        return [
            replace(move, state=MessageState.CANCELLED, code="stopped", not_before=None)
            if move.state is MessageState.QUEUED and move.message_id in stopped
            else move
            for move in moves
        ]

    async def _lock(
        self, tx: AsyncSession, ids: Sequence[str]
    ) -> tuple[dict[str, Row[Any]], dict[str, Row[Any]]]:
        outcomes = await tx.execute(LOCK_OUTCOMES, {"among": ids})
        messages = await tx.execute(LOCK_MESSAGES, {"among": ids})
        return {row.id: row for row in outcomes}, {row.id: row for row in messages}

    async def _write_states(self, tx: AsyncSession, done: Sequence[Applied], now: datetime) -> None:
        rows = [new_values(move, row, now) for move, row in done]
        await tx.execute(WRITE_STATES, {**arrays(rows), "now": now})

    async def _look_when_silent(
        self, tx: AsyncSession, done: Sequence[Applied], outcomes: Mapping[str, Row[Any]]
    ) -> None:
        """Have the sweeper look at the outcomes that it follows when a receipt fails to come."""
        ids = [
            row.id
            for move, row in done
            if move.state in HANDED_OVER and is_swept(outcomes[row.outcome_id])
        ]
        if ids:
            await tx.execute(LOOK_WHEN_SILENT, {"ids": ids})

    async def _leave_routes(self, tx: AsyncSession, done: Sequence[Applied]) -> None:
        """Remember which routes cannot carry a message, so that none is asked again."""
        for move, row in done:
            if move.route_out:
                await tx.execute(
                    update(_messages)
                    .where(_messages.c.id == row.id)
                    .values(routes_out=_messages.c.routes_out + f"{move.route_out},")
                )

    async def _release_caps(self, tx: AsyncSession, done: Sequence[Applied], now: datetime) -> None:
        ids = [row.id for move, row in done if leaves_no_trace(move, row)]
        if ids:
            await tx.execute(
                update(_caps)
                .where(_caps.c.message_id.in_(ids), _caps.c.released_at.is_(None))
                .values(released_at=now)
            )

    async def _learn(self, tx: AsyncSession, done: Sequence[Applied], now: datetime) -> None:
        # In one order everywhere, so that two batches never wait for each other's addresses.
        for move, row in sorted(done, key=lambda one: one[1].contact_point_id or ""):
            if row.simulated:
                # A rehearsed refusal is nobody's refusal.
                continue
            if move.remedy is Remedy.BAD_ADDRESS and row.contact_point_id:
                await tx.execute(
                    update(_points)
                    .where(_points.c.id == row.contact_point_id)
                    .values(bad_reason=f"{move.provider or row.provider}:{move.code}")
                )
            elif move.remedy is Remedy.OPTED_OUT:
                said = refusal(move, row, now) | _whose(row)
                await tx.execute(insert(_consents).values(**said))

    async def _tell_journeys(
        self,
        tx: AsyncSession,
        done: Sequence[Applied],
        outcomes: Mapping[str, Row[Any]],
        now: datetime,
    ) -> None:
        heard = heard_of(done, outcomes)
        await self._end_told(tx, [outcome.id for outcome in heard.ended], now)
        await wake(tx, heard.news, now)

    async def _end_told(self, tx: AsyncSession, outcome_ids: Sequence[str], now: datetime) -> None:
        if not outcome_ids:
            return
        await tx.execute(
            update(_outcomes)
            .where(_outcomes.c.id.in_(outcome_ids))
            .values(state=OutcomeState.TOLD, reason="", closed_at=now, check_at=None)
        )
        await self.cancel_unsent(tx, outcome_ids, "told_otherwise")


def _whose(row: Row[Any]) -> dict[str, object]:
    """Return in which role, and for which address, the reader of a message refuses."""
    kind = select(_customers.kind).where(_customers.id == row.customer_id)
    address = select(_points.c.address).where(_points.c.id == row.contact_point_id)
    return {
        "recipient_type": kind.scalar_subquery(),
        "address": func.coalesce(address.scalar_subquery(), ""),
    }
