"""Brands and customers, read as domain objects."""

from collections.abc import Collection, Sequence
from typing import Any, cast

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel
from tellal.domain.customers import (
    Brand,
    Consent,
    ConsentState,
    ContactPoint,
    Customer,
    CustomerKind,
)
from tellal.domain.decisions import Value
from tellal.domain.errors import NotFoundError
from tellal.persistence.bulk import among
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow, CustomerRow

_customer_table = table(CustomerRow)
_point_table = table(ContactPointRow)
_consent_table = table(ConsentRow)
_customers = _customer_table.c
_points = _point_table.c
_consent = _consent_table.c

_CUSTOMERS_OF = select(_customer_table).where(among(_customers.id))
_POINTS_OF = select(_point_table).where(among(_points.customer_id)).order_by(_points.id.desc())
_CONSENTS_OF = (
    select(_consent_table)
    .where(among(_consent.customer_id))
    .order_by(_consent.recorded_at, _consent.id)
)


def to_brand(row: BrandRow) -> Brand:
    """Turn a row into the domain's brand."""
    return Brand(
        id=row.id,
        name=row.name,
        trade_name=row.trade_name,
        country=row.country,
        timezone=row.timezone,
        phone=row.phone,
        email=row.email,
        mersis=row.mersis,
        sms_sender=row.sms_sender,
        email_sender=row.email_sender,
        whatsapp_sender=row.whatsapp_sender,
    )


async def brand(tx: AsyncSession, brand_id: str) -> Brand:
    """Read a brand.

    Raises:
        NotFoundError: There is no such brand.
    """
    row = await tx.get(BrandRow, brand_id)
    if row is None:
        raise NotFoundError("no such brand")
    return to_brand(row)


async def lock_customer(tx: AsyncSession, brand_id: str, ref: str) -> Customer:
    """Lock a customer's row, so that decisions about him are made in turn, and read him.

    Raises:
        NotFoundError: The brand has no customer of that reference.
    """
    query = select(_customer_table).where(_customers.brand_id == brand_id, _customers.ref == ref)
    row = (await tx.execute(query.with_for_update(key_share=True))).one_or_none()
    if row is None:
        raise NotFoundError(f"no customer {ref!r}")
    return (await _complete(tx, [row]))[0]


async def lock_customer_by_id(tx: AsyncSession, customer_id: str) -> Customer:
    """Lock and read a customer by our own id.

    Raises:
        NotFoundError: There is no such customer (any more).
    """
    query = (
        select(_customer_table).where(_customers.id == customer_id).with_for_update(key_share=True)
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("no such customer")
    return (await _complete(tx, [row]))[0]


async def find_customer(tx: AsyncSession, brand_id: str, ref: str) -> Customer:
    """Read a customer without locking him.

    Raises:
        NotFoundError: The brand has no customer of that reference.
    """
    query = select(_customer_table).where(_customers.brand_id == brand_id, _customers.ref == ref)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError(f"no customer {ref!r}")
    return (await _complete(tx, [row]))[0]


async def read_customers(tx: AsyncSession, ids: Collection[str]) -> dict[str, Customer]:
    """Read customers by our own ids without locking them."""
    rows = (await tx.execute(_CUSTOMERS_OF, {"among": list(ids)})).all()
    return {customer.id: customer for customer in await _complete(tx, rows)}


async def page_of_customers(
    tx: AsyncSession, brand_id: str, *, after: str, limit: int
) -> Sequence[Customer]:
    """Read the brand's next customers in the order of their ids, without locking them."""
    query = (
        select(_customer_table)
        .where(_customers.brand_id == brand_id, _customers.id > after)
        .order_by(_customers.id)
        .limit(limit)
    )
    return await _complete(tx, (await tx.execute(query)).all())


async def lock_page(
    tx: AsyncSession, brand_id: str, *, after: str, limit: int
) -> Sequence[Customer]:
    """Lock and read the brand's next customers in the order of their ids."""
    query = (
        select(_customer_table)
        .where(_customers.brand_id == brand_id, _customers.id > after)
        .order_by(_customers.id)
        .limit(limit)
        .with_for_update(key_share=True)
    )
    return await _complete(tx, (await tx.execute(query)).all())


async def _complete(tx: AsyncSession, rows: Sequence[Row[Any]]) -> list[Customer]:
    ids = [row.id for row in rows]
    points: dict[str, list[ContactPoint]] = {}
    for point in await tx.execute(_POINTS_OF, {"among": ids}):
        points.setdefault(point.customer_id, []).append(
            ContactPoint(
                id=point.id,
                channel=Channel(point.channel),
                address=point.address,
                bad_reason=point.bad_reason,
            )
        )
    consents = await _consents(tx, ids)
    return [_to_customer(row, points.get(row.id, []), consents.get(row.id, {})) for row in rows]


async def _consents(tx: AsyncSession, ids: Sequence[str]) -> dict[str, dict[Channel, Consent]]:
    found: dict[str, dict[Channel, Consent]] = {}
    for row in await tx.execute(_CONSENTS_OF, {"among": list(ids)}):
        found.setdefault(row.customer_id, {})[Channel(row.channel)] = Consent(
            channel=Channel(row.channel),
            state=ConsentState(row.state),
            source=row.source,
            recorded_at=row.recorded_at,
        )
    return found


def _to_customer(
    row: Row[Any], points: Sequence[ContactPoint], consents: dict[Channel, Consent]
) -> Customer:
    return Customer(
        id=row.id,
        brand_id=row.brand_id,
        ref=row.ref,
        kind=CustomerKind(row.kind),
        locale=row.locale,
        timezone=row.timezone,
        country=row.country,
        first_name=row.first_name,
        facts={path: _value(value) for path, value in row.facts.items()},
        contact_points=tuple(points),
        consents=consents,
    )


def _value(stored: object) -> Value:
    return tuple(stored) if isinstance(stored, list) else cast(Value, stored)
