"""Revisions as they are stored: added once, never changed, one of them in force."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.tables.rulebook import ActiveRow, RevisionRow
from tellal.services.editions import Edition

_revisions = table(RevisionRow)
_active = table(ActiveRow)
_NAME = re.compile(r"(sha256:)?[0-9a-f]{6,64}")

ONE = 1
"""The id of the only row that says what is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A stored revision, without its files."""

    revision: str
    author: str
    note: str
    created_at: datetime
    in_force: bool


async def store(
    tx: AsyncSession, edition: Edition, *, author: str, note: str, now: datetime
) -> None:
    """Store an edition; one that is there already stays, with its first author."""
    values = {
        "revision": edition.revision,
        "files": dict(edition.files),
        "author": author,
        "note": note,
        "created_at": now,
    }
    await tx.execute(insert(_revisions).values(values).on_conflict_do_nothing())


async def active_revision(tx: AsyncSession) -> str:
    """Return the revision in force; empty while none has been published."""
    query = select(_active.c.revision).where(_active.c.id == ONE)
    return (await tx.execute(query)).scalar_one_or_none() or ""


async def stored_edition(tx: AsyncSession, revision: str) -> Edition | None:
    """Return what a revision holds; None if there is no such revision."""
    query = select(_revisions.c.files).where(_revisions.c.revision == revision)
    files = (await tx.execute(query)).scalar_one_or_none()
    return None if files is None else Edition(files)


async def active_edition(tx: AsyncSession) -> Edition | None:
    """Return what is in force; None while nothing has been published."""
    revision = await active_revision(tx)
    return await stored_edition(tx, revision) if revision else None


async def find(tx: AsyncSession, named: str) -> Revision:
    """Find a revision by its name, or by so much of its beginning that it is the only one.

    Raises:
        NotFoundError: There is none.
        InvalidInputError: There are several, or it is no name of a revision.
    """
    if not _NAME.fullmatch(named):
        raise InvalidInputError(
            f"{named!r} is no name of a revision", field="revision", hint="as in sha256:1f0c8a"
        )
    begins = f"sha256:{named.removeprefix('sha256:')}"
    query = select(_revisions.c.revision).where(_revisions.c.revision.startswith(begins))
    found = (await tx.execute(query.limit(2))).scalars().all()
    if not found:
        raise NotFoundError(f"there is no revision {named}")
    if len(found) > 1:
        raise InvalidInputError(
            f"several revisions begin with {named}", field="revision", hint="write more of it"
        )
    (only,) = await _listed(tx, revision=found[0])
    return only


async def revisions(tx: AsyncSession, *, limit: int = 50) -> tuple[Revision, ...]:
    """List the newest revisions, newest first."""
    return await _listed(tx, limit=limit)


async def _listed(tx: AsyncSession, *, revision: str = "", limit: int = 1) -> tuple[Revision, ...]:
    c = _revisions.c
    query = select(c.revision, c.author, c.note, c.created_at)
    if revision:
        query = query.where(c.revision == revision)
    rows = await tx.execute(query.order_by(c.created_at.desc(), c.revision).limit(limit))
    active = await active_revision(tx)
    return tuple(
        Revision(
            revision=row.revision,
            author=row.author,
            note=row.note,
            created_at=row.created_at,
            in_force=row.revision == active,
        )
        for row in rows
    )
