"""The one place where a message changes its state after it was queued.

Everything that hangs on a state goes into the same transaction: cap slots of what will not leave
are released, bad addresses and refusals are recorded, plain outcomes are closed, and the journey
hears of it. Locks are taken in one order everywhere: cause, customer, outcome, message; and always
FOR NO KEY UPDATE, which rows that only refer to a locked one (receipts, attempts) do not wait for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.channels import Receipts
from tellal.domain.customers import ConsentState
from tellal.domain.messages import (
    HANDED_OVER,
    LOST,
    UNSENT,
    MessageState,
    OutcomeState,
    Remedy,
    may_become,
)
from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow
from tellal.persistence.tables.ledger import CapUseRow, CauseRow, MessageRow, OutcomeRow
from tellal.services.outbox import enqueue

_causes = table(CauseRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_caps = table(CapUseRow)
_points = table(ContactPointRow)
_consents = table(ConsentRow)

_REJECTED_FROM = frozenset({MessageState.QUEUED, MessageState.HANDING_OVER, MessageState.UNKNOWN})
_STILL_TELLABLE = (OutcomeState.OPEN, OutcomeState.FAILED, OutcomeState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A message's new state, and what was learned with it.

    `not_before` matters when it is queued again, `check_at` when nobody knows what became of it.
    """

    message_id: str
    state: MessageState
    code: str = ""
    reference: str = ""
    provider: str = ""
    remedy: Remedy | None = None
    not_before: datetime | None = None
    check_at: datetime | None = None


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
        applied = []
        for move in moves:
            message = messages.get(move.message_id)
            if message is not None and may_become(MessageState(message.state), move.state):
                applied.append((move, message))
                del messages[move.message_id]
        if not applied:
            return
        await self._write_states(tx, applied, outcomes, now)
        await self._release_caps(tx, applied, now)
        await self._learn(tx, applied, now)
        await self._tell_journeys(tx, applied, outcomes, now)

    async def cancel_unsent(self, tx: AsyncSession, outcome_ids: Iterable[str], code: str) -> None:
        """Cancel what has not left of the given outcomes (which the caller has locked)."""
        query = select(_messages.c.id).where(
            _messages.c.outcome_id.in_(list(outcome_ids)), _messages.c.state.in_(list(UNSENT))
        )
        ids = (await tx.execute(query)).scalars().all()
        moves = [Move(message_id=i, state=MessageState.CANCELLED, code=code) for i in ids]
        await self.move(tx, moves)

    async def wake(self, tx: AsyncSession, outcome_ids: Sequence[str]) -> None:
        """Have the journeys of these outcomes look at the ledger again."""
        query = select(_outcomes).where(_outcomes.c.id.in_(outcome_ids)).order_by(_outcomes.c.id)
        now = self._clock.now()
        for outcome in (await tx.execute(query)).all():
            await self._wake(tx, outcome, OutcomeState(outcome.state), now)

    async def _spared(self, tx: AsyncSession, moves: Sequence[Move]) -> Sequence[Move]:
        """Cancel what would be queued again although its cause was stopped meanwhile.

        The cause is shared as for an intent: a stop that goes on now is waited for.
        """
        again = [move.message_id for move in moves if move.state is MessageState.QUEUED]
        if not again:
            return moves
        query = (
            select(_messages.c.id, _causes.c.state)
            .join(_causes, _causes.c.id == _messages.c.cause_id)
            .where(_messages.c.id.in_(again))
            .order_by(_causes.c.id)
            .with_for_update(read=True, of=_causes)
        )
        stopped = {row.id for row in await tx.execute(query) if row.state != "running"}
        return [
            Move(message_id=move.message_id, state=MessageState.CANCELLED, code="stopped")
            if move.state is MessageState.QUEUED and move.message_id in stopped
            else move
            for move in moves
        ]

    async def _lock(
        self, tx: AsyncSession, ids: Sequence[str]
    ) -> tuple[dict[str, Row[Any]], dict[str, Row[Any]]]:
        of_messages = select(_messages.c.outcome_id).where(_messages.c.id.in_(ids))
        outcomes = await tx.execute(
            select(_outcomes)
            .where(_outcomes.c.id.in_(of_messages))
            .order_by(_outcomes.c.id)
            .with_for_update(key_share=True)
        )
        messages = await tx.execute(
            select(_messages)
            .where(_messages.c.id.in_(ids))
            .order_by(_messages.c.id)
            .with_for_update(key_share=True)
        )
        return {row.id: row for row in outcomes}, {row.id: row for row in messages}

    async def _write_states(
        self,
        tx: AsyncSession,
        applied: Sequence[tuple[Move, Row[Any]]],
        outcomes: Mapping[str, Row[Any]],
        now: datetime,
    ) -> None:
        statement = (
            update(_messages)
            .where(_messages.c.id == bindparam("message"))
            .values(
                state=bindparam("new_state"),
                state_at=now,
                code=bindparam("new_code"),
                reference=bindparam("new_reference"),
                provider=bindparam("new_provider"),
                handed_at=bindparam("new_handed_at"),
                silent_until=bindparam("new_silent_until"),
                not_before=bindparam("new_not_before"),
                check_at=bindparam("new_check_at"),
                lease_until=None,
            )
        )
        rows = [_new_values(move, row, outcomes[row.outcome_id], now) for move, row in applied]
        connection = await tx.connection()
        await connection.execute(statement, rows)

    async def _release_caps(
        self, tx: AsyncSession, applied: Sequence[tuple[Move, Row[Any]]], now: datetime
    ) -> None:
        ids = [row.id for move, row in applied if _leaves_no_trace(move, row)]
        if ids:
            await tx.execute(
                update(_caps)
                .where(_caps.c.message_id.in_(ids), _caps.c.released_at.is_(None))
                .values(released_at=now)
            )

    async def _learn(
        self, tx: AsyncSession, applied: Sequence[tuple[Move, Row[Any]]], now: datetime
    ) -> None:
        for move, row in applied:
            if move.remedy is Remedy.BAD_ADDRESS and row.contact_point_id:
                await tx.execute(
                    update(_points)
                    .where(_points.c.id == row.contact_point_id)
                    .values(bad_reason=f"{move.provider or row.provider}:{move.code}")
                )
            elif move.remedy is Remedy.OPTED_OUT:
                await tx.execute(insert(_consents).values(**_refusal(move, row, now)))

    async def _tell_journeys(
        self,
        tx: AsyncSession,
        applied: Sequence[tuple[Move, Row[Any]]],
        outcomes: Mapping[str, Row[Any]],
        now: datetime,
    ) -> None:
        told = {row.outcome_id for move, row in applied if _tells(move.state, row.receipts)}
        lost = {row.outcome_id for move, row in applied if move.state in LOST} - told
        for outcome_id in sorted(told):
            await self._told(tx, outcomes[outcome_id], now)
        for outcome_id in sorted(lost):
            outcome = outcomes[outcome_id]
            if outcome.state == OutcomeState.OPEN:
                await self._wake(tx, outcome, OutcomeState.OPEN, now)

    async def _told(self, tx: AsyncSession, outcome: Row[Any], now: datetime) -> None:
        if outcome.state not in _STILL_TELLABLE:
            return
        if outcome.plan["attempts"] > 1 and outcome.state == OutcomeState.OPEN:
            await self._wake(tx, outcome, OutcomeState.OPEN, now)
            return
        await tx.execute(
            update(_outcomes)
            .where(_outcomes.c.id == outcome.id)
            .values(state=OutcomeState.TOLD, reason="", closed_at=now, check_at=None)
        )
        await self.cancel_unsent(tx, [outcome.id], "told_otherwise")
        if outcome.workflow_id:
            await self._wake(tx, outcome, OutcomeState.TOLD, now)

    async def _wake(
        self, tx: AsyncSession, outcome: Row[Any], state: OutcomeState, now: datetime
    ) -> None:
        if outcome.workflow_id:
            await enqueue(
                tx,
                brand_id=outcome.brand_id,
                kind=OutboxKind.PROGRESSED,
                workflow_id=outcome.workflow_id,
                body={"outcome_id": outcome.id, "state": state.value},
                now=now,
            )
        elif state is OutcomeState.OPEN:
            await tx.execute(
                update(_outcomes).where(_outcomes.c.id == outcome.id).values(check_at=now)
            )


