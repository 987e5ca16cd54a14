"""Sees whether İYS knows in time: what is late, what is due soon, what it refused."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal import metrics

_COUNTED = text(
    """
SELECT count(*) FILTER (WHERE state IN ('rejected', 'blocked')) AS refused,
       count(*) FILTER (WHERE due_at <= :now) AS late,
       count(*) FILTER (WHERE state NOT IN ('rejected', 'blocked') AND due_at > :now
                        AND warn_at <= :now) AS soon,
       count(*) FILTER (WHERE state NOT IN ('rejected', 'blocked')
                        AND (due_at IS NULL OR (due_at > :now AND warn_at > :now))) AS waiting,
       min(due_at) FILTER (WHERE state NOT IN ('rejected', 'blocked')) AS next_due
FROM registry_pushes
WHERE state IN ('waiting', 'sending', 'sent', 'rejected', 'blocked')
  AND (:brand = '' OR brand_id = :brand)
"""
)
_PULLED = text("SELECT min(coalesce(pulled_at, created_at)) FROM registry_accounts")
_SETTLED = text(
    """
SELECT state, count(*) AS number FROM registry_pushes
WHERE brand_id = :brand AND state IN ('accepted', 'known', 'needless') GROUP BY state
"""
)
_OPEN = text(
    """
SELECT push.consent_id, customer.ref, consent.channel, consent.state AS said, consent.source,
       consent.given_at, push.state, push.code, push.attempts, push.due_at
FROM registry_pushes AS push
JOIN consents AS consent ON consent.id = push.consent_id
JOIN customers AS customer ON customer.id = consent.customer_id
WHERE push.brand_id = :brand
  AND (push.state IN ('rejected', 'blocked')
       OR (push.state IN ('waiting', 'sending', 'sent') AND push.warn_at <= :now))
ORDER BY push.due_at, push.consent_id
LIMIT :most
"""
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many consents İYS does not know of: in time, due soon, late.

    `refused` are those that it, or our own check, refused; once their deadline is over, they are
    among the late, too.
    """

    waiting: int
    soon: int
    late: int
    refused: int
    next_due: datetime | None


async def counted(tx: AsyncSession, now: datetime, brand_id: str = "") -> Standing:
    """Count what İYS does not know of a brand's consents, or of all brands'."""
    row = (await tx.execute(_COUNTED, {"now": now, "brand": brand_id})).one()
    return Standing(
        waiting=row.waiting,
        soon=row.soon,
        late=row.late,
        refused=row.refused,
        next_due=row.next_due,
    )


async def settled(tx: AsyncSession, brand_id: str) -> dict[str, int]:
    """Count what is settled, by how."""
    return {row.state: row.number for row in await tx.execute(_SETTLED, {"brand": brand_id})}


async def to_look_at(
    tx: AsyncSession, brand_id: str, now: datetime, *, most: int
) -> Sequence[Row[Any]]:
    """Return what is late, due soon or refused, the most urgent first."""
    said = {"brand": brand_id, "now": now, "most": most}
    return (await tx.execute(_OPEN, said)).all()


async def show(tx: AsyncSession, now: datetime) -> Standing:
    """Set the gauges, and say in the log what is late or soon will be."""
    standing = await counted(tx, now)
    for state in ("waiting", "soon", "late", "refused"):
        metrics.REGISTRY_RECORDS.labels(state).set(getattr(standing, state))
    pulled = (await tx.execute(_PULLED)).scalar_one()
    age = 0.0 if pulled is None else max(0.0, (now - pulled).total_seconds())
    metrics.REGISTRY_PULL_AGE.set(age)
    if standing.late:
        _log.error("İYS does not know of consents whose deadline is over")
    elif standing.soon:
        _log.warning("İYS does not know of consents whose deadline is near")
    return standing
