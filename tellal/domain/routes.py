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
    r"\w://\S|\bwww\.\S|(?<=[\w-])\.(?:"
    r"(?:com|net|org|info|gov|edu|io|co|me|ly|eu|pl|tr|app|biz|gl|gle|link|ru|uk|xyz)\b"
    r"|[a-z]{2,}/\w)",
    re.IGNORECASE,
)
"""A scheme, a `www.`, one of the common ends of a domain, or any end with a path behind it."""


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
    """Say whether a text holds what carriers filter as a link: an address or a bare domain.

    The domain of a mail address counts too, because filters look for domains.
    """
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
_PROBE = timedelta(seconds=20)
"""How long a probe is waited for; longer than an adapter waits for its provider."""
_OF_THE_PERSON = frozenset({Remedy.BAD_ADDRESS, Remedy.OPTED_OUT})
"""Remedies of answers that only a provider in good order can give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What came of the hand-overs of one route in one batch.

    `successes` are answers that only a route in good order gives. `failures` speak against it:
    no answer, an error of its server, no connection. `pause_s` is the longest pause that it asked
    for, `halted` the code with which it said that our own settings are wrong.
    """

    successes: int = 0
    failures: int = 0
    pause_s: float | None = None
    halted: str = ""
    code: str = ""


def results_of(answers: Sequence[HandOver]) -> Results:
    """Sum up the answers of one route.

    What it refuses for our settings while it takes other messages is wrong for some, as one
    brand's sender is; that is no reason to keep everybody from it.
    """
    successes = sum(_speaks_for(one) for one in answers)
    failed = [one for one in answers if _speaks_against(one)]
    pauses = [one.retry_after_s for one in answers if one.retry_after_s is not None]
    halted = [one.code for one in answers if one.remedy is Remedy.HALT]
    return Results(
        successes=successes,
        failures=len(failed),
        pause_s=max(pauses, default=None),
        halted=halted[-1] if halted and not successes else "",
        code=failed[-1].code if failed else "",
    )


def _speaks_for(answer: HandOver) -> bool:
    return answer.answer is Answer.ACCEPTED or answer.remedy in _OF_THE_PERSON


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

    def is_open(self, now: datetime) -> bool:
        """Say whether its breaker is open."""
        return self.open_until is not None and self.open_until > now

    def probing(self, now: datetime) -> "Health":
        """Return it resting while one message tries whether it has healed."""
        return replace(self, paused_until=now + _PROBE)

    def after(self, results: Results, now: datetime) -> "Health":
        """Return how it is doing after a batch of answers.

        What left before it opened and is answered while it is open tells nothing new.
        """
        health = self._after_pause(results, now)
        was_open = self.is_open(now)
        if results.halted:
            return replace(
                health,
                open_until=now + _LONGEST_OPEN,
                opened_times=max(1, self.opened_times + (not was_open)),
                reason=results.halted,
            )
        if was_open:
            return health
        if results.successes and self.on_probation:
            health = replace(health, failures=0, open_until=None, opened_times=0)
        level = health.failures + _FAILURE * results.failures + _SUCCESS * results.successes
        health = replace(health, failures=max(0, level))
        still_bad = health.on_probation and results.failures
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

    def _after_pause(self, results: Results, now: datetime) -> "Health":
        """Take up a pause that was asked for; a probe that succeeded ends the rest around it."""
        rests = self.paused_until
        if results.successes and self.on_probation and not self.is_open(now):
            rests = None
        if results.pause_s is None:
            if rests == self.paused_until:
                return self
            return replace(self, paused_until=None, reason="")
        pause = min(max(timedelta(seconds=results.pause_s), _SHORTEST_PAUSE), _LONGEST_PAUSE)
        until = max(now + pause, rests or now)
        reason = self.reason if self.is_open(now) else "asked_for_a_pause"
        return replace(self, paused_until=until, reason=reason)


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

        What came back from `last` rather goes another way. A route on probation gets its share
        too, else nobody would learn that it has healed; the caller lets one message try.
        """
        open_now = [route for route in routes if self.rests_until(route.name) is None]
        if not open_now:
            ends = [self.rests_until(route.name) or self.now for route in routes]
            return min(ends)
        others = [route for route in open_now if route.name != last] or open_now
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
