"""Writes into the outbox: what a workflow is to be told, in the transaction of what it tells of."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import OutboxRow

OUTBOX_CHANNEL = "tellal_outbox"
"""PostgreSQL's notification channel that wakes dispatchers; its payload is empty."""

_outbox = table(OutboxRow)


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
