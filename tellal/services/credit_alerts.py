"""Tells an account's person that credit runs low: once over each way for each crossing.

That a threshold was crossed is written in the transaction that crossed it (`credit_reserving`);
here it is told of. It is no customer's message: it leaves over the brand's routes by a provider's
sender directly. The alert's row remembers it, as with mails about campaigns: `begun` is on disk,
and a text's price reserved, before anybody is called. Who finds a beginning older than
`IN_DOUBT_AFTER` asks the provider if that can be asked, and else sends the same again under the
same id: an alert that comes twice harms less than one that never comes.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.addresses import country_of
from tellal.clock import Clock
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.credit import EntryKind, Want
from tellal.domain.customers import Brand
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.domain.routes import Choice, Load, Route, RouteTable, has_link, is_name
from tellal.domain.simulation import is_magic
from tellal.domain.sms.cost import price_of
from tellal.domain.sms.segments import segmented
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand
from tellal.persistence.session import Sessions
from tellal.persistence.tables.credit import CreditAlertRow
from tellal.ports import Sender
from tellal.services.allow_list import AllowList
from tellal.services.claiming import sender_of
from tellal.services.credit_closing import close
from tellal.services.credit_reserving import gathered, reserve_for_alert
from tellal.services.routes import how_routes_stand
from tellal.supervision import rest
from templates.credit_words import credit_alert
from templates.status.words import own_language

_alerts = table(CreditAlertRow)

IN_DOUBT_AFTER = timedelta(minutes=2)
"""So long somebody may be at it; a provider is given up long before."""

_LOOK_EVERY_S = 2.0
_FOR = timedelta(days=1)
"""For so long it is tried."""
_MOST_TRIES = 12
_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=30)
_AGAIN = frozenset({Remedy.RETRY, Remedy.HALT, Remedy.NEXT_ROUTE})
_TOPIC = "credit_alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alert:
    """An alert with its account, brand and message; `was_begun` says that somebody died at it."""

    row: Row[Any]
    account: Row[Any]
    message: OutgoingMessage
    was_begun: bool


class CreditAlerts:
    """Tells of crossings; several may work side by side; own transactions."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        *,
        senders: Callable[[], Mapping[str, Sender]],
        routes: RouteTable,
        only: AllowList | None = None,
    ) -> None:
        """Take `routes` of the providers at hand, and who may get anything (None: everybody)."""
        self._sessions = sessions
        self._clock = clock
        self._senders = senders
        self._routes = routes
        self._only = only

    async def run(self, stop: asyncio.Event) -> None:
        """Look and tell until told to stop."""
        while not stop.is_set():
            await self.tell()
            await rest(stop, _LOOK_EVERY_S)

    async def tell(self) -> int:
        """Tell of every crossing of which nobody is told; return how many were told of."""
        async with self._sessions() as tx:
            due = (await tx.execute(_due(self._clock.now()))).all()
        told = 0
        for row in due:
            if row.state == "due" and row.begun_at and self._clock.now() < _again_at(row):
                continue
            told += await self._tell(row.id)
        return told

    async def _tell(self, alert_id: str) -> bool:
        async with self._sessions() as tx, tx.begin():
            alert = await self._begin(tx, alert_id)
        if alert is None:
            return False
        answer = await self._hand_over(alert)
        async with self._sessions() as tx, tx.begin():
            return await self._end(tx, alert, answer)

    async def _hand_over(self, alert: _Alert) -> HandOver:
        sender = self._senders()[alert.message.provider]
        if alert.was_begun and sender.looks_up:
            found = await sender.look_up(alert.message, alert.row.begun_at)
            if found is not None and found.answer is Answer.ACCEPTED:
                return found
        return await sender.send(alert.message)

    async def _begin(self, tx: AsyncSession, alert_id: str) -> _Alert | None:
        """Note that an alert is about to be told, and pay for it; None if it is not to be told."""
        now = self._clock.now()
        query = _due(now).where(_alerts.c.id == alert_id)
        row = (await tx.execute(query.with_for_update(skip_locked=True))).one_or_none()
        if row is None:
            return None
        account = await gathered(tx, row.account_id)
        brand = await read_brand(tx, row.brand_id)
        message = await self._message(tx, row, account, brand)
        if message is None:
            await self._close(tx, row, "refused", "no_way")
            return None
        # Who died at it had reserved for it already.
        was_begun = row.state == "begun"
        if not was_begun and not await self._pay(tx, account, message, now):
            await self._close(tx, row, "unpaid", "no_credit")
            return None
        begun = {"state": "begun", "begun_at": now, "tries": message.attempt}
        await tx.execute(update(_alerts).where(_alerts.c.id == row.id).values(**begun))
        return _Alert(row=row, account=account, message=message, was_begun=was_begun)

    async def _pay(
        self, tx: AsyncSession, account: Row[Any], message: OutgoingMessage, now: datetime
    ) -> bool:
        """Reserve the price of a text; what has none in the account's currency is not paid for."""
        if not message.cost or message.currency != account.currency:
            return True
        want = Want(message_id=message.id, cost=message.cost)
        return await reserve_for_alert(tx, account, want, message.attempt, now)

    async def _end(self, tx: AsyncSession, alert: _Alert, answer: HandOver) -> bool:
        """Note the answer; an ambiguous one counts as told: nobody is told twice for want of it."""
        told = answer.answer is not Answer.REJECTED
        kind = EntryKind.SETTLE if told else EntryKind.RELEASE
        await close(tx, [(alert.row.id, kind)], self._clock.now())
        if told:
            await self._close(tx, alert.row, "sent", answer.code)
            return True
        again = answer.remedy in _AGAIN and alert.message.attempt < _MOST_TRIES
        await self._close(tx, alert.row, "due" if again else "refused", answer.code)
        return False

    async def _close(self, tx: AsyncSession, row: Row[Any], state: str, code: str) -> None:
        ended_at = None if state == "due" else self._clock.now()
        await tx.execute(
            update(_alerts)
            .where(_alerts.c.id == row.id)
            .values(state=state, code=code, ended_at=ended_at)
        )

    async def _message(
        self, tx: AsyncSession, row: Row[Any], account: Row[Any], brand: Brand
    ) -> OutgoingMessage | None:
        """Write the alert; None if there is nobody to tell, or no way there."""
        channel = Channel(row.way)
        address = account.mobile if channel is Channel.SMS else account.email
        allowed = self._only is None or self._only.admits(channel, address)
        if not address or is_magic(channel, address) or not allowed:
            return None
        rendered = credit_alert(channel, own_language(brand.country), _said(row, account, brand))
        message = OutgoingMessage(
            id=row.id,
            attempt=row.tries + (row.state == "due"),
            channel=channel,
            message_class=MessageClass.SERVICE,
            lane=Lane.CRITICAL,
            sender=sender_of(brand, channel),
            address=address,
            subject=rendered.subject,
            text=rendered.text,
            topic=_TOPIC,
            validity_s=int(_FOR.total_seconds()),
            expires_at=self._clock.now() + _FOR,
        )
        if channel is Channel.EMAIL:
            return self._by_mail(message)
        route = await self._route(tx, message)
        return None if route is None else _by_text(message, route)

    def _by_mail(self, message: OutgoingMessage) -> OutgoingMessage | None:
        """Return it for whoever takes mails; staff's mails cost no credit."""
        for route in self._routes.routes:
            if route.channel is Channel.EMAIL and route.provider in self._senders():
                return replace(message, provider=route.provider, route=route.name)
        return None

    async def _route(self, tx: AsyncSession, message: OutgoingMessage) -> Route | None:
        """Choose a route as for a customer's text; where all rest, the first to wake."""
        load = Load(
            channel=Channel.SMS,
            country=country_of(message.address),
            message_class=message.message_class,
            has_link=has_link(message.text),
            named_sender=is_name(message.sender),
        )
        carrying = [one for one in self._routes.carrying(load) if one.provider in self._senders()]
        if not carrying:
            return None
        health, shares = await how_routes_stand(tx)
        choice = Choice(table=self._routes, health=health, now=self._clock.now(), shares=shares)
        picked = choice.pick(carrying, key=f"{message.id}:{message.attempt}")
        return picked if isinstance(picked, Route) else _first_awake(carrying, choice)


