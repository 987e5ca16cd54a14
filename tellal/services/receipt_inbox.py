"""An inbox for receipts: a callback is answered when it is on disk, and worked in by a worker.

So a carrier never waits for our locks, and a worker that is away loses nothing. Callbacks that
come together are committed together.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, Row, String, bindparam, delete, func, insert, select
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncSession

from tellal import metrics
from tellal.clock import Clock
from tellal.domain.messages import MessageState, Receipt, Remedy
from tellal.ids import new_id
from tellal.persistence.bell import Bell
from tellal.persistence.bulk import arrays, given
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import ReceiptInboxRow
from tellal.services.posting import LANE_CHANNEL
from tellal.services.receipts import Receipts
from tellal.supervision import rest

_log = logging.getLogger(__name__)
_inbox = table(ReceiptInboxRow)

BELL = "receipts"
"""What the lanes' notification channel says when there are receipts to work in."""

_BATCH = 500
_LOOK_EVERY_S = 1.0
_FIRST_PAUSE = timedelta(seconds=0.5)
_MOST_TRIES = 9
"""A receipt whose message is not there yet is looked at again over some four minutes."""

_GIVEN = given(
    id=String(),
    provider=String(),
    reference=String(),
    message_id=String(),
    state=String(),
    code=String(),
    remedy=String(),
    received_at=Instant(),
    due_at=Instant(),
    tries=Integer(),
    attempt=Integer(),
)
_PUT = insert(_inbox).from_select(list(_GIVEN.c.keys()), select(*_GIVEN.c))
_RING = select(func.pg_notify(LANE_CHANNEL, BELL))
_DUE = (
    select(_inbox.c.id)
    .where(_inbox.c.due_at <= bindparam("now", type_=Instant()))
    .order_by(_inbox.c.due_at, _inbox.c.id)
    .limit(_BATCH)
    .with_for_update(skip_locked=True)
)
_TAKE = delete(_inbox).where(_inbox.c.id.in_(_DUE)).returning(_inbox)


_Waiting = tuple[Receipt, "asyncio.Future[None]"]
"""A receipt, and whom to tell that it is kept."""


class ReceiptInbox:
    """Puts receipts on disk for whoever answers callbacks."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None

    async def put(self, receipt: Receipt) -> None:
        """Keep a receipt; when this returns, it is on disk."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((receipt, kept))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await kept

    async def put_all(self, receipts: Sequence[Receipt]) -> None:
        """Keep several; when this returns, they are on disk."""
        if receipts:
            async with self._sessions() as tx, tx.begin():
                await keep(tx, receipts)

    async def _flush(self) -> None:
        """Commit what waits, again and again: what comes during a commit goes with the next."""
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            await self._keep(batch)

    async def _keep(self, batch: Sequence[_Waiting]) -> None:
        try:
            await self.put_all([receipt for receipt, _ in batch])
        except Exception as error:  # noqa: BLE001 - each caller is told
            if isinstance(error, DataError) and len(batch) > 1:
                # One of them cannot be kept; the others came beside it by chance.
                for one in batch:
                    await self._keep([one])
                return
            for _, kept in batch:
                if not kept.done():
                    kept.set_exception(error)
        else:
            for _, kept in batch:
                if not kept.done():
                    kept.set_result(None)


class InboxWork:
    """Works receipts in, in the order of their coming."""

    def __init__(self, sessions: Sessions, clock: Clock, receipts: Receipts) -> None:
        self._sessions = sessions
        self._clock = clock
        self._receipts = receipts

    async def run(self, bell: Bell, stop: asyncio.Event) -> None:
        """Work in what comes until told to stop."""
        while not stop.is_set():
            seen = bell.count(BELL)
            try:
                busy = await self.work()
            except Exception as error:  # noqa: BLE001 - nothing is lost: the batch was rolled back
                _log.warning("receipts wait", extra={"error": type(error).__name__})
                await rest(stop, _LOOK_EVERY_S)
                continue
            if not busy:
                await bell.wait(BELL, seen, _LOOK_EVERY_S)

    async def work(self) -> int:
        """Work in one batch of what is due; return how many it held."""
        now = self._clock.now()
        async with self._sessions() as tx, tx.begin():
            rows = (await tx.execute(_TAKE, {"now": now})).all()
            rows = sorted(rows, key=lambda row: (row.received_at, row.id))
            tries = {_receipt(row): row.tries for row in rows}
            unknown = await self._receipts.take(tx, list(tries))
            await self._keep_for_later(tx, {receipt: tries[receipt] for receipt in unknown}, now)
        return len(rows)

    async def _keep_for_later(
        self, tx: AsyncSession, tries: Mapping[Receipt, int], now: datetime
    ) -> None:
        """A callback may outrun the answer that names the provider's reference."""
        again = []
        for receipt, tried in tries.items():
            if tried >= _MOST_TRIES:
                metrics.receipt_unplaced(receipt.provider)
                _log.warning("receipt of an unknown message", extra={"provider": receipt.provider})
            else:
                due_at = now + _FIRST_PAUSE * (1 << tried)
                again.append(_row(receipt) | {"tries": tried + 1, "due_at": due_at})
        if again:
            await tx.execute(_PUT, arrays(again))


async def keep(tx: AsyncSession, receipts: Sequence[Receipt]) -> None:
    """Keep receipts in a transaction of somebody else's; they are on disk when that is."""
    await tx.execute(_PUT, arrays([_row(receipt) for receipt in receipts]))
    await tx.execute(_RING)


def _row(receipt: Receipt) -> dict[str, object]:
    return {
        "id": new_id(),
        "provider": receipt.provider,
        "reference": receipt.reference,
        "message_id": receipt.message_id,
        "state": receipt.state.value,
        "code": receipt.code,
        "remedy": receipt.remedy.value if receipt.remedy else "",
        "received_at": receipt.received_at,
        "due_at": receipt.received_at,
        "tries": 0,
        "attempt": receipt.attempt,
    }


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        provider=row.provider,
        reference=row.reference,
        message_id=row.message_id,
        state=MessageState(row.state),
        code=row.code,
        remedy=Remedy(row.remedy) if row.remedy else None,
        received_at=row.received_at,
        attempt=row.attempt,
    )
