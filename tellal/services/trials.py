"""Sends a text to a colleague, through the provider that would carry it to a customer.

Nothing of it is in the ledger of what customers were told: no cause, no outcome, no slot of a cap.
A table of its own keeps who sent what to whom (masked), and what the provider answered.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import insert, update

from rules.holder import RulebookHolder
from rules.rulebook import Topic
from tellal.addresses import country_of, normalise
from tellal.clock import Clock
from tellal.domain.channels import BY_NUMBER, Channel, RecipientType
from tellal.domain.customers import Brand, Customer
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.domain.messages import HandOver, OutgoingMessage
from tellal.domain.push import kind_of
from tellal.domain.routes import Load, Route, RouteTable, by_weight, has_link, is_name
from tellal.domain.senders import SenderProfile
from tellal.domain.simulation import is_magic
from tellal.domain.sms.segments import segmented
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import TrialRow
from tellal.ports import ExampleRenderer, Rendered, Sender
from tellal.services.allow_list import AllowList
from tellal.services.claiming import sender_of
from tellal.services.posting import template_variables
from tellal.services.wording import Spoken, language_of, rendered as worded, senders_of

_trials = table(TrialRow)

MARK = "[TEST]"
"""What a trial begins with, so that nobody takes it for earnest."""

CALLING = "calling"
"""The answer of a trial that was begun; it stays so if the process died in the middle."""

_BODY = re.compile(r"<body[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to send: the text of a topic as a customer like the one named would get it."""

    topic: str
    channel: Channel
    to: str
    customer_like: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A text that was sent to a colleague, and the provider's answer to it.

    `answer` is accepted, rejected or ambiguous; `code` is the provider's own.
    """

    id: str
    topic: str
    channel: Channel
    to: str
    subject: str
    text: str
    segments: int
    route: str
    provider: str
    answer: str
    code: str
    reference: str
    sent_by: str
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Who:
    """In whose name something is sent, and who lends his language and name."""

    brand: Brand
    sender: SenderProfile
    like: Customer


class Trials:
    """Sends texts to those on the allow-list, and to nobody else; own transactions."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        *,
        books: RulebookHolder,
        renderer: ExampleRenderer,
        senders: Callable[[], Mapping[str, Sender]],
        routes: RouteTable,
        allow_list: AllowList,
    ) -> None:
        """Take `routes` of the providers at hand; `senders` are asked for when one is needed."""
        self._sessions = sessions
        self._clock = clock
        self._books = books
        self._renderer = renderer
        self._senders = senders
        self._routes = routes
        self._allow_list = allow_list

    async def send(self, brand: Brand, wanted: Wanted, *, by: str) -> Trial:
        """Send a text once, marked as a test; every failure of the provider is an answer.

        What WhatsApp has approved cannot be marked, so the topic's free words go there: they arrive
        within 24 hours after the colleague wrote to the brand.

        Raises:
            NotFoundError: There is no such topic, or no such customer.
            InvalidInputError: The address is none or not on the allow-list, the topic has no text
                for the channel, a variable is missing, or no route carries it.
        """
        topic = self._books.current.topics.get(wanted.topic)
        if topic is None:
            raise NotFoundError(f"the rulebook has no topic {wanted.topic!r}")
        address = self._address(brand, wanted)
        async with self._sessions() as tx:
            like = await find_customer(tx, brand.id, wanted.customer_like)
            [sender] = (await senders_of(tx, [brand])).values()
        message = self._message(_Who(brand=brand, sender=sender, like=like), topic, wanted, address)
        now = self._clock.now()
        values = {
            "id": message.id,
            "topic": topic.id,
            "channel": wanted.channel.value,
            "recipient": masked(wanted.channel, address),
            "route": message.route,
            "provider": message.provider,
            "sent_by": by,
            "sent_at": now,
        }
        # As with messages: who begins is on disk before anybody is called.
        async with self._sessions() as tx, tx.begin():
            await tx.execute(
                insert(_trials).values(brand_id=brand.id, answer=CALLING, code="", **values)
            )
        answer = await self._senders()[message.provider].send(message)
        async with self._sessions() as tx, tx.begin():
            await tx.execute(
                update(_trials)
                .where(_trials.c.id == message.id)
                .values(answer=answer.answer.value, code=answer.code, reference=answer.reference)
            )
        return _trial(message, answer, to=str(values["recipient"]), by=by, at=now)

    def _address(self, brand: Brand, wanted: Wanted) -> str:
        address = normalise(wanted.channel, wanted.to, region=brand.country)
        if is_magic(wanted.channel, address):
            raise InvalidInputError(
                "this address is the simulator's, and nobody reads what it gets",
                field="to",
                hint="use a rehearsal key to rehearse",
            )
        self._allow_list.check(wanted.channel, address)
        return address

    def _message(self, who: _Who, topic: Topic, wanted: Wanted, address: str) -> OutgoingMessage:
        brand, like, channel = who.brand, who.like, wanted.channel
        said = Spoken(
            topic=topic.id,
            channel=channel,
            language=like.locale,
            message_class=topic.message_class,
            variables={**self._renderer.example(topic.id)} | template_variables(brand, like, {}),
        )
        rendered = marked(worded(self._renderer, said, brand, who.sender, self._clock.now()))
        message_id = new_id()
        country = country_of(address) if channel in BY_NUMBER else ""
        load = Load(
            channel=channel,
            country=country,
            message_class=topic.message_class,
            has_link=has_link(rendered.text),
            named_sender=channel is Channel.SMS and is_name(brand.sms_sender),
            address_kind=kind_of(address) if channel is Channel.PUSH else None,
        )
        route = self._route(load, message_id)
        lasts = min(topic.expires, route.longest_validity or topic.expires)
        message = OutgoingMessage(
            id=message_id,
            attempt=1,
            channel=channel,
            message_class=topic.message_class,
            lane=topic.lane,
            sender=sender_of(brand, channel),
            address=address,
            subject=rendered.subject,
            text=rendered.text,
            language=language_of(
                self._renderer, topic=topic.id, channel=channel, language=said.language
            ),
            html=rendered.html,
            topic=topic.id,
            validity_s=max(1, int(lasts.total_seconds())),
            expires_at=self._clock.now() + lasts,
            provider=route.provider,
            route=route.name,
            recipient_type=RecipientType(like.kind.value),
        )
        return _written(message, route, country, topic) if channel is Channel.SMS else message

    def _route(self, load: Load, key: str) -> Route:
        routes = self._routes.carrying(load)
        if not routes:
            raise InvalidInputError(
                f"it cannot be sent: {self._routes.why_not(load)}",
                field="channel",
                hint="tellal routes shows what each route carries",
            )
        return by_weight(routes, key)