def _due(now: datetime) -> Select[Any]:
    in_doubt = (_alerts.c.state == "begun") & (_alerts.c.begun_at < now - IN_DOUBT_AFTER)
    return (
        select(_alerts)
        .where(or_(_alerts.c.state == "due", in_doubt), _alerts.c.crossed_at > now - _FOR)
        .order_by(_alerts.c.id)
    )


def _again_at(row: Row[Any]) -> datetime:
    doubled: timedelta = _FIRST_PAUSE * (1 << max(0, row.tries - 1))
    again: datetime = row.begun_at + min(_LONGEST_PAUSE, doubled)
    return again


def _first_awake(routes: Sequence[Route], choice: Choice) -> Route:
    """Return the route that rests for the shortest time: staff is told while all of them rest."""
    return min(routes, key=lambda one: choice.rests_until(one.name) or choice.now)


def _by_text(message: OutgoingMessage, route: Route) -> OutgoingMessage:
    """Write a text in the fewest segments of a route."""
    written = segmented(
        message.text,
        alphabets=route.alphabets,
        reserved=route.reserved_in(country_of(message.address)),
    )
    return replace(
        message,
        text=written.text,
        encoding=written.alphabet.value,
        segments=written.count,
        provider=route.provider,
        route=route.name,
        cost=price_of(written.count, route.price.amount) if route.price else None,
        currency=route.price.currency if route.price else "",
    )


def _said(row: Row[Any], account: Row[Any], brand: Brand) -> Mapping[str, object]:
    crossed = row.crossed_at.astimezone(ZoneInfo(brand.timezone))
    return {
        "brand": brand.trade_name or brand.name,
        "account": account.name,
        "currency": account.currency,
        "threshold": f"{row.threshold:.2f}",
        "available": f"{row.available:.2f}",
        "kept": f"{account.alert_reserve:.2f}",
        "crossed": f"{crossed:%Y-%m-%d %H:%M} ({brand.timezone})",
    }
