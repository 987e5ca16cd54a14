"""Commits intents to send: what is due, wanted, allowed and rendered, in one transaction.

Rows it locks without waiting: a stop that holds the cause is never waited for, two lanes never
claim the same message, and no dead-lock is possible. After a stop is acknowledged no intent
commits: an intent shares the cause's row and finds it `running`. It waits for one thing only, the
table of holds while one is being placed; from then on it shares that table, so that after a hold is
acknowledged no intent commits for what it covers.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal import metrics
from tellal.clock import Clock
from tellal.domain.channels import Channel, Lane, MessageClass, RecipientType
from tellal.domain.customers import Brand, Customer
from tellal.domain.handover import Carrier
from tellal.domain.messages import OutgoingMessage
from tellal.domain.routes import Choice, Route
from tellal.domain.sms.cost import price_of
from tellal.domain.sms.folding import Folding
from tellal.domain.sms.segments import segmented
from tellal.ids import new_id
from tellal.persistence.bulk import arrays
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, read_customers
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow
from tellal.ports import Renderer
from tellal.services.affected import affected_among
from tellal.services.allow_list import AllowList
from tellal.services.claim_statements import COMMIT, DUE, PROMOTE
from tellal.services.consent_standing import agreements
from tellal.services.credit_reserving import pay
from tellal.services.examining import Batch, Held, Wish, examine, purposes_of
from tellal.services.first_sends import FirstSends
from tellal.services.holds import in_force
from tellal.services.moves import Move
from tellal.services.progress import Progress
from tellal.services.reserving import used_late
from tellal.services.routes import Routes
from tellal.services.wording import language_of, senders_of

_messages = table(MessageRow)

_DRY_FOR_S = 0.1
"""For how long a lane looks past a channel whose routes had no more tokens; they fill meanwhile."""
_NO_CHANNEL: frozenset[Channel] = frozenset()
_AT_A_STRETCH = 16
"""How many texts are filled in before others may go on: a few milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What is to be handed over now.

    `leads_on` says that the claim met its limit with what must not or cannot leave now: what is due
    behind it has not been looked at yet. Some of the `dry` channels' messages wait for tokens.
    """

    messages: tuple[OutgoingMessage, ...] = ()
    leads_on: bool = False
    dry: frozenset[Channel] = _NO_CHANNEL


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
        refusal_url: Callable[[str], str],
        only: AllowList | None = None,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._progress = progress
        self._renderer = renderer
        self._only = only
        self._carriers = carriers
        self._routes = routes
        self._lease = lease
        self._refusal_url = refusal_url
        self._first_sends = FirstSends()
        self._dry: dict[Lane, tuple[frozenset[Channel], float]] = {}

    async def promote(self, lane: Lane) -> int:
        """Queue deferred messages whose time has come; return how many."""
        async with self._sessions() as tx, tx.begin():
            parameters = {"of_lane": lane.value, "now": self._clock.now()}
            promoted = await (await tx.connection()).execute(PROMOTE, parameters)
            return promoted.rowcount

    async def claim(self, lane: Lane, limit: int) -> Claimed:
        """Commit intents for the lane's most urgent due messages and return them.

        What waits for tokens of its route keeps nothing back that goes by another channel.
        """
        dry, until = self._dry.get(lane, (_NO_CHANNEL, 0.0))
        if dry and time.monotonic() < until:
            claimed = await self._claim(lane, limit, past=dry)
            if claimed.messages:
                return claimed
        claimed = await self._claim(lane, limit)
        self._dry[lane] = (claimed.dry, time.monotonic() + _DRY_FOR_S)
        if not claimed.dry:
            return claimed
        if len(claimed.messages) < limit:
            more = await self._claim(lane, limit - len(claimed.messages), past=claimed.dry)
            claimed = replace(more, messages=claimed.messages + more.messages)
        return claimed

    def dry_for_s(self, lane: Lane) -> float | None:
        """Say for how long a lane's messages still wait for tokens, None if none does."""
        channels, until = self._dry.get(lane, (_NO_CHANNEL, 0.0))
        return max(0.0, until - time.monotonic()) if channels else None

    async def _claim(
        self, lane: Lane, limit: int, *, past: frozenset[Channel] = _NO_CHANNEL
    ) -> Claimed:
        """Commit intents as `claim` does, looking past some channels."""
        choice = await self._routes.choice()
        async with self._sessions() as tx, tx.begin():
            due = await tx.execute(
                DUE,
                {
                    "of_lane": lane.value,
                    "now": choice.now,
                    "resting": [channel.value for channel in choice.resting_channels | past],
                    "most": limit,
                },
            )
            rows = due.all()
            if not rows:
                return Claimed()
            brands = {b: await read_brand(tx, b) for b in sorted({r.brand_id for r in rows})}
            customers = await read_customers(tx, {row.customer_id for row in rows})
            promotions = [r for r in rows if r.message_class == MessageClass.COMMERCIAL]
            promoting = {row.brand_id for row in promotions}
            batch = Batch(
                brands=brands,
                customers=customers,
                # Shares the table until the intents commit: a hold placed later waits for them.
                holds=await in_force(tx, {row.brand_id for row in rows}),
                choice=choice,
                texts={one: await self._renderer.of(one) for one in {r.revision for r in rows}},
                now=choice.now,
                only=self._only,
                affected=await _affected(tx, promotions),
                senders=await senders_of(tx, [brands[one] for one in sorted(promoting)]),
                agreements=await _agreements(tx, promotions, customers, choice.now),
                refusal_url=self._refusal_url,
            )
            found = [one async for one in self._examined(rows, batch)]
            await self._progress.move(tx, [one for one in found if isinstance(one, Move)])
            await _keep_back(tx, [one for one in found if isinstance(one, Held)])
            wishes = [one for one in found if isinstance(one, Wish)]
            chosen, dry = await self._choose(tx, wishes, choice)
            told = await self._first_sends.told(tx, [w for w, _ in chosen], batch, choice.now)
            chosen = [(wish, route) for wish, (_, route) in zip(told, chosen, strict=True)]
            intents = [self._intent(wish, route, batch) for wish, route in chosen]
            whose = {wish.row.id: wish.row.brand_id for wish, _ in chosen}
            unpaid = await pay(tx, intents, whose, choice.now)
            chosen = [(wish, route) for wish, route in chosen if wish.row.id not in unpaid]
            intents = [one for one in intents if one.id not in unpaid]
            await self._commit(tx, intents, choice.now)
            await used_late(tx, [wish.row for wish, _ in chosen], choice.now)
        for intent, (wish, _) in zip(intents, chosen, strict=True):
            late = choice.now - wish.row.not_before
            metrics.begun_late(intent.lane.value, late.total_seconds())
        leads_on = len(rows) == limit and len(intents) < limit and not dry
        return Claimed(messages=tuple(intents), leads_on=leads_on, dry=dry)

    async def _examined(
        self, rows: Sequence[Row[Any]], batch: Batch
    ) -> AsyncIterator[Wish | Held | Move]:
        """Examine a batch, letting others have the processor now and then."""
        for number, row in enumerate(rows, start=1):
            yield examine(row, batch)
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)

    async def _choose(
        self, tx: AsyncSession, wishes: Sequence[Wish], choice: Choice
    ) -> tuple[list[tuple[Wish, Route]], frozenset[Channel]]:
        """Give each message its route; what finds all of them resting is put off.

        What a route has no tokens for is left as it is: the next claim finds it. Returns, too, the
        channels of which there was any of that.
        """
        by_route: dict[str, list[tuple[Wish, Route]]] = {}
        for wish in wishes:
            row = wish.row
            picked = choice.pick(wish.routes, key=f"{row.id}:{row.attempt}", last=row.route)
            if isinstance(picked, Route):
                by_route.setdefault(picked.name, []).append((wish, picked))
            else:
                await tx.execute(
                    update(_messages).where(_messages.c.id == row.id).values(not_before=picked)
                )
        chosen: list[tuple[Wish, Route]] = []
        dry: set[Channel] = set()
        for name, carried in by_route.items():
            route, on_probation = carried[0][1], choice.is_on_probation(name)
            tokens = await self._routes.take_tokens(route, 1 if on_probation else len(carried))
            if on_probation and tokens and not await self._routes.may_probe(route):
                tokens = 0
            chosen += carried[:tokens]
            if tokens < len(carried):
                dry.add(route.channel)
        return chosen, frozenset(dry)

    def _intent(self, wish: Wish, route: Route, batch: Batch) -> OutgoingMessage:
        row, rendered = wish.row, wish.rendered
        channel, message_class = Channel(row.channel), MessageClass(row.message_class)
        refusable = channel is Channel.EMAIL and message_class is MessageClass.COMMERCIAL
        left = row.expires_at - batch.now
        if route.longest_validity is not None:
            left = min(left, route.longest_validity)
        text, encoding, segments = rendered.text, "", 1
        if channel is Channel.SMS:
            written = segmented(
                rendered.text,
                alphabets=route.alphabets,
                reserved=route.reserved_in(wish.country),
                folding=Folding(row.fold or Folding.NEVER),
            )
            text, encoding, segments = written.text, written.alphabet.value, written.count
        return OutgoingMessage(
            id=row.id,
            attempt=row.attempt + 1,
            channel=channel,
            message_class=message_class,
            lane=Lane(row.lane),
            sender=sender_of(batch.brands[row.brand_id], channel),
            address=wish.point.address,
            subject=rendered.subject,
            text=text,
            language=self._language(row),
            html=rendered.html,
            topic=row.topic,
            validity_s=max(1, int(left.total_seconds())),
            expires_at=row.expires_at,
            provider=route.provider,
            route=route.name,
            has_other_route=len(wish.routes) > 1,
            recipient_type=RecipientType(batch.customers[row.customer_id].kind.value),
            encoding=encoding,
            segments=segments,
            cost=price_of(segments, route.price.amount) if route.price else None,
            currency=route.price.currency if route.price else "",
            unsubscribe_url=self._refusal_url(row.id) if refusable else "",
            content=rendered.content,
            content_variables=rendered.content_variables,
        )

    def _language(self, row: Row[Any]) -> str:
        """Return in which language a text is read out; who reads himself sees it."""
        if row.channel != Channel.CALL:
            return str(row.language)
        channel = Channel(row.channel)
        return language_of(self._renderer, topic=row.topic, channel=channel, language=row.language)

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
                "segments": one.segments,
                "cost": one.cost,
                "currency": one.currency,
            }
            for one in intents
        ]
        await tx.execute(COMMIT, {**arrays(rows), "now": now, "until": now + self._lease})


