"""Whether the ledger of consents still says what was once written down."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.chains import Link, Walk
from tellal.domain.consent_seals import (
    CONSENT,
    ERASURE,
    consent_link,
    core_of,
    digest_of,
    tombstone,
)
from tellal.persistence.columns import table
from tellal.persistence.consents import to_record
from tellal.persistence.tables.customers import ConsentChainRow, ConsentRow, CustomerRow
from tellal.services.consent_sealing import UNSEALED, UNTOLD
from tellal.services.consents import whole_for

_consents = table(ConsentRow)
_chain = table(ConsentChainRow)
_customers = table(CustomerRow)

_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
_PAGE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentProof:
    """What a look through a brand's ledger gave; `head` is the last seal.

    `unsealed` records wait for their place in the chain, since `unsealed_since`: of these alone
    nobody can say whether they were changed. `erasures` counts tombstones, `untold` erasures that
    have none yet.
    """

    records: int
    erasures: int
    head: str
    unsealed: int
    unsealed_since: datetime | None
    untold: int
    faults: tuple[str, ...]


async def verify_consents(tx: AsyncSession, brand_id: str, *, head: str = "") -> ConsentProof:
    """Walk a brand's chain, and compare every record with it; the first act of a transaction.

    `head` is a seal that was noted earlier: it must still be there, or the end was cut off.
    """
    await tx.execute(_ONE_MOMENT)
    walk, seen = Walk(), not head
    found: list[str] = []
    counted = {CONSENT: 0, ERASURE: 0}
    async for row in _links(tx, brand_id):
        link = link_of(row)
        found += walk.step(link)
        found += _record_faults(row)
        counted[row.chain_action] = counted.get(row.chain_action, 0) + 1
        seen = seen or link.hash == head
    if not seen:
        found.append(f"the record with the seal {head} is not there (any more)")
    found += await _outside_faults(tx, brand_id)
    waiting = await _waiting(tx, brand_id)
    return ConsentProof(
        records=counted[CONSENT],
        erasures=counted[ERASURE],
        head=walk.head,
        unsealed=waiting.unsealed,
        unsealed_since=waiting.since,
        untold=waiting.untold,
        faults=tuple(found),
    )


def link_of(row: Row[Any]) -> Link:
    """Turn a row with the columns of the chain, each as `chain_…`, into a link."""
    record = (
        tombstone(row.chain_seq, row.chain_at, row.chain_consent_id, row.chain_who)
        if row.chain_action == ERASURE
        else consent_link(
            row.chain_seq, row.chain_at, row.chain_consent_id, row.chain_core, row.chain_digest
        )
    )
    return Link(record=record, previous=row.chain_previous, hash=row.chain_hash)


CHAIN_COLUMNS = tuple(column.label(f"chain_{column.name}") for column in _chain.c)


async def _links(tx: AsyncSession, brand_id: str) -> AsyncIterator[Row[Any]]:
    """Yield the links with what they are about, page by page."""
    joined = _chain.outerjoin(
        _consents,
        and_(_consents.c.id == _chain.c.consent_id, _consents.c.brand_id == _chain.c.brand_id),
    )
    query = select(*CHAIN_COLUMNS, _consents).select_from(joined)
    after: ColumnElement[bool] = true()
    while True:
        page = query.where(_chain.c.brand_id == brand_id, after)
        rows: list[Row[Any]] = list(await tx.execute(page.order_by(_chain.c.seq).limit(_PAGE)))
        for row in rows:
            yield row
        if len(rows) < _PAGE:
            return
        after = _chain.c.seq > rows[-1].chain_seq


def _record_faults(row: Row[Any]) -> list[str]:
    """Compare a record with what was sealed of it."""
    name = f"consent {row.chain_consent_id} (record {row.chain_seq})"
    if row.id is None:
        return [f"{name} was removed"]
    wrong = _after_erasure(row) if row.chain_action == ERASURE else _after_seal(row)
    return [f"{name} {wrong}"] if wrong else []


def _after_erasure(row: Row[Any]) -> str:
    kept = row.erased_at is None or row.tombstone != row.chain_seq
    return "was erased, and stands there all the same" if kept else ""


def _after_seal(row: Row[Any]) -> str:
    if row.seq != row.chain_seq:
        return f"stands at another place: {row.seq}"
    record = to_record(row)
    if core_of(record) != row.chain_core:
        return "was changed after it was sealed"
    if row.erased_at is not None:
        left = row.salt or row.evidence or row.address
        return "was erased, and something was put in its place" if left else ""
    same = digest_of(record, row.salt) == row.chain_digest
    return "" if same else "was sealed with other evidence"


async def _outside_faults(tx: AsyncSession, brand_id: str) -> list[str]:
    """Look for records that say they are in the chain, or settle a channel, and should not."""
    sealed = exists(
        select(_chain.c.seq).where(
            _chain.c.brand_id == brand_id,
            _chain.c.seq == _consents.c.seq,
            _chain.c.consent_id == _consents.c.id,
            _chain.c.action == CONSENT,
        )
    )
    told = exists(
        select(_chain.c.seq).where(
            _chain.c.brand_id == brand_id,
            _chain.c.seq == _consents.c.tombstone,
            _chain.c.consent_id == _consents.c.id,
            _chain.c.action == ERASURE,
        )
    )
    stray = select(_consents.c.id).where(
        _consents.c.brand_id == brand_id,
        or_(
            and_(_consents.c.seq.is_not(None), ~sealed),
            and_(_consents.c.tombstone.is_not(None), ~told),
        ),
    )
    weighed = (
        select(_consents.c.id)
        .join(_customers, _customers.c.id == _consents.c.customer_id)
        .where(
            _consents.c.brand_id == brand_id,
            _consents.c.whole != whole_for(_customers.c.kind),
        )
    )
    strays = (await tx.execute(stray.order_by(_consents.c.id))).scalars()
    wrong = (await tx.execute(weighed.order_by(_consents.c.id))).scalars()
    return [
        *(f"consent {one} says it was sealed, and the chain does not know it" for one in strays),
        *(f"consent {one} is limited, and counts for the whole channel (or not)" for one in wrong),
    ]


async def _waiting(tx: AsyncSession, brand_id: str) -> Row[Any]:
    query = select(
        func.count().filter(UNSEALED).label("unsealed"),
        func.min(_consents.c.recorded_at).filter(UNSEALED).label("since"),
        func.count().filter(UNTOLD).label("untold"),
    ).where(_consents.c.brand_id == brand_id, or_(UNSEALED, UNTOLD))
    waiting: Row[Any] = (await tx.execute(query)).one()
    return waiting
