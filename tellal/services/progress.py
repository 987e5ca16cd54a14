"""The one place where a message changes its state after it was queued.

Everything that hangs on a state goes into the same transaction: cap slots of what will not leave
are released, bad addresses and refusals are recorded, plain outcomes are closed, and the journey
hears of it. Locks are taken in one order everywhere: cause, customer, outcome, message; and always
FOR NO KEY UPDATE, which rows that only refer to a locked one (receipts, attempts) do not wait for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Float,
    Row,
    String,
    any_,
    bindparam,
    cast,
    insert,
    select,
    update,
)
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
from tellal.persistence.bulk import among, arrays, given
from tellal.persistence.columns import Instant, table
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow
from tellal.persistence.tables.ledger import CapUseRow, CauseRow, MessageRow, OutcomeRow
from tellal.services.outbox import News, enqueue_all

_causes = table(CauseRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_caps = table(CapUseRow)
_points = table(ContactPointRow)
_consents = table(ConsentRow)

_OF_OUTCOMES: tuple[ColumnElement[Any], ...] = (
    _outcomes.c.id,
    _outcomes.c.brand_id,
    _outcomes.c.state,
    _outcomes.c.workflow_id,
    _outcomes.c.plan["attempts"].as_integer().label("attempts"),
)
_OF_MESSAGES: tuple[ColumnElement[Any], ...] = (
    _messages.c.id,
    _messages.c.brand_id,
    _messages.c.outcome_id,
    _messages.c.customer_id,
    _messages.c.contact_point_id,
    _messages.c.channel,
    _messages.c.state,
    _messages.c.attempt,
    _messages.c.provider,
    _messages.c.reference,
    _messages.c.receipts,
    _messages.c.not_before,
    _messages.c.handed_at,
    _messages.c.silent_until,
    _messages.c.simulated,
    cast(_outcomes.c.plan["steps"].op("->")(_messages.c.step).op("->>")("patience_s"), Float).label(
        "patience_s"
    ),
)
"""What moving needs; plans and texts stay where they are."""

_LOCK_OUTCOMES = (
    select(*_OF_OUTCOMES)
    .where(_outcomes.c.id.in_(select(_messages.c.outcome_id).where(among(_messages.c.id))))
    .order_by(_outcomes.c.id)
    .with_for_update(key_share=True)
)
_LOCK_MESSAGES = (
    select(*_OF_MESSAGES)
    .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
    .where(among(_messages.c.id))
    .order_by(_messages.c.id)
    .with_for_update(key_share=True, of=_messages)
)

_NEW = given(
    id=String(),
    state=String(),
    code=String(),
    reference=String(),
    provider=String(),
    handed_at=Instant(),
    silent_until=Instant(),
    not_before=Instant(),
    check_at=Instant(),
)
_WRITE_STATES = (
    update(_messages)
    .where(_messages.c.id == _NEW.c.id)
    .values(
        {
            name: _NEW.c[name]
            for name in (
                "state",
                "code",
                "reference",
                "provider",
                "handed_at",
                "silent_until",
                "not_before",
                "check_at",
            )
        }
        | {"state_at": bindparam("now", type_=Instant()), "lease_until": None}
    )
)

_LOOK_WHEN_SILENT = (
    update(_outcomes)
    .where(
        _messages.c.id == any_(bindparam("ids", type_=ARRAY(String))),
        _messages.c.silent_until < _outcomes.c.check_at,
        _outcomes.c.id == _messages.c.outcome_id,
        _outcomes.c.workflow_id.is_(None),
        _outcomes.c.state == OutcomeState.OPEN.value,
    )
    .values(check_at=_messages.c.silent_until)
)

_REJECTED_FROM = frozenset({MessageState.QUEUED, MessageState.HANDING_OVER, MessageState.UNKNOWN})
_STILL_TELLABLE = (OutcomeState.OPEN, OutcomeState.FAILED, OutcomeState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A message's new state, and what was learned with it.

    `not_before` matters when it is queued again, `check_at` when nobody knows what became of it.
    `attempt` says of which attempt it speaks: an older one's late answer counts only if it is the
    good news. `route_out` is a route that cannot carry it, `was_taken` says that the provider took
    it on the way to this state.
    """

    message_id: str
    state: MessageState
    code: str = ""
    reference: str = ""
    provider: str = ""
    remedy: Remedy | None = None
    not_before: datetime | None = None
    check_at: datetime | None = None
    attempt: int | None = None
    route_out: str = ""
    was_taken: bool = False


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
        applied = _applied(moves, messages)
        if not applied:
            return
        await self._write_states(tx, applied, now)
        await self._look_when_silent(tx, applied)
        await self._leave_routes(tx, applied)
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
        query = select(*_OF_OUTCOMES).where(_outcomes.c.id.in_(outcome_ids))
        found = (await tx.execute(query.order_by(_outcomes.c.id))).all()
        await self._wake(tx, [(row, OutcomeState(row.state)) for row in found], self._clock.now())

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
        outcomes = await tx.execute(_LOCK_OUTCOMES, {"among": ids})
        messages = await tx.execute(_LOCK_MESSAGES, {"among": ids})
        return {row.id: row for row in outcomes}, {row.id: row for row in messages}

    async def _write_states(
        self, tx: AsyncSession, applied: Sequence[tuple[Move, Row[Any]]], now: datetime
    ) -> None:
        rows = [_new_values(move, row, now) for move, row in applied]
        await tx.execute(_WRITE_STATES, {**arrays(rows), "now": now})

    async def _look_when_silent(
        self, tx: AsyncSession, applied: Sequence[tuple[Move, Row[Any]]]
    ) -> None:
        """Have the sweeper look at outcomes without a workflow when a receipt fails to come."""
        ids = [row.id for move, row in applied if move.state in HANDED_OVER]
        if ids:
            await tx.execute(_LOOK_WHEN_SILENT, {"ids": ids})

    async def _leave_routes(
        self, tx: AsyncSession, applied: Sequence[tuple[Move, Row[Any]]]
    ) -> None:
        """Remember which routes cannot carry a message, so that none is asked again."""
        for move, row in applied:
            if move.route_out:
                await tx.execute(
                    update(_messages)
                    .where(_messages.c.id == row.id)
                    .values(routes_out=_messages.c.routes_out + f"{move.route_out},")
                )

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
        # In one order everywhere, so that two batches never wait for each other's addresses.
        for move, row in sorted(applied, key=lambda one: one[1].contact_point_id or ""):
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
        news: list[tuple[Row[Any], OutcomeState]] = []
        ended: list[Row[Any]] = []
        for outcome_id in sorted(told):
            outcome = outcomes[outcome_id]
            if outcome.attempts > 1 and outcome.state == OutcomeState.OPEN:
                news.append((outcome, OutcomeState.OPEN))
            elif outcome.state in _STILL_TELLABLE:
                ended.append(outcome)
        await self._end_told(tx, [outcome.id for outcome in ended], now)
        news += [(outcome, OutcomeState.TOLD) for outcome in ended if outcome.workflow_id]
        for outcome_id in sorted(lost):
            if outcomes[outcome_id].state == OutcomeState.OPEN:
                news.append((outcomes[outcome_id], OutcomeState.OPEN))
        await self._wake(tx, news, now)

    async def _end_told(self, tx: AsyncSession, outcome_ids: Sequence[str], now: datetime) -> None:
        if not outcome_ids:
            return
        await tx.execute(
            update(_outcomes)
            .where(_outcomes.c.id.in_(outcome_ids))
            .values(state=OutcomeState.TOLD, reason="", closed_at=now, check_at=None)
        )
        await self.cancel_unsent(tx, outcome_ids, "told_otherwise")

    async def _wake(
        self, tx: AsyncSession, news: Sequence[tuple[Row[Any], OutcomeState]], now: datetime
    ) -> None:
        """Tell workflows; what no workflow follows is due at once for the sweeper."""
        by_workflow = [
            News(
                brand_id=outcome.brand_id,
                kind=OutboxKind.PROGRESSED,
                workflow_id=outcome.workflow_id,
                body={"outcome_id": outcome.id, "state": state.value},
            )
            for outcome, state in news
            if outcome.workflow_id
        ]
        await enqueue_all(tx, by_workflow, now)
        swept = [
            outcome.id
            for outcome, state in news
            if not outcome.workflow_id and state is OutcomeState.OPEN
        ]
        if swept:
            await tx.execute(
                update(_outcomes).where(_outcomes.c.id.in_(swept)).values(check_at=now)
            )


