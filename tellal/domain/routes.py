"""Routes: which provider may carry what, and which one takes a message.

What a route may carry is data, how it is doing is a row that all workers share; here is what
follows from both.
"""

import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from tellal.domain.channels import Channel, MessageClass
from tellal.domain.push import PushKind
from tellal.domain.route_health import Health
from tellal.domain.route_learning import Mode, Share
from tellal.domain.sms.alphabets import EVERYWHERE, Alphabet

_NUMBER = re.compile(r"\+?\d+|MG[0-9a-f]{32}")
_LINK = re.compile(
    r"\w://\S|\bwww\.\S|(?<=[\w-])\.(?:"
    r"(?:com|net|org|info|gov|edu|io|co|me|ly|eu|pl|tr|app|biz|gl|gle|link|ru|uk|xyz)\b"
    r"|[a-z]{2,}/\w)",
    re.IGNORECASE,
)
"""A scheme, a `www.`, one of the common ends of a domain, or any end with a path behind it."""
_ALL_WELL: Mapping[str, Share] = {}
_PARTS = 1_000
"""Into so many parts a weight is cut, so that a small share of a small one is still something."""
_DRAINED_FOR = timedelta(seconds=5)
"""When a message that only a drained route may carry is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriage:
    """What a route carries to some countries; no countries means any other.

    `reserved` is how many characters carriers there add to every text; `names` says whether a
    sender may be called by a name there, where others demand a number.
    """

    countries: frozenset[str]
    classes: frozenset[MessageClass]
    urls: bool
    reserved: int = 0
    names: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a segment (or a mail, or a push) costs."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way through one provider. `rate` is messages per second over all workers, None unbounded.

    `longest_validity` is how long it goes on trying at most. `addresses` are the kinds of push
    addresses that it knows; none means any.
    """

    name: str
    provider: str
    channel: Channel
    carries: tuple[Carriage, ...]
    weight: int = 100
    rate: float | None = None
    alphabets: frozenset[Alphabet] = EVERYWHERE
    two_way: bool = False
    price: Price | None = None
    longest_validity: timedelta | None = None
    addresses: frozenset[PushKind] = frozenset()

    def reserved_in(self, country: str) -> int:
        """Return how many characters carriers in a country add to every text."""
        for carriage in self.carries:
            if not carriage.countries or country in carriage.countries:
                return carriage.reserved
        return 0

    def refuses(self, load: "Load") -> str:
        """Say in words why it must not carry a load, empty when it may."""
        if self.addresses and load.address_kind and load.address_kind not in self.addresses:
            return f"{self.name} knows no addresses of {load.address_kind}"
        return self._refuses_there(load)

    def _refuses_there(self, load: "Load") -> str:
        if load.channel is not self.channel:
            return f"{self.name} does not carry {load.channel}"
        there = load.country or "an unknown country"
        for carriage in self.carries:
            if carriage.countries and load.country not in carriage.countries:
                continue
            if load.message_class not in carriage.classes:
                return f"{self.name} carries nothing {load.message_class} to {there}"
            if load.has_link and not carriage.urls:
                return f"{self.name} carries no links to {there}"
            if load.named_sender and not carriage.names:
                return f"{self.name} takes only numbers for senders to {there}"
            return ""
        return f"{self.name} does not go to {there}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be carried, as far as a route cares; `country` is the address's, empty if none.

    `address_kind` is of a push address, None while it is not known.
    """

    channel: Channel
    country: str
    message_class: MessageClass
    has_link: bool = False
    named_sender: bool = False
    address_kind: PushKind | None = None


def is_name(sender: str) -> bool:
    """Say whether a text comes from a name: neither a number nor one of Twilio's services."""
    return bool(sender) and _NUMBER.fullmatch(sender) is None


