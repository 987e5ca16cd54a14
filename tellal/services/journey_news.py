"""What journeys hear of moves: that a person was told, or that a message was lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.messages import LOST, OutcomeState, tells
from tellal.domain.outbox import OutboxKind
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.services.moves import Applied
from tellal.services.outbox import News, enqueue_all

_outcomes = table(OutcomeRow)

_STILL_TELLABLE = (OutcomeState.OPEN, OutcomeState.FAILED, OutcomeState.UNKNOWN)

OutcomeNews = tuple[Row[Any], OutcomeState]
"""An outcome as it was locked, and the state in which its journey is to see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Outcomes that end because the person was told, and what journeys are to hear."""

    ended: Sequence[Row[Any]]
    news: Sequence[OutcomeNews]


def heard_of(done: Sequence[Applied], outcomes: Mapping[str, Row[Any]]) -> Heard:
    """Say what moves mean for their outcomes.

    An outcome with several tries stays open when one of them told: its journey waits for the next.
    """
    told = {row.outcome_id for move, row in done if tells(move.state, row.receipts)}
    lost = {row.outcome_id for move, row in done if move.state in LOST} - told
    news: list[OutcomeNews] = []
    ended: list[Row[Any]] = []
    for outcome_id in sorted(told):
        outcome = outcomes[outcome_id]
        if outcome.attempts > 1 and outcome.state == OutcomeState.OPEN:
            news.append((outcome, OutcomeState.OPEN))
        elif outcome.state in _STILL_TELLABLE:
            ended.append(outcome)
    news += [(outcome, OutcomeState.TOLD) for outcome in ended if outcome.workflow_id]
    for outcome_id in sorted(lost):
        if outcomes[outcome_id].state == OutcomeState.OPEN:
            news.append((outcomes[outcome_id], OutcomeState.OPEN))
    return Heard(ended=ended, news=news)


def is_swept(outcome: Row[Any]) -> bool:
    """Say whether the sweeper follows an outcome: it has no workflow, or that has gone home."""
    return not outcome.workflow_id or outcome.check_at is not None


async def wake(tx: AsyncSession, news: Sequence[OutcomeNews], now: datetime) -> None:
    """Tell workflows; what the sweeper follows is due at once for it."""
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
        outcome.id for outcome, state in news if is_swept(outcome) and state is OutcomeState.OPEN
    ]
    if swept:
        await tx.execute(update(_outcomes).where(_outcomes.c.id.in_(swept)).values(check_at=now))
