"""Which complaints are to be answered, and by when: what is late comes first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ComplaintRow, CustomerRow

_complaints = table(ComplaintRow)
_customers = table(CustomerRow)

OPEN, CLOSE, LATE = "open", "close", "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A complaint that waits for its answer: `open`, `close` to its day, or `late`."""

    id: str
    customer: str
    topic: str
    authority: str
    received_at: datetime | None
    due_at: datetime
    stage: str


async def awaited(tx: AsyncSession, brand_id: str, now: datetime, *, limit: int) -> list[Awaited]:
    """Read a brand's complaints that are to be answered, by the day."""
    query = (
        select(_complaints, _customers.c.ref.label("customer"))
        .join(_customers, _customers.c.id == _complaints.c.customer_id)
        .where(
            _complaints.c.brand_id == brand_id,
            _complaints.c.closed_at.is_(None),
            _complaints.c.due_at.is_not(None),
        )
        .order_by(_complaints.c.due_at, _complaints.c.id)
        .limit(limit)
    )
    return [
        Awaited(
            id=row.id,
            customer=row.customer,
            topic=row.topic,
            authority=row.authority,
            received_at=row.received_at,
            due_at=row.due_at,
            stage=_stage(row.due_at, row.warn_at, now),
        )
        for row in await tx.execute(query)
    ]


def _stage(due: datetime, warn: datetime, now: datetime) -> str:
    if due <= now:
        return LATE
    return CLOSE if warn <= now else OPEN
