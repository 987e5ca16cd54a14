"""What a campaign asks of the ledger: what is due, and to decide whom a run tells."""

import asyncio
from dataclasses import dataclass, replace
from typing import Protocol

from temporalio import activity

from activities.beating import beating
from tellal.domain.journeys import CampaignStep, CampaignTurn

_REST_AT_MOST_S = 30.0
"""A longer rest is the workflow's: it needs no activity to wait."""
_AT_MOST_S = 600.0
"""So long a call decides before its workflow looks at the campaign again."""
_ASIDE_S = 0.05
"""So long it waits when a command went first, and nobody was decided."""


class CampaignDesk(Protocol):
    """Campaigns as their workflows see them."""

    async def look(self, campaign_id: str) -> CampaignStep:
        """Do what is due for a campaign and say how it stands."""
        ...

    async def decide_some(self, run_id: str) -> CampaignTurn:
        """Decide some more of a run, as its pace allows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutCampaign:
    """Which campaign."""

    campaign_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutRun:
    """Which time that a campaign runs."""

    campaign_run_id: str


class CampaignActivities:
    """Campaigns' requests, answered by the desk."""

    def __init__(self, desk: CampaignDesk) -> None:
        self._desk = desk

    @activity.defn(name="tellal.look_at_campaign")
    async def look(self, about: AboutCampaign) -> CampaignStep:
        """Do what the clock has made due; done twice, the second time finds nothing due."""
        return await self._desk.look(about.campaign_id)

    @activity.defn(name="tellal.decide_run")
    async def decide_run(self, about: AboutRun) -> CampaignTurn:
        """Decide a run turn by turn, at its pace; return the last turn, with how many in all.

        It ends when the run is through or paused, when it rests for long, or after a while. The
        ledger keeps how far it has come, so that another try goes on there.
        """
        loop = asyncio.get_running_loop()
        decided, ends = 0, loop.time() + _AT_MOST_S
        async with beating():
            while True:
                turn = await self._desk.decide_some(about.campaign_run_id)
                decided += turn.decided
                if turn.done or turn.rest_s > _REST_AT_MOST_S or loop.time() > ends:
                    return replace(turn, decided=decided)
                await asyncio.sleep(max(0.0 if turn.decided else _ASIDE_S, turn.rest_s))
