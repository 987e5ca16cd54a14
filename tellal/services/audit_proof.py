"""Whether the logs of what officers and operators did still say what was once written down."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.audit_seals import (
    EMPTIED,
    WRITTEN,
    core_of,
    digest_of,
    link_of_erasure,
    link_of_record,
)
from tellal.domain.chains import Link, Walk
from tellal.persistence.columns import table
from tellal.persistence.tables.audit import AuditChainRow, AuditSealRow
from tellal.services.audit_logs import LOGS, records_of
from tellal.services.audit_sealing import UNSEALED, UNTOLD

_seals = table(AuditSealRow)
_chain = table(AuditChainRow)

_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
_PAGE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditProof:
    """What a look through a brand's logs gave; `head` is the last seal.

    `unsealed` records and `untold` erasures wait for their place in the chain, since
    `waiting_since`: of these alone nobody can say whether they were changed.
    """

    records: int
    erasures: int
    head: str
    unsealed: int
    untold: int
    waiting_since: datetime | None
    faults: tuple[str, ...]


async def verify_audit(tx: AsyncSession, brand_id: str, *, head: str = "") -> AuditProof:
    """Walk a brand's chain, and compare every record with it; the first act of a transaction.

    `head` is a seal that was noted earlier: it must still be there, or the end was cut off.
    """
    await tx.execute(_ONE_MOMENT)
    walk, seen = Walk(), not head
    found: list[str] = []
    counted = {WRITTEN: 0, EMPTIED: 0}
    async for page in _pages(tx, brand_id):
        records = await _records(tx, page)
        for row in page:
            found += walk.step(_link(row))
            found += _record_faults(row, records.get((row.log, row.record_id)))
            counted[row.action] = counted.get(row.action, 0) + 1
            seen = seen or row.hash == head
    if not seen:
        found.append(f"the record with the seal {head} is not there (any more)")
    found += await _strays(tx, brand_id)
    found += await _slipped_in(tx, brand_id)
    waiting = await _waiting(tx, brand_id)
    return AuditProof(
        records=counted[WRITTEN],
        erasures=counted[EMPTIED],
        head=walk.head,
        unsealed=waiting.unsealed,
        untold=waiting.untold,
        waiting_since=waiting.since,
        faults=tuple(found),
    )


async def _pages(tx: AsyncSession, brand_id: str) -> AsyncIterator[Sequence[Row[Any]]]:
    """Yield the links with what lies beside their records, page by page."""
    joined = _chain.outerjoin(
        _seals,
        and_(_seals.c.log == _chain.c.log, _seals.c.record_id == _chain.c.record_id),
    )
    beside = (
        _seals.c[name].label(f"seal_{name}") for name in ("seq", "salt", "erased_at", "tombstone")
    )
    query = select(_chain, *beside).select_from(joined).order_by(_chain.c.seq).limit(_PAGE)
    query = query.where(_chain.c.brand_id == brand_id)
    page = (await tx.execute(query)).all()
    while page:
        yield page
        page = (await tx.execute(query.where(_chain.c.seq > page[-1].seq))).all()


async def _records(
    tx: AsyncSession, page: Sequence[Row[Any]]
) -> Mapping[tuple[str, str], Row[Any]]:
    found = {}
    for name in {row.log for row in page} & LOGS.keys():
        ids = [row.record_id for row in page if row.log == name]
        rows = await records_of(tx, LOGS[name], ids)
        found.update({(name, record_id): row for record_id, row in rows.items()})
    return found


def _link(row: Row[Any]) -> Link:
    record = (
        link_of_erasure(row.seq, row.at, row.log, row.record_id)
        if row.action == EMPTIED
        else link_of_record(
            row.seq, row.at, row.log, row.record_id, core=row.core, digest=row.digest
        )
    )
    return Link(record=record, previous=row.previous, hash=row.hash)


def _record_faults(row: Row[Any], record: Row[Any] | None) -> list[str]:
    """Compare a record with what was sealed of it."""
    wrong = _wrong(row, record)
    return [f"{row.log} {row.record_id} (record {row.seq}) {wrong}"] if wrong else []


def _wrong(row: Row[Any], record: Row[Any] | None) -> str:
    if row.log not in LOGS:
        return "is of a log that is not known"
    if record is None:
        return "was removed"
    if row.action == EMPTIED:
        kept = row.seal_erased_at is None or row.seal_tombstone != row.seq
        return "was emptied, and says that it was not" if kept else ""
    if row.seal_seq != row.seq:
        return f"stands at another place: {row.seal_seq}"
    return _changed(row, record)


def _changed(row: Row[Any], record: Row[Any]) -> str:
    log = LOGS[row.log]
    core = core_of(log.name, record.brand_id, log.kept_of(record))
    if core != row.core:
        return "was changed after it was sealed"
    emptied = log.emptied_of(record)
    if row.seal_erased_at is not None:
        left = row.seal_salt or any(emptied.values())
        return "was emptied, and something was put in its place" if left else ""
    return "" if digest_of(emptied, row.seal_salt) == row.digest else "was sealed with other words"


async def _strays(tx: AsyncSession, brand_id: str) -> list[str]:
    """Look for records that say they are in the chain, and are not."""

    def in_chain(place: Any, action: str) -> Any:  # noqa: ANN401 - columns of any kind
        return exists().where(
            _chain.c.brand_id == _seals.c.brand_id,
            _chain.c.seq == place,
            _chain.c.log == _seals.c.log,
            _chain.c.record_id == _seals.c.record_id,
            _chain.c.action == action,
        )

    sealed = _seals.c.seq.is_not(None) & ~in_chain(_seals.c.seq, WRITTEN)
    told = _seals.c.tombstone.is_not(None) & ~in_chain(_seals.c.tombstone, EMPTIED)
    query = select(_seals.c.log, _seals.c.record_id).where(
        _seals.c.brand_id == brand_id, or_(sealed, told)
    )
    return [
        f"{row.log} {row.record_id} says it was sealed, and the chain does not know it"
        for row in await tx.execute(query.order_by(_seals.c.record_id))
    ]


async def _slipped_in(tx: AsyncSession, brand_id: str) -> list[str]:
    """Look for records of which nobody noted that they came, and for notes without a record."""
    found = []
    for log in LOGS.values():
        id_ = log.table.c.id
        noted = exists().where(_seals.c.log == log.name, _seals.c.record_id == id_)
        query = log.records().with_only_columns(id_).where(log.brand == brand_id, ~noted)
        ids = (await tx.execute(query.order_by(id_))).scalars()
        found += [f"{log.name} {one} was slipped in past the chain" for one in ids]
        unsealed = select(_seals.c.record_id).where(
            _seals.c.brand_id == brand_id, _seals.c.log == log.name, UNSEALED
        )
        there = log.records().with_only_columns(id_).correlate(_seals)
        missing = unsealed.where(~exists(there.where(id_ == _seals.c.record_id)))
        ids = (await tx.execute(missing.order_by(_seals.c.record_id))).scalars()
        found += [f"{log.name} {one} was removed before it was sealed" for one in ids]
    return found


async def _waiting(tx: AsyncSession, brand_id: str) -> Row[Any]:
    query = select(
        func.count().filter(UNSEALED).label("unsealed"),
        func.count().filter(UNTOLD).label("untold"),
        func.min(_seals.c.noted_at).filter(UNSEALED).label("since"),
    ).where(_seals.c.brand_id == brand_id, or_(UNSEALED, UNTOLD))
    waiting: Row[Any] = (await tx.execute(query)).one()
    return waiting
