"""One look at one campaign by its workflow: what the clock has made due is done, at once.

The ledger decides; a look that is repeated, or comes late, does nothing twice.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.campaigns import OVER, CampaignCommand, CampaignState, Plan, next_state
from tellal.domain.customers import Brand
from tellal.domain.journeys import CampaignStep
from tellal.ids import new_id
from tellal.persistence.people import brand as read_brand
from tellal.persistence.session import Sessions
from tellal.services.campaign_checks import JUST_BEFORE, zones_of
from tellal.services.campaign_runs import (
    ENDED,
    RUNNING,
    Occasion,
    begin_run,
    running_run,
    write_run,
)
from tellal.services.campaign_times import Wave, next_run, shifted
from tellal.services.campaign_views import campaigns, open_outcomes, rounds, runs
from tellal.services.campaigns import note, write
from tellal.services.round_reading import DECIDING

_BY = "clock"
MISSED = "missed"
_SETTLING = (timedelta(seconds=2), timedelta(minutes=5))
"""How soon and how seldom the ledger is read while the last answers of a run are awaited."""


class CampaignWatch:
    """Looks at campaigns; each look is one transaction."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def look(self, campaign_id: str) -> CampaignStep:
        """Do what is due for a campaign and say what comes next."""
        async with self._sessions() as tx, tx.begin():
            query = select(campaigns).where(campaigns.c.id == campaign_id)
            row = (await tx.execute(query.with_for_update(key_share=True))).one()
            glance = _Glance(tx=tx, brand=await read_brand(tx, row.brand_id), now=self._clock.now())
            return await glance.take(row)


@dataclass(frozen=True, kw_only=True)
class _Glance:
    """A look at one campaign whose row is locked."""

    tx: AsyncSession
    brand: Brand
    now: datetime
    ended: list[str] = field(default_factory=list)

    async def take(self, row: Row[Any]) -> CampaignStep:
        if row.state == CampaignState.APPROVED and row.next_at and row.next_at <= self.now:
            row = await self._begin(row)
        run = await running_run(self.tx, row.id)
        left = 0 if run is None else await open_outcomes(self.tx, run.id)
        undecided = run is not None and await self._undecided(run.id)
        wait_until = None
        if run is not None and run.state == RUNNING and not undecided:
            wait_until = self._settles(run, left)
            if wait_until is None:
                row = await self._end(row, run)
        state = CampaignState(row.state)
        if state is CampaignState.APPROVED:
            wait_until = row.next_at
        return CampaignStep(
            state=state,
            stage=_stage(state, undecided=undecided, left=left),
            run_id=run.id if run and run.state == RUNNING and undecided else "",
            ended_runs=tuple(self.ended),
            wait_until=wait_until,
            open_outcomes=left,
            over=state in OVER,
        )

    async def _begin(self, row: Row[Any]) -> Row[Any]:
        """Begin the run that is due; one that nobody was at work for is left out, and said so."""
        plan = Plan.of(row.plan)
        found = await self._next(row, plan)
        if found is None:
            return await self._end(row, None)
        late = row.next_at - found[0].at
        delayed = tuple(Wave(at=one.at + late, zones=one.zones) for one in found)
        if self.now - row.next_at > plan.when.catch_up:
            await self._miss(row, found[0].at)
            return await self._rest(row, plan, CampaignCommand.REST, runs=row.runs + 1)
        occasion = Occasion(plan=plan, waves=delayed, now=self.now)
        run_id = await begin_run(self.tx, row, self.brand, occasion)
        await write_run(self.tx, run_id, planned_for=found[0].at)
        await note(
            self.tx, row.id, CampaignCommand.BEGIN, by=_BY, body={"run": row.runs + 1}, now=self.now
        )
        state = next_state(CampaignState(row.state), CampaignCommand.BEGIN)
        return await write(
            self.tx, row.id, self.now, state=state.value, next_at=None, runs=row.runs + 1
        )

    async def _miss(self, row: Row[Any], at: datetime) -> None:
        await self.tx.execute(
            insert(runs).values(
                id=new_id(),
                campaign_id=row.id,
                brand_id=row.brand_id,
                number=row.runs + 1,
                planned_for=at,
                state=MISSED,
                reason="nobody was at work",
                started_at=self.now,
                ended_at=self.now,
            )
        )
        body = {"run": row.runs + 1, "planned_for": at.isoformat()}
        await note(self.tx, row.id, MISSED, by=_BY, body=body, now=self.now)

    async def _end(self, row: Row[Any], run: Row[Any] | None) -> Row[Any]:
        """End a run; the campaign rests until the next one, or is over."""
        if run is not None:
            await write_run(self.tx, run.id, state=ENDED, ended_at=self.now)
            self.ended.append(run.id)
        return await self._rest(row, Plan.of(row.plan), CampaignCommand.REST)

    async def _rest(
        self, row: Row[Any], plan: Plan, command: CampaignCommand, **values: object
    ) -> Row[Any]:
        found = await self._next(row, plan)
        if found is None:
            command = CampaignCommand.END
        state = CampaignState(row.state)
        if state is not CampaignState.APPROVED or command is not CampaignCommand.REST:
            state = next_state(state, command)
        next_at = None if found is None else shifted(plan.when, found[0].at, row.id)
        await note(
            self.tx,
            row.id,
            command,
            by=_BY,
            body={"next_at": next_at.isoformat()} if next_at else {},
            now=self.now,
        )
        over = {"ended_at": self.now} if found is None else {}
        return await write(
            self.tx, row.id, self.now, state=state.value, next_at=next_at, **over, **values
        )

    async def _next(self, row: Row[Any], plan: Plan) -> tuple[Wave, ...] | None:
        """Return the waves of the run after the last one there was."""
        query = select(func.max(runs.c.planned_for)).where(runs.c.campaign_id == row.id)
        after = (await self.tx.execute(query)).scalar_one()
        if after is None:
            after = row.approved_at - plan.when.catch_up - JUST_BEFORE
        zones = await zones_of(self.tx, self.brand)
        found = next_run(plan.when, self.brand.country, zones, after=after)
        return None if found is None else found[1]

    async def _undecided(self, run_id: str) -> bool:
        query = select(rounds.c.id).where(rounds.c.run_id == run_id, rounds.c.state == DECIDING)
        return (await self.tx.execute(query.limit(1))).one_or_none() is not None

    def _settles(self, run: Row[Any], left: int) -> datetime | None:
        """Return when to look again at a run that waits for its last answers; None if it is over.

        What is open then goes on by itself, up to its own expiry.
        """
        if not left:
            return None
        first, last = _SETTLING
        age: timedelta = self.now - run.started_at
        return self.now + min(last, max(first, age / 20))


def _stage(state: CampaignState, *, undecided: bool, left: int) -> str:
    if state is not CampaignState.RUNNING:
        return state.value
    if undecided:
        return "deciding its audience"
    return "awaiting answers" if left else "settled"
