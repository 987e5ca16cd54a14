"""Writes into the outbox: what a workflow is to be told, in the transaction of what it tells of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import OutboxRow

OUTBOX_CHANNEL = "tellal_outbox"
"""PostgreSQL's notification channel that wakes dispatchers; its payload is empty."""

_outbox = table(OutboxRow)
_WRITTEN = ("id", "brand_id", "kind", "workflow_id", "body", "created_at", "due_at")

ENQUEUE = (
    insert(_outbox)
    .values(
        tries=0,
        error="",
        **{name: bindparam(f"item_{name}", type_=_outbox.c[name].type) for name in _WRITTEN},
    )
    # The dispatcher is woken by the same statement: a round trip less for every request.
    .returning(func.pg_notify(OUTBOX_CHANNEL, "").label("rang"))
)
"""Writes one item; `item` says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one workflow is to be told."""

    brand_id: str
    kind: OutboxKind
    workflow_id: str
    body: Mapping[str, object]


async def enqueue_all(tx: AsyncSession, news: Sequence[News], now: datetime) -> None:
    """Have workflows started or told, at least once, when the caller's transaction commits."""
    items = [
        item(
            brand_id=one.brand_id,
            kind=one.kind,
            workflow_id=one.workflow_id,
            body=one.body,
            now=now,
        )
        for one in news
    ]
    if len(items) == 1:
        await tx.execute(ENQUEUE, items[0])
    elif items:
        rows = [{name: one[f"item_{name}"] for name in _WRITTEN} for one in items]
        await tx.execute(insert(_outbox), [row | {"tries": 0, "error": ""} for row in rows])
        await tx.execute(select(func.pg_notify(OUTBOX_CHANNEL, "")))


async def enqueue(
    tx: AsyncSession,
    *,
    brand_id: str,
    kind: OutboxKind,
    workflow_id: str,
    body: Mapping[str, object],
    now: datetime,
    due_at: datetime | None = None,
) -> None:
    """Have a workflow started or told, at least once, when the caller's transaction commits.

    That is done at once, or from `due_at` on.
    """
    # What is to be told later counts as written then: nobody waits for it now.
    at = due_at or now
    await tx.execute(
        ENQUEUE, item(brand_id=brand_id, kind=kind, workflow_id=workflow_id, body=body, now=at)
    )


def item(
    *,
    brand_id: str,
    kind: OutboxKind,
    workflow_id: str,
    body: Mapping[str, object],
    now: datetime,
) -> dict[str, object]:
    """Return the values of a new item, for a statement that enqueues besides other things."""
    return {
        "item_id": new_id(),
        "item_brand_id": brand_id,
        "item_kind": kind.value,
        "item_workflow_id": workflow_id,
        "item_body": dict(body),
        "item_created_at": now,
        "item_due_at": now,
    }
