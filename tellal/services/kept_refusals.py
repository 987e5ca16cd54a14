"""What is kept of an erased person, so that he is left in peace: salted hashes of his addresses.

Whoever has himself erased takes back what he granted. If his address comes back, by the API or from
a file, its channels are refused in the ledger of consents, dated as he was erased: a grant from
before that stays without effect, and one that he gives afterwards counts. A block of the address is
placed again.

The salt is a brand's own and lies in the database. Numbers can be tried one by one by whoever has
both; the hash keeps nobody's address in readable form, and is good for one question only.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, String, any_, bindparam, insert, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.addresses import folded
from tellal.domain.channels import Channel, RecipientType
from tellal.domain.consents import ConsentChannel, ConsentRecord, Source
from tellal.domain.customers import ConsentState, CustomerKind
from tellal.ids import new_id
from tellal.persistence.bulk import among
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ConsentRow, CustomerRow
from tellal.persistence.tables.delivery import BlockRow
from tellal.persistence.tables.privacy import AddressSaltRow, KeptRefusalRow
from tellal.services.consents import consent_values

_salts = table(AddressSaltRow)
_kept = table(KeptRefusalRow)
_customers = table(CustomerRow)
_consents = table(ConsentRow)
_blocks = table(BlockRow)

_SALT_BYTES = 32
_WHY = "blocked before its owner was erased"
_BY = "tellal"

_MATCHING = select(_kept).where(
    _kept.c.brand_id == bindparam("brand"),
    _kept.c.digest == any_(bindparam("digests", type_=ARRAY(String()))),
)
_KINDS = select(_customers.c.id, _customers.c.kind).where(among(_customers.c.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A channel that the owner of an address refused, and when; or a block of the address."""

    address: str
    at: datetime
    channel: ConsentChannel | None = None
    block_origin: str = ""
    block_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """An address that somebody has from now on."""

    customer_id: str
    channel: Channel
    address: str


async def salt_of(tx: AsyncSession, brand_id: str) -> str:
    """Return a brand's salt, made when it is first needed."""
    fresh = pg_insert(_salts).values(brand_id=brand_id, salt=secrets.token_hex(_SALT_BYTES))
    await tx.execute(fresh.on_conflict_do_nothing())
    query = select(_salts.c.salt).where(_salts.c.brand_id == brand_id)
    return str((await tx.execute(query)).scalar_one())


def digest_of(salt: str, word: str) -> str:
    """Return the salted hash of an address or a name."""
    return hmac.new(bytes.fromhex(salt), word.encode(), hashlib.sha256).hexdigest()


async def keep(
    tx: AsyncSession, brand_id: str, refusals: Iterable[Refused], *, now: datetime
) -> int:
    """Keep refusals and blocks of addresses that are about to be erased; return how many."""
    salt = await salt_of(tx, brand_id)
    rows = [
        {
            "id": new_id(),
            "brand_id": brand_id,
            "digest": digest_of(salt, one.address),
            "channel": "" if one.channel is None else one.channel.value,
            "block_origin": one.block_origin,
            "block_until": one.block_until,
            "refused_at": one.at,
            "kept_at": now,
        }
        for one in refusals
    ]
    if rows:
        statement = pg_insert(_kept)
        latest = statement.on_conflict_do_update(
            index_elements=["brand_id", "digest", "channel", "block_origin"],
            set_={
                "refused_at": statement.excluded.refused_at,
                "block_until": statement.excluded.block_until,
                "kept_at": statement.excluded.kept_at,
            },
        )
        for row in rows:
            await tx.execute(latest.values(**row))
    return len(rows)


async def refuse_again(
    tx: AsyncSession, brand_id: str, arrived: Sequence[Arrived], *, now: datetime
) -> int:
    """Have what was kept of addresses that came back stand again; return how many refusals.

    The caller has locked the customers.
    """
    if not arrived:
        return 0
    query = select(_salts.c.salt).where(_salts.c.brand_id == brand_id)
    salt = (await tx.execute(query)).scalar_one_or_none()
    if salt is None:
        return 0
    owners: dict[str, list[Arrived]] = {}
    for one in arrived:
        owners.setdefault(digest_of(salt, folded(one.channel, one.address)), []).append(one)
    rows = (await tx.execute(_MATCHING, {"brand": brand_id, "digests": list(owners)})).all()
    found = [(row, one) for row in rows for one in owners[row.digest]]
    refused = {
        (one.customer_id, row.channel): (row, one)
        for row, one in found
        if not row.block_origin and row.channel in _about(one.channel)
    }
    if refused:
        await _refuse(tx, brand_id, list(refused.values()), now)
    blocked = {
        (folded(one.channel, one.address), row.block_origin): row
        for row, one in found
        if row.block_origin and (row.block_until is None or row.block_until > now)
    }
    for (address, origin), row in blocked.items():
        await tx.execute(
            insert(_blocks).values(
                id=new_id(),
                brand_id=brand_id,
                address=address,
                origin=origin,
                reason=_WHY,
                until=row.block_until,
                placed_by=_BY,
                placed_at=now,
            )
        )
    return len(refused)


async def _refuse(
    tx: AsyncSession, brand_id: str, refused: Sequence[tuple[Any, Arrived]], now: datetime
) -> None:
    ids = sorted({one.customer_id for _, one in refused})
    kinds = {row.id: CustomerKind(row.kind) for row in await tx.execute(_KINDS, {"among": ids})}
    values = [
        consent_values(
            ConsentRecord(
                id=new_id(),
                brand_id=brand_id,
                customer_id=one.customer_id,
                channel=ConsentChannel(row.channel),
                state=ConsentState.REFUSED,
                recipient_type=RecipientType(kinds[one.customer_id].value),
                source=Source.KEPT.value,
                given_at=row.refused_at,
                recorded_at=now,
                recorded_by=_BY,
                address=one.address,
                evidence={"kept": row.id},
            ),
            kinds[one.customer_id],
        )
        for row, one in refused
    ]
    await tx.execute(insert(_consents), values)


def _about(channel: Channel) -> frozenset[str]:
    """Return the channels that an address on one is refused for: a number is also called."""
    called = {ConsentChannel.CALL.value} if channel is Channel.SMS else set()
    return frozenset({channel.value, *called})