def _applied(
    moves: Sequence[Move], messages: Mapping[str, Row[Any]]
) -> list[tuple[Move, Row[Any]]]:
    """Walk along the table; several steps of one message (sent, then delivered) become one."""
    states = {message_id: MessageState(row.state) for message_id, row in messages.items()}
    last: dict[str, Move] = {}
    for move in moves:
        message = messages.get(move.message_id)
        if message is None or not may_become(states[move.message_id], move.state):
            continue
        older = move.attempt is not None and move.attempt != message.attempt
        if older and move.state is not MessageState.ACCEPTED:
            continue
        before = last.pop(move.message_id, None)
        if before is not None:
            move = replace(  # noqa: PLW2901 - one step instead of two
                move,
                reference=move.reference or before.reference,
                provider=move.provider or before.provider,
                was_taken=before.was_taken or before.state in HANDED_OVER,
            )
        states[move.message_id] = move.state
        last[move.message_id] = move
    return [(move, messages[message_id]) for message_id, move in last.items()]


def _tells(state: MessageState, receipts: str) -> bool:
    if state is MessageState.DELIVERED:
        return True
    return state in HANDED_OVER and receipts != Receipts.DELIVERY


def _leaves_no_trace(move: Move, row: Row[Any]) -> bool:
    if move.state in (MessageState.EXPIRED, MessageState.CANCELLED):
        return True
    refused = row.state in _REJECTED_FROM and not move.was_taken
    return move.state is MessageState.FAILED and refused


def _new_values(move: Move, row: Row[Any], now: datetime) -> dict[str, object | None]:
    handed = move.state in HANDED_OVER or move.was_taken
    silent_until = row.silent_until
    if handed and silent_until is None and row.receipts == Receipts.DELIVERY:
        silent_until = now + timedelta(seconds=row.patience_s)
    return {
        "id": row.id,
        "state": move.state.value,
        "code": move.code,
        "reference": move.reference or row.reference,
        "provider": move.provider or row.provider,
        "handed_at": row.handed_at or (now if handed else None),
        "silent_until": silent_until,
        "not_before": move.not_before or row.not_before,
        "check_at": move.check_at,
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
