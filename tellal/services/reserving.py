"""Takes slots of caps in the ledger: for one message, and for a batch of customers.

A customer's row stands for all of his caps: whoever writes a slot holds its lock, FOR NO KEY
UPDATE, and several customers are locked in the order of their ids. So those that count, decide and
write take turns, and no two batches wait for each other.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import Insert

from rules.periods import period_of
from rules.rulebook import Cap
from rules.situations import zone_of
from tellal.domain.messages import UNSENT
from tellal.ids import new_id
from tellal.persistence.bulk import among, arrays, given
from tellal.persistence.columns import Instant, table
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import CapUseRow, MessageRow, OutcomeRow

_caps = table(CapUseRow)
_customers = table(CustomerRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)

_UNSENT = sorted(state.value for state in UNSENT)
_FAR = timedelta(days=36_500)


def _taking() -> Insert:
    statement = pg_insert(_caps)
    # A slot that moves with its message is the same slot.
    return statement.on_conflict_do_update(
        index_elements=["message_id", "cap"],
        set_={"used_at": statement.excluded.used_at, "released_at": None},
    )


_TAKE = _taking()
_RELEASE = (
    update(_caps)
    .where(among(_caps.c.message_id), _caps.c.released_at.is_(None))
    .values(released_at=bindparam("now", type_=Instant()))
)
_LOCK_UNSENT = (
    select(_messages.c.id)
    .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
    .where(among(_messages.c.id), _messages.c.state.in_(_UNSENT))
    .order_by(_messages.c.id)
    .with_for_update(key_share=True, skip_locked=True, of=[_messages, _outcomes])
)
_LOCK_CUSTOMERS = (
    select(_customers.c.id, _customers.c.timezone)
    .where(among(_customers.c.id))
    .order_by(_customers.c.id)
    .with_for_update(key_share=True)
)
_WINDOW = given(customer=String(), begin=Instant(), end=Instant())
# What has not left yet leaves now at the earliest, however old its slot is.
_GOES_AT = case(
    (
        _messages.c.state.in_(_UNSENT),
        func.greatest(_caps.c.used_at, bindparam("now", type_=Instant())),
    ),
    else_=_caps.c.used_at,
)
_FULL = (
    select(_WINDOW.c.customer)
    .join(_caps, _caps.c.customer_id == _WINDOW.c.customer)
    .join(_messages, _messages.c.id == _caps.c.message_id)
    .where(
        _caps.c.cap == bindparam("of_cap"),
        _caps.c.released_at.is_(None),
        _messages.c.simulated.is_(False),
        _WINDOW.c.begin < _GOES_AT,
        _WINDOW.c.end > _GOES_AT,
    )
    .group_by(_WINDOW.c.customer)
    .having(func.count() >= bindparam("most"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A slot to be written: whose, of which cap, by which message, and when that goes."""

    customer_id: str
    cap: str
    message_id: str
    used_at: datetime


async def take(tx: AsyncSession, slots: Sequence[Taken]) -> None:
    """Write slots for messages, or move those that they have; the caller holds the customers."""
    if slots:
        await tx.execute(_TAKE, [{"id": new_id(), **asdict(slot)} for slot in slots])


async def release(tx: AsyncSession, message_ids: Collection[str], now: datetime) -> None:
    """Give back every slot of some messages."""
    await tx.execute(_RELEASE, {"among": list(message_ids), "now": now})


async def lock_unsent(tx: AsyncSession, message_ids: Collection[str]) -> set[str]:
    """Lock those of some messages that have not left and that nobody else is at; return them."""
    found = await tx.execute(_LOCK_UNSENT, {"among": list(message_ids)})
    return set(found.scalars())


async def reserve(
    tx: AsyncSession, cap: Cap, customers: Collection[str], now: datetime
) -> frozenset[str]:
    """Lock customers in the order of their ids, and return those of them with a free slot.

    Until the transaction ends nobody else takes these slots, so that there is time to write a
    message for each and to `take` them. Messages of a batch displace nobody: every slot counts.
    """
    locked = (await tx.execute(_LOCK_CUSTOMERS, {"among": list(customers)})).all()
    if not locked:
        return frozenset()
    bounds = {zone: _bounds(cap, now, zone) for zone in {row.timezone for row in locked}}
    windows = [
        {"customer": row.id, "begin": bounds[row.timezone][0], "end": bounds[row.timezone][1]}
        for row in locked
    ]
    full = await tx.execute(
        _FULL, {**arrays(windows), "of_cap": cap.id, "most": cap.limit, "now": now}
    )
    return frozenset(row.id for row in locked) - set(full.scalars())


def _bounds(cap: Cap, now: datetime, zone: str) -> tuple[datetime, datetime]:
    """Return between which instants, both excluded, slots count against one at this moment."""
    if isinstance(cap.window, timedelta):
        return now - cap.window, now + _FAR
    begin, end = period_of(cap.window, now, zone_of(zone))
    return begin - timedelta(microseconds=1), end
