"""Proposals as they are stored."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.errors import ConflictError
from tellal.domain.publishing import OPEN, Action, Actor, Kind, Proposal, ProposalState, next_state
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.rulebook import ProposalRow

_proposals = table(ProposalRow)
_OPEN = _proposals.c.state.in_([state.value for state in sorted(OPEN)])


async def add(
    tx: AsyncSession,
    actor: Actor,
    *,
    revision: str,
    base: str,
    kind: Kind,
    affected: int,
    threshold: int,
    note: str,
    now: datetime,
) -> Proposal:
    """Store a proposal."""
    values = {
        "id": new_id(),
        "revision": revision,
        "base": base,
        "kind": kind.value,
        "state": ProposalState.PROPOSED.value,
        "author": actor.person,
        "author_key": actor.key_id,
        "approver": "",
        "approver_key": "",
        "affected": affected,
        "threshold": threshold,
        "note": note,
        "created_at": now,
    }
    return _proposal(
        (await tx.execute(insert(_proposals).values(values).returning(_proposals))).one()
    )


async def open_one(tx: AsyncSession, revision: str) -> Proposal | None:
    """Return the proposal of a revision that may yet come into force, if there is one."""
    query = select(_proposals).where(_proposals.c.revision == revision, _OPEN)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _proposal(row)


async def needed(tx: AsyncSession, revision: str) -> Proposal:
    """Return the open proposal of a revision.

    Raises:
        ConflictError: There is none.
    """
    found = await open_one(tx, revision)
    if found is None:
        raise ConflictError(
            f"nobody proposes {revision} now",
            code="no_proposal",
            hint="propose it, or roll back to it if it was in force before",
        )
    return found


async def proposals(
    tx: AsyncSession, *, revision: str = "", state: ProposalState | None = None, limit: int = 50
) -> tuple[Proposal, ...]:
    """List proposals, newest first: all of them, or those of a revision or in a state."""
    query = select(_proposals).order_by(_proposals.c.id.desc()).limit(limit)
    if revision:
        query = query.where(_proposals.c.revision == revision)
    if state is not None:
        query = query.where(_proposals.c.state == state.value)
    return tuple(_proposal(row) for row in await tx.execute(query))


async def move(
    tx: AsyncSession, proposal: Proposal, action: Action, actor: Actor, *, now: datetime
) -> Proposal:
    """Record what is done to a proposal.

    Raises:
        RefusedTransitionError: It cannot be done in its state.
    """
    state = next_state(proposal.state, action)
    values: dict[str, object] = {"state": state.value}
    if state in (ProposalState.APPROVED, ProposalState.REFUSED):
        values |= {"approver": actor.person, "approver_key": actor.key_id, "decided_at": now}
    elif state is ProposalState.PUBLISHED:
        values["published_at"] = now
    statement = update(_proposals).where(_proposals.c.id == proposal.id).values(values)
    return _proposal((await tx.execute(statement.returning(_proposals))).one())


def _proposal(row: Row[Any]) -> Proposal:
    return Proposal(
        id=row.id,
        revision=row.revision,
        base=row.base,
        kind=Kind(row.kind),
        state=ProposalState(row.state),
        author=row.author,
        approver=row.approver,
        affected=row.affected,
        threshold=row.threshold,
        note=row.note,
        created_at=row.created_at,
        decided_at=row.decided_at,
        published_at=row.published_at,
    )
