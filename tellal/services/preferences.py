"""A customer's own page: which topics and channels he wants, behind an address that we signed.

Whoever holds the address is the customer. Nothing is changed by looking: filters and previews
follow links. Nobody is asked why.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from tellal.clock import Clock
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.consents import ConsentChannel, Source
from tellal.domain.customers import Brand, ConsentState, Customer
from tellal.domain.errors import NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, lock_customer_by_id, read_customers
from tellal.persistence.tables.customers import CustomerRow
from tellal.services.consents import ConsentInput, Consents
from tellal.services.customers import Customers
from tellal.settings import Settings

_customers = table(CustomerRow).c

_PURPOSE = "preferences:"
"""So that a signature under a message's address is none under a customer's."""
_MAC_DIGITS = 32
_CHANNELS = (Channel.SMS, Channel.EMAIL, Channel.PUSH, Channel.WHATSAPP, Channel.CALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChoice:
    """A channel on which he can be reached, and whether commercial messages may go there."""

    channel: Channel
    agreed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicChoice:
    """A topic that he may turn off; what the law orders to be told is not among them."""

    id: str
    means: str
    commercial: bool
    wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceSheet:
    """What the page shows."""

    brand: str
    language: str
    channels: tuple[ChannelChoice, ...]
    topics: tuple[TopicChoice, ...]
    service_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What he sent: of the channels and topics that he was shown, those that he wants.

    `words` are what stood beside the box of each channel, as they prove what he agreed to.
    """

    shown_channels: Collection[str]
    channels: Collection[str]
    shown_topics: Collection[str]
    topics: Collection[str]
    service_only: bool
    words: Mapping[str, str]


class Preferences:
    """Makes the addresses, shows what stands, and takes what is chosen.

    Without a secret there are no addresses, and none is believed.
    """

    def __init__(
        self,
        secret: str,
        public_url: str,
        *,
        books: RulebookHolder,
        customers: Customers,
        consents: Consents,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._secret = secret.encode()
        self._public_url = public_url.rstrip("/")
        self._books = books
        self._customers = customers
        self._consents = consents

    def url(self, customer_id: str) -> str:
        """Return the address of a customer's page; empty without a secret."""
        if not self._secret:
            return ""
        return f"{self._public_url}/preferences/{customer_id}.{self._mac(customer_id)}"

    async def show(self, tx: AsyncSession, token: str) -> PreferenceSheet:
        """Return what the page of an address shows.

        Raises:
            NotFoundError: We did not make this address.
        """
        customer_id = self._checked(token)
        customer = (await read_customers(tx, [customer_id])).get(customer_id)
        if customer is None:
            raise NotFoundError("no such address")
        return self._sheet(await read_brand(tx, customer.brand_id), customer)

    async def choose(self, tx: AsyncSession, token: str, chosen: Chosen) -> PreferenceSheet:
        """Take what was chosen: refusals count from the commit on, and stop what waits.

        A channel that is as it was is not written down again; one that he was not shown stays.

        Raises:
            NotFoundError: We did not make this address.
        """
        customer = await lock_customer_by_id(tx, self._checked(token))
        brand = await read_brand(tx, customer.brand_id)
        for choice in self._sheet(brand, customer).channels:
            name = choice.channel.value
            wanted = name in chosen.channels and not chosen.service_only
            known = customer.consents.get(choice.channel)
            refuses = not wanted and (known is None or known.state is not ConsentState.REFUSED)
            # Who never agreed and leaves the box empty has said nothing, unless he wants service
            # messages only.
            refuses = refuses and (choice.agreed or chosen.service_only)
            if name not in chosen.shown_channels:
                continue
            if refuses or (wanted and not choice.agreed):
                await self._consents.record(
                    tx, brand=brand, ref=customer.ref, said=_said(name, chosen, granted=wanted)
                )
        off = self._may_be_off()
        kept = {one for one in customer.wishes.topics_off if one not in chosen.shown_topics}
        fresh = {one for one in chosen.shown_topics if one in off and one not in chosen.topics}
        changed = await self._customers.prefer(
            tx,
            brand=brand,
            ref=customer.ref,
            # Who wants service messages only, and saves without a channel, still does.
            service_only=chosen.service_only
            or (customer.wishes.service_only and not chosen.channels),
            topics_off=frozenset(kept | fresh),
        )
        return self._sheet(brand, changed)

    async def address_of(self, tx: AsyncSession, brand_id: str, ref: str) -> str:
        """Return the address of the page of a customer of a brand.

        Raises:
            NotFoundError: The brand has no such customer, or nothing signs addresses here.
        """
        query = select(_customers.id).where(_customers.brand_id == brand_id, _customers.ref == ref)
        customer_id = (await tx.execute(query)).scalar_one_or_none()
        if customer_id is None:
            raise NotFoundError(f"no customer {ref!r}")
        if not self._secret:
            raise NotFoundError("no secret signs addresses here")
        return self.url(customer_id)

    def _sheet(self, brand: Brand, customer: Customer) -> PreferenceSheet:
        off = customer.wishes.topics_off
        topics = self._books.current.topics
        return PreferenceSheet(
            brand=brand.trade_name or brand.name,
            language=customer.locale,
            channels=tuple(
                ChannelChoice(channel=channel, agreed=self._agreed(customer, channel))
                for channel in _CHANNELS
                if customer.usable(channel) is not None
            ),
            topics=tuple(
                TopicChoice(
                    id=name,
                    means=topics[name].means,
                    commercial=topics[name].message_class is MessageClass.COMMERCIAL,
                    wanted=name not in off,
                )
                for name in self._may_be_off()
            ),
            service_only=customer.wishes.service_only,
        )

    def _agreed(self, customer: Customer, channel: Channel) -> bool:
        """Say whether he has agreed; what has lapsed shows as an empty box."""
        said = customer.consents.get(channel)
        return said is not None and said.granted(self._clock.now()) is True

    def _may_be_off(self) -> list[str]:
        topics = self._books.current.topics
        return sorted(
            name
            for name, topic in topics.items()
            if topic.message_class is not MessageClass.MANDATORY
        )

    def _checked(self, token: str) -> str:
        customer_id, _, mac = token.partition(".")
        ours = hmac.compare_digest(mac.encode(), self._mac(customer_id).encode())
        if not self._secret or not ours:
            raise NotFoundError("no such address")
        return customer_id

    def _mac(self, customer_id: str) -> str:
        said = f"{_PURPOSE}{customer_id}".encode()
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()[:_MAC_DIGITS]


def preferences(
    settings: Settings,
    books: RulebookHolder,
    customers: Customers,
    consents: Consents,
    clock: Clock,
) -> Preferences:
    """Return the preference pages of an installation."""
    secret = settings.unsubscribe_secret.get_secret_value()
    return Preferences(
        secret,
        settings.public_url,
        books=books,
        customers=customers,
        consents=consents,
        clock=clock,
    )


def _said(channel: str, chosen: Chosen, *, granted: bool) -> ConsentInput:
    evidence: dict[str, object] = {"page": "preferences"}
    if granted:
        # The box was empty: it is ticked only where he had agreed before.
        evidence |= {"text": chosen.words.get(channel, ""), "preselected": False}
    return ConsentInput(
        channel=ConsentChannel(channel),
        state=ConsentState.GRANTED if granted else ConsentState.REFUSED,
        source=Source.PREFERENCES.value,
        evidence=evidence,
    )
