"""Keeps the ledger of consents and İYS in step: one worker at a time for each brand."""

import asyncio
from datetime import datetime, timedelta

from tellal.clock import Clock
from tellal.domain.registry_answers import Account
from tellal.ids import new_id
from tellal.persistence.session import Sessions
from tellal.ports import Registry
from tellal.services.consents import Consents
from tellal.services.leases import Leases
from tellal.services.registry_accounts import all_accounts, to_account
from tellal.services.registry_clock import RegistryClock, registry_clock
from tellal.services.registry_pulling import Pulling
from tellal.services.registry_pushing import Pushing
from tellal.services.registry_watch import show
from tellal.supervision import rest

_EVERY_S = 5.0
_SHOWN_EVERY = timedelta(minutes=1)
_HELD_FOR = timedelta(minutes=3)
"""Longer than a turn whose every request runs into its time-out: who loses it is surely done."""
_BATCHES_A_TURN = 20


class RegistrySync:
    """Pushes and pulls for every brand that has an account, while it holds the brand's lease."""

    def __init__(
        self,
        registry: Registry,
        *,
        sessions: Sessions,
        clock: Clock,
        business: RegistryClock | None = None,
    ) -> None:
        self._business = business or registry_clock()
        self._sessions = sessions
        self._clock = clock
        self._leases = Leases(sessions, clock)
        self._holder = new_id()
        self._pushing = Pushing(registry, sessions, clock, self._business)
        self._pulling = Pulling(registry, sessions, clock, Consents(clock))
        self._pulled: dict[str, datetime] = {}
        self._shown: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop."""
        while not stop.is_set():
            await self.work(stop)
            await rest(stop, _EVERY_S)

    async def work(self, stop: asyncio.Event | None = None) -> None:
        """Go once through all accounts that are ours to keep in step."""
        async with self._sessions() as tx:
            rows = await all_accounts(tx)
        for row in rows:
            if stop is None or not stop.is_set():
                await self._keep(to_account(row), row.pulled_at, stop)
        now = self._clock.now()
        if rows and (self._shown is None or now - self._shown >= _SHOWN_EVERY):
            self._shown = now
            async with self._sessions() as tx:
                await show(tx, now)

    async def _keep(
        self, account: Account, pulled_at: datetime | None, stop: asyncio.Event | None
    ) -> None:
        if not await self._is_ours(account):
            return
        await self._pushing.recover(account)
        if self._is_to_pull(account, pulled_at):
            # First, so that nothing is told that a citizen has overtaken.
            self._pulled[account.brand_id] = self._clock.now()
            await self._pulling.pull(account)
        for _ in range(_BATCHES_A_TURN):
            done = stop is not None and stop.is_set()
            if done or not await self._is_ours(account) or not await self._pushing.push(account):
                break
        if await self._is_ours(account):
            await self._pushing.ask(account)

    def _is_to_pull(self, account: Account, pulled_at: datetime | None) -> bool:
        """Say whether it is time; a pull that failed counts, too, so that İYS is not pestered."""
        tried = self._pulled.get(account.brand_id)
        last = max((at for at in (pulled_at, tried) if at is not None), default=None)
        return last is None or self._clock.now() - last >= self._business.law.pull_every

    async def _is_ours(self, account: Account) -> bool:
        return await self._leases.take(f"registry:{account.brand_id}", self._holder, _HELD_FOR)
