"""Commits intents to send: what is due, wanted, allowed and rendered, in one transaction.

Everything that it locks it locks without waiting. So a stop that holds the cause is never waited
for, two lanes never claim the same message, and no dead-lock is possible. After a stop is
acknowledged no intent commits: an intent shares the cause's row and finds it `running`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.customers import Brand, ConsentState, ContactPoint, Customer
from tellal.domain.errors import InvalidInputError
from tellal.domain.handover import Carrier
from tellal.domain.messages import UNSENT, MessageState, OutgoingMessage
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, read_customers
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import AttemptRow, CauseRow, MessageRow, OutcomeRow
from tellal.ports import Renderer
from tellal.services.posting import template_variables
from tellal.services.progress import Move, Progress

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_causes = table(CauseRow)
_customers = table(CustomerRow)
_attempts = table(AttemptRow)

_WITHOUT_WAITING = text(
    "FOR UPDATE OF messages, outcomes SKIP LOCKED FOR SHARE OF causes, customers SKIP LOCKED"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Intent:
    row: Row[Any]
    message: OutgoingMessage


class Claiming:
    """Turns queued messages into intents; what must not leave any more ends here."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        progress: Progress,
        renderer: Renderer,
        carriers: Mapping[Channel, Carrier],
        *,
        lease: timedelta,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._progress = progress
        self._renderer = renderer
        self._carriers = carriers
        self._lease = lease

    async def claim(self, lane: Lane, limit: int) -> tuple[OutgoingMessage, ...]:
        """Commit intents for the lane's most urgent due messages and return them."""
        now = self._clock.now()
        async with self._sessions() as tx, tx.begin():
            rows = await self._lock_due(tx, lane, limit, now)
            if not rows:
                return ()
            customers = await read_customers(tx, {row.customer_id for row in rows})
            brands = {
                brand_id: await read_brand(tx, brand_id)
                for brand_id in sorted({row.brand_id for row in rows})
            }
            intents: list[_Intent] = []
            for row in rows:
                found = self._examine(row, brands[row.brand_id], customers[row.customer_id], now)
                if isinstance(found, _Intent):
                    intents.append(found)
                else:
                    await self._end(tx, row, found)
            await self._commit(tx, intents, now)
        return tuple(intent.message for intent in intents)

    async def _lock_due(
        self, tx: AsyncSession, lane: Lane, limit: int, now: datetime
    ) -> Sequence[Row[Any]]:
        query = (
            select(_messages)
            .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
            .join(_causes, _causes.c.id == _messages.c.cause_id)
            .join(_customers, _customers.c.id == _messages.c.customer_id)
            .where(
                _messages.c.lane == lane.value,
                _messages.c.state.in_([state.value for state in sorted(UNSENT)]),
                _messages.c.not_before <= now,
                _causes.c.state == "running",
            )
            .order_by(_messages.c.priority, _messages.c.id)
            .limit(limit)
            .suffix_with(_WITHOUT_WAITING)
        )
        return (await tx.execute(query)).all()

    def _examine(
        self, row: Row[Any], brand: Brand, customer: Customer, now: datetime
    ) -> _Intent | Move:
        """Say what leaves, or why it does not; consent and address count as they are now."""
        if row.expires_at <= now:
            return Move(message_id=row.id, state=MessageState.EXPIRED, code="expired")
        channel = Channel(row.channel)
        if row.message_class == MessageClass.COMMERCIAL and not _agreed(customer, channel):
            return Move(message_id=row.id, state=MessageState.CANCELLED, code="no_consent")
        if channel not in self._carriers:
            return _failed(row, "no_carrier")
        point = _point(customer, row.contact_point_id)
        if point is None:
            return _failed(row, "no_address")
        if point.bad_reason:
            return _failed(row, "bad_address")
        return self._rendered(row, brand, customer, point, now)

    def _rendered(
        self, row: Row[Any], brand: Brand, customer: Customer, point: ContactPoint, now: datetime
    ) -> _Intent | Move:
        channel = Channel(row.channel)
        try:
            rendered = self._renderer.render(
                topic=row.topic,
                channel=channel,
                language=row.language,
                variables=template_variables(brand, customer, row.variables),
            )
        except InvalidInputError:
            return _failed(row, "template")
        message = OutgoingMessage(
            id=row.id,
            attempt=row.attempt + 1,
            channel=channel,
            message_class=MessageClass(row.message_class),
            lane=Lane(row.lane),
            sender=sender_of(brand, channel),
            address=point.address,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            topic=row.topic,
            validity_s=max(1, int((row.expires_at - now).total_seconds())),
        )
        return _Intent(row=row, message=message)

    async def _end(self, tx: AsyncSession, row: Row[Any], move: Move) -> None:
        if move.state is MessageState.FAILED and row.state == MessageState.DEFERRED:
            # It waited for its time, and its time has come: only what is queued can fail.
            await self._progress.move(tx, [Move(message_id=row.id, state=MessageState.QUEUED)])
        await self._progress.move(tx, [move])

    async def _commit(self, tx: AsyncSession, intents: Sequence[_Intent], now: datetime) -> None:
        if not intents:
            return
        handing_over = (
            update(_messages)
            .where(_messages.c.id == bindparam("message"))
            .values(
                state=MessageState.HANDING_OVER.value,
                state_at=now,
                lease_until=now + self._lease,
                attempt=bindparam("new_attempt"),
                provider=bindparam("new_provider"),
                receipts=bindparam("new_receipts"),
                subject=bindparam("new_subject"),
                text=bindparam("new_text"),
                code="",
            )
        )
        connection = await tx.connection()
        await connection.execute(handing_over, [self._values(one.message) for one in intents])
        await connection.execute(
            insert(_attempts), [self._attempt(one.message, now) for one in intents]
        )

    def _values(self, message: OutgoingMessage) -> dict[str, object]:
        carrier = self._carriers[message.channel]
        return {
            "message": message.id,
            "new_attempt": message.attempt,
            "new_provider": carrier.provider,
            "new_receipts": carrier.receipts.value,
            "new_subject": message.subject,
            "new_text": message.text,
        }

    def _attempt(self, message: OutgoingMessage, now: datetime) -> dict[str, object]:
        return {
            "id": new_id(),
            "message_id": message.id,
            "n": message.attempt,
            "provider": self._carriers[message.channel].provider,
            "intended_at": now,
            "answer": "",
            "code": "",
            "reference": "",
        }


def sender_of(brand: Brand, channel: Channel) -> str:
    """Return what a brand is called on a channel; an app's push needs no name."""
    if channel is Channel.SMS:
        return brand.sms_sender
    return brand.email_sender if channel is Channel.EMAIL else ""


def _agreed(customer: Customer, channel: Channel) -> bool:
    consent = customer.consents.get(channel)
    return consent is not None and consent.state is ConsentState.GRANTED


def _point(customer: Customer, contact_point_id: str | None) -> ContactPoint | None:
    return next((one for one in customer.contact_points if one.id == contact_point_id), None)


def _failed(row: Row[Any], code: str) -> Move:
    return Move(message_id=row.id, state=MessageState.FAILED, code=code)
