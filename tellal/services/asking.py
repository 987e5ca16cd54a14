"""Puts a question about one customer to the rules: his facts, his history, his consents."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from rules.decide import Decider, Question
from rules.holder import RulebookHolder
from rules.rulebook import Rulebook
from rules.situations import Situation, zone_of
from tellal.addresses import country_of
from tellal.domain.channels import BY_NUMBER, Channel, MessageClass
from tellal.domain.customers import ConsentState, Customer
from tellal.domain.decisions import Decision, Value
from tellal.domain.errors import InvalidInputError
from tellal.domain.routes import Load, RouteTable
from tellal.services.components import channels_down
from tellal.services.history import Journey, cap_uses, ledger_view, tallies
from tellal.services.slots import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What surrounds a question besides the customer: the event's facts, the case's channel.

    `banner` says that the surface that the person is on can show one now.
    """

    document: Mapping[str, Value]
    banner: bool = False


NOTHING = Circumstances(document={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A decision with its rulebook and question, and the slots that it may take from others."""

    book: Rulebook
    question: Question
    decision: Decision
    below: tuple[Slot, ...] = ()


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
        question, below = await self._gather(
            tx, book, customer, topic_id, at, around=around, own=own, firm=firm, simulated=simulated
        )
        decision = await self._decider.decide(book, question)
        return Answer(book=book, question=question, decision=decision, below=below)

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
        return (await self._gather(tx, book, customer, topic_id, at))[0]

    async def _gather(
        self,
        tx: AsyncSession,
        book: Rulebook,
        customer: Customer,
        topic_id: str,
        at: datetime,
        *,
        around: Circumstances = NOTHING,
        own: Journey | None = None,
        firm: Collection[str] = (),
        simulated: bool = False,
    ) -> tuple[Question, tuple[Slot, ...]]:
        """Gather a question, and the slots that are not in its way.

        A simulated question hears of rehearsals and of what is in earnest, any other only of that.
        """
        topic = book.topics.get(topic_id)
        if topic is None:
            raise InvalidInputError(f"the rulebook has no topic {topic_id!r}", field="topic")
        uses = await cap_uses(
            tx,
            customer.id,
            book.caps_of(topic_id),
            at,
            own,
            priority=topic.priority,
            firm=firm,
            simulated=simulated,
        )
        question = Question(
            topic=topic_id,
            at=at,
            timezone=customer.timezone,
            document=document(customer, around.document),
            cap_uses=uses.instants,
            cap_holders=uses.holders,
            consents=agreed(customer),
            reachable=reachable(customer, topic.message_class, at, banner=around.banner),
            blocked=customer.blocked(topic.message_class, at),
            country=customer.country,
            wishes=customer.wishes,
            unroutable=unroutable(customer, topic.message_class, self._routes),
            down=await channels_down(
                tx, customer.brand_id, self._routes.needs, simulated=simulated
            ),
            ledger=await ledger_view(tx, customer.id, topic, at, own, simulated=simulated),
            tallies=await tallies(
                tx, customer.id, book.counts_of(topic_id), at, simulated=simulated
            ),
        )
        return question, uses.below

    @property
    def book(self) -> Rulebook:
        """The rulebook in force."""
        return self.books.current


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


def agreed(customer: Customer) -> dict[Channel, bool]:
    """Return what the customer granted (True) and refused (False)."""
    return {
        channel: consent.state is ConsentState.GRANTED
        for channel, consent in customer.consents.items()
    }


def situation(customer: Customer, at: datetime) -> Situation:
    """Return what conditions outside of a decision may read besides the document."""
    return Situation(
        at=at,
        zone=zone_of(customer.timezone),
        country=customer.country,
        consents=agreed(customer),
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
