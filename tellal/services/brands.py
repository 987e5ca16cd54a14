"""Brands: the senders. They are made by an operator at the command line, never over HTTP."""

import re
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import to_brand
from tellal.persistence.tables.brands import BrandRow
from tellal.services import places

_brands = table(BrandRow)
_NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")


async def create_brand(
    tx: AsyncSession,
    *,
    name: str,
    trade_name: str,
    now: datetime,
    country: str = "TR",
    timezone: str = "Europe/Istanbul",
    phone: str = "",
    email: str = "",
    mersis: str = "",
    sms_sender: str = "",
    email_sender: str = "",
    whatsapp_sender: str = "",
) -> Brand:
    """Create a brand.

    Raises:
        InvalidInputError: The name, the country or the time zone cannot be.
        ConflictError: A brand of that name exists.
    """
    _check(name, country, timezone)
    brand = Brand(
        id=new_id(),
        name=name,
        trade_name=trade_name,
        country=country,
        timezone=timezone,
        phone=phone,
        email=email,
        mersis=mersis,
        sms_sender=sms_sender or trade_name,
        email_sender=email_sender or email,
        whatsapp_sender=whatsapp_sender,
    )
    values = {field: getattr(brand, field) for field in Brand.__dataclass_fields__}
    statement = insert(_brands).values(**values, created_at=now).on_conflict_do_nothing()
    made = (await tx.execute(statement.returning(_brands.c.id))).scalar_one_or_none()
    if made is None:
        raise ConflictError(f"there is a brand {name!r} already", code="brand_exists")
    return brand


async def find_brand(tx: AsyncSession, name: str) -> Brand:
    """Find a brand by its name.

    Raises:
        NotFoundError: There is none.
    """
    query = select(BrandRow).where(_brands.c.name == name)
    row = (await tx.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFoundError(f"no brand {name!r}")
    return to_brand(row)


async def all_brands(tx: AsyncSession) -> tuple[Brand, ...]:
    """Return every brand, by name."""
    rows = (await tx.execute(select(BrandRow).order_by(_brands.c.name))).scalars()
    return tuple(to_brand(row) for row in rows)


async def sole_brand(tx: AsyncSession) -> Brand:
    """Find the brand of a set-up that has only one.

    Raises:
        InvalidInputError: There is none, or more than one.
    """
    rows = (await tx.execute(select(BrandRow).limit(2))).scalars().all()
    if len(rows) != 1:
        raise InvalidInputError(
            "there are several brands" if rows else "there is no brand",
            field="brand",
            hint="name the brand" if rows else "tellal brands create makes one",
        )
    return to_brand(rows[0])


def _check(name: str, country: str, timezone: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} is no brand name",
            field="name",
            hint="lower-case letters, digits and hyphens, as in green-bank",
        )
    places.country(country)
    places.timezone(timezone)
