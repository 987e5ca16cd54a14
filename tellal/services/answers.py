"""Records what providers answered, and what follows from each of the three kinds of answer."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.handover import Answered, Doubt
from tellal.domain.messages import Answer, HandOver, MessageState, Remedy
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import AttemptRow, MessageRow
from tellal.services.progress import Move, Progress

_messages = table(MessageRow)
_attempts = table(AttemptRow)

_MOST_TRIES = 12
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=5)


class Answers:
    """Completes attempts and moves their messages."""

    def __init__(
        self, sessions: Sessions, clock: Clock, progress: Progress, *, reconcile_after: timedelta
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._progress = progress
        self._reconcile_after = reconcile_after

    async def record(self, answered: Sequence[Answered]) -> None:
        """Record answers in one transaction."""
        now = self._clock.now()
        async with self._sessions() as tx, tx.begin():
            await _complete(tx, answered, now)
            rows = await _rows(tx, [one.message.id for one in answered])
            moves = [
                self._move(one.answer, rows[one.message.id], now)
                for one in answered
                if _counts(one, rows[one.message.id])
            ]
            await self._progress.move(tx, moves)

    async def settle(self, doubt: Doubt, found: HandOver) -> None:
        """Record what a look-up found; a message that is not there is handed over again."""
        now = self._clock.now()
        answered = Answered(message=doubt.message, answer=found)
        async with self._sessions() as tx, tx.begin():
            rows = await _rows(tx, [doubt.message.id])
            if not _counts(answered, rows[doubt.message.id]):
                return
            await _complete(tx, [answered], now)
            if found.answer is Answer.REJECTED and found.remedy is Remedy.RETRY:
                move = Move(
                    message_id=doubt.message.id,
                    state=MessageState.QUEUED,
                    code=found.code,
                    not_before=now,
                )
            else:
                move = self._move(found, rows[doubt.message.id], now)
            await self._progress.move(tx, [move])

    def _move(self, answer: HandOver, row: Row[Any], now: datetime) -> Move:
        if answer.answer is Answer.ACCEPTED:
            return Move(
                message_id=row.id,
                state=MessageState.ACCEPTED,
                reference=answer.reference,
                provider=answer.provider,
            )
        if answer.answer is Answer.AMBIGUOUS:
            return Move(
                message_id=row.id,
                state=MessageState.UNKNOWN,
                code=answer.code,
                reference=answer.reference,
                provider=answer.provider,
                check_at=now + self._reconcile_after,
            )
        return _after_rejection(answer, row, now)


def _after_rejection(answer: HandOver, row: Row[Any], now: datetime) -> Move:
    remedy = answer.remedy
    if remedy is Remedy.RETRY:
        pause = _pause(row.attempt)
        if answer.retry_after_s is not None:
            pause = timedelta(seconds=answer.retry_after_s)
        if row.attempt < _MOST_TRIES and now + pause < row.expires_at:
            return Move(
                message_id=row.id,
                state=MessageState.QUEUED,
                code=answer.code,
                provider=answer.provider,
                not_before=now + pause,
            )
        remedy = Remedy.NEXT_CHANNEL
    return Move(
        message_id=row.id,
        state=MessageState.FAILED,
        code=answer.code,
        provider=answer.provider,
        remedy=remedy,
    )


def _pause(attempt: int) -> timedelta:
    doubled: int = 1 << min(attempt - 1, 10)
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * doubled)


def _counts(answered: Answered, row: Row[Any]) -> bool:
    """An older attempt's late answer counts only if it is the good news."""
    return bool(
        row.attempt == answered.message.attempt or answered.answer.answer is Answer.ACCEPTED
    )


async def _rows(tx: AsyncSession, ids: Sequence[str]) -> dict[str, Row[Any]]:
    query = select(_messages).where(_messages.c.id.in_(ids))
    return {row.id: row for row in await tx.execute(query)}


async def _complete(tx: AsyncSession, answered: Sequence[Answered], now: datetime) -> None:
    statement = (
        update(_attempts)
        .where(
            _attempts.c.message_id == bindparam("message"),
            _attempts.c.n == bindparam("attempt"),
        )
        .values(
            answer=bindparam("new_answer"),
            code=bindparam("new_code"),
            reference=bindparam("new_reference"),
            answered_at=now,
        )
    )
    connection = await tx.connection()
    await connection.execute(
        statement,
        [
            {
                "message": one.message.id,
                "attempt": one.message.attempt,
                "new_answer": one.answer.answer.value,
                "new_code": one.answer.code,
                "new_reference": one.answer.reference,
            }
            for one in answered
        ],
    )
