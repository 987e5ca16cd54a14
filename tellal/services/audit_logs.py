"""The logs that auditors rely on: who did and paid what, what was stopped, shown, erased, purged.

The log of the rulebook has a chain of its own, and so have consents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from tellal.domain.credit import BY_HAND
from tellal.persistence.bulk import among
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import CampaignEntryRow, CampaignRow
from tellal.persistence.tables.credit import CreditEntryRow
from tellal.persistence.tables.delivery import HoldRow
from tellal.persistence.tables.operations import CaseEntryRow, CaseRow
from tellal.persistence.tables.outages import OutageEntryRow, OutageRow
from tellal.persistence.tables.privacy import (
    ErasureRow,
    ExplicitConsentRow,
    PurgeRow,
    ShownNoticeRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLog:
    """A log: its table, what of a record never changes, and what an erasure empties.

    `of` are the rows to which its records belong, where they have no brand of their own, by the
    column that leads there. `done` says of which rows it is, if not of all.
    """

    name: str
    row: type[SQLModel]
    kept: tuple[str, ...]
    emptied: tuple[str, ...] = ()
    of: tuple[type[SQLModel], str] | None = None
    done: ColumnElement[bool] | None = None

    @property
    def table(self) -> Table:
        """The table of its records."""
        return table(self.row)

    def records(self) -> Select[Any]:
        """Select its records, each with its brand."""
        rows = self.table
        found: Select[Any]
        if self.of is None:
            found = select(rows)
        else:
            owner, column = self.of
            owners = table(owner)
            found = select(rows, owners.c.brand_id).join(owners, owners.c.id == rows.c[column])
        return found.where(true() if self.done is None else self.done)

    @property
    def brand(self) -> ColumnElement[str]:
        """The column with the brand of a record."""
        return (self.table if self.of is None else table(self.of[0])).c.brand_id

    def kept_of(self, row: Row[Any]) -> Mapping[str, object]:
        """Return what of a record never changes."""
        return {name: getattr(row, name) for name in self.kept}

    def emptied_of(self, row: Row[Any]) -> Mapping[str, object]:
        """Return what an erasure takes away of a record."""
        return {name: getattr(row, name) for name in self.emptied}


_holds = table(HoldRow)

LOGS: Mapping[str, AuditLog] = {
    log.name: log
    for log in (
        AuditLog(
            name="case",
            row=CaseEntryRow,
            kept=("id", "case_id", "command", "by", "at"),
            emptied=("body",),
            of=(CaseRow, "case_id"),
        ),
        AuditLog(
            name="outage",
            row=OutageEntryRow,
            kept=("id", "outage_id", "command", "by", "state", "body", "public", "at"),
            of=(OutageRow, "outage_id"),
        ),
        AuditLog(
            name="campaign",
            row=CampaignEntryRow,
            kept=("id", "campaign_id", "command", "by", "body", "at"),
            of=(CampaignRow, "campaign_id"),
        ),
        AuditLog(
            name="hold",
            row=HoldRow,
            kept=(
                "id", "topic", "template", "message_class", "channel", "route", "mandatory",
                "reason", "placed_by", "placed_at",
            ),
        ),
        AuditLog(
            name="release",
            row=HoldRow,
            kept=("id", "released_by", "released_at"),
            done=_holds.c.released_at.is_not(None),
        ),
        AuditLog(
            name="notice",
            row=ShownNoticeRow,
            kept=(
                "id", "customer_id", "notice", "version", "language", "way", "shown_at",
                "recorded_at", "recorded_by",
            ),
            emptied=("details",),
        ),
        AuditLog(
            name="explicit_consent",
            row=ExplicitConsentRow,
            kept=(
                "id", "customer_id", "category", "state", "document", "version", "language",
                "given_at", "recorded_at", "recorded_by",
            ),
            emptied=("signature",),
        ),
        AuditLog(
            name="erasure",
            row=ErasureRow,
            kept=("id", "customer_id", "ref_digest", "counts", "by", "at"),
        ),
        AuditLog(
            name="purge",
            row=PurgeRow,
            kept=("id", "run", "kind", "cut_off", "removed", "at"),
        ),
        AuditLog(
            name="credit",
            row=CreditEntryRow,
            kept=("id", "account_id", "kind", "amount", "note", "by", "at"),
            done=table(CreditEntryRow).c.kind.in_(BY_HAND),
        ),
    )
}  # fmt: skip
"""All of them, by their name; a migration writes the triggers that note each record."""


async def records_of(tx: AsyncSession, log: AuditLog, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Read records of a log by their ids; what is not there any more lacks."""
    query = log.records().where(among(log.table.c.id))
    return {row.id: row for row in await tx.execute(query, {"among": list(ids)})}
