"""Which channel still helps in an outage: how long telling takes, against how long is left.

To tell N people s segments each at R segments a second takes T = N·s / R. A channel tells
everybody only if T and a margin fit into a share α of the time to the expected end (B01, B03):
whoever is told later has had the outage for most of its time, and some would hear of it after it is
over. No fixed size makes a group too large; that follows from the rate and from what is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from tellal.domain.channels import Channel
from tellal.domain.routes import Price

UNKNOWN_END = timedelta(hours=2)
"""How long an outage is taken to go on of which nobody says when it ends."""


class Chosen(StrEnum):
    """Who is told over a channel."""

    EVERYBODY = "everybody"
    PRIORITY = "priority"
    NOBODY = "nobody"


class Why(StrEnum):
    """Why a channel was chosen, or was not; stable for programs."""

    IN_TIME = "in_time"
    ONLY_PRIORITY_IN_TIME = "only_priority_in_time"
    TOO_LATE = "too_late"
    DEPENDS_ON_FAILED = "depends_on_failed"
    NO_ROUTE = "no_route"
    TOO_SHORT_FOR_EMAIL = "too_short_for_email"
    NOT_PLANNED = "not_planned"
    NOBODY_THERE = "nobody_there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """So many people whom the rules would speak to over these channels, tried in this order."""

    channels: tuple[Channel, ...]
    number: int
    priority: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a channel carries a notice: segments per second, segments of the text, price of it."""

    rate: float
    segments: int = 1
    price: Price | None = None

    def takes(self, people: int) -> timedelta:
        """Return how long it takes to tell so many."""
        return timedelta(seconds=people * self.segments / self.rate)

    def reaches(self, time: timedelta) -> int:
        """Return how many can be told in a time."""
        return max(0, int(time.total_seconds() * self.rate / self.segments))

    def costs(self, people: int) -> Decimal | None:
        """Return what it costs to tell so many, None where no price is known."""
        return None if self.price is None else self.price.amount * people


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a plan is made of.

    `ends` is when it is of no use any more to be told: the expected end of a failure, the beginning
    of works; None if nobody knows. `lasts` is how long the outage takes from its beginning.
    `channels` are those that may be used, most wanted first; `ways` those that have a route, and
    `broken` those that depend on what has failed, with its name (B18).
    """

    now: datetime
    ends: datetime | None
    lasts: timedelta | None
    channels: tuple[Channel, ...]
    audiences: tuple[Audience, ...]
    ways: Mapping[Channel, Way]
    broken: Mapping[Channel, str] = field(default_factory=dict)
    has_priority: bool = False
    useful_until: float = 0.5
    margin: timedelta = timedelta(minutes=5)
    email_from: timedelta = timedelta()

    @property
    def left(self) -> timedelta:
        """How long it is of use to be told."""
        if self.ends is None:
            return UNKNOWN_END
        return max(timedelta(), self.ends - self.now)

    @property
    def budget(self) -> timedelta:
        """How long telling may take."""
        return self.left * self.useful_until - self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChoice:
    """What a plan says of one channel.

    `audience` are those whom it would be the first to reach, `told` those of them who are told;
    `fits` is how many could be told in time. `takes` and `useful_share` (how many of all would
    hear of it before the end) are of the audience, `cost` is of those who are told.
    """

    channel: Channel
    chosen: Chosen
    code: Why
    why: str
    audience: int
    told: int
    fits: int | None
    rate: float | None
    segments: int | None
    takes: timedelta | None
    useful_share: float | None
    cost: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Who is told in one go, over which channels, and how many they are."""

    whom: Chosen
    channels: tuple[Channel, ...]
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Every channel, in the order of wish, and what follows: who is told, the priority part first.

    `untold` are people whom rules would reach, and no channel of the plan does.
    """

    channels: tuple[ChannelChoice, ...]
    parts: tuple[Part, ...]
    untold: int

    def of(self, channel: Channel) -> ChannelChoice:
        """Return what is said of a channel."""
        return next(one for one in self.channels if one.channel is channel)


def choose(asked: Asked) -> Choices:
    """Choose channels: everybody where that is in time, else the priority part, else nobody.

    A channel that is given up leaves its people to their next one, so the choice is made again
    until it stands; every step gives up something, so it comes to an end.
    """
    chosen = {one: _at_first(asked, one)[0] for one in asked.channels}
    while (worse := _too_late(asked, chosen)) is not None:
        chosen[worse] = (
            Chosen.PRIORITY
            if chosen[worse] is Chosen.EVERYBODY and _has_priority(asked, worse)
            else Chosen.NOBODY
        )
    named = {channel for one in asked.audiences for channel in one.channels}
    others = sorted(named - set(asked.channels))
    told = _told(asked.audiences, chosen)
    return Choices(
        channels=tuple(_choice(asked, chosen, one, told) for one in (*asked.channels, *others)),
        parts=_parts(asked, chosen),
        untold=sum(one.number for one in asked.audiences) - sum(told.values()),
    )


def _has_priority(asked: Asked, channel: Channel) -> bool:
    there = (one for one in asked.audiences if one.priority and channel in one.channels)
    return asked.has_priority and any(one.number for one in there)


def _at_first(asked: Asked, channel: Channel) -> tuple[Chosen, Why]:
    """Say what holds of a channel before anything is counted."""
    if channel not in asked.channels:
        return Chosen.NOBODY, Why.NOT_PLANNED
    if channel in asked.broken:
        return Chosen.NOBODY, Why.DEPENDS_ON_FAILED
    if channel not in asked.ways:
        return Chosen.NOBODY, Why.NO_ROUTE
    lasts = asked.left if asked.lasts is None else asked.lasts
    if channel is Channel.EMAIL and lasts < asked.email_from:
        return Chosen.NOBODY, Why.TOO_SHORT_FOR_EMAIL
    return Chosen.EVERYBODY, Why.IN_TIME


def _too_late(asked: Asked, chosen: Mapping[Channel, Chosen]) -> Channel | None:
    """Return the most wanted channel that would not be through in time."""
    told = _told(asked.audiences, chosen)
    for channel in asked.channels:
        people = told.get(channel, 0)
        if people and asked.ways[channel].takes(people) > asked.budget:
            return channel
    return None


def _told(audiences: Sequence[Audience], chosen: Mapping[Channel, Chosen]) -> dict[Channel, int]:
    """Count who is told over which channel: over the first of his that is left to him."""
    told: dict[Channel, int] = {}
    for one in audiences:
        whom = {Chosen.EVERYBODY, Chosen.PRIORITY} if one.priority else {Chosen.EVERYBODY}
        first = next((c for c in one.channels if chosen.get(c) in whom), None)
        if first is not None:
            told[first] = told.get(first, 0) + one.number
    return told


def _choice(
    asked: Asked,
    chosen: Mapping[Channel, Chosen],
    channel: Channel,
    told: Mapping[Channel, int],
) -> ChannelChoice:
    mine = chosen.get(channel, Chosen.NOBODY)
    everybody = _told(asked.audiences, {**chosen, channel: Chosen.EVERYBODY}).get(channel, 0)
    way = asked.ways.get(channel)
    code = _code(asked, channel, mine, everybody)
    return ChannelChoice(
        channel=channel,
        chosen=mine,
        code=code,
        why=_words(asked, channel, code, everybody, told.get(channel, 0)),
        audience=everybody,
        told=told.get(channel, 0),
        fits=None if way is None else way.reaches(asked.budget),
        rate=None if way is None else way.rate,
        segments=None if way is None else way.segments,
        takes=None if way is None else way.takes(everybody),
        useful_share=None if way is None else useful_share(asked, way, everybody),
        cost=None if way is None else way.costs(told.get(channel, 0)),
        currency=way.price.currency if way is not None and way.price is not None else "",
    )


def useful_share(asked: Asked, way: Way, people: int) -> float:
    """Return which share of so many would hear of it before the end if all were told."""
    takes = way.takes(people)
    return 1.0 if takes <= asked.left else asked.left / takes


def _code(asked: Asked, channel: Channel, mine: Chosen, people: int) -> Why:
    at_first, why = _at_first(asked, channel)
    if at_first is Chosen.NOBODY:
        return why
    if not people:
        return Why.NOBODY_THERE
    return {
        Chosen.EVERYBODY: Why.IN_TIME,
        Chosen.PRIORITY: Why.ONLY_PRIORITY_IN_TIME,
        Chosen.NOBODY: Why.TOO_LATE,
    }[mine]


def _words(asked: Asked, channel: Channel, code: Why, people: int, told: int) -> str:  # noqa: PLR0911 - one return per reason
    match code:
        case Why.NOT_PLANNED:
            return "outages of this kind are not told over it"
        case Why.DEPENDS_ON_FAILED:
            return f"it depends on what has failed: {asked.broken[channel]}"
        case Why.NO_ROUTE:
            return "no route carries it now"
        case Why.TOO_SHORT_FOR_EMAIL:
            return f"only outages of at least {span(asked.email_from)} are told by e-mail"
        case Why.NOBODY_THERE:
            return "it is nobody's first channel"
    way = asked.ways[channel]
    sum_ = (
        f"{people} people, {way.segments} segment{'s' if way.segments > 1 else ''} each at "
        f"{way.rate:g}/s, take {span(way.takes(people))}; there are "
        f"{span(max(timedelta(), asked.budget))} for it ({asked.useful_until:.0%} of the "
        f"{span(asked.left)} left, less {span(asked.margin)})"
    )
    match code:
        case Why.ONLY_PRIORITY_IN_TIME:
            return f"{sum_}; the {told} of the priority part are told, which is in time"
        case Why.TOO_LATE:
            return f"{sum_}; it would be too late for some"
    return sum_


def _parts(asked: Asked, chosen: Mapping[Channel, Chosen]) -> tuple[Part, ...]:
    """Say who is told in which order; what tells nobody is no part."""
    for_all = tuple(one for one in asked.channels if chosen[one] is Chosen.EVERYBODY)
    first = tuple(one for one in asked.channels if chosen[one] is not Chosen.NOBODY)
    parts = []
    if asked.has_priority and first:
        people = _people(asked, chosen, priority=True)
        parts.append(Part(whom=Chosen.PRIORITY, channels=first, people=people))
    if for_all:
        people = _people(asked, chosen, priority=False)
        if not asked.has_priority:
            people += _people(asked, chosen, priority=True)
        parts.append(Part(whom=Chosen.EVERYBODY, channels=for_all, people=people))
    return tuple(parts)


def _people(asked: Asked, chosen: Mapping[Channel, Chosen], *, priority: bool) -> int:
    mine = [one for one in asked.audiences if one.priority is priority]
    return sum(_told(mine, chosen).values())


def span(time: timedelta) -> str:
    """Write a time span as people say it: seconds, minutes, hours or days."""
    seconds = round(time.total_seconds())
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{seconds} s"
