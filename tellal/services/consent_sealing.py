"""Seals consents into their brand's chain, in batches, one sealer per brand at a time.

Whoever records a consent waits for nobody: his row stands in the table without a place in the
chain, and gets one here a moment later. The lease keeps two workers from doing the same work; if
it ever fails, the chain's primary key lets only one of them commit.
"""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, String, bindparam, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.chains import BEGINNING, Record, seal
from tellal.domain.consent_seals import sealed_consent, tombstone
from tellal.ids import new_id
from tellal.persistence.bulk import Adding, arrays, given
from tellal.persistence.columns import table
from tellal.persistence.consents import to_record
from tellal.persistence.session import Sessions
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import ConsentChainRow, ConsentRow
from tellal.services.leases import Leases
from tellal.supervision import rest

_consents = table(ConsentRow)
_chain = table(ConsentChainRow)
_brands = table(BrandRow).c

_BATCH = 2_000
_LOOK_EVERY_S = 1.0
_LEASE = timedelta(seconds=30)
_SALT_BYTES = 16

UNSEALED = _consents.c.seq.is_(None)
UNTOLD = _consents.c.erased_at.is_not(None) & _consents.c.tombstone.is_(None)
"""Erased, and the chain does not know it yet."""

_WAITING = select(_brands.id).where(
    or_(
        exists(select(_consents.c.id).where(_consents.c.brand_id == _brands.id, UNSEALED)),
        exists(select(_consents.c.id).where(_consents.c.brand_id == _brands.id, UNTOLD)),
    )
)
_LAST = (
    select(_chain.c.seq, _chain.c.hash)
    .where(_chain.c.brand_id == bindparam("brand"))
    .order_by(_chain.c.seq.desc())
    .limit(1)
)
_OF_BRAND = (
    select(_consents)
    .where(_consents.c.brand_id == bindparam("brand"))
    .order_by(_consents.c.id)
    .limit(bindparam("most"))
    .with_for_update(key_share=True)
)
_SEALED = given(id=String(), seq=BigInteger(), salt=String())
_NOTE_SEALS = (
    update(_consents)
    .where(_consents.c.id == _SEALED.c.id)
    .values(seq=_SEALED.c.seq, salt=_SEALED.c.salt)
)
_NOTE_TOMBSTONES = (
    update(_consents).where(_consents.c.id == _SEALED.c.id).values(tombstone=_SEALED.c.seq)
)
_ADD = Adding(
    _chain, "brand_id", "seq", "at", "who", "action", "consent_id", "core", "digest",
    "previous", "hash",
)  # fmt: skip


class Sealer:
    """Gives records their place in the chain of their brand."""

    def __init__(self, sessions: Sessions, clock: Clock, *, batch: int = _BATCH) -> None:
        self._sessions = sessions
        self._clock = clock
        self._leases = Leases(sessions, clock)
        self._holder = new_id()
        self._batch = batch

    async def run(self, stop: asyncio.Event) -> None:
        """Seal every second until told to stop."""
        while not stop.is_set():
            await self.work(stop)
            await rest(stop, _LOOK_EVERY_S)

    async def work(self, stop: asyncio.Event | None = None) -> int:
        """Seal what waits, of every brand whose lease is free; return how many links were added."""
        async with self._sessions() as tx:
            waiting = (await tx.execute(_WAITING)).scalars().all()
        done = 0
        for brand_id in waiting:
            while not (stop and stop.is_set()):
                if not await self._leases.take(f"consents:{brand_id}", self._holder, _LEASE):
                    break
                added = await self._seal_batch(brand_id)
                done += added
                if not added:
                    break
        return done

    async def _seal_batch(self, brand_id: str) -> int:
        async with self._sessions() as tx, tx.begin():
            return await seal_batch(tx, brand_id, clock=self._clock, most=self._batch)


async def seal_batch(tx: AsyncSession, brand_id: str, *, clock: Clock, most: int = _BATCH) -> int:
    """Seal a batch of a brand's records, and then of its erasures; return how many links it were.

    The rows are locked, so that none is erased between the look and the seal.
    """
    asked = {"brand": brand_id, "most": most}
    fresh = (await tx.execute(_OF_BRAND.where(UNSEALED), asked)).all()
    if not fresh:
        gone = (await tx.execute(_OF_BRAND.where(UNTOLD), asked)).all()
        return await _tell_erasures(tx, brand_id, gone, clock) if gone else 0
    seq, _ = await _last(tx, brand_id)
    now = clock.now()
    records, notes = [], []
    for place, row in enumerate(fresh, start=seq + 1):
        salt = "" if row.erased_at is not None else secrets.token_hex(_SALT_BYTES)
        records.append(sealed_consent(to_record(row), place, now, salt))
        notes.append({"id": row.id, "seq": place, "salt": salt})
    await _append(tx, brand_id, records)
    await tx.execute(_NOTE_SEALS, arrays(notes))
    return len(records)


async def _tell_erasures(tx: AsyncSession, brand_id: str, rows: Sequence[Any], clock: Clock) -> int:
    seq, _ = await _last(tx, brand_id)
    now = clock.now()
    places = list(enumerate(rows, start=seq + 1))
    stones = [tombstone(place, now, row.id, row.erased_by) for place, row in places]
    await _append(tx, brand_id, stones)
    notes = [{"id": row.id, "seq": place, "salt": ""} for place, row in places]
    await tx.execute(_NOTE_TOMBSTONES, arrays(notes))
    return len(stones)


async def _last(tx: AsyncSession, brand_id: str) -> tuple[int, str]:
    last = (await tx.execute(_LAST, {"brand": brand_id})).one_or_none()
    return (0, BEGINNING) if last is None else (last.seq, last.hash)


async def _append(tx: AsyncSession, brand_id: str, records: Sequence[Record]) -> None:
    _, previous = await _last(tx, brand_id)
    rows = []
    for record in records:
        hash_ = seal(previous, record)
        rows.append(
            {
                "brand_id": brand_id,
                "seq": record.seq,
                "at": record.at,
                "who": record.who,
                "action": record.action,
                "consent_id": record.subject,
                "core": record.details.get("core", ""),
                "digest": record.details.get("digest", ""),
                "previous": previous,
                "hash": hash_,
            }
        )
        previous = hash_
    await tx.execute(_ADD.statement, _ADD.values(rows))
