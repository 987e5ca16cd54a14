"""A brand with an account at the simulated İYS, and a worker that keeps both in step."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from activities.providers.iys.client import IysRegistry
from tellal.domain.consents import ConsentChannel, ConsentRecord
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.registry_answers import Account
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ConsentRow
from tellal.persistence.tables.registry import RegistryPushRow
from tellal.services.consents import ConsentInput, Consents
from tellal.services.registry_accounts import all_accounts, open_account, to_account
from tellal.services.registry_sync import RegistrySync
from tests.support.builders import a_brand
from tests.support.carrier import CarrierProbe
from tests.support.ledger import SetClock

IYS_CODE, BRAND_CODE = 100001, 200002
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""Twelve o'clock in Turkey."""
ACTIVE = date(2026, 1, 5)
NUMBER = "+905320000101"

_pushes = table(RegistryPushRow)
_consents = table(ConsentRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRegistry:
    """The ledger, the worker's part, and İYS."""

    sessions: Sessions
    carrier: CarrierProbe
    clock: SetClock
    brand: Brand
    account: Account
    registry: IysRegistry
    sync: RegistrySync

    def another(self) -> RegistrySync:
        """Return the same part of another worker."""
        return RegistrySync(self.registry, sessions=self.sessions, clock=self.clock)

    def pass_by(self, **span: float) -> None:
        """Let time pass here and at İYS."""
        self.clock.advance(**span)
        self.carrier.iys_clock(self.clock.at)

    async def says(
        self,
        ref: str,
        state: str,
        *,
        channel: ConsentChannel = ConsentChannel.SMS,
        source: str = "branch",
        address: str = "",
        given_at: datetime | None = None,
    ) -> ConsentRecord:
        """Record what somebody says to the brand."""
        said = ConsentInput(
            channel=channel,
            state=ConsentState(state),
            source=source,
            address=address,
            given_at=given_at,
        )
        async with self.sessions() as tx, tx.begin():
            return await Consents(self.clock).record(tx, brand=self.brand, ref=ref, said=said)

    async def pushes(self) -> list[Row[Any]]:
        """Return how each record stands, in the order of their recording."""
        async with self.sessions() as tx:
            query = select(_pushes).order_by(_pushes.c.consent_id)
            return list((await tx.execute(query)).all())

    async def states(self) -> list[tuple[str, str]]:
        """Return the state and the code of each record."""
        return [(row.state, row.code) for row in await self.pushes()]

    async def consents(self) -> list[Row[Any]]:
        """Return the ledger of consents."""
        async with self.sessions() as tx:
            return list((await tx.execute(select(_consents).order_by(_consents.c.id))).all())

    async def in_step(self) -> None:
        """Work until İYS has said what came of everything, as far as time does not forbid it."""
        await self.sync.work()
        self.pass_by(seconds=5)
        await self.sync.work()

    def there(self) -> list[tuple[str, str, str]]:
        """Return what stands at İYS: recipient, type and status."""
        found = self.carrier.iys_records(BRAND_CODE)
        return sorted((one["recipient"], one["type"], one["status"]) for one in found)


@asynccontextmanager
async def at_registry(
    sessions: Sessions, carrier: CarrierProbe, *, at: datetime = MONDAY
) -> AsyncIterator[AtRegistry]:
    """Give a brand an account at the simulated İYS, where it is as late as here."""
    clock = SetClock(at)
    carrier.iys_clock(at)
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await open_account(
            tx,
            brand,
            iys_code=IYS_CODE,
            brand_code=BRAND_CODE,
            activated_on=ACTIVE,
            now=at - timedelta(days=1),
        )
    async with sessions() as tx:
        (row,) = await all_accounts(tx)
    registry = IysRegistry(carrier.iys(timeout_s=1.0), clock)
    try:
        yield AtRegistry(
            sessions=sessions,
            carrier=carrier,
            clock=clock,
            brand=brand,
            account=to_account(row),
            registry=registry,
            sync=RegistrySync(registry, sessions=sessions, clock=clock),
        )
    finally:
        await registry.close()
