"""Campaigns as their workflows see them: one look at a time, and one turn of deciding."""

from dataclasses import dataclass

from sqlalchemy import select

from tellal.clock import Clock
from tellal.domain.campaigns import CampaignState
from tellal.domain.journeys import CampaignStep, CampaignTurn
from tellal.persistence.people import brand as read_brand
from tellal.persistence.session import Sessions
from tellal.services.broadcasting import Broadcasting
from tellal.services.campaign_rounds import BUDGET, CampaignRounds, Room
from tellal.services.campaign_views import campaigns, rounds, runs
from tellal.services.campaign_watch import CampaignWatch
from tellal.services.campaigns import Campaigns, Staff
from tellal.services.round_reading import DECIDING

_CHUNK = 4_000
_CLOCK = Staff(by="clock")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A round that is being decided, and how many of it may be told now."""

    id: str
    room: Room


class CampaignDesk:
    """Answers what workflows of campaigns ask."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        watch: CampaignWatch,
        campaigns: Campaigns,
        rounds: CampaignRounds,
        broadcasting: Broadcasting,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._watch = watch
        self._campaigns = campaigns
        self._rounds = rounds
        self._broadcasting = broadcasting
        self._clock = clock

    async def look(self, campaign_id: str) -> CampaignStep:
        """Do what is due for a campaign and say how it stands."""
        return await self._watch.look(campaign_id)

    async def decide_some(self, run_id: str) -> CampaignTurn:
        """Decide a chunk of each of a run's rounds, as pace, hours and budget allow.

        Variants take turns, so that none of them speaks at better hours than another.
        """
        waiting = await self._waiting(run_id)
        if waiting is None:
            return CampaignTurn(decided=0, done=True)
        decided = 0
        for one in waiting:
            if one.room.most == 0:
                continue
            portion = await self._broadcasting.decide_chunk(one.id, _CHUNK)
            decided += portion.decided
        if waiting and all(one.room.why == BUDGET for one in waiting):
            await self._spent(run_id)
            return CampaignTurn(decided=0, done=True)
        instants = [one.room.until for one in waiting if one.room.until is not None]
        until = min(instants, default=None) if all(one.room.most == 0 for one in waiting) else None
        rest_s = 0.0 if until is None else (until - self._clock.now()).total_seconds()
        return CampaignTurn(
            decided=decided, done=not waiting, wait_until=until, rest_s=max(0.0, rest_s)
        )

    async def _waiting(self, run_id: str) -> list[_Waiting] | None:
        """List the rounds of a run that are being decided; None if the run does not go on."""
        async with self._sessions() as tx:
            state = (await tx.execute(select(runs.c.state).where(runs.c.id == run_id))).scalar_one()
            if state != CampaignState.RUNNING:
                return None
            query = (
                select(rounds.c.id)
                .where(rounds.c.run_id == run_id, rounds.c.state == DECIDING)
                .order_by(rounds.c.step, rounds.c.id)
            )
            ids = (await tx.execute(query)).scalars().all()
            return [_Waiting(id=one, room=await self._rounds.room(tx, one)) for one in ids]

    async def _spent(self, run_id: str) -> None:
        """Pause a run whose budget is used up, for somebody to decide what becomes of it."""
        async with self._sessions() as tx, tx.begin():
            query = (
                select(campaigns)
                .join(runs, runs.c.campaign_id == campaigns.c.id)
                .where(runs.c.id == run_id)
            )
            row = (await tx.execute(query)).one()
            if row.state != CampaignState.RUNNING:
                return
            brand = await read_brand(tx, row.brand_id)
            await self._campaigns.pause(
                tx, brand=brand, campaign_id=row.id, who=_CLOCK, reason=BUDGET
            )
