"""Messages of which nobody knows what became: lost leases, unanswered calls, look-ups."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.customers import Brand, Customer
from tellal.domain.handover import Carrier, Doubt
from tellal.domain.messages import MessageState, OutgoingMessage
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, read_customers
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import AttemptRow, CauseRow, MessageRow, OutcomeRow
from tellal.services.claiming import sender_of
from tellal.services.moves import Move
from tellal.services.progress import Progress

_causes = table(CauseRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_attempts = table(AttemptRow)

_BATCH = 100
_MOST_UNANSWERED = 3
"""How often a mandatory message goes to a provider that neither answers nor can be asked."""
_WITHOUT_WAITING = text(
    "FOR UPDATE OF messages, outcomes SKIP LOCKED FOR SHARE OF causes SKIP LOCKED"
)


class Doubts:
    """Finds what is in doubt, and gives up looking after a while: a callback may still come."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        progress: Progress,
        carriers: Mapping[str, Carrier],
        *,
        reconcile_after: timedelta,
        give_up_after: timedelta,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._progress = progress
        self._carriers = carriers
        self._reconcile_after = reconcile_after
        self._give_up_after = give_up_after

    async def recover(self, lane: Lane) -> int:
        """Put in doubt what a lane was handing over when its lease ran out."""
        now = self._clock.now()
        query = select(_messages.c.id).where(
            _messages.c.lane == lane.value,
            _messages.c.state == MessageState.HANDING_OVER.value,
            _messages.c.lease_until <= now,
        )
        async with self._sessions() as tx, tx.begin():
            ids = (await tx.execute(_locked(query))).scalars().all()
            moves = [
                Move(
                    message_id=message_id,
                    state=MessageState.UNKNOWN,
                    code="lease_lost",
                    check_at=now + self._reconcile_after,
                )
                for message_id in ids
            ]
            await self._progress.move(tx, moves)
            return len(ids)

    async def take(self, lane: Lane, limit: int) -> tuple[Doubt, ...]:
        """Take what is to be looked up now; each is taken again later unless it is settled."""
        now = self._clock.now()
        query = (
            select(_messages, _attempts.c.intended_at, _causes.c.state.label("cause_state"))
            .join(
                _attempts,
                (_attempts.c.message_id == _messages.c.id) & (_attempts.c.n == _messages.c.attempt),
            )
            .where(
                _messages.c.lane == lane.value,
                _messages.c.state == MessageState.UNKNOWN.value,
                _messages.c.check_at <= now,
            )
            .order_by(_messages.c.check_at)
        )
        async with self._sessions() as tx, tx.begin():
            rows = (await tx.execute(_locked(query, limit))).all()
            to_look_up = [row for row in rows if await self._goes_on(tx, row, now)]
            return await _doubts(tx, to_look_up)

    async def _goes_on(self, tx: AsyncSession, row: Row[Any], now: datetime) -> bool:
        """Say whether to look it up, and if not, do what is right without."""
        carrier = self._carriers.get(row.provider)
        age = now - row.intended_at
        if carrier is not None and carrier.looks_up and age < self._give_up_after:
            later = now + max(self._reconcile_after, age)
            await self._check_at(tx, row.id, later)
            return True
        if (
            carrier is not None
            and not carrier.looks_up
            and row.message_class == MessageClass.MANDATORY
            and row.attempt < _MOST_UNANSWERED
            and row.expires_at > now
            and row.cause_state == "running"
        ):
            # What the law demands is rather told twice than not at all.
            again = Move(message_id=row.id, state=MessageState.QUEUED, not_before=now)
            await self._progress.move(tx, [again])
            return False
        await self._check_at(tx, row.id, None)
        await self._progress.wake(tx, [row.outcome_id])
        return False

    async def _check_at(self, tx: AsyncSession, message_id: str, at: datetime | None) -> None:
        statement = update(_messages).where(_messages.c.id == message_id)
        await tx.execute(statement.values(check_at=at))


def _locked(query: Select[Any], limit: int = _BATCH) -> Select[Any]:
    joined = query.join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
    joined = joined.join(_causes, _causes.c.id == _messages.c.cause_id)
    return joined.limit(limit).suffix_with(_WITHOUT_WAITING)


async def _doubts(tx: AsyncSession, rows: Sequence[Row[Any]]) -> tuple[Doubt, ...]:
    customers = await read_customers(tx, {row.customer_id for row in rows})
    brands = {
        brand_id: await read_brand(tx, brand_id)
        for brand_id in sorted({row.brand_id for row in rows})
    }
    return tuple(_doubt(row, brands[row.brand_id], customers[row.customer_id]) for row in rows)


def _doubt(row: Row[Any], brand: Brand, customer: Customer) -> Doubt:
    channel = Channel(row.channel)
    addresses = {point.id: point.address for point in customer.contact_points}
    message = OutgoingMessage(
        id=row.id,
        attempt=row.attempt,
        channel=channel,
        message_class=MessageClass(row.message_class),
        lane=Lane(row.lane),
        sender=sender_of(brand, channel),
        address=addresses.get(row.contact_point_id, ""),
        subject=row.subject,
        text=row.text,
        topic=row.topic,
        expires_at=row.expires_at,
        provider=row.provider,
        route=row.route,
    )
    return Doubt(message=message, since=row.intended_at)
