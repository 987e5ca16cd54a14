"""Looks for runs that are over, and has those who asked for it told by mail."""

import asyncio
from datetime import timedelta

from sqlalchemy import func, select

from tellal.clock import Clock
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.campaigns import CampaignRow, CampaignRunRow
from tellal.services.campaign_mails import CampaignMails
from tellal.supervision import rest

_campaigns = table(CampaignRow)
_runs = table(CampaignRunRow)

_LOOK_EVERY_S = 5.0
_FOR = timedelta(days=1)
"""For so long it is tried, then a relay that is not to be had is given up."""


class CampaignMailing:
    """Tells staff of runs; several may work side by side, `CampaignMails` sees to once."""

    def __init__(self, sessions: Sessions, clock: Clock, mails: CampaignMails) -> None:
        self._sessions = sessions
        self._clock = clock
        self._mails = mails
        self._told: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Look and tell until told to stop."""
        while not stop.is_set():
            await self.tell()
            await rest(stop, _LOOK_EVERY_S)

    async def tell(self) -> int:
        """Tell of every run that is over and of which not everybody has been told; say how many."""
        query = (
            select(_runs.c.id)
            .join(_campaigns, _campaigns.c.id == _runs.c.campaign_id)
            .where(
                _runs.c.ended_at > self._clock.now() - _FOR,
                _runs.c.state.in_(("ended", "cancelled")),
                func.jsonb_array_length(
                    func.coalesce(_campaigns.c.plan["tell_when_done"], func.jsonb_build_array())
                )
                > 0,
            )
        )
        async with self._sessions() as tx:
            found = set((await tx.execute(query)).scalars())
        self._told &= found
        for run_id in sorted(found - self._told):
            if not (await self._mails.summarise(run_id)).left:
                self._told.add(run_id)
        return len(found)
