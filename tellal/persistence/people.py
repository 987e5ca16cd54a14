"""Brands and customers, read as domain objects."""

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.blocks import Block, BlockOrigin
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
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow, CustomerRow
from tellal.persistence.tables.delivery import BlockRow

_customer_table = table(CustomerRow)
_point_table = table(ContactPointRow)
_consent_table = table(ConsentRow)
_block_table = table(BlockRow)
_customers = _customer_table.c
_points = _point_table.c
_consent = _consent_table.c


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
    query = select(_customer_table).where(_customers.id.in_(ids))
    rows = (await tx.execute(query)).all()
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
    points = await _contact_points(tx, ids)
    consents = await _consents(tx, ids)
    return [_to_customer(row, points.get(row.id, []), consents.get(row.id, {})) for row in rows]


async def _contact_points(tx: AsyncSession, ids: Sequence[str]) -> dict[str, list[ContactPoint]]:
    """Read addresses with what blocks them, in one query: every decision and claim needs both."""
    blocks = _block_table.c
    blocking = and_(
        blocks.brand_id == _points.brand_id,
        blocks.address == _as_blocked(),
        blocks.lifted_at.is_(None),
    )
    query = (
        select(_point_table, *(column.label(f"block_{column.name}") for column in blocks))
        .outerjoin(_block_table, blocking)
        .where(_points.customer_id.in_(ids))
        .order_by(_points.id.desc(), blocks.id)
    )
    found: dict[str, list[ContactPoint]] = {}
    for _, rows in groupby(await tx.execute(query), key=lambda row: row.id):
        same = list(rows)
        point = ContactPoint(
            id=same[0].id,
            channel=Channel(same[0].channel),
            address=same[0].address,
            bad_reason=same[0].bad_reason,
            blocks=tuple(_joined_block(row) for row in same if row.block_id is not None),
        )
        found.setdefault(same[0].customer_id, []).append(point)
    return found


def _as_blocked() -> ColumnElement[str]:
    """Return a contact point's address as blocks are written; see `tellal.addresses.folded`."""
    small = func.lower(_points.address)
    return case((_points.channel == Channel.EMAIL.value, small), else_=_points.address)


def to_block(row: Row[Any]) -> Block:
    """Turn a row of the table of blocks into the domain's block."""
    return Block(
        id=row.id,
        brand_id=row.brand_id,
        address=row.address,
        origin=BlockOrigin(row.origin),
        reason=row.reason,
        until=row.until,
        placed_by=row.placed_by,
        placed_at=row.placed_at,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
    )


def _joined_block(row: Row[Any]) -> Block:
    return Block(
        id=row.block_id,
        brand_id=row.block_brand_id,
        address=row.block_address,
        origin=BlockOrigin(row.block_origin),
        reason=row.block_reason,
        until=row.block_until,
        placed_by=row.block_placed_by,
        placed_at=row.block_placed_at,
    )


async def _consents(tx: AsyncSession, ids: Sequence[str]) -> dict[str, dict[Channel, Consent]]:
    found: dict[str, dict[Channel, Consent]] = {}
    query = (
        select(_consent_table)
        .where(_consent.customer_id.in_(ids))
        .order_by(_consent.recorded_at, _consent.id)
    )
    for row in await tx.execute(query):
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