def _tells(state: MessageState, receipts: str) -> bool:
    if state is MessageState.DELIVERED:
        return True
    return state in HANDED_OVER and receipts != Receipts.DELIVERY


def _leaves_no_trace(move: Move, row: Row[Any]) -> bool:
    if move.state in (MessageState.EXPIRED, MessageState.CANCELLED):
        return True
    return move.state is MessageState.FAILED and row.state in _REJECTED_FROM


def _new_values(
    move: Move, row: Row[Any], outcome: Row[Any], now: datetime
) -> dict[str, object | None]:
    handed = move.state in HANDED_OVER
    silent_until = row.silent_until
    if handed and silent_until is None and row.receipts == Receipts.DELIVERY:
        patience = outcome.plan["steps"][row.step]["patience_s"]
        silent_until = now + timedelta(seconds=patience)
    return {
        "message": row.id,
        "new_state": move.state.value,
        "new_code": move.code,
        "new_reference": move.reference or row.reference,
        "new_provider": move.provider or row.provider,
        "new_handed_at": row.handed_at or (now if handed else None),
        "new_silent_until": silent_until,
        "new_not_before": move.not_before or row.not_before,
        "new_check_at": move.check_at,
    }


def _refusal(move: Move, row: Row[Any], now: datetime) -> dict[str, object]:
    return {
        "id": new_id(),
        "brand_id": row.brand_id,
        "customer_id": row.customer_id,
        "channel": row.channel,
        "state": ConsentState.REFUSED.value,
        "source": f"carrier:{move.provider or row.provider}",
        "evidence": {"code": move.code, "message": row.id},
        "recorded_at": now,
    }
