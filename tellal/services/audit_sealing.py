"""Seals the logs into their brand's chain, in batches, one sealer per brand at a time.

As with consents: whoever does something waits for nobody, and is sealed a moment later.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import BigInteger, Row, String, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.audit_seals import (
    EMPTIED,
    WRITTEN,
    core_of,
    digest_of,
    link_of_erasure,
    link_of_record,
)
from tellal.domain.chains import BEGINNING, Record, seal
from tellal.ids import new_id
from tellal.persistence.bulk import Adding, arrays, given
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.audit import AuditChainRow, AuditSealRow
from tellal.services.audit_logs import LOGS, records_of
from tellal.services.leases import Leases
from tellal.supervision import rest

_seals = table(AuditSealRow)
_chain = table(AuditChainRow)

_BATCH = 2_000
_LOOK_EVERY_S = 1.0
_LEASE = timedelta(seconds=30)

UNSEALED = _seals.c.seq.is_(None)
UNTOLD = _seals.c.erased_at.is_not(None) & _seals.c.tombstone.is_(None)
"""Emptied, and the chain does not know it yet."""

_WAITING = select(_seals.c.brand_id).where(or_(UNSEALED, UNTOLD)).distinct()
_LAST = (
    select(_chain.c.seq, _chain.c.hash)
    .where(_chain.c.brand_id == bindparam("brand"))
    .order_by(_chain.c.seq.desc())
    .limit(1)
)
# Whoever empties a record holds its seal until he commits: it comes with the next batch. To wait
# for him here could make each wait for the other.
_OF_BRAND = (
    select(_seals)
    .where(_seals.c.brand_id == bindparam("brand"))
    .order_by(_seals.c.record_id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_PLACED = given(log=String(), id=String(), seq=BigInteger())
_MINE = (_seals.c.log == _PLACED.c.log) & (_seals.c.record_id == _PLACED.c.id)
_NOTE_SEALS = update(_seals).where(_MINE).values(seq=_PLACED.c.seq)
_NOTE_TOMBSTONES = update(_seals).where(_MINE).values(tombstone=_PLACED.c.seq)
_ADD = Adding(
    _chain, "brand_id", "seq", "at", "action", "log", "record_id", "core", "digest", "previous",
    "hash",
)  # fmt: skip


class AuditSealer:
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
                if not await self._leases.take(f"audit:{brand_id}", self._holder, _LEASE):
                    break
                async with self._sessions() as tx, tx.begin():
                    added = await self._seal(tx, brand_id)
                done += added
                if not added:
                    break
        return done

    async def _seal(self, tx: AsyncSession, brand_id: str) -> int:
        """Seal a batch of a brand's records, and then of its erasures."""
        asked = {"brand": brand_id, "most": self._batch}
        last = (await tx.execute(_LAST, {"brand": brand_id})).one_or_none()
        seq, previous = (0, BEGINNING) if last is None else (last.seq, last.hash)
        fresh = (await tx.execute(_OF_BRAND.where(UNSEALED), asked)).all()
        if fresh:
            links = await self._links(tx, brand_id, fresh, seq)
            note = _NOTE_SEALS
        else:
            gone = (await tx.execute(_OF_BRAND.where(UNTOLD), asked)).all()
            now = self._clock.now()
            links = [
                link_of_erasure(place, now, row.log, row.record_id)
                for place, row in enumerate(gone, start=seq + 1)
            ]
            note = _NOTE_TOMBSTONES
        if links:
            await tx.execute(_ADD.statement, _ADD.values(_rows(brand_id, previous, links)))
            await tx.execute(
                note,
                arrays(
                    [
                        {"log": one.details["log"], "id": one.subject, "seq": one.seq}
                        for one in links
                    ]
                ),
            )
        return len(links)

    async def _links(
        self, tx: AsyncSession, brand_id: str, fresh: Sequence[Row[Any]], seq: int
    ) -> list[Record]:
        """Hash records; one that was removed before it was sealed is sealed as not there."""
        now = self._clock.now()
        found = {}
        for name, seals in groupby(sorted(fresh, key=_log_of), key=_log_of):
            rows = await records_of(tx, LOGS[name], [one.record_id for one in seals])
            found.update({(name, record_id): row for record_id, row in rows.items()})
        links = []
        for place, one in enumerate(fresh, start=seq + 1):
            log, row = LOGS[one.log], found.get((one.log, one.record_id))
            core = digest = ""
            if row is not None:
                core = core_of(log.name, brand_id, log.kept_of(row))
                emptied = one.erased_at is not None
                digest = "" if emptied else digest_of(log.emptied_of(row), one.salt)
            links.append(
                link_of_record(place, now, log.name, one.record_id, core=core, digest=digest)
            )
        return links


def _log_of(row: Row[Any]) -> str:
    log: str = row.log
    return log


def _rows(brand_id: str, previous: str, links: Sequence[Record]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for link in links:
        hash_ = seal(previous, link)
        rows.append(
            {
                "brand_id": brand_id,
                "seq": link.seq,
                "at": link.at,
                "action": EMPTIED if link.action == EMPTIED else WRITTEN,
                "log": link.details["log"],
                "record_id": link.subject,
                "core": link.details.get("core", ""),
                "digest": link.details.get("digest", ""),
                "previous": previous,
                "hash": hash_,
            }
        )
        previous = hash_
    return rows
