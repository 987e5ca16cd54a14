"""What a rulebook is made of: topics, events and the rules of each section, ready to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import StrEnum

from rules.calendars import Day
from rules.ir import Ir
from rules.source import Place
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.decisions import Fired, Reason, Value
from tellal.domain.sms.folding import Folding


class Section(StrEnum):
    """The sections whose rules are asked, in the order of the phases."""

    TOPICS = "topics"
    FACTS = "facts"
    SUPPRESS = "suppress"
    CHANNELS = "channels"
    LAW = "law"
    CAPS = "caps"
    QUIET_HOURS = "quiet_hours"


class OnReach(StrEnum):
    """What a full cap does."""

    NEXT_CHANNEL = "next_channel"
    SUPPRESS = "suppress"
    DEFER = "defer"


class QuietAction(StrEnum):
    """What quiet hours do to a channel."""

    DEFER = "defer"
    NEXT_CHANNEL = "next_channel"
    SUPPRESS = "suppress"


class WaitFor(StrEnum):
    """Which channel a plan begins with when some may not go yet.

    `first`: the first that is left, however long it must wait. `any`: the one that may go soonest.
    """

    FIRST = "first"
    ANY = "any"


class Period(StrEnum):
    """A window of a cap by the customer's calendar; weeks begin on Monday."""

    DAY = "calendar_day"
    WEEK = "calendar_week"
    MONTH = "calendar_month"


class Counted(StrEnum):
    """What a count is of."""

    MESSAGES = "messages"
    EVENTS = "events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How often something happened to a customer lately: `count.<id>`, and `last.<id>` ago.

    Messages are those handed over that have not failed, of `topics`, over `channel` if it names
    one; events are of `types`.
    """

    id: str
    of: Counted
    within: timedelta
    topics: frozenset[str]
    types: frozenset[str]
    channel: Channel | None
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """Something to speak about: its class, how urgent it is, how often and until when.

    `fold` says how far its text messages may be changed to save segments. Attempts of longer ago
    than `attempts_within` do not count; without it they count for ever.
    """

    id: str
    means: str
    message_class: MessageClass
    lane: Lane
    priority: int
    on: tuple[str, ...]
    once: bool
    content_version: int
    expires: timedelta
    attempts: int
    every: timedelta
    stop_when: Ir | None
    file: str
    line: int
    fold: Folding = Folding.NEVER
    attempts_within: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """What an event may carry, and what it leaves behind in the customer's facts.

    `sets` maps a customer's field to a value (None removes it); `copies` maps it to the event's
    field that the value comes from.
    """

    type: str
    carries: frozenset[str]
    sets: Mapping[str, Value | None]
    copies: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition with a name and a place; what follows from it depends on its section.

    A `shadow` rule is asked and reported, and nothing follows from it.
    """

    id: str
    section: Section
    when: Ir
    means: str
    file: str
    line: int
    begins: date | None = None
    ends: date | None = None
    shadow: bool = False

    @property
    def fired(self) -> Fired:
        """Say that this rule held."""
        return Fired(
            rule=self.id,
            section=self.section.value,
            file=self.file,
            line=self.line,
            text=self.means,
        )

    def because(self, code: str, text: str) -> Reason:
        """Give this rule as the reason of something."""
        return Reason(code=code, text=text, rule=self.id, file=self.file, line=self.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRule(Rule):
    """Adds a fact; several rules may derive the same one."""

    derives: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression(Rule):
    """Stops a message."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPlan(Rule):
    """Chooses channels in their order, each with the patience it is given.

    `places` says where each channel of `steps` stands.
    """

    steps: tuple[tuple[Channel, timedelta], ...]
    places: tuple[Place, ...] = ()
    wait_for: WaitFor = WaitFor.FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class Law(Rule):
    """Takes channels away for want of consent; empty `countries` mean any."""

    channels: frozenset[Channel]
    countries: frozenset[str]
    reason: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap(Rule):
    """So many messages of these topics within a window, rolling or of the customer's calendar.

    Every message of `topics` (over `channel`, if it names one) takes a slot; the limit binds
    those for which the condition holds.
    """

    limit: int
    window: timedelta | Period
    channel: Channel | None
    topics: frozenset[str]
    on_reach: OnReach
    reason: str
    text: str

    @property
    def reach(self) -> timedelta:
        """How far back slots can matter at most."""
        return self.window if isinstance(self.window, timedelta) else _LONGEST[self.window]


_LONGEST: Mapping[Period, timedelta] = {
    Period.DAY: timedelta(days=2),
    Period.WEEK: timedelta(days=8),
    Period.MONTH: timedelta(days=32),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours(Rule):
    """Hours of the customer's day (or of a fixed zone) in which channels are silent.

    With `days`, only hours that begin on such a day; with `countries`, only for who lives there.
    Equal `begin` and `end` are the whole day.
    """

    channels: frozenset[Channel]
    begin: time
    end: time
    timezone: str
    action: QuietAction
    reason: str
    text: str
    days: frozenset[Day] = frozenset()
    countries: frozenset[str] = frozenset()

    def binds(self, country: str) -> bool:
        """Say whether it is meant for who lives in a country."""
        return not self.countries or country in self.countries