def has_link(text: str) -> bool:
    """Say whether a text holds what carriers filter as a link: an address or a bare domain.

    The domain of a mail address counts too, because filters look for domains.
    """
    return _LINK.search(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """Every route that is set up.

    `needs` names, by channel, the components of the brand without which nobody can be reached by
    it: a push opens an app that does nothing while its backend is down.
    """

    routes: tuple[Route, ...]
    needs: Mapping[Channel, frozenset[str]] = field(default_factory=dict)

    def with_providers(self, providers: Collection[str]) -> "RouteTable":
        """Return the routes whose provider is at hand."""
        return replace(self, routes=tuple(r for r in self.routes if r.provider in providers))

    def at_hand(self, providers: Collection[str]) -> "RouteTable":
        """Return the routes of providers that are set up; all of them where none is.

        Who writes or compares rules needs no keys of providers: what routes may carry counts then.
        """
        return self.with_providers(providers) if providers else self

    def carrying(self, load: Load) -> tuple[Route, ...]:
        """Return the routes that may carry a load."""
        return tuple(route for route in self.routes if not route.refuses(load))

    def why_not(self, load: Load) -> str:
        """Say why no route carries a load, empty when one does."""
        own = [route for route in self.routes if route.channel is load.channel]
        reasons = [route.refuses(load) for route in own]
        if not own:
            return f"no route for {load.channel} is set up"
        return "" if "" in reasons else "; ".join(reasons)

    def refuses_link(self, load: Load) -> str:
        """Say why no route carries a load with a link, empty when one does or none needs to.

        What nobody carries even without its link is not stopped by the link.
        """
        with_link = replace(load, has_link=True)
        without = replace(load, has_link=False)
        return self.why_not(with_link) if self.carrying(without) else ""

    @property
    def countries(self) -> tuple[str, ...]:
        """The countries that any route names, sorted."""
        return tuple(sorted({c for r in self.routes for one in r.carries for c in one.countries}))

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels that any route carries."""
        return frozenset(route.channel for route in self.routes)


def by_weight(routes: Sequence[Route], key: str, shares: Mapping[str, Share] = _ALL_WELL) -> Route:
    """Choose one of the routes by weight and share; while these stand, a key chooses the same."""
    parts = [route.weight * _PARTS * _share(shares, route.name).factor for route in routes]
    total = sum(map(int, parts))
    point = zlib.crc32(key.encode()) % max(total, 1)
    for route, part in zip(routes, parts, strict=True):
        point -= int(part)
        if point < 0:
            return route
    return routes[-1]


def _share(shares: Mapping[str, Share], route: str) -> Share:
    return shares.get(route) or Share(route=route)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Chooses routes for a batch of messages as things stand at one instant."""

    table: RouteTable
    health: Mapping[str, Health]
    now: datetime
    shares: Mapping[str, Share] = field(default_factory=dict)

    def among(self, load: Load) -> tuple[Route, ...]:
        """Return the routes that may carry a load, healthy or not."""
        return self.table.carrying(load)

    def pick(self, routes: Sequence[Route], *, key: str, last: str = "") -> Route | datetime:
        """Choose a route that takes something now, else say when one will.

        What came back from `last` rather goes another way. A route on probation gets its share
        too, else nobody would learn that it has healed; the caller lets one message try. A pinned
        one takes all that it may carry.
        """
        open_now = [route for route in routes if self.rests_until(route.name) is None]
        if not open_now:
            ends = [self.rests_until(route.name) or self.now for route in routes]
            return min(ends)
        others = [route for route in open_now if route.name != last] or open_now
        pinned = [r for r in others if _share(self.shares, r.name).mode is Mode.PINNED]
        return by_weight(pinned or others, key, self.shares)

    def rests_until(self, route: str) -> datetime | None:
        """Say until when a route rests, None when it works; a drained one is asked again later."""
        if _share(self.shares, route).mode is Mode.DRAINED:
            return self.now + _DRAINED_FOR
        return self._health(route).rests_until(self.now)

    def is_on_probation(self, route: str) -> bool:
        """Say whether its breaker opened and nobody knows yet whether it has healed."""
        return self._health(route).on_probation

    @property
    def resting_channels(self) -> frozenset[Channel]:
        """The channels of which every route rests."""
        awake = {r.channel for r in self.table.routes if self.rests_until(r.name) is None}
        return self.table.channels - awake

    def _health(self, route: str) -> Health:
        return self.health.get(route) or Health(route=route)
