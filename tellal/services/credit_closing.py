"""Settles what messages have reserved or gives it back, in the transaction that moves them.

It touches reservations of messages that the transaction has locked anyway, and never an account.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Select, String, bindparam, delete, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.credit import EntryKind, closing_of
from tellal.domain.messages import MessageState
from tellal.ids import new_id
from tellal.persistence.bulk import arrays, given
from tellal.persistence.columns import Instant, table
from tellal.persistence.tables.credit import CreditEntryRow, CreditReservationRow
from tellal.services.credit_reserving import BY
from tellal.services.moves import Applied

_entries = table(CreditEntryRow)
_reservations = table(CreditReservationRow)

_GIVEN = given(entry=String(), message=String(), kind=String())
_OPEN = (_reservations.c.message_id == _GIVEN.c.message, ~_reservations.c.returned)
_LINE = (
    _GIVEN.c.entry,
    _reservations.c.brand_id,
    _reservations.c.account_id,
    _GIVEN.c.kind,
    _reservations.c.amount,
    _reservations.c.message_id,
)
_SETTLED = (
    delete(_reservations)
    .where(*_OPEN, _GIVEN.c.kind == EntryKind.SETTLE.value)
    .returning(*_LINE)
    .cte("settled")
)
_RETURNED = (
    update(_reservations)
    .where(*_OPEN, _GIVEN.c.kind != EntryKind.SETTLE.value)
    .values(returned=True)
    .returning(*_LINE)
    .cte("given_back")
)


def _lines(kind: str) -> Select[tuple[object, ...]]:
    closed = _SETTLED if kind == EntryKind.SETTLE else _RETURNED
    return select(*closed.c, literal(""), literal(BY), bindparam("now", type_=Instant()))


_CLOSE = insert(_entries).from_select(
    ["id", "brand_id", "account_id", "kind", "amount", "message_id", "note", "by", "at"],
    _lines(EntryKind.SETTLE).union_all(_lines(EntryKind.REFUND)),
)
"""Closes reservations that are open; a message without one, or whose is closed, changes nothing."""


async def close_moved(tx: AsyncSession, done: Sequence[Applied], now: datetime) -> None:
    """Close the reservations of messages whose new state says what they come to."""
    closings = []
    for move, row in done:
        kind = closing_of(
            MessageState(row.state),
            move.state,
            receipts=row.receipts,
            was_taken=move.was_taken,
            provider=move.provider or row.provider,
            code=move.code,
        )
        if kind is not None:
            closings.append((row.id, kind))
    await close(tx, closings, now)


async def close(tx: AsyncSession, closings: Iterable[tuple[str, EntryKind]], now: datetime) -> None:
    """Close the open reservations of messages: settle, refund or release each."""
    rows = [
        {"entry": new_id(), "message": message_id, "kind": kind.value}
        for message_id, kind in closings
    ]
    if rows:
        await tx.execute(_CLOSE, {**arrays(rows), "now": now})