async def _affected(tx: AsyncSession, promotions: Sequence[Row[Any]]) -> frozenset[str]:
    """Return whom an outage affects, of those to whom something is promoted."""
    if not promotions:
        return frozenset()
    return await affected_among(
        tx, {row.brand_id for row in promotions}, {row.customer_id for row in promotions}
    )


async def _agreements(
    tx: AsyncSession,
    promotions: Sequence[Row[Any]],
    customers: Mapping[str, Customer],
    at: datetime,
) -> dict[tuple[str, ...], Mapping[str, dict[Channel, bool]]]:
    """Return what readers of promotions granted and refused, by the purposes of what they read."""
    readers: dict[tuple[str, ...], set[str]] = {}
    for row in promotions:
        readers.setdefault(purposes_of(row), set()).add(row.customer_id)
    return {
        purposes: await agreements(tx, [customers[one] for one in sorted(ids)], purposes, at)
        for purposes, ids in readers.items()
    }


async def _keep_back(tx: AsyncSession, held: Sequence[Held]) -> None:
    """Mark what holds cover, so that the next claim looks past it."""
    by_hold: dict[str, list[str]] = {}
    for one in held:
        by_hold.setdefault(one.hold_id, []).append(one.message_id)
    for hold_id, message_ids in by_hold.items():
        await tx.execute(
            update(_messages).where(_messages.c.id.in_(message_ids)).values(held_by=hold_id)
        )


def sender_of(brand: Brand, channel: Channel) -> str:
    """Return what a brand is called on a channel; an app's push needs no name.

    Who calls is a number of the account's, which its settings name.
    """
    match channel:
        case Channel.SMS:
            return brand.sms_sender
        case Channel.EMAIL:
            return brand.email_sender
        case Channel.WHATSAPP:
            return brand.whatsapp_sender
        case Channel.PUSH | Channel.BANNER | Channel.CALL:
            return ""
