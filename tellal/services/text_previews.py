"""Shows texts before they are sent: all that are ready, and one as a certain person would read it.

A text that needs a variable which a person lacks is not sent to him (`variable_missing`); a preview
names what lacks, and shows the example's word in its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from rules.law_texts import shipped_text_laws
from rules.rulebook import Topic
from tellal.addresses import country_of
from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand, Customer
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.domain.routes import RouteTable
from tellal.domain.senders import SenderProfile
from tellal.persistence.people import find_customer
from tellal.ports import Rendered
from tellal.services.groups import resolve, variables_among
from tellal.services.posting import template_variables
from tellal.services.senders import sender_profile
from tellal.services.shelf import Shelf
from tellal.services.wording import Spoken, day_of, rendered as worded
from templates.environment import JinjaRenderer
from templates.gallery import Airtime, ReadyMessage, airtime, ready_messages
from templates.lawfulness import Law
from templates.lint import Ways
from templates.variables import is_blank, look_up


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPreview:
    """Which text, read by whom: a customer, as a member of a group if one is named.

    `variables` are those of the campaign; without a `language` it is the customer's own.
    """

    topic: str
    channel: Channel
    customer: str
    group: str = ""
    language: str = ""
    variables: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPreview:
    """A text as somebody would read it; with one of `missing` he would not get it at all."""

    text_name: str
    shown: Rendered
    airtime: Airtime
    missing: tuple[str, ...]


class TextPreviews:
    """Shows the texts in force; reads, and sends nothing."""

    def __init__(
        self, books: RulebookHolder, shelf: Shelf, routes: RouteTable, clock: Clock
    ) -> None:
        self._books = books
        self._shelf = shelf
        self._routes = routes
        self._clock = clock

    async def sender(self, tx: AsyncSession, brand: Brand) -> SenderProfile:
        """Read in whose name texts are shown."""
        return await sender_profile(tx, brand)

    def gallery(
        self, brand: Brand, sender: SenderProfile, *, topic: str = ""
    ) -> tuple[ReadyMessage, ...]:
        """Show every text in force in a brand's name, or those of one topic; it takes a second.

        Raises:
            ConflictError: The texts in force come from elsewhere, and cannot be listed.
        """
        book, law = self._books.current, shipped_text_laws().of(brand.country)
        ways = Ways(
            table=self._routes,
            providers=frozenset(route.provider for route in self._routes.routes),
            classes={one.id: one.message_class for one in book.topics.values()},
            digested={one.id for one in book.topics.values() if one.digest},
            law=Law(laws=(law,), day=self._today(brand), sender=sender),
        )
        versions = {one.id: one.content_version for one in book.topics.values()}
        return ready_messages(
            self._texts(), ways, versions, law=law, country=brand.country, topic=topic
        )

    async def preview(self, tx: AsyncSession, brand: Brand, wanted: WantedPreview) -> TextPreview:
        """Show a text as a customer would read it.

        Raises:
            NotFoundError: There is no such topic, customer or group.
            InvalidInputError: The topic has no text for the channel, or the brand's profile lacks
                what a commercial text must say.
        """
        topic = self._books.current.topics.get(wanted.topic)
        if topic is None:
            raise NotFoundError(f"the rulebook has no topic {wanted.topic!r}")
        customer = await find_customer(tx, brand.id, wanted.customer)
        own = await self._own(tx, brand, customer, wanted.group)
        texts = self._texts()
        language = wanted.language or customer.locale
        said = Spoken(
            topic=topic.id,
            channel=wanted.channel,
            language=language,
            message_class=topic.message_class,
            variables=template_variables(brand, customer, {**wanted.variables, **own}),
        )
        sender = await sender_profile(tx, brand)
        missing: list[str] = []
        shown = None
        while shown is None:
            try:
                shown = worded(texts, said, brand, sender, self._clock.now())
            except InvalidInputError as error:
                path = tuple(error.field.split("."))
                word = look_up(texts.example(topic.id), path)
                if error.field in missing or is_blank(word):
                    raise
                missing.append(error.field)
                said = replace(said, variables=_with(said.variables, path, word))
        return TextPreview(
            text_name=texts.text_name(topic=topic.id, channel=wanted.channel, language=language),
            shown=shown,
            airtime=self._airtime(topic, wanted.channel, shown, customer),
            missing=tuple(missing),
        )

    def _airtime(
        self, topic: Topic, channel: Channel, shown: Rendered, customer: Customer
    ) -> Airtime:
        point = customer.usable(Channel.SMS)
        country = customer.country if point is None else country_of(point.address)
        return airtime(
            shown.text,
            channel=channel,
            routes=self._routes,
            country=country or customer.country,
            classes=(topic.message_class,),
        )

    async def _own(
        self, tx: AsyncSession, brand: Brand, customer: Customer, group: str
    ) -> Mapping[str, object]:
        if not group:
            return {}
        [found] = await resolve(tx, brand.id, [group])
        return (await variables_among(tx, [found.id], [customer.id])).get(customer.id, {})

    def _texts(self) -> JinjaRenderer:
        texts = self._shelf.in_force()
        if not isinstance(texts, JinjaRenderer):
            raise ConflictError("the texts in force cannot be listed", code="texts_elsewhere")
        return texts

    def _today(self, brand: Brand) -> date:
        return day_of(brand, self._clock.now())


def _with(
    variables: Mapping[str, object], path: tuple[str, ...], word: object
) -> dict[str, object]:
    """Put a word where nothing was given."""
    first, *rest = path
    inner = variables.get(first)
    below = inner if isinstance(inner, Mapping) else {}
    return {**variables, first: _with(below, tuple(rest), word) if rest else word}
