"""What a rulebook is made of: topics, events and the rules of each section, ready to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from enum import StrEnum

from rules.calendars import Day
from rules.ir import Ir
from rules.source import LAW, Place
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.decisions import Fired, Reason, Value
from tellal.domain.sms.folding import Folding

ACTIVE = "active."
"""Fields of this prefix say, at a decision, that a rule is in force on the day, in the country."""


def active_law(pack: str, begins: date | None, ends: date | None) -> str:
    """Return the path that says that rows of a pack with these days are in force."""
    days = f":{begins or ''}..{ends or ''}" if begins or ends else ""
    return f"{ACTIVE}{LAW}{pack}{days}"


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


class Requirement(StrEnum):
    """What a row of the law asks for, so that a channel may be used.

    `consent`: a grant that is in force. `no_refusal`: that nobody has refused; no record is none.
    `nothing_to_oppose`: nothing, and rows of the same pack after it ask for nothing either.
    """

    CONSENT = "consent"
    NO_REFUSAL = "no_refusal"
    NOTHING = "nothing_to_oppose"


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
class Digest:
    """Several events of one customer become one message.

    It is told so long after the first of them (`span`), or when clocks where he is next show `at`:
    one of the two. With `most` events it is told at once.
    """

    span: timedelta | None
    at: time | None
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """Something to speak about: its class, how urgent it is, how often and until when.

    `fold` says how far its text messages may be changed to save segments. Attempts of longer ago
    than `attempts_within` do not count; without it they count for ever.

    What the law asks of it: `basis` is what its author claims to write on instead of consent,
    `content` what it is about, `product` what of the customer's it belongs to, `purposes` those for
    which consent must have been given, and `promotes` what its texts were found to do.

    With a `digest`, events that lead to it are gathered, and it is decided about all of them.
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
    basis: str = ""
    content: str = ""
    product: str = ""
    purposes: tuple[str, ...] = ()
    promotes: bool = False
    digest: Digest | None = None

    @property
    def is_remembered(self) -> bool:
        """Whether it matters how often it was said before; each digest is of other events."""
        return bool(self.on) and self.digest is None


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

    A `shadow` rule is asked and reported, and nothing follows from it. One of the law names its
    `source`; it is in force in the countries of `only_in` (any, if there are none) that are not in
    `not_in`.
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
    source: str = ""
    only_in: frozenset[str] = frozenset()
    not_in: frozenset[str] = frozenset()

    @property
    def of_pack(self) -> bool:
        """Whether it is of a country's law, and no author's."""
        return self.file.startswith(LAW)

    @property
    def active(self) -> str:
        """The path that says, at a decision, that it is in force; rows of the law share some."""
        if not self.of_pack:
            return f"{ACTIVE}{self.id}"
        return active_law(self.id.partition("/")[0], self.begins, self.ends)

    @property
    def bounded(self) -> bool:
        """Whether it is in force on some days or in some countries only."""
        return bool(self.begins or self.ends or self.only_in or self.not_in)

    def in_force(self, day: date, country: str) -> bool:
        """Say whether it is in force on a customer's day, where he lives."""
        begun = self.begins is None or self.begins <= day
        there = (not self.only_in or country in self.only_in) and country not in self.not_in
        return begun and there and (self.ends is None or day <= self.ends)

    @property
    def fired(self) -> Fired:
        """Say that this rule held."""
        return Fired(
            rule=self.id,
            section=self.section.value,
            file=self.file,
            line=self.line,
            text=self.means,
            source=self.source,
        )

    def because(self, code: str, text: str) -> Reason:
        """Give this rule as the reason of something."""
        return Reason(
            code=code,
            text=text,
            rule=self.id,
            file=self.file,
            line=self.line,
            source=self.source,
        )


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
    """Takes channels away for want of consent, or because of a refusal; no `countries` mean any.

    `bases` are what its pack lets a message go on instead of consent, with when.
    """

    channels: frozenset[Channel]
    countries: frozenset[str]
    reason: str
    text: str
    requires: Requirement = Requirement.CONSENT
    bases: Mapping[str, str] = field(default_factory=dict)

    def for_topic(self, topic: Topic) -> "Law":
        """Return the row as it speaks of a topic: it says what becomes of the basis it claims."""
        if not topic.basis or not self.of_pack or not self.wants_consent:
            return self
        when = self.bases.get(topic.basis)
        if when is None:
            why = "of which this law does not know"
        elif topic.promotes:
            why = "which nothing may claim that promotes"
        else:
            why = f"which does not hold: {when}"
        text = f"{self.text}. It claims '{topic.basis}', {why}"
        return replace(self, text=text)

    def offence(self, *, agreed: bool | None) -> Reason | None:
        """Say why a channel may not be used; `agreed` is a grant, a refusal, or no record."""
        if agreed or self.requires is Requirement.NOTHING:
            return None
        if agreed is False:
            return self.because("refused", "The customer has refused this channel")
        return self.because(self.reason, self.text) if self.wants_consent else None

    @property
    def wants_consent(self) -> bool:
        """Whether no record is not enough."""
        return self.requires is Requirement.CONSENT


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
