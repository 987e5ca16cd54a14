"""Takes in what carriers and surfaces say later about messages."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, String, bindparam, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal import metrics
from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.domain.messages import LOST, MessageState, Receipt
from tellal.domain.route_health import lost_by_route
from tellal.ids import new_id
from tellal.persistence.bulk import arrays, given
from tellal.persistence.columns import Instant, table
from tellal.persistence.tables.ledger import AttemptRow, MessageRow, ReceiptRow
from tellal.services.message_parts import sort_parts
from tellal.services.moves import Move
from tellal.services.posting import SURFACE
from tellal.services.progress import Progress

_messages = table(MessageRow)
_receipts = table(ReceiptRow)
_attempts = table(AttemptRow)

SURFACE_STATES = ("shown", "acknowledged")

_OF_MESSAGES: tuple[ColumnElement[Any], ...] = (
    _messages.c.id,
    _messages.c.provider,
    _messages.c.reference,
    _messages.c.handed_at,
)
_WHOSE = select(*_OF_MESSAGES)
_BY_ID = _WHOSE.where(_messages.c.id.in_(bindparam("ids", expanding=True)))
_BY_REFERENCE = _WHOSE.where(
    tuple_(_messages.c.provider, _messages.c.reference).in_(bindparam("references", expanding=True))
)

_GIVEN = given(
    id=String(),
    message_id=String(),
    provider=String(),
    reference=String(),
    state=String(),
    code=String(),
    received_at=Instant(),
)
_KEEP = (
    pg_insert(_receipts)
    .from_select(
        list(_GIVEN.c.keys()),
        select(*_GIVEN.c),
    )
    .on_conflict_do_nothing()
    .returning(_receipts.c.id)
)

_BLAMED = given(provider=String(), reference=String())
_FAULT = (
    update(_attempts)
    .where(
        _messages.c.provider == _BLAMED.c.provider,
        _messages.c.reference == _BLAMED.c.reference,
        _attempts.c.message_id == _messages.c.id,
        _attempts.c.reference == _BLAMED.c.reference,
    )
    .values(fault=true())
)


class Receipts:
    """Keeps every receipt once, and moves the message that it speaks of."""

    def __init__(self, clock: Clock, progress: Progress) -> None:
        self._clock = clock
        self._progress = progress

    async def take(self, tx: AsyncSession, receipts: Sequence[Receipt]) -> list[Receipt]:
        """Take carriers' receipts, in their order; return those of which no message is known."""
        parted = await sort_parts(tx, receipts)
        found = await _find(tx, parted.receipts)
        known = [(one, found[_key(one)]) for one in parted.receipts if _key(one) in found]
        await self._keep(tx, known)
        whole = [(parted.as_whole(one), of) for one, of in known if one not in parted.partial]
        await _blame(tx, [receipt for receipt, _ in whole])
        await self._progress.move(tx, [_move(*one) for one in whole if _counts(*one)])
        return [receipt for receipt in parted.receipts if _key(receipt) not in found]

    async def surface(
        self, tx: AsyncSession, *, brand_id: str, message_id: str, state: str
    ) -> None:
        """Take a surface's word that a banner was shown or acknowledged: the person was told.

        Raises:
            NotFoundError: The brand has no such banner.
            InvalidInputError: The state is neither `shown` nor `acknowledged`.
        """
        if state not in SURFACE_STATES:
            raise InvalidInputError(
                f"no state {state!r}", field="state", hint=f"one of: {', '.join(SURFACE_STATES)}"
            )
        query = _WHOSE.where(
            _messages.c.id == message_id,
            _messages.c.brand_id == brand_id,
            _messages.c.channel == Channel.BANNER.value,
        )
        banner = (await tx.execute(query)).one_or_none()
        if banner is None:
            raise NotFoundError("no such banner")
        receipt = Receipt(
            provider=SURFACE,
            reference="",
            message_id=message_id,
            state=MessageState.DELIVERED,
            code=state,
            remedy=None,
            received_at=self._clock.now(),
        )
        await self._keep(tx, [(receipt, banner)])
        await self._progress.move(
            tx, [Move(message_id=message_id, state=MessageState.DELIVERED, provider=SURFACE)]
        )

    async def _keep(self, tx: AsyncSession, known: Sequence[tuple[Receipt, Row[Any]]]) -> None:
        if not known:
            return
        rows = {new_id(): (receipt, message) for receipt, message in known}
        kept = await tx.execute(
            _KEEP,
            arrays(
                [
                    {
                        "id": receipt_id,
                        "message_id": message.id,
                        "provider": receipt.provider,
                        "reference": receipt.reference,
                        "state": receipt.state.value,
                        "code": receipt.code,
                        "received_at": receipt.received_at,
                    }
                    for receipt_id, (receipt, message) in rows.items()
                ]
            ),
        )
        for receipt_id in kept.scalars():
            receipt, message = rows[receipt_id]
            delay = None
            if message.handed_at is not None:
                delay = (receipt.received_at - message.handed_at).total_seconds()
            metrics.receipt_taken(receipt.provider, receipt.state.value, delay)


async def _blame(tx: AsyncSession, receipts: Sequence[Receipt]) -> None:
    """Note on attempts that were lost by the doing of their routes, not of the persons."""
    blamed = [
        {"provider": one.provider, "reference": one.reference}
        for one in receipts
        if one.reference and lost_by_route(one)
    ]
    if blamed:
        await tx.execute(_FAULT, arrays(blamed))


def _key(receipt: Receipt) -> tuple[str, str]:
    """Name whose receipt it is: by our id if the callback brought it, else by the provider's."""
    if receipt.message_id:
        return "", receipt.message_id
    return receipt.provider, receipt.reference


async def _find(tx: AsyncSession, receipts: Sequence[Receipt]) -> dict[tuple[str, str], Row[Any]]:
    ids = [receipt.message_id for receipt in receipts if receipt.message_id]
    references = [_key(receipt) for receipt in receipts if not receipt.message_id]
    found: dict[tuple[str, str], Row[Any]] = {}
    if ids:
        for row in await tx.execute(_BY_ID, {"ids": ids}):
            found["", row.id] = row
    if references:
        for row in await tx.execute(_BY_REFERENCE, {"references": references}):
            found[row.provider, row.reference] = row
    return found


def _counts(receipt: Receipt, message: Row[Any]) -> bool:
    """An attempt that was given up failed; the one that replaced it may be on its way."""
    if receipt.attempt is not None:
        return True  # the move itself names it, and is compared with the message as it is locked
    earlier_attempt = bool(message.reference) and message.reference != receipt.reference
    return not (receipt.state in LOST and earlier_attempt)


def _move(receipt: Receipt, message: Row[Any]) -> Move:
    return Move(
        message_id=message.id,
        state=receipt.state,
        code=receipt.code,
        reference=receipt.reference,
        provider=receipt.provider,
        remedy=receipt.remedy,
        attempt=receipt.attempt if receipt.state in LOST else None,
    )
