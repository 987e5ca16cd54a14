"""A brand's numbers at İYS, and from when on it is told of the brand's consents."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.consent_rules import LAW_IN_FORCE, REGISTRY_TIME
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.domain.registry_answers import Account
from tellal.persistence.columns import table
from tellal.persistence.tables.registry import RegistryAccountRow

_accounts = table(RegistryAccountRow)
_LARGEST = 2**31 - 1
_LOCK = text("LOCK TABLE consents IN SHARE ROW EXCLUSIVE MODE")
_CATCH_UP = text(
    """
INSERT INTO registry_pushes (consent_id, brand_id, state, next_at)
SELECT id, brand_id, 'waiting', recorded_at FROM consents
WHERE brand_id = :brand AND channel IN ('sms', 'email', 'call') AND NOT starts_with(source, 'IYS_')
ON CONFLICT (consent_id) DO NOTHING
"""
)


async def open_account(
    tx: AsyncSession,
    brand: Brand,
    *,
    iys_code: int,
    brand_code: int,
    activated_on: date | None,
    now: datetime,
) -> int:
    """Note a brand's numbers at İYS; return how many consents it is to be told of besides.

    Those are what the ledger held before the brand had an account; from now on a trigger notes each
    consent with its row. The table of consents is locked for as long as that takes, so that none
    falls between the two.

    Raises:
        InvalidInputError: A number, or the day of activation, cannot be.
    """
    for field, number in (("iys_code", iys_code), ("brand_code", brand_code)):
        if not 1 <= number <= _LARGEST:
            raise InvalidInputError(
                f"{number} is no number of İYS'", field=field, hint="as its panel shows it"
            )
    if activated_on is not None and activated_on < LAW_IN_FORCE.date():
        raise InvalidInputError(
            "nobody was active at İYS then", field="activated_on", hint="as in 2026-03-02"
        )
    await tx.execute(_LOCK)
    said = {"iys_code": iys_code, "brand_code": brand_code, "activated_on": activated_on}
    wanted = insert(_accounts).values(brand_id=brand.id, created_at=now, **said)
    await tx.execute(wanted.on_conflict_do_update(index_elements=["brand_id"], set_=said))
    done = await tx.execute(_CATCH_UP, {"brand": brand.id})
    return int(done.rowcount)  # type: ignore[attr-defined]  # SQLAlchemy types it on cursors only


async def find_account(tx: AsyncSession, brand_id: str) -> Account:
    """Return a brand's account.

    Raises:
        NotFoundError: It has none.
    """
    query = select(_accounts).where(_accounts.c.brand_id == brand_id)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("the brand has no account at İYS; `tellal registry account` notes one")
    return to_account(row)


async def all_accounts(tx: AsyncSession) -> Sequence[Row[Any]]:
    """Return the rows of all accounts, by brand."""
    return (await tx.execute(select(_accounts).order_by(_accounts.c.brand_id))).all()


def to_account(row: Row[Any]) -> Account:
    """Turn a row into the domain's account; a day of activation begins at midnight in Turkey."""
    day = row.activated_on
    return Account(
        brand_id=row.brand_id,
        iys_code=row.iys_code,
        brand_code=row.brand_code,
        activated_at=None if day is None else datetime.combine(day, time(), REGISTRY_TIME),
    )
