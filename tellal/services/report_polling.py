"""Asks a provider for its reports: of what it has taken, and of what it may have taken unheard.

Asking is limited per account, so one worker of a deployment asks.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import (
    ARRAY,
    CollectionAggregate,
    ColumnElement,
    Row,
    String,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
)

from tellal.clock import Clock
from tellal.domain.messages import MessageState, Receipt
from tellal.ids import new_id
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions, make_singles
from tellal.persistence.tables.ledger import AttemptRow, MessageRow, ReceiptRow
from tellal.services.leases import Leases
from tellal.services.receipt_inbox import ReceiptInbox

_messages = table(MessageRow)
_attempts = table(AttemptRow)
_receipts = table(ReceiptRow)

_EVERY_S = 10.0
_SEARCHED_EVERY = 6
"""Every how many turns the lost are searched for; the first turn is one of them."""
_AT_ONCE = 50
"""References that are asked for in a turn. That is one query of NetGSM's, of ten in a minute: more
would leave none for the search."""
_NEWEST = 500
_TOLD_WITHIN = timedelta(days=2)
"""How long reports are hoped for; a carrier itself gives a text up within a day."""
_EARLIER = timedelta(minutes=5)
"""How much earlier the provider may have dated a job than we its hand-over."""
_HELD_FOR = timedelta(minutes=1)
"""As long as the provider counts queries: who asks next does not add to what the last one did."""


def _text(name: str) -> ColumnElement[str]:
    return bindparam(name, type_=String())


def _texts(name: str) -> CollectionAggregate[Any]:
    return any_(bindparam(name, type_=ARRAY(String())))


def _instant(name: str) -> ColumnElement[object]:
    return bindparam(name, type_=Instant())


OUTSTANDING = (
    select(_messages.c.reference, _messages.c.handed_at)
    .where(
        _messages.c.provider == _text("provider"),
        # As the index has it.
        _messages.c.state.in_([literal_column("'accepted'"), literal_column("'sent'")]),
        _messages.c.handed_at > _instant("since"),
        _messages.c.reference != literal_column("''"),
    )
    .order_by(_messages.c.handed_at.desc())
    .limit(_NEWEST)
)
"""What was taken and of which nothing final is known, the newest first."""

_LOST_SINCE = (
    select(func.min(_attempts.c.intended_at))
    .select_from(_messages)
    .join(
        _attempts,
        and_(_attempts.c.message_id == _messages.c.id, _attempts.c.n == _messages.c.attempt),
    )
    .where(
        _messages.c.state == literal_column("'unknown'"),
        _messages.c.provider == _text("provider"),
        _attempts.c.intended_at > _instant("since"),
    )
)

_TOLD = (
    select(
        _messages.c.id,
        _messages.c.reference.label("of"),
        _messages.c.state.label("stands"),
        _receipts.c.reference,
        _receipts.c.state,
        _receipts.c.code,
    )
    .outerjoin_from(_messages, _receipts, _receipts.c.message_id == _messages.c.id)
    .where(
        or_(
            _messages.c.id == _texts("ids"),
            and_(
                _messages.c.provider == _text("provider"),
                _messages.c.reference == _texts("references"),
            ),
        )
    )
)


class Reports(Protocol):
    """A provider that is asked for what became of messages."""

    async def poll(self, since: datetime, references: Sequence[str] = ()) -> list[Receipt]:
        """Return what it says of these references, or of all that it took since an instant."""
        ...


class ReportPolling:
    """Polls while it holds the lease, and passes on to the inbox what the ledger does not have."""

    def __init__(
        self,
        provider: str,
        reports: Reports,
        *,
        sessions: Sessions,
        clock: Clock,
        inbox: ReceiptInbox,
        leases: Leases,
    ) -> None:
        self._provider = provider
        self._reports = reports
        self._singles = make_singles(sessions)
        self._clock = clock
        self._inbox = inbox
        self._leases = leases
        self._holder = new_id()
        self._turn = 0
        self._to_ask: deque[Row[Any, Any]] = deque()

    async def run(self) -> None:
        """Poll for ever; an error is left to who keeps us going."""
        while True:
            await self.poll()
            await asyncio.sleep(_EVERY_S)

    async def poll(self) -> int:
        """Ask once, if it is ours to ask; return how many receipts were new."""
        if not await self._leases.take(f"{self._provider}-reports", self._holder, _HELD_FOR):
            self._to_ask.clear()
            return 0
        searches = self._turn % _SEARCHED_EVERY == 0
        self._turn += 1
        receipts = await self._ask_for_next()
        if searches:
            receipts += await self._search()
        news = await self._news(receipts)
        await self._inbox.put_all(news)
        return len(news)

    async def _ask_for_next(self) -> list[Receipt]:
        """Ask for some of the outstanding, for others than last time if there are many."""
        if not self._to_ask:
            self._to_ask.extend(await self._read_outstanding())
        asked = [self._to_ask.popleft() for _ in range(min(_AT_ONCE, len(self._to_ask)))]
        if not asked:
            return []
        since = min(row.handed_at for row in asked) - _EARLIER
        return await self._reports.poll(since, [row.reference for row in asked])

    async def _search(self) -> list[Receipt]:
        """Ask for everything since the oldest message of which nobody knows whether it was taken.

        Without such a message there is nothing to find that is not asked for by its reference.
        """
        async with self._singles() as tx:
            since = (await tx.execute(_LOST_SINCE, self._of_late())).scalar_one()
        return [] if since is None else await self._reports.poll(since - _EARLIER)

    async def _read_outstanding(self) -> Sequence[Row[Any, Any]]:
        async with self._singles() as tx:
            rows = await tx.execute(OUTSTANDING, self._of_late())
            return rows.all()

    async def _news(self, receipts: Sequence[Receipt]) -> list[Receipt]:
        """Leave out what the ledger has (reports repeat), and what is none of its messages.

        An account may have other users, whose jobs a search finds, too.
        """
        if not receipts:
            return []
        named = {
            "provider": self._provider,
            "ids": [one.message_id for one in receipts if one.message_id],
            "references": [one.reference for one in receipts if not one.message_id],
        }
        async with self._singles() as tx:
            rows = (await tx.execute(_TOLD, named)).all()
        stands = {row.id: row.stands for row in rows}
        of_reference = {row.of: row.id for row in rows}
        told = {(row.id, row.reference, row.state, row.code) for row in rows}
        news: dict[tuple[str, str, str, str], Receipt] = {}
        for receipt in receipts:
            message_id = receipt.message_id or of_reference.get(receipt.reference, "")
            key = (message_id, receipt.reference, receipt.state.value, receipt.code)
            waits = receipt.state is MessageState.ACCEPTED
            if message_id in stands and key not in told:
                if waits and stands[message_id] != MessageState.UNKNOWN.value:
                    continue
                news[key] = receipt
        return list(news.values())

    def _of_late(self) -> dict[str, object]:
        return {"provider": self._provider, "since": self._clock.now() - _TOLD_WITHIN}
