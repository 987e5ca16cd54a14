"""Customers, how to reach them and what they agreed to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tellal.domain.blocks import Block, strictest
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.decisions import Value


class CustomerKind(StrEnum):
    """Individual or merchant: the law asks different things for each (İYS: BIREYSEL, TACIR)."""

    INDIVIDUAL = "individual"
    MERCHANT = "merchant"


class ConsentState(StrEnum):
    """Granted (ONAY) or refused (RET); no record means not granted."""

    GRANTED = "granted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPoint:
    """An address of a customer on a channel, normalised; `bad_reason` says why it is unusable.

    `blocks` holds the blocks on it that nobody has lifted; they may be over.
    """

    id: str
    channel: Channel
    address: str
    bad_reason: str = ""
    blocks: tuple[Block, ...] = ()

    def block(self, message_class: MessageClass, at: datetime) -> Block | None:
        """Return the block that stops messages of a class at an instant, if there is one."""
        return strictest(
            one for one in self.blocks if one.in_force(at) and one.stops(message_class)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The latest consent or refusal that settles a channel for a customer.

    `tellal.domain.consents.ConsentRecord` is the whole of it. A grant may have an end.
    """

    channel: Channel
    state: ConsentState
    source: str
    recorded_at: datetime
    valid_until: datetime | None = None

    def granted(self, at: datetime) -> bool | None:
        """Say whether he granted it (True), refused it (False), or his grant has lapsed (None)."""
        if self.state is ConsentState.REFUSED:
            return False
        return True if self.valid_until is None or self.valid_until > at else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a customer does not want to hear; what the law orders to be told comes all the same.

    `complained` are topics that he complained of.
    """

    service_only: bool = False
    topics_off: frozenset[str] = frozenset()
    complained: frozenset[str] = frozenset()

    def against(self, topic: str, message_class: MessageClass) -> str:
        """Return the code of what speaks against a message, empty if nothing does."""
        mandatory = message_class is MessageClass.MANDATORY
        return "" if mandatory else self.about(topic, message_class)

    def about(self, topic: str, message_class: MessageClass) -> str:
        """Return the code of what he wishes of a message, heeded or not; empty if nothing."""
        if topic in self.complained:
            return "complained"
        if topic in self.topics_off:
            return "topic_off"
        only_service = self.service_only and message_class is MessageClass.COMMERCIAL
        return "service_only" if only_service else ""


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """A sender: who it is in law, and what it is called on each channel.

    `kind` and what follows it are as in `tellal.domain.senders.SenderProfile`.
    """

    id: str
    name: str
    trade_name: str
    country: str
    timezone: str
    phone: str
    email: str
    mersis: str
    sms_sender: str
    email_sender: str
    whatsapp_sender: str = ""
    kind: str = "company"
    owner: str = ""
    tckn: str = ""
    short_number: str = ""
    exemption: str = ""
    licence: str = ""
    sector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer with everything that a decision needs to know about him.

    `facts` maps the vocabulary's paths (`customer.login.method`) to values; `consents` holds the
    record in force per channel.
    """

    id: str
    brand_id: str
    ref: str
    kind: CustomerKind
    locale: str
    timezone: str
    country: str
    first_name: str
    facts: Mapping[str, Value]
    contact_points: tuple[ContactPoint, ...]
    consents: Mapping[Channel, Consent]
    wishes: Wishes = NO_WISHES

    def usable(self, channel: Channel) -> ContactPoint | None:
        """Return the first good address on a channel."""
        for point in self.contact_points:
            if point.channel is channel and not point.bad_reason:
                return point
        return None

    def open_to(
        self, channel: Channel, message_class: MessageClass, at: datetime
    ) -> ContactPoint | None:
        """Return the first good address on a channel that no block closes to a class."""
        good = (p for p in self.contact_points if p.channel is channel and not p.bad_reason)
        return next((point for point in good if point.block(message_class, at) is None), None)

    def blocked(self, message_class: MessageClass, at: datetime) -> dict[Channel, Block]:
        """Return the channels on which every good address is blocked to a class, with a block."""
        found: dict[Channel, Block] = {}
        for point in self.contact_points:
            block = None if point.bad_reason else point.block(message_class, at)
            if block is not None and self.open_to(point.channel, message_class, at) is None:
                found.setdefault(point.channel, block)
        return found