def marked(rendered: Rendered) -> Rendered:
    """Mark a text as a test, in its subject or else at its beginning, and in its HTML."""
    html = _BODY.sub(lambda body: f"{body[0]}<p>{MARK}</p>", rendered.html, count=1)
    if rendered.subject:
        return Rendered(subject=f"{MARK} {rendered.subject}", text=rendered.text, html=html)
    return Rendered(subject="", text=f"{MARK} {rendered.text}", html=html)


def masked(channel: Channel, address: str) -> str:
    """Return an address as records show it: enough to know a colleague by, and no more."""
    if channel is Channel.EMAIL:
        name, _, domain = address.rpartition("@")
        return f"{name[:1]}…@{domain}"
    return f"…{address[-4:]}"


def _written(message: OutgoingMessage, route: Route, country: str, topic: Topic) -> OutgoingMessage:
    """Write a text for the air, the mark with it."""
    written = segmented(
        message.text,
        alphabets=route.alphabets,
        reserved=route.reserved_in(country),
        folding=topic.fold,
    )
    return replace(
        message, text=written.text, encoding=written.alphabet.value, segments=written.count
    )


def _trial(message: OutgoingMessage, answer: HandOver, *, to: str, by: str, at: datetime) -> Trial:
    return Trial(
        id=message.id,
        topic=message.topic,
        channel=message.channel,
        to=to,
        subject=message.subject,
        text=message.text,
        segments=message.segments,
        route=message.route,
        provider=message.provider,
        answer=answer.answer.value,
        code=answer.code,
        reference=answer.reference,
        sent_by=by,
        sent_at=at,
    )
