"""Takes an event in: what it tells of the customer, whom it makes us speak to, what it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.standing import converted
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand, Customer
from tellal.domain.decisions import Value
from tellal.domain.messages import OutcomeState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import lock_customer
from tellal.persistence.tables.customers import CustomerRow, EventRow
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.services.asking import Circumstances, document, situation
from tellal.services.deciding import Decided, Deciding
from tellal.services.digests import Digests, Happened
from tellal.services.entries import Matter
from tellal.services.progress import Progress

_customers = table(CustomerRow)
_events = table(EventRow)
_outcomes = table(OutcomeRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """One decision that an event led to, in the words of its caller.

    Of an event that waits with others (`digest`) it is decided later, once about all of them.
    """

    id: str
    topic: str
    verdict: str
    reason: str
    text: str
    outcome_id: str | None
    message_id: str | None
    digest_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BannerOffer:
    """A banner to show now; it counts as told only once it is reported as shown."""

    message_id: str
    title: str
    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An event as it stands in the ledger, with every decision that it led to.

    What a `simulated` one led to never reaches a provider.
    """

    id: str
    decisions: tuple[DecisionView, ...]
    banner: BannerOffer | None = None
    simulated: bool = False


class Events:
    """Records events; a login that leads to no message starts nothing but a row."""

    def __init__(self, deciding: Deciding, digests: Digests, progress: Progress) -> None:
        self._deciding = deciding
        self._digests = digests
        self._progress = progress

    async def record(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        customer_ref: str,
        type: str,
        payload: Mapping[str, object],
        occurred_at: datetime | None = None,
        simulated: bool = False,
    ) -> RecordedEvent:
        """Record an event and decide every topic that it raises, in one transaction.

        What a simulated event tells of the customer counts for its own decisions and is forgotten:
        it did not happen, so nothing in earnest may follow from it.

        Raises:
            NotFoundError: The brand has no such customer.
            InvalidInputError: The vocabulary does not know the type or a field.
        """
        book = self._deciding.asking.book
        event_part, updates = book.event_facts(type, payload)
        customer = await lock_customer(tx, brand.id, customer_ref)
        now = self._deciding.clock.now()
        event_id = await self._write(tx, customer, type, payload, occurred_at or now)
        before, customer = customer, _told_of(customer, updates)
        if not simulated:
            await self._learn(tx, before, customer)
        around = Circumstances(
            document=event_part, banner=event_part.get("event.can_show_banner") is True
        )
        if not simulated:
            await self._wake_converted(tx, customer, event_part)
        happened = Happened(event_id, type, payload, occurred_at or now)
        decided = []
        for topic in book.topics_on(type):
            if topic.digest is not None:
                one = await self._digests.join(tx, customer, topic, happened, simulated=simulated)
                decided.append(one)
                continue
            matter = Matter(
                topic=topic.id,
                cause_kind="event",
                cause_key=f"event:{event_id}:{topic.id}",
                event_id=event_id,
                around=around,
                simulated=simulated,
            )
            decided.append(await self._deciding.decide(tx, brand, customer, matter))
        return RecordedEvent(
            id=event_id,
            decisions=tuple(_view(one) for one in decided),
            banner=_banner(decided),
            simulated=simulated,
        )

    async def _write(
        self,
        tx: AsyncSession,
        customer: Customer,
        type: str,
        payload: Mapping[str, object],
        occurred_at: datetime,
    ) -> str:
        event_id = new_id()
        await tx.execute(
            insert(_events).values(
                id=event_id,
                brand_id=customer.brand_id,
                customer_id=customer.id,
                type=type,
                payload=dict(payload),
                occurred_at=occurred_at,
                received_at=self._deciding.clock.now(),
            )
        )
        return event_id

    async def _learn(self, tx: AsyncSession, before: Customer, after: Customer) -> None:
        """Store what the event told of the customer, if that is news."""
        if after.facts == before.facts:
            return
        stored = {p: list(v) if isinstance(v, tuple) else v for p, v in after.facts.items()}
        await tx.execute(
            update(_customers)
            .where(_customers.c.id == after.id)
            .values(facts=stored, updated_at=self._deciding.clock.now())
        )

    async def _wake_converted(
        self, tx: AsyncSession, customer: Customer, event_part: Mapping[str, Value]
    ) -> None:
        """Have open journeys look again whose purpose the event has fulfilled."""
        book = self._deciding.asking.book
        query = select(_outcomes.c.id, _outcomes.c.topic).where(
            _outcomes.c.customer_id == customer.id, _outcomes.c.state == OutcomeState.OPEN
        )
        known, now = document(customer, event_part), self._deciding.clock.now()
        fulfilled = []
        for outcome_id, topic_id in (await tx.execute(query)).all():
            topic = book.topics.get(topic_id)
            if topic is None or topic.stop_when is None:
                continue
            if converted(book, topic, known, situation(customer, now)):
                fulfilled.append(outcome_id)
        if fulfilled:
            await self._progress.wake(tx, fulfilled)


def _told_of(customer: Customer, updates: Mapping[str, Value | None]) -> Customer:
    """Return the customer as the event tells of him; None means no longer so."""
    facts = {path: value for path, value in customer.facts.items() if path not in updates}
    facts |= {path: value for path, value in updates.items() if value is not None}
    return replace(customer, facts=facts)


def _view(decided: Decided) -> DecisionView:
    reason = decided.decision.reasons[0] if decided.decision.reasons else None
    return DecisionView(
        id=decided.id,
        topic=decided.decision.topic,
        verdict=decided.decision.verdict.value,
        reason=reason.code if reason else "",
        text=reason.text if reason else "",
        outcome_id=decided.outcome_id,
        message_id=decided.posted.message_id if decided.posted else None,
        digest_id=decided.digest_id,
    )


def _banner(decided: Sequence[Decided]) -> BannerOffer | None:
    for one in decided:
        if one.posted and one.posted.channel is Channel.BANNER:
            return BannerOffer(
                message_id=one.posted.message_id,
                title=one.posted.title,
                text=one.posted.text,
                expires_at=one.posted.expires_at,
            )
    return None
