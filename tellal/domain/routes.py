"""Routes: which provider may carry what, which one takes a message, and when one is left alone.

What a route may carry is data, how it is doing is a row that all workers share; here is what
follows from both.
"""

import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from tellal.domain.channels import Channel, MessageClass
from tellal.domain.messages import Answer, HandOver, Remedy
from tellal.domain.sms.alphabets import EVERYWHERE, Alphabet

_LINK = re.compile(
    r"\b(?:https?://|www\.)\S|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net|org|info|gov|edu|io|co|me|ly"
    r"|eu|pl|tr)\b(?!\.\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriage:
    """What a route carries to some countries; no countries means any other.

    `reserved` is how many characters carriers there add to every text.
    """

    countries: frozenset[str]
    classes: frozenset[MessageClass]
    urls: bool
    reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a segment (or a mail, or a push) costs."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way through one provider. `rate` is messages per second over all workers, None unbounded.

    `longest_validity` is how long it goes on trying at most.
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

    def reserved_in(self, country: str) -> int:
        """Return how many characters carriers in a country add to every text."""
        for carriage in self.carries:
            if not carriage.countries or country in carriage.countries:
                return carriage.reserved
        return 0

    def refuses(self, load: "Load") -> str:
        """Say in words why it must not carry a load, empty when it may."""
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
            return ""
        return f"{self.name} does not go to {there}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be carried, as far as a route cares; `country` is the address's, empty if none."""

    channel: Channel
    country: str
    message_class: MessageClass
    has_link: bool = False


def has_link(text: str) -> bool:
    """Say whether a text holds what carriers filter as a link: an address or a bare domain."""
    return _LINK.search(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """Every route that is set up."""

    routes: tuple[Route, ...]

    def with_providers(self, providers: Collection[str]) -> "RouteTable":
        """Return the routes whose provider is at hand."""
        return RouteTable(routes=tuple(r for r in self.routes if r.provider in providers))

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

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels that any route carries."""
        return frozenset(route.channel for route in self.routes)


def by_weight(routes: Sequence[Route], key: str) -> Route:
    """Choose one of the routes by weight; the same key always chooses the same."""
    total = sum(route.weight for route in routes)
    point = zlib.crc32(key.encode()) % max(total, 1)
    for route in routes:
        point -= route.weight
        if point < 0:
            return route
    return routes[-1]


_OPENS_AT = 20
_FAILURE, _SUCCESS = 2, -1
"""A leaky bucket: it fills while more than a third of the answers are failures."""
_FIRST_OPEN = timedelta(seconds=10)
_LONGEST_OPEN = timedelta(minutes=5)
_MOST_DOUBLINGS = 5
_SHORTEST_PAUSE = timedelta(milliseconds=100)
_LONGEST_PAUSE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What came of the hand-overs of one route in one batch.

    `failures` are answers that speak against the route: none, an error of its server, no
    connection. `pause_s` is the longest pause that it asked for, `halted` the code with which it
    said that our own settings are wrong.
    """

    successes: int = 0
    failures: int = 0
    pause_s: float | None = None
    halted: str = ""
    code: str = ""


def results_of(answers: Sequence[HandOver]) -> Results:
    """Sum up the answers of one route."""
    failed = [one for one in answers if _speaks_against(one)]
    pauses = [one.retry_after_s for one in answers if one.retry_after_s is not None]
    halted = [one.code for one in answers if one.remedy is Remedy.HALT]
    return Results(
        successes=sum(one.answer is Answer.ACCEPTED for one in answers),
        failures=len(failed),
        pause_s=max(pauses, default=None),
        halted=halted[-1] if halted else "",
        code=failed[-1].code if failed else "",
    )


def _speaks_against(answer: HandOver) -> bool:
    if answer.answer is Answer.AMBIGUOUS:
        return True
    return answer.remedy is Remedy.RETRY and answer.retry_after_s is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a route is doing. Its breaker is open until `open_until`; after that it is tried.

    `opened_times` counts how often it opened without a success between.
    """

    route: str
    paused_until: datetime | None = None
    failures: int = 0
    open_until: datetime | None = None
    opened_times: int = 0
    reason: str = ""

    def rests_until(self, now: datetime) -> datetime | None:
        """Say until when nothing may leave, None when something may."""
        ends = [at for at in (self.paused_until, self.open_until) if at is not None and at > now]
        return max(ends, default=None)

    @property
    def on_probation(self) -> bool:
        """Whether it opened and nobody knows yet whether it has healed."""
        return self.opened_times > 0

    def after(self, results: Results, now: datetime) -> "Health":
        """Return how it is doing after a batch of answers."""
        health = self
        if results.pause_s is not None:
            pause = min(max(timedelta(seconds=results.pause_s), _SHORTEST_PAUSE), _LONGEST_PAUSE)
            until = max(now + pause, self.paused_until or now)
            health = replace(health, paused_until=until, reason="asked_for_a_pause")
        if results.halted:
            times = self.opened_times + 1
            return replace(
                health, open_until=now + _LONGEST_OPEN, opened_times=times, reason=results.halted
            )
        if results.successes and self.on_probation:
            health = replace(health, failures=0, open_until=None, opened_times=0, reason="")
        level = health.failures + _FAILURE * results.failures + _SUCCESS * results.successes
        health = replace(health, failures=max(0, level))
        if self.open_until is not None and now < self.open_until:
            # Stragglers of before it opened; what they say of it is known.
            return health
        still_bad = self.on_probation and results.failures and not results.successes
        if health.failures < _OPENS_AT and not still_bad:
            return health
        doubled = _FIRST_OPEN * (1 << min(health.opened_times, _MOST_DOUBLINGS))
        return replace(
            health,
            failures=0,
            open_until=now + min(doubled, _LONGEST_OPEN),
            opened_times=health.opened_times + 1,
            reason=results.code,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Chooses routes for a batch of messages as things stand at one instant."""

    table: RouteTable
    health: Mapping[str, Health]
    now: datetime

    def among(self, load: Load) -> tuple[Route, ...]:
        """Return the routes that may carry a load, healthy or not."""
        return self.table.carrying(load)

    def pick(self, routes: Sequence[Route], *, key: str, last: str = "") -> Route | datetime:
        """Choose a route that takes something now, else say when one will.

        What came back from `last` rather goes another way. A route on probation is only taken
        where no other is left.
        """
        open_now = [route for route in routes if self.rests_until(route.name) is None]
        if not open_now:
            ends = [self.rests_until(route.name) or self.now for route in routes]
            return min(ends)
        sound = [r for r in open_now if not self.is_on_probation(r.name)] or open_now
        others = [route for route in sound if route.name != last] or sound
        return by_weight(others, key)

    def rests_until(self, route: str) -> datetime | None:
        """Say until when a route rests, None when it works."""
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
