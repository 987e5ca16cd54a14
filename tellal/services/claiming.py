"""Commits intents to send: what is due, wanted, allowed and rendered, in one transaction.

Everything that it locks it locks without waiting. So a stop that holds the cause is never waited
for, two lanes never claim the same message, and no dead-lock is possible. After a stop is
acknowledged no intent commits: an intent shares the cause's row and finds it `running`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, Row, String, bindparam, insert, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.addresses import country_of
from tellal.clock import Clock
from tellal.domain.channels import BY_NUMBER, Channel, Lane, MessageClass, RecipientType
from tellal.domain.customers import Brand, ConsentState, ContactPoint, Customer
from tellal.domain.errors import InvalidInputError
from tellal.domain.handover import Carrier
from tellal.domain.messages import MessageState, OutgoingMessage
from tellal.domain.routes import Choice, Load, Route, has_link
from tellal.ids import new_id
from tellal.persistence.bulk import arrays, given
from tellal.persistence.columns import Instant, table
from tellal.persistence.people import brand as read_brand, read_customers
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import AttemptRow, CauseRow, MessageRow, OutcomeRow
from tellal.ports import Rendered, Renderer
from tellal.services.posting import template_variables
from tellal.services.progress import Move, Progress
from tellal.services.routes import Routes

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_causes = table(CauseRow)
_customers = table(CustomerRow)
_attempts = table(AttemptRow)

_DUE = (
    select(_messages)
    .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
    .join(_causes, _causes.c.id == _messages.c.cause_id)
    .join(_customers, _customers.c.id == _messages.c.customer_id)
    .where(
        _messages.c.lane == bindparam("of_lane"),
        _messages.c.state == MessageState.QUEUED.value,
        _messages.c.held_by.is_(None),
        _messages.c.not_before <= bindparam("now", type_=Instant()),
        _messages.c.channel.not_in(bindparam("resting", expanding=True)),
        _causes.c.state == "running",
    )
    .order_by(_messages.c.priority, _messages.c.id)
    .limit(bindparam("most", type_=Integer()))
    .suffix_with(
        text(
            "FOR UPDATE OF messages, outcomes SKIP LOCKED "
            "FOR SHARE OF causes, customers SKIP LOCKED"
        )
    )
)

_FOR_TOKENS_S = 0.05
_AT_A_STRETCH = 16
"""How many texts are filled in before others may go on: a few milliseconds."""

_DEFERRED = (
    select(_messages.c.id)
    .where(
        _messages.c.state == MessageState.DEFERRED.value,
        _messages.c.lane == bindparam("of_lane"),
        _messages.c.not_before <= bindparam("now", type_=Instant()),
    )
    .order_by(_messages.c.not_before)
    .limit(1000)
    .with_for_update(skip_locked=True, key_share=True)
)
_PROMOTE = (
    update(_messages)
    .where(_messages.c.id.in_(_DEFERRED))
    .values(state=MessageState.QUEUED.value, state_at=bindparam("now", type_=Instant()))
)

_INTENT = given(
    attempt_id=String(),
    message=String(),
    attempt=Integer(),
    route=String(),
    provider=String(),
    receipts=String(),
    subject=String(),
    text=String(),
)
_HAND_OVER = (
    update(_messages)
    .where(_messages.c.id == _INTENT.c.message)
    .values(
        state=MessageState.HANDING_OVER.value,
        state_at=bindparam("now", type_=Instant()),
        lease_until=bindparam("until", type_=Instant()),
        attempt=_INTENT.c.attempt,
        route=_INTENT.c.route,
        provider=_INTENT.c.provider,
        receipts=_INTENT.c.receipts,
        subject=_INTENT.c.subject,
        text=_INTENT.c.text,
        code="",
    )
)

_COMMIT = (
    insert(_attempts)
    .from_select(
        [
            "id",
            "message_id",
            "n",
            "route",
            "provider",
            "intended_at",
            "answer",
            "code",
            "reference",
        ],
        select(
            _INTENT.c.attempt_id,
            _INTENT.c.message,
            _INTENT.c.attempt,
            _INTENT.c.route,
            _INTENT.c.provider,
            bindparam("now", type_=Instant()),
            literal(""),
            literal(""),
            literal(""),
        ),
    )
    .add_cte(_HAND_OVER.cte("handed_over"))
)
"""Messages and attempts in one statement: texts go over the wire once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What is known of everybody in a batch, and how routes stand."""

    brands: Mapping[str, Brand]
    customers: Mapping[str, Customer]
    choice: Choice
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """A message that may leave, and the routes that may carry it."""

    row: Row[Any]
    point: ContactPoint
    rendered: Rendered
    routes: Sequence[Route]


class Claiming:
    """Turns queued messages into intents; what must not leave any more ends here."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        *,
        progress: Progress,
        renderer: Renderer,
        carriers: Mapping[str, Carrier],
        routes: Routes,
        lease: timedelta,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._progress = progress
        self._renderer = renderer
        self._carriers = carriers
        self._routes = routes
        self._lease = lease

    async def promote(self, lane: Lane) -> int:
        """Queue deferred messages whose time has come; return how many."""
        async with self._sessions() as tx, tx.begin():
            parameters = {"of_lane": lane.value, "now": self._clock.now()}
            promoted = await (await tx.connection()).execute(_PROMOTE, parameters)
            return promoted.rowcount

    async def claim(self, lane: Lane, limit: int) -> tuple[OutgoingMessage, ...]:
        """Commit intents for the lane's most urgent due messages and return them."""
        choice = await self._routes.choice()
        async with self._sessions() as tx, tx.begin():
            due = await tx.execute(
                _DUE,
                {
                    "of_lane": lane.value,
                    "now": choice.now,
                    "resting": [channel.value for channel in choice.resting_channels],
                    "most": limit,
                },
            )
            rows = due.all()
            if not rows:
                return ()
            batch = _Batch(
                brands={b: await read_brand(tx, b) for b in sorted({r.brand_id for r in rows})},
                customers=await read_customers(tx, {row.customer_id for row in rows}),
                choice=choice,
                now=choice.now,
            )
            found = [one async for one in self._examined(rows, batch)]
            await self._progress.move(tx, [one for one in found if isinstance(one, Move)])
            wishes = [one for one in found if isinstance(one, _Wish)]
            chosen = await self._choose(tx, wishes, choice)
            intents = [self._intent(wish, route, batch) for wish, route in chosen]
            await self._commit(tx, intents, choice.now)
        if wishes and not intents:
            # Every route is short of tokens or rests: nobody gains from asking again at once.
            await asyncio.sleep(_FOR_TOKENS_S)
        return tuple(intents)

    async def _choose(
        self, tx: AsyncSession, wishes: Sequence[_Wish], choice: Choice
    ) -> list[tuple[_Wish, Route]]:
        """Give each message its route; what finds all of them resting is put off.

        What a route has no tokens for is left as it is: the next claim finds it.
        """
        by_route: dict[str, list[tuple[_Wish, Route]]] = {}
        for wish in wishes:
            row = wish.row
            picked = choice.pick(wish.routes, key=f"{row.id}:{row.attempt}", last=row.route)
            if isinstance(picked, Route):
                by_route.setdefault(picked.name, []).append((wish, picked))
            else:
                await tx.execute(
                    update(_messages).where(_messages.c.id == row.id).values(not_before=picked)
                )
        chosen: list[tuple[_Wish, Route]] = []
        for name, carried in by_route.items():
            most = 1 if choice.is_on_probation(name) else len(carried)
            tokens = await self._routes.take_tokens(carried[0][1], most)
            chosen += carried[:tokens]
        return chosen

    async def _examined(
        self, rows: Sequence[Row[Any]], batch: _Batch
    ) -> AsyncIterator[_Wish | Move]:
        """Examine a batch, letting others have the processor now and then."""
        for number, row in enumerate(rows, start=1):
            yield self._examine(row, batch)
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)

    def _examine(self, row: Row[Any], batch: _Batch) -> _Wish | Move:
        """Say what may leave, or why it may not; consent and address count as they are now."""
        customer = batch.customers[row.customer_id]
        channel = Channel(row.channel)
        if row.expires_at <= batch.now:
            return Move(message_id=row.id, state=MessageState.EXPIRED, code="expired")
        if row.message_class == MessageClass.COMMERCIAL and not _agreed(customer, channel):
            return Move(message_id=row.id, state=MessageState.CANCELLED, code="no_consent")
        point = _point(customer, row.contact_point_id)
        code = ""
        if channel not in batch.choice.table.channels:
            code = "no_carrier"
        elif point is None:
            code = "no_address"
        elif point.bad_reason:
            code = "bad_address"
        if code or point is None:
            return Move(message_id=row.id, state=MessageState.FAILED, code=code)
        return self._wish(row, point, batch)

    def _wish(self, row: Row[Any], point: ContactPoint, batch: _Batch) -> _Wish | Move:
        channel = Channel(row.channel)
        customer = batch.customers[row.customer_id]
        try:
            rendered = self._renderer.render(
                topic=row.topic,
                channel=channel,
                language=row.language,
                variables=template_variables(batch.brands[row.brand_id], customer, row.variables),
            )
        except InvalidInputError:
            return Move(message_id=row.id, state=MessageState.FAILED, code="template")
        load = Load(
            channel=channel,
            country=country_of(point.address) if channel in BY_NUMBER else "",
            message_class=MessageClass(row.message_class),
            has_link=has_link(rendered.text),
        )
        out = set(row.routes_out.split(","))
        routes = [route for route in batch.choice.among(load) if route.name not in out]
        if not routes:
            return Move(message_id=row.id, state=MessageState.FAILED, code="no_route")
        return _Wish(row=row, point=point, rendered=rendered, routes=routes)

    def _intent(self, wish: _Wish, route: Route, batch: _Batch) -> OutgoingMessage:
        row, rendered = wish.row, wish.rendered
        channel = Channel(row.channel)
        left = row.expires_at - batch.now
        if route.longest_validity is not None:
            left = min(left, route.longest_validity)
        return OutgoingMessage(
            id=row.id,
            attempt=row.attempt + 1,
            channel=channel,
            message_class=MessageClass(row.message_class),
            lane=Lane(row.lane),
            sender=sender_of(batch.brands[row.brand_id], channel),
            address=wish.point.address,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            topic=row.topic,
            validity_s=max(1, int(left.total_seconds())),
            expires_at=row.expires_at,
            provider=route.provider,
            route=route.name,
            has_other_route=len(wish.routes) > 1,
            recipient_type=RecipientType(batch.customers[row.customer_id].kind.value),
        )

    async def _commit(
        self, tx: AsyncSession, intents: Sequence[OutgoingMessage], now: datetime
    ) -> None:
        if not intents:
            return
        rows = [
            {
                "attempt_id": new_id(),
                "message": one.id,
                "attempt": one.attempt,
                "route": one.route,
                "provider": one.provider,
                "receipts": self._carriers[one.provider].receipts.value,
                "subject": one.subject,
                "text": one.text,
            }
            for one in intents
        ]
        await tx.execute(_COMMIT, {**arrays(rows), "now": now, "until": now + self._lease})


def sender_of(brand: Brand, channel: Channel) -> str:
    """Return what a brand is called on a channel; an app's push needs no name."""
    match channel:
        case Channel.SMS:
            return brand.sms_sender
        case Channel.EMAIL:
            return brand.email_sender
        case Channel.WHATSAPP:
            return brand.whatsapp_sender
        case Channel.PUSH | Channel.BANNER:
            return ""


def _agreed(customer: Customer, channel: Channel) -> bool:
    consent = customer.consents.get(channel)
    return consent is not None and consent.state is ConsentState.GRANTED


def _point(customer: Customer, contact_point_id: str | None) -> ContactPoint | None:
    return next((one for one in customer.contact_points if one.id == contact_point_id), None)
