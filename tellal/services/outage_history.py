"""Writes what happens to an outage into its row and its history, and tells webhooks of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.customers import Brand
from tellal.domain.incidents import IncidentKind
from tellal.domain.outages import NoticeKind, OutageCommand, OutageState
from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id
from tellal.services.outage_views import entries, outages
from tellal.services.outage_words import variables
from tellal.services.outbox import enqueue
from tellal.services.webhooks import announce
from templates.lines import public_lines

_SAYS_NOTHING = frozenset({OutageState.DRAFT, OutageState.SUSPECTED})
"""States in which public channels know of nothing, unless a person has released it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is being done to an outage: in which transaction, of which brand and kind, and when.

    `topics` are those of the kind that the rulebook in force has.
    """

    tx: AsyncSession
    brand: Brand
    kind: IncidentKind
    now: datetime
    topics: Mapping[NoticeKind, str] = field(default_factory=dict)


async def written(tx: AsyncSession, row: Row[Any], **values: object) -> Row[Any]:
    """Change an outage's row and return it as it is now."""
    if not values:
        return row
    statement = update(outages).where(outages.c.id == row.id).values(**values)
    changed: Row[Any] = (await tx.execute(statement.returning(outages))).one()
    return changed


async def enter(
    act: Act,
    row: Row[Any],
    command: str,
    *,
    by: str,
    body: Mapping[str, object] | None = None,
    text: Mapping[str, str] | None = None,
    shown: bool = True,
) -> None:
    """Add a line to an outage's history; public channels show it if they know of the outage.

    `text` is what they show, by language; a language that it lacks gets the line of the command.
    """
    public: dict[str, str] = {}
    if shown and (row.shown_at is not None or OutageState(row.state) not in _SAYS_NOTHING):
        lines = public_lines(command, variables(row, act.brand, act.kind, act.now))
        if command == OutageCommand.SHOW:
            lines |= act.kind.holding_line
        public = {**lines, **(text or {})}
    await act.tx.execute(
        insert(entries).values(
            id=new_id(),
            outage_id=row.id,
            command=str(command),
            by=by,
            state=row.state,
            body={
                **(body or {}),
                "severity": row.severity,
                "starts_at": row.starts_at.isoformat() if row.starts_at else None,
                "expected_end": row.expected_end.isoformat() if row.expected_end else None,
            },
            public=public,
            at=act.now,
        )
    )
    if public and not row.simulated:
        said = {"outage_id": row.id, "title": row.title, "state": row.state, "text": public}
        await announce(act.tx, act.brand.id, f"outage.{row.state}", said, act.now)


async def wake(tx: AsyncSession, brand: Brand, row: Row[Any], now: datetime) -> None:
    """Have the outage's workflow look at the ledger again; one that has ended begins again."""
    await enqueue(
        tx,
        brand_id=row.brand_id,
        kind=OutboxKind.OUTAGE_CHANGED,
        workflow_id=f"outage/{row.id}",
        body={
            "outage_id": row.id,
            "state": row.state,
            "brand": brand.name,
            "topic": row.topic,
        },
        now=now,
    )
