"""Takes in what carriers and surfaces say later about a message."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.domain.messages import LOST, MessageState, Receipt
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow, ReceiptRow
from tellal.services.posting import SURFACE
from tellal.services.progress import Move, Progress

_messages = table(MessageRow)
_receipts = table(ReceiptRow)

SURFACE_STATES = ("shown", "acknowledged")


class Receipts:
    """Keeps every receipt once, and moves the message that it speaks of."""

    def __init__(self, clock: Clock, progress: Progress) -> None:
        self._clock = clock
        self._progress = progress

    async def take(self, tx: AsyncSession, receipt: Receipt) -> bool:
        """Take a carrier's receipt; say whether it speaks of a message of ours."""
        columns = select(_messages.c.id, _messages.c.reference)
        if receipt.message_id:
            query = columns.where(_messages.c.id == receipt.message_id)
        else:
            query = columns.where(
                _messages.c.provider == receipt.provider,
                _messages.c.reference == receipt.reference,
            )
        found = (await tx.execute(query)).first()
        if found is None:
            return False
        await self._keep(tx, found.id, receipt)
        earlier_attempt = bool(found.reference) and found.reference != receipt.reference
        if receipt.state in LOST and earlier_attempt:
            # An attempt that was given up failed; the one that replaced it may be on its way.
            return True
        await self._progress.move(
            tx,
            [
                Move(
                    message_id=found.id,
                    state=receipt.state,
                    code=receipt.code,
                    reference=receipt.reference,
                    provider=receipt.provider,
                    remedy=receipt.remedy,
                )
            ],
        )
        return True

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
        query = select(_messages.c.id).where(
            _messages.c.id == message_id,
            _messages.c.brand_id == brand_id,
            _messages.c.channel == Channel.BANNER.value,
        )
        if (await tx.execute(query)).scalar_one_or_none() is None:
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
        await self._keep(tx, message_id, receipt)
        await self._progress.move(
            tx, [Move(message_id=message_id, state=MessageState.DELIVERED, provider=SURFACE)]
        )

    async def _keep(self, tx: AsyncSession, message_id: str, receipt: Receipt) -> None:
        await tx.execute(
            pg_insert(_receipts)
            .values(
                id=new_id(),
                message_id=message_id,
                provider=receipt.provider,
                reference=receipt.reference,
                state=receipt.state.value,
                code=receipt.code,
                received_at=receipt.received_at,
            )
            .on_conflict_do_nothing()
        )
