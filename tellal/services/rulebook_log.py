"""The log of the rulebook: who did what, sealed record by record, and whether it still is whole."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.chains import BEGINNING, Link, Record, faults, seal
from tellal.domain.publishing import IN_FORCE, Action, Actor
from tellal.persistence.columns import table
from tellal.persistence.tables.rulebook import ActiveRow, ProposalRow, RevisionRow, RulebookLogRow
from tellal.services.editions import Edition

_log = table(RulebookLogRow)
_active = table(ActiveRow)
_proposals = table(ProposalRow)
_revisions = table(RevisionRow)

_ALONE = text("LOCK TABLE rulebook_log IN SHARE ROW EXCLUSIVE MODE")
"""Who changes anything about the rulebook comes one at a time; who only reads does not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a look through the whole log gave; `head` is the seal of its last record."""

    records: int
    head: str
    faults: tuple[str, ...]


async def one_at_a_time(tx: AsyncSession) -> None:
    """Wait until nobody else changes the rulebook, and keep others waiting until the end."""
    await tx.execute(_ALONE)


async def append(
    tx: AsyncSession,
    actor: Actor,
    action: Action,
    revision: str,
    details: Mapping[str, object],
    *,
    now: datetime,
) -> Link:
    """Add a record; the caller has the log for himself."""
    query = select(_log.c.seq, _log.c.hash).order_by(_log.c.seq.desc()).limit(1)
    last = (await tx.execute(query)).one_or_none()
    seq, previous = (1, BEGINNING) if last is None else (last.seq + 1, last.hash)
    record = Record(
        seq=seq,
        at=now,
        who=actor.person,
        key_id=actor.key_id,
        action=action.value,
        subject=revision,
        details=details,
    )
    link = Link(record=record, previous=previous, hash=seal(previous, record))
    await tx.execute(
        insert(_log).values(
            seq=seq,
            at=now,
            who=record.who,
            key_id=record.key_id,
            action=record.action,
            revision=revision,
            details=dict(details),
            previous=previous,
            hash=link.hash,
        )
    )
    return link


async def history(tx: AsyncSession, *, before: int = 0, limit: int = 50) -> tuple[Link, ...]:
    """Return records, newest first, those before a number if one is given."""
    query = select(_log).order_by(_log.c.seq.desc()).limit(limit)
    if before:
        query = query.where(_log.c.seq < before)
    return tuple(_link(row) for row in await tx.execute(query))


async def was_in_force(tx: AsyncSession, revision: str) -> bool:
    """Say whether a revision ever was in force."""
    query = select(_log.c.seq).where(
        _log.c.revision == revision, _log.c.action.in_([one.value for one in IN_FORCE])
    )
    return (await tx.execute(query.limit(1))).one_or_none() is not None


async def verify(tx: AsyncSession, *, head: str = "") -> Verified:
    """Go through the whole log: its seals, what is in force, approvals, and what revisions hold.

    `head` is a seal that was noted earlier: it must still be there, or the end was cut off.
    """
    links = [link async for link in _links(tx)]
    found = [*faults(links)]
    if head and head not in {link.hash for link in links}:
        found.append(f"the record with the seal {head} is not there (any more)")
    found += await _active_faults(tx, links)
    found += await _approval_faults(tx, links)
    found += await _revision_faults(tx)
    last = links[-1].hash if links else BEGINNING
    return Verified(records=len(links), head=last, faults=tuple(found))


async def _links(tx: AsyncSession) -> AsyncIterator[Link]:
    async for row in await tx.stream(select(_log).order_by(_log.c.seq)):
        yield _link(row)


async def _active_faults(tx: AsyncSession, links: list[Link]) -> list[str]:
    """Compare what is in force with the last record that put something in force."""
    last = next((one.record for one in reversed(links) if one.record.action in IN_FORCE), None)
    row = (await tx.execute(select(_active.c.revision, _active.c.seq))).one_or_none()
    said = None if last is None else (last.subject, last.seq)
    if (None if row is None else (row.revision, row.seq)) == said:
        return []
    in_force = "nothing" if row is None else row.revision
    return [f"{in_force} is in force, and the log says: {said[0] if said else 'nothing'}"]


async def _approval_faults(tx: AsyncSession, links: list[Link]) -> list[str]:
    """Look for approvals that the log does not know."""
    known = {
        (one.record.details.get("proposal"), one.record.who)
        for one in links
        if one.record.action == Action.APPROVE
    }
    query = select(_proposals.c.id, _proposals.c.revision, _proposals.c.approver).where(
        _proposals.c.approver != "", _proposals.c.state.in_(["approved", "published"])
    )
    return [
        f"the log knows no approval of {row.revision} by {row.approver}"
        for row in await tx.execute(query.order_by(_proposals.c.id))
        if (row.id, row.approver) not in known
    ]


async def _revision_faults(tx: AsyncSession) -> list[str]:
    """Look for revisions that do not hold what they are named after."""
    query = select(_revisions.c.revision, _revisions.c.files).order_by(_revisions.c.revision)
    return [
        f"the files of {row.revision} were changed after they were written"
        async for row in await tx.stream(query)
        if Edition(row.files).revision != row.revision
    ]


def _link(row: Row[Any]) -> Link:
    return Link(
        record=Record(
            seq=row.seq,
            at=row.at,
            who=row.who,
            key_id=row.key_id,
            action=row.action,
            subject=row.revision,
            details=row.details,
        ),
        previous=row.previous,
        hash=row.hash,
    )
