"""The black list: addresses blocked and opened again, and what blocks them at an instant.

Placing a block locks every customer who has the address, and an intent shares its customer's row
before it looks for blocks. So at the answer no further intent commits for that address.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    String,
    any_,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import CollectionAggregate

from tellal.addresses import channel_of, folded, normalise
from tellal.clock import Clock
from tellal.domain.blocks import Block, BlockOrigin, strictest
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import to_block
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.persistence.tables.delivery import BlockRow

_blocks = table(BlockRow)
_points = table(ContactPointRow)
_customers = table(CustomerRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockInput:
    """An address to block, written as `block_address` writes it."""

    address: str
    origin: BlockOrigin
    reason: str
    until: datetime | None = None


class Blocks:
    """Places and lifts blocks; the caller's transaction holds the locks until it ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def place(
        self, tx: AsyncSession, brand_id: str, said: Sequence[BlockInput], *, by: str
    ) -> tuple[Block, ...]:
        """Block addresses: when the transaction has committed, no further intent goes to them.

        Raises:
            InvalidInputError: A block gives no reason, or would be over already.
        """
        now = self._clock.now()
        for one in said:
            check_block(one, at=now)
        await _lock_customers(tx, brand_id, {one.address for one in said})
        placed = tuple(
            Block(
                id=new_id(),
                brand_id=brand_id,
                address=one.address,
                origin=one.origin,
                reason=one.reason.strip(),
                until=one.until,
                placed_by=by,
                placed_at=now,
            )
            for one in said
        )
        if placed:
            await tx.execute(insert(_blocks), [_values(block) for block in placed])
        return placed

    async def place_new(
        self, tx: AsyncSession, brand_id: str, said: Sequence[BlockInput], *, by: str
    ) -> tuple[Block, ...]:
        """Block addresses, except where the very same block is in force: lists come repeatedly.

        Raises:
            InvalidInputError: A block gives no reason, or would be over already.
        """
        standing = _standing([brand_id], {one.address for one in said})
        known = {_same(to_block(row)) for row in await tx.execute(standing)}
        fresh = {_same(one): one for one in said if _same(one) not in known}
        return await self.place(tx, brand_id, list(fresh.values()), by=by)

    async def lift(self, tx: AsyncSession, brand_id: str, block_id: str, *, by: str) -> Block:
        """Lift one block; others on the address stay.

        Raises:
            NotFoundError: The brand has no such block.
            ConflictError: It was lifted before.
        """
        query = _of_brand(brand_id).where(_blocks.c.id == block_id)
        row = (await tx.execute(query.with_for_update(key_share=True))).one_or_none()
        if row is None:
            raise NotFoundError("no such block")
        if row.lifted_at is not None:
            raise ConflictError(f"{row.lifted_by} lifted this block already", code="block_lifted")
        now = self._clock.now()
        change = update(_blocks).where(_blocks.c.id == block_id)
        await tx.execute(change.values(lifted_at=now, lifted_by=by))
        return replace(to_block(row), lifted_at=now, lifted_by=by)

    async def page(
        self,
        tx: AsyncSession,
        brand_id: str,
        *,
        customer: str | None = None,
        address: str | None = None,
        in_force: bool | None = None,
        after: str = "",
        limit: int = 50,
    ) -> tuple[Block, ...]:
        """List the brand's blocks in the order in which they were placed.

        `customer` (the brand's own name for him) or `address` narrow it down.
        """
        query = _of_brand(brand_id).where(_blocks.c.id > after)
        if customer is not None:
            query = query.where(_of_customer(brand_id, customer))
        if address is not None:
            query = query.where(_blocks.c.address == address)
        if in_force is not None:
            standing = _stands(self._clock.now())
            query = query.where(standing if in_force else ~standing)
        rows = await tx.execute(query.order_by(_blocks.c.id).limit(limit))
        return tuple(to_block(row) for row in rows)


async def blocking(
    tx: AsyncSession, brand_ids: Collection[str], addresses: Collection[str], at: datetime
) -> Mapping[tuple[str, str], Block]:
    """Return by brand and address the strictest block in force, for addresses as customers' are.

    An intent asks this in a statement of its own, after it shares the customers' rows.
    """
    asked: dict[str, set[str]] = {}
    for address in addresses:
        asked.setdefault(_folded(address), set()).add(address)
    found: dict[tuple[str, str], list[Block]] = {}
    for row in await tx.execute(_standing(brand_ids, asked).where(_stands(at))):
        block = to_block(row)
        for address in asked[block.address]:
            found.setdefault((block.brand_id, address), []).append(block)
    worst = {key: strictest(blocks) for key, blocks in found.items()}
    return {key: block for key, block in worst.items() if block is not None}


def block_address(brand: Brand, raw: str, channel: Channel | None = None) -> str:
    """Write an address as blocks are kept; without a channel its form tells what it is.

    Raises:
        InvalidInputError: It cannot be an address.
    """
    kind = channel or channel_of(raw.strip())
    return folded(kind, normalise(kind, raw, region=brand.country))


def check_block(said: BlockInput, *, at: datetime) -> None:
    """See that a block says why, and that it would hold at all.

    Raises:
        InvalidInputError: It does not.
    """
    if not said.reason.strip():
        raise InvalidInputError("a block needs a reason", field="reason")
    if said.until is not None and said.until <= at:
        raise InvalidInputError("the block would be over already", field="until")


async def _lock_customers(tx: AsyncSession, brand_id: str, addresses: Collection[str]) -> None:
    """Lock whoever has one of the addresses; a customer too many does no harm."""
    having = select(_points.c.customer_id).where(
        _points.c.brand_id == brand_id,
        func.lower(_points.c.address) == _one_of({one.lower() for one in addresses}),
    )
    query = (
        select(_customers.c.id)
        .where(_customers.c.id.in_(having))
        .order_by(_customers.c.id)
        .with_for_update(key_share=True)
    )
    await tx.execute(query)


def _of_customer(brand_id: str, customer: str) -> ColumnElement[bool]:
    having = exists().where(
        _customers.c.brand_id == brand_id,
        _customers.c.ref == customer,
        _points.c.customer_id == _customers.c.id,
        or_(
            _blocks.c.address == _points.c.address,
            _blocks.c.address == func.lower(_points.c.address),
        ),
    )
    return having.correlate(_blocks)


def _one_of(addresses: Collection[str]) -> CollectionAggregate[Any]:
    """Return one parameter for all: a list to import has thousands."""
    return any_(literal(list(addresses), ARRAY(String)))


def _of_brand(brand_id: str) -> Select[tuple[object, ...]]:
    return select(_blocks).where(_blocks.c.brand_id == brand_id)


def _standing(brand_ids: Collection[str], addresses: Collection[str]) -> Select[tuple[object, ...]]:
    return select(_blocks).where(
        _blocks.c.brand_id.in_(brand_ids),
        _blocks.c.address == _one_of(addresses),
        _blocks.c.lifted_at.is_(None),
    )


def _stands(at: datetime) -> ColumnElement[bool]:
    over = _blocks.c.until <= at
    return _blocks.c.lifted_at.is_(None) & (_blocks.c.until.is_(None) | ~over)


def _same(block: Block | BlockInput) -> tuple[str, str, str, datetime | None]:
    return block.address, block.origin.value, block.reason.strip(), block.until


def _folded(address: str) -> str:
    return folded(channel_of(address), address)


def _values(block: Block) -> dict[str, object]:
    return {
        column.name: getattr(block, column.name).value
        if column.name == "origin"
        else getattr(block, column.name)
        for column in _blocks.c
    }
