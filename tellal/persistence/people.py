"""Brands and customers, read as domain objects."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    String,
    any_,
    bindparam,
    case,
    func,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
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
    Wishes,
)
from tellal.domain.decisions import Value
from tellal.domain.errors import NotFoundError
from tellal.persistence.bulk import among
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

_CUSTOMERS_OF = select(_customer_table).where(among(_customers.id))


def to_brand(row: BrandRow | Row[Any]) -> Brand:
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
        kind=row.kind,
        owner=row.owner,
        tckn=row.tckn,
        short_number=row.short_number,
        exemption=row.exemption,
        licence=row.licence,
        sector=row.sector,
    )


async def brand(tx: AsyncSession, brand_id: str) -> Brand:
    """Read a brand.

    Raises:
        NotFoundError: There is no such brand.
    """
    row = (await tx.execute(_BRAND, {"brand": brand_id})).one_or_none()
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
    row = (await tx.execute(_LOCK_BY_ID, {"customer": customer_id})).one_or_none()
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


async def find_customer_id(tx: AsyncSession, brand_id: str, ref: str) -> str:
    """Return our own id of a customer.

    Raises:
        NotFoundError: The brand has no such customer.
    """
    found = await tx.execute(_ID_BY_REF, {"brand": brand_id, "known_as": ref})
    customer_id: str | None = found.scalar_one_or_none()
    if customer_id is None:
        raise NotFoundError(f"no customer {ref!r}")
    return customer_id


async def read_customers(tx: AsyncSession, ids: Collection[str]) -> dict[str, Customer]:
    """Read customers by our own ids without locking them."""
    rows = (await tx.execute(_CUSTOMERS_OF, {"among": list(ids)})).all()
    return {customer.id: customer for customer in await _complete(tx, rows)}


async def page_of_customers(
    tx: AsyncSession, brand_id: str, *, after: str, limit: int
) -> Sequence[Customer]:
    """Read the brand's next customers in the order of their ids, without locking them."""
    query = _next_customers(brand_id, after, limit)
    return await _complete(tx, (await tx.execute(query)).all())


async def lock_page(
    tx: AsyncSession,
    brand_id: str,
    *,
    after: str,
    limit: int,
    only: Collection[ColumnElement[bool]] = (),
) -> Sequence[Customer]:
    """Lock and read the brand's next customers in the order of their ids.

    `only` are conditions over the table of customers.
    """
    query = _next_customers(brand_id, after, limit).where(*only).with_for_update(key_share=True)
    return await _complete(tx, (await tx.execute(query)).all())


def _next_customers(brand_id: str, after: str, limit: int) -> Select[Any]:
    return (
        select(_customer_table)
        .where(
            _customers.brand_id == brand_id,
            _customers.id > after,
            _customers.erased_at.is_(None),
        )
        .order_by(_customers.id)
        .limit(limit)
    )


async def _complete(tx: AsyncSession, rows: Sequence[Row[Any]]) -> list[Customer]:
    """Add addresses and consents; they are read after the lock, so that none is missed."""
    points: dict[str, list[ContactPoint]] = {}
    consents: dict[str, dict[Channel, Consent]] = {}
    for one in await tx.execute(_BELONGINGS, {"ids": [row.id for row in rows]}):
        if one.recorded_at is None:
            points.setdefault(one.customer_id, []).append(_to_point(one))
        else:
            consents.setdefault(one.customer_id, {})[Channel(one.channel)] = _to_consent(one)
    return [_to_customer(row, points.get(row.id, []), consents.get(row.id, {})) for row in rows]


def _belongings() -> Select[Any]:
    """Select the addresses (with what blocks them) and the consents of customers in one query.

    The newest address of a channel comes first, and the consent in force last.
    """
    whose = bindparam("ids", type_=ARRAY(String))
    found = union_all(
        select(
            _points.id,
            _points.customer_id,
            _points.channel,
            _points.address.label("said"),
            _points.bad_reason.label("about"),
            null().cast(_consent.recorded_at.type).label("recorded_at"),
            null().cast(_consent.given_at.type).label("given_at"),
            null().cast(_consent.valid_until.type).label("valid_until"),
            _blocks_of_a_point().label("blocks"),
        ).where(_points.customer_id == any_(whose)),
        select(
            _consent.id,
            _consent.customer_id,
            _consent.channel,
            _consent.state,
            _consent.source,
            _consent.recorded_at,
            _consent.given_at,
            _consent.valid_until,
            null().cast(JSONB),
        ).where(
            _consent.customer_id == any_(whose),
            _consent.whole,
        ),
    ).subquery("belongings")
    newest_first = case((found.c.recorded_at.is_(None), found.c.id)).desc()
    return select(found).order_by(newest_first, found.c.given_at, found.c.id)


def _blocks_of_a_point() -> ColumnElement[Any]:
    """Select the blocks that stand on an address; see `tellal.addresses.folded` for its form."""
    small = func.lower(_points.address)
    as_blocked = case((_points.channel == Channel.EMAIL.value, small), else_=_points.address)
    blocks = _block_table.c
    standing = select(func.jsonb_agg(func.to_jsonb(_block_table.table_valued()))).where(
        blocks.brand_id == _points.brand_id,
        blocks.address == as_blocked,
        blocks.lifted_at.is_(None),
    )
    return standing.scalar_subquery()


_BRAND = select(table(BrandRow)).where(table(BrandRow).c.id == bindparam("brand"))
_ID_BY_REF = select(_customers.id).where(
    _customers.brand_id == bindparam("brand"), _customers.ref == bindparam("known_as")
)
_LOCK_BY_ID = (
    select(_customer_table)
    .where(_customers.id == bindparam("customer"))
    .with_for_update(key_share=True)
)
_BELONGINGS = _belongings()


def _to_point(row: Row[Any]) -> ContactPoint:
    return ContactPoint(
        id=row.id,
        channel=Channel(row.channel),
        address=row.said,
        bad_reason=row.about,
        blocks=tuple(_standing_block(block) for block in row.blocks or ()),
    )


def _to_consent(row: Row[Any]) -> Consent:
    return Consent(
        channel=Channel(row.channel),
        state=ConsentState(row.said),
        source=row.about,
        recorded_at=row.recorded_at,
        valid_until=row.valid_until,
    )


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


def _standing_block(written: Mapping[str, str]) -> Block:
    return Block(
        id=written["id"],
        brand_id=written["brand_id"],
        address=written["address"],
        origin=BlockOrigin(written["origin"]),
        reason=written["reason"],
        until=datetime.fromisoformat(written["until"]) if written["until"] else None,
        placed_by=written["placed_by"],
        placed_at=datetime.fromisoformat(written["placed_at"]),
    )


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
        wishes=Wishes(
            service_only=row.service_only,
            topics_off=frozenset(row.topics_off),
            complained=frozenset(row.complained),
        ),
    )


def _value(stored: object) -> Value:
    return tuple(stored) if isinstance(stored, list) else cast(Value, stored)
