"""Records what providers answered, and what follows from each of the three kinds of answer."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Boolean, Integer, String, bindparam, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.handover import Answered, Doubt
from tellal.domain.messages import (
    NOT_CALLED,
    Answer,
    HandOver,
    MessageState,
    OutgoingMessage,
    Remedy,
)
from tellal.domain.route_health import fault_of
from tellal.persistence.bulk import arrays, given
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import AttemptRow
from tellal.services.message_parts import keep_parts
from tellal.services.moves import Move
from tellal.services.progress import Progress
from tellal.services.routes import Routes

_attempts = table(AttemptRow)

_MOST_TRIES = 12
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=5)
_OF_THE_ROUTE = frozenset({Remedy.NEXT_ROUTE, Remedy.HALT})
"""Remedies of what another route may not suffer from."""

_GIVEN = given(
    message=String(),
    attempt=Integer(),
    answer=String(),
    code=String(),
    reference=String(),
    fault=Boolean(),
)
_COMPLETE = (
    update(_attempts)
    .where(_attempts.c.message_id == _GIVEN.c.message, _attempts.c.n == _GIVEN.c.attempt)
    .values(
        answer=_GIVEN.c.answer,
        code=_GIVEN.c.code,
        reference=_GIVEN.c.reference,
        fault=_GIVEN.c.fault,
        answered_at=bindparam("now", type_=Instant()),
    )
)


class Answers:
    """Completes attempts and moves their messages."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        progress: Progress,
        routes: Routes,
        *,
        reconcile_after: timedelta,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._progress = progress
        self._routes = routes
        self._reconcile_after = reconcile_after

    async def record(self, answered: Sequence[Answered]) -> None:
        """Record answers in one transaction, and what they say of their routes."""
        if not answered:
            return
        now = self._clock.now()
        async with self._sessions() as tx, tx.begin():
            await _complete(tx, answered, now)
            await keep_parts(tx, answered)
            moves = [self._move(one.answer, one.message, now) for one in answered]
            await self._progress.move(tx, moves)
            await self._routes.learn(tx, answered)

    async def settle(self, doubt: Doubt, found: HandOver) -> None:
        """Record what a look-up found; a message that is not there is handed over again."""
        now = self._clock.now()
        message = doubt.message
        async with self._sessions() as tx, tx.begin():
            await _complete(tx, [Answered(message=message, answer=found)], now)
            move = self._move(found, message, now)
            if found.answer is Answer.REJECTED and found.remedy is Remedy.RETRY:
                move = Move(
                    message_id=message.id,
                    attempt=message.attempt,
                    state=MessageState.QUEUED,
                    code=found.code,
                    not_before=now,
                )
            await self._progress.move(tx, [move])

    def _move(self, answer: HandOver, message: OutgoingMessage, now: datetime) -> Move:
        if answer.answer is Answer.ACCEPTED:
            return Move(
                message_id=message.id,
                attempt=message.attempt,
                state=MessageState.ACCEPTED,
                reference=answer.reference,
                provider=answer.provider,
            )
        if answer.answer is Answer.AMBIGUOUS:
            return Move(
                message_id=message.id,
                attempt=message.attempt,
                state=MessageState.UNKNOWN,
                code=answer.code,
                reference=answer.reference,
                provider=answer.provider,
                check_at=now + self._reconcile_after,
            )
        return _after_rejection(answer, message, now)


def _after_rejection(answer: HandOver, message: OutgoingMessage, now: datetime) -> Move:
    """Queue the message again, or fail it; a failure goes on along the plan whatever its remedy.

    What the remedy decides of a failure is what is learned of the person and of the route.
    """
    remedy = answer.remedy
    again_at = None
    if remedy in _OF_THE_ROUTE and message.has_other_route:
        again_at = now
    elif remedy is Remedy.RETRY:
        pause = _pause(message.attempt)
        if answer.retry_after_s is not None:
            # The pause is the route's; another may take the message sooner.
            asked = timedelta(seconds=answer.retry_after_s)
            pause = min(asked, pause) if message.has_other_route else asked
        again_at = now + pause
    may_try = message.attempt < _MOST_TRIES or answer.code == NOT_CALLED
    if again_at is not None and may_try and _has_time(message, again_at):
        return Move(
            message_id=message.id,
            attempt=message.attempt,
            state=MessageState.QUEUED,
            code=answer.code,
            provider=answer.provider,
            not_before=again_at,
            route_out=message.route if remedy in _OF_THE_ROUTE else "",
        )
    goes_on = remedy in {Remedy.RETRY, Remedy.NEXT_ROUTE}
    return Move(
        message_id=message.id,
        attempt=message.attempt,
        state=MessageState.FAILED,
        code=answer.code,
        provider=answer.provider,
        remedy=Remedy.NEXT_CHANNEL if goes_on else remedy,
    )


def _has_time(message: OutgoingMessage, again_at: datetime) -> bool:
    return message.expires_at is None or again_at < message.expires_at


def _pause(attempt: int) -> timedelta:
    doubled: int = 1 << min(attempt - 1, 10)
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * doubled)


async def _complete(tx: AsyncSession, answered: Sequence[Answered], now: datetime) -> None:
    rows = [
        {
            "message": one.message.id,
            "attempt": one.message.attempt,
            "answer": one.answer.answer.value,
            "code": one.answer.code,
            "reference": one.answer.reference,
            "fault": fault_of(one.answer),
        }
        for one in answered
    ]
    await tx.execute(_COMPLETE, {**arrays(rows), "now": now})
