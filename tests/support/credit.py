"""Accounts of credit for tests, and what their lines come to when somebody adds them up anew."""

from dataclasses import replace
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.credit import EntryKind
from tellal.domain.customers import Brand
from tellal.domain.routes import Price, RouteTable
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.credit import CreditAlertRow, CreditEntryRow
from tellal.services.credit import Account, Credit, Terms
from tests.support.desk import ROUTES

MAIN = "main"
PRICE = Decimal("0.10")
PRICED = RouteTable(
    routes=tuple(
        replace(route, price=Price(amount=PRICE, currency="TRY")) for route in ROUTES.routes
    )
)
"""A text or a mail costs ten kuruş."""

_entries = table(CreditEntryRow)
_alerts = table(CreditAlertRow)
_NO_TERMS = Terms()


async def an_account(
    tx: AsyncSession,
    brand: Brand,
    clock: Clock,
    credit: str | Decimal = "0",
    *,
    terms: Terms = _NO_TERMS,
    name: str = MAIN,
    currency: str = "TRY",
) -> Account:
    """Open an account and pay something in."""
    desk = Credit(clock)
    account = await desk.open(tx, brand, name, currency, terms, by="finance")
    if not Decimal(credit):
        return account
    return await desk.top_up(tx, brand.id, name, Decimal(credit), note="", by="finance")


async def stands(sessions: Sessions, brand: Brand, clock: Clock) -> Account:
    async with sessions() as tx:
        return await Credit(clock).find(tx, brand.id, MAIN)


async def pay_in(sessions: Sessions, brand: Brand, clock: Clock, amount: str) -> Account:
    async with sessions() as tx, tx.begin():
        return await Credit(clock).top_up(
            tx, brand.id, MAIN, Decimal(amount), note="invoice 7", by="finance"
        )


async def sums(sessions: Sessions, account: Account) -> dict[EntryKind, Decimal]:
    """Add the lines of an account up by their kinds."""
    query = (
        select(_entries.c.kind, func.sum(_entries.c.amount).label("total"))
        .where(_entries.c.account_id == account.id)
        .group_by(_entries.c.kind)
    )
    async with sessions() as tx:
        found = {row.kind: row.total for row in await tx.execute(query)}
    return {kind: found.get(kind.value, Decimal(0)) for kind in EntryKind}


async def kinds(sessions: Sessions, message_id: str) -> list[str]:
    """Return what became of a message's cost, line by line."""
    query = select(_entries.c.kind).where(_entries.c.message_id == message_id)
    async with sessions() as tx:
        return list((await tx.execute(query.order_by(_entries.c.id))).scalars())


async def alerts(sessions: Sessions) -> list[tuple[str, Decimal, str]]:
    """Return way, threshold and state of every alert."""
    query = select(_alerts.c.way, _alerts.c.threshold, _alerts.c.state)
    async with sessions() as tx:
        rows = await tx.execute(query.order_by(_alerts.c.way, _alerts.c.threshold))
        return [(row.way, row.threshold, row.state) for row in rows]
