"""Campaigns as people see them: the plan, the states, the runs, and the ledger's count of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.campaigns import CampaignState, allowed
from tellal.domain.errors import NotFoundError
from tellal.domain.messages import OutcomeState
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import (
    CampaignEntryRow,
    CampaignRoundRow,
    CampaignRow,
    CampaignRunRow,
)
from tellal.persistence.tables.delivery import CauseCountRow
from tellal.services.pausing import kept

campaigns = table(CampaignRow)
entries = table(CampaignEntryRow)
runs = table(CampaignRunRow)
rounds = table(CampaignRoundRow)
_counted = table(CauseCountRow)

NOBODY: Mapping[str, int] = {"audience": 0, **{state.value: 0 for state in OutcomeState}}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run. `counts` holds `audience` and every outcome state, which add up to it.

    While it is paused, `held` messages may still leave and `expired` ones have run out.
    """

    number: int
    state: str
    reason: str
    planned_for: datetime
    started_at: datetime
    ended_at: datetime | None
    counts: Mapping[str, int]
    by_variant: Mapping[str, Mapping[str, int]]
    held: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignView:
    """A campaign with its plan, what may be done to it now, and its latest run.

    `in_flight` is how many messages a provider was being handed when a pause or a stop was
    answered, `left` how many had been handed over by then; both only in the answer to that.
    """

    id: str
    name: str
    state: CampaignState
    plan: Mapping[str, object]
    made_by: str
    approved_by: str
    approved_at: datetime | None
    next_at: datetime | None
    runs: int
    simulated: bool
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None
    may: Sequence[str]
    run: RunView | None
    in_flight: int | None = None
    left: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One line of a campaign's history."""

    id: str
    command: str
    by: str
    body: Mapping[str, object]
    at: datetime


async def find(
    tx: AsyncSession, brand_id: str, campaign_id: str, *, lock: bool = False
) -> Row[Any]:
    """Find a brand's campaign, and lock it if it is to be changed.

    Raises:
        NotFoundError: The brand has no such campaign.
    """
    query = select(campaigns).where(campaigns.c.brand_id == brand_id, campaigns.c.id == campaign_id)
    if lock:
        query = query.with_for_update(key_share=True)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError(f"no campaign {campaign_id!r}")
    return row


async def view(tx: AsyncSession, row: Row[Any], now: datetime, **more: int) -> CampaignView:
    """Show a campaign with its latest run."""
    latest = select(runs).where(runs.c.campaign_id == row.id).order_by(runs.c.number.desc())
    run = (await tx.execute(latest.limit(1))).one_or_none()
    return CampaignView(
        id=row.id,
        name=row.name,
        state=CampaignState(row.state),
        plan=row.plan,
        made_by=row.made_by,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        next_at=row.next_at,
        runs=row.runs,
        simulated=row.simulated,
        created_at=row.created_at,
        changed_at=row.changed_at,
        ended_at=row.ended_at,
        may=[command.value for command in allowed(CampaignState(row.state))],
        run=None if run is None else await run_view(tx, run, now),
        **more,
    )


async def run_view(tx: AsyncSession, run: Row[Any], now: datetime) -> RunView:
    """Show a run with what the ledger counts of it."""
    by_variant = await counts_of(tx, run.id)
    total = {name: sum(one[name] for one in by_variant.values()) for name in NOBODY}
    waits = await kept(tx, await causes_of(tx, run.id), now) if run.state == "paused" else None
    return RunView(
        number=run.number,
        state=run.state,
        reason=run.reason,
        planned_for=run.planned_for,
        started_at=run.started_at,
        ended_at=run.ended_at,
        counts=total,
        by_variant=by_variant,
        held=waits.held if waits else 0,
        expired=waits.expired if waits else 0,
    )


async def causes_of(tx: AsyncSession, run_id: str) -> list[str]:
    """List the causes of a run's rounds."""
    query = select(rounds.c.cause_id).where(rounds.c.run_id == run_id).order_by(rounds.c.id)
    return list((await tx.execute(query)).scalars())


async def open_outcomes(tx: AsyncSession, run_id: str) -> int:
    """Count the outcomes of a run that have not come to an end."""
    found = await counts_of(tx, run_id)
    return sum(one[OutcomeState.OPEN.value] for one in found.values())


async def counts_of(tx: AsyncSession, run_id: str) -> dict[str, dict[str, int]]:
    """Read how many outcomes of each variant of a run stand where; the ledger keeps the sums."""
    summed = [func.coalesce(func.sum(_counted.c[state.value]), 0) for state in OutcomeState]
    query = (
        select(rounds.c.variant, *summed)
        .outerjoin(_counted, _counted.c.cause_id == rounds.c.cause_id)
        .where(rounds.c.run_id == run_id)
        .group_by(rounds.c.variant)
        .order_by(rounds.c.variant)
    )
    found = {}
    for variant, *numbers in await tx.execute(query):
        counts = dict(zip((state.value for state in OutcomeState), map(int, numbers), strict=True))
        found[variant] = {"audience": sum(counts.values()), **counts}
    return found
