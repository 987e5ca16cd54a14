"""Writes into the outbox: what a workflow is to be told, in the transaction of what it tells of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import OutboxRow

OUTBOX_CHANNEL = "tellal_outbox"
"""PostgreSQL's notification channel that wakes dispatchers; its payload is empty."""

_outbox = table(OutboxRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one workflow is to be told."""

    brand_id: str
    kind: OutboxKind
    workflow_id: str
    body: Mapping[str, object]


async def enqueue_all(tx: AsyncSession, news: Sequence[News], now: datetime) -> None:
    """Have workflows started or told, at least once, when the caller's transaction commits."""
    if not news:
        return
    rows = [
        {
            "id": new_id(),
            "brand_id": one.brand_id,
            "kind": one.kind.value,
            "workflow_id": one.workflow_id,
            "body": dict(one.body),
            "created_at": now,
            "due_at": now,
            "tries": 0,
            "error": "",
        }
        for one in news
    ]
    await tx.execute(insert(_outbox), rows)
    await tx.execute(select(func.pg_notify(OUTBOX_CHANNEL, "")))


async def enqueue(
    tx: AsyncSession,
    *,
    brand_id: str,
    kind: OutboxKind,
    workflow_id: str,
    body: Mapping[str, object],
    now: datetime,
) -> None:
    """Have a workflow started or told, at least once, when the caller's transaction commits."""
    await tx.execute(
        insert(_outbox)
        .values(
            id=new_id(),
            brand_id=brand_id,
            kind=kind.value,
            workflow_id=workflow_id,
            body=dict(body),
            created_at=now,
            due_at=now,
            tries=0,
            error="",
        )
        # The dispatcher is woken by the same statement: a round trip less for every request.
        .returning(func.pg_notify(OUTBOX_CHANNEL, ""))
    )
