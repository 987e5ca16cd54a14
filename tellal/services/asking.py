"""Puts a question about one customer to the rules: his facts, his history, his consents."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from rules.decide import Alike, Decider, Question
from rules.holder import RulebookHolder
from rules.rulebook import Rulebook
from rules.situations import Situation, zone_of
from rules.stored_questions import to_texts
from tellal.addresses import country_of
from tellal.domain.channels import BY_NUMBER, Channel, MessageClass
from tellal.domain.customers import Customer
from tellal.domain.decisions import Decision, Value
from tellal.domain.errors import InvalidInputError
from tellal.domain.routes import Load, RouteTable
from tellal.services.components import channels_down
from tellal.services.consent_standing import agreed, agreements
from tellal.services.history import Journey, ledger_views, tallies_of, uses_of_caps
from tellal.services.sender_facts import sender_facts
from tellal.services.slots import Slot
from tellal.services.wording import lacks

_AT_A_STRETCH = 32
"""How many questions are answered before others may go on: a few milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What surrounds a question besides the customer: the event's facts, the case's channel.

    `banner` says that the surface that the person is on can show one now. `unplanned`, `withheld`
    and `until` are a broadcast's, as a question has them; `variables` are what only a text to this
    person says.
    """

    document: Mapping[str, Value]
    banner: bool = False
    unplanned: frozenset[Channel] = frozenset()
    withheld: str = ""
    until: datetime | None = None
    variables: Mapping[str, object] = field(default_factory=dict)


NOTHING = Circumstances(document={})

Asked = tuple[Customer, Circumstances]
"""Somebody to decide about, and what surrounds the question about him."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A decision with its rulebook and question, and the slots that it may take from others.

    `asked` is the question as the ledger keeps it, where it was written down already.
    """

    book: Rulebook
    question: Question
    decision: Decision
    below: tuple[Slot, ...] = ()
    asked: str = ""


class Asking:
    """Asks the rules; reads, and writes nothing."""

    def __init__(self, books: RulebookHolder, decider: Decider, routes: RouteTable) -> None:
        self.books = books
        self._decider = decider
        self._routes = routes

    async def ask(
        self,
        tx: AsyncSession,
        customer: Customer,
        topic_id: str,
        at: datetime,
        *,
        around: Circumstances = NOTHING,
        own: Journey | None = None,
        firm: Collection[str] = (),
        simulated: bool = False,
        book: Rulebook | None = None,
    ) -> Answer:
        """Decide whether to speak to a customer whose row the caller has locked.

        `book` is asked, else the one in force: another may be published in the middle of it.
        `firm` are messages that give way to nobody, whatever their priority.

        Raises:
            InvalidInputError: The rulebook has no such topic.
        """
        book = book or self.books.current
        [(question, below)] = await self._gather(
            tx,
            book,
            [(customer, around)],
            topic_id,
            at,
            own=own,
            firm=firm,
            simulated=simulated,
        )
        decision = await self._decider.decide(book, question)
        return Answer(book=book, question=question, decision=decision, below=below)

    async def ask_each(
        self,
        tx: AsyncSession,
        people: Sequence[Asked],
        topic_id: str,
        at: datetime,
        *,
        simulated: bool = False,
        book: Rulebook | None = None,
    ) -> list[Answer]:
        """Decide about many customers whose rows the caller has locked, each by himself.

        What they are asked about is read for all of them at once, and the reference answers: it is
        what a decision means, and the engine would have to be asked from another process. Who is
        asked about in a way that makes no difference shares the answer of another.

        Raises:
            InvalidInputError: The rulebook has no such topic.
        """
        book = book or self.books.current
        answers = []
        gathered = await self._gather(tx, book, people, topic_id, at, simulated=simulated)
        told = book.shards[topic_id].told
        alike = Alike(book, topic_id)
        for number, (question, below) in enumerate(gathered, start=1):
            around, asked = to_texts(question, told)
            decision = alike.decide(question, around)
            answers.append(
                Answer(book=book, question=question, decision=decision, below=below, asked=asked)
            )
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
        return answers

    async def question(
        self,
        tx: AsyncSession,
        book: Rulebook,
        customer: Customer,
        topic_id: str,
        at: datetime,
    ) -> Question:
        """Gather what a decision by a rulebook depends on.

        Raises:
            InvalidInputError: The rulebook has no such topic.
        """
        [(question, _)] = await self._gather(tx, book, [(customer, NOTHING)], topic_id, at)
        return question

    async def _gather(
        self,
        tx: AsyncSession,
        book: Rulebook,
        people: Sequence[Asked],
        topic_id: str,
        at: datetime,
        *,
        own: Journey | None = None,
        firm: Collection[str] = (),
        simulated: bool = False,
    ) -> list[tuple[Question, tuple[Slot, ...]]]:
        """Gather each one's question, and the slots that are not in its way.

        A simulated question hears of rehearsals and of what is in earnest, any other only of that.
        """
        topic = book.topics.get(topic_id)
        if topic is None:
            raise InvalidInputError(f"the rulebook has no topic {topic_id!r}", field="topic")
        ids = [customer.id for customer, _ in people]
        uses = await uses_of_caps(
            tx,
            ids,
            book.caps_of(topic_id),
            at,
            own,
            priority=topic.priority,
            firm=firm,
            simulated=simulated,
        )
        ledger = await ledger_views(tx, ids, topic, at, own, simulated=simulated)
        tallies = await tallies_of(tx, ids, book.counts_of(topic_id), at, simulated=simulated)
        down = {
            brand_id: await channels_down(tx, brand_id, self._routes.needs, simulated=simulated)
            for brand_id in {customer.brand_id for customer, _ in people}
        }
        brands = {customer.brand_id for customer, _ in people}
        senders = {one: await sender_facts(tx, one, book, topic_id) for one in brands}
        consents = await agreements(tx, [one for one, _ in people], topic.purposes, at)
        kind = topic.message_class
        unnamed = await _unnamed(tx, people, kind, at)
        gathered = []
        for number, (customer, around) in enumerate(people, start=1):
            question = Question(
                topic=topic_id,
                at=at,
                timezone=customer.timezone,
                document={
                    **document(customer, around.document),
                    **senders[customer.brand_id],
                },
                cap_uses=uses[customer.id].instants,
                cap_holders=uses[customer.id].holders,
                consents=consents[customer.id],
                reachable=reachable(customer, kind, at, banner=around.banner),
                blocked=customer.blocked(kind, at),
                country=customer.country,
                wishes=customer.wishes,
                unroutable=unroutable(customer, kind, self._routes),
                down=down[customer.brand_id],
                ledger=ledger[customer.id],
                tallies=tallies[customer.id],
                unplanned=around.unplanned,
                withheld=around.withheld or unnamed.get(customer.brand_id, ""),
                until=around.until,
            )
            gathered.append((question, uses[customer.id].below))
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
        return gathered

    @property
    def book(self) -> Rulebook:
        """The rulebook in force."""
        return self.books.current


async def _unnamed(
    tx: AsyncSession, people: Sequence[Asked], kind: MessageClass, at: datetime
) -> dict[str, str]:
    """Return the brands that may promote nothing, because their messages could not say whose."""
    if kind is not MessageClass.COMMERCIAL:
        return {}
    brands = {customer.brand_id for customer, _ in people}
    return {one: "sender_incomplete" for one in brands if await lacks(tx, one, at)}


def document(customer: Customer, around: Mapping[str, Value]) -> dict[str, Value]:
    """Return everything that a rule may read of a customer now; what just happened wins."""
    facts: dict[str, Value] = {
        **customer.facts,
        "customer.kind": customer.kind.value,
        "customer.locale": customer.locale,
        "customer.timezone": customer.timezone,
        "customer.country": customer.country,
    }
    if customer.usable(Channel.PUSH):
        facts["customer.app.push_token"] = True
    return {**facts, **around}


def situation(customer: Customer, at: datetime) -> Situation:
    """Return what conditions outside of a decision may read besides the document."""
    return Situation(
        at=at,
        zone=zone_of(customer.timezone),
        country=customer.country,
        consents=agreed(customer, at),
    )


def unroutable(
    customer: Customer, message_class: MessageClass, routes: RouteTable
) -> Mapping[Channel, str]:
    """Say of each channel that the customer has an address on why nothing may go that way."""
    words = {}
    for channel in {point.channel for point in customer.contact_points}:
        point = customer.usable(channel)
        if point is not None:
            country = country_of(point.address) if channel in BY_NUMBER else ""
            load = Load(channel=channel, country=country, message_class=message_class)
            words[channel] = routes.why_not(load)
    return {channel: why for channel, why in words.items() if why}


def reachable(
    customer: Customer, message_class: MessageClass, at: datetime, *, banner: bool
) -> frozenset[Channel]:
    """Return the channels over which a message of a class can reach the customer at an instant."""
    channels = {
        channel for channel in Channel if customer.open_to(channel, message_class, at) is not None
    }
    return frozenset(channels | {Channel.BANNER} if banner else channels - {Channel.BANNER})
