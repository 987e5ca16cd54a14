"""What the public sees of a brand's outages: one snapshot, from which every channel is written.

A suspicion is shown only when a person has released it, and then says nothing but the holding line:
neither a title nor a reason, because nobody has looked into it yet (B16).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tellal.domain.outages import OutageKind, Severity

HISTORY = timedelta(days=90)
"""How far back public channels show what was, and over how long they count what worked."""


class PublicState(StrEnum):
    """Where an outage is, in the words of status pages (those of Statuspage's API)."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"

    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    VERIFYING = "verifying"
    COMPLETED = "completed"


class ComponentStatus(StrEnum):
    """How a component does, from best to worst."""

    OPERATIONAL = "operational"
    UNDER_MAINTENANCE = "under_maintenance"
    DEGRADED = "degraded_performance"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"


class Indicator(StrEnum):
    """How bad it is altogether, from best to worst."""

    NONE = "none"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


class Mood(StrEnum):
    """Which sentence says it altogether."""

    FINE = "fine"
    LOOKING = "looking"
    WORKS = "works"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


_STATUSES = tuple(ComponentStatus)
_INDICATORS = tuple(Indicator)
_OF_FAILURE: Mapping[Severity, ComponentStatus] = {
    Severity.MINOR: ComponentStatus.DEGRADED,
    Severity.MAJOR: ComponentStatus.PARTIAL_OUTAGE,
    Severity.CRITICAL: ComponentStatus.MAJOR_OUTAGE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Something that was said, or has changed: the `number`-th of its outage, from 1.

    `text` is by language, and may be empty where only the state or a time has changed. `starts_at`
    and `expected_end` are what was known then, `confirmed` whether somebody had looked by then.
    """

    number: int
    at: datetime
    state: PublicState
    text: Mapping[str, str]
    confirmed: bool = True
    starts_at: datetime | None = None
    expected_end: datetime | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicOutage:
    """An outage as the public sees it; `updates` are the newest first.

    `title` and `reason` are empty while it is suspected. `since` is when it began or begins,
    `ended` when it was over. `confirmed` says that a person has looked and found it so.
    `expected_ends` holds what was promised and when, oldest first. `hotline_text` is by language.
    A `cancelled` one did not take place; an `exercise` is no outage at all. `places` are where it
    is shown, as its kind names them (page, feed, calendar, banner, hotline, cap); empty for all.
    """

    id: str
    kind: OutageKind
    severity: Severity
    state: PublicState
    title: str
    since: datetime
    confirmed: bool
    areas: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    ended: datetime | None = None
    expected_end: datetime | None = None
    expected_ends: tuple[tuple[datetime, datetime], ...] = ()
    reason: str = ""
    workaround: str = ""
    hotline: str = ""
    hotline_text: Mapping[str, str] = field(default_factory=dict)
    updates: tuple[Update, ...] = ()
    cancelled: bool = False
    exercise: bool = False
    places: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether it has ended, however."""
        return self.state in (PublicState.RESOLVED, PublicState.COMPLETED)

    @property
    def to_come(self) -> bool:
        """Whether it is announced and has not begun."""
        return self.state is PublicState.SCHEDULED

    @property
    def takes_down(self) -> bool:
        """Whether its components do not work now."""
        return self.confirmed and not self.over and not self.to_come

    @property
    def changed_at(self) -> datetime:
        """When something was last said of it."""
        return self.updates[0].at if self.updates else self.since

    def on(self, place: str) -> bool:
        """Say whether it is shown in a place."""
        return not self.places or place in self.places

    def told(self) -> tuple[Update, ...]:
        """Return its updates, oldest first."""
        return tuple(reversed(self.updates))


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentView:
    """A component as the public sees it; `uptime` is a share of the last ninety days."""

    id: str
    names: Mapping[str, str]
    status: ComponentStatus
    uptime: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandView:
    """Whose page it is."""

    id: str
    name: str
    trade_name: str
    country: str
    timezone: str
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that public channels show of a brand, as it was when it was made.

    `outages` run now, `planned` are to come (the next first), `history` is over (the latest first).
    """

    brand: BrandView
    made_at: datetime
    indicator: Indicator
    mood: Mood
    components: tuple[ComponentView, ...]
    outages: tuple[PublicOutage, ...]
    planned: tuple[PublicOutage, ...]
    history: tuple[PublicOutage, ...]
    exercise: bool = False

    def all(self) -> tuple[PublicOutage, ...]:
        """Return every outage: running, to come, over."""
        return (*self.outages, *self.planned, *self.history)

    def on(self, place: str) -> "Snapshot":
        """Return what of it is shown in a place."""
        return replace(
            self,
            outages=tuple(one for one in self.outages if one.on(place)),
            planned=tuple(one for one in self.planned if one.on(place)),
            history=tuple(one for one in self.history if one.on(place)),
        )

    def find(self, outage_id: str) -> PublicOutage | None:
        """Return an outage by its id, None if the public does not see it."""
        return next((one for one in self.all() if one.id == outage_id), None)


def status_of(
    component: str, running: Iterable[tuple[PublicOutage, frozenset[str]]]
) -> ComponentStatus:
    """Return how a component does: as the worst of what has taken it down.

    `running` pairs outages with all that has failed with them, dependants included.
    """
    found = [
        ComponentStatus.UNDER_MAINTENANCE
        if outage.kind is OutageKind.PLANNED
        else _OF_FAILURE[outage.severity]
        for outage, failed in running
        if outage.takes_down and component in failed
    ]
    return max(found, key=_STATUSES.index, default=ComponentStatus.OPERATIONAL)


def indicator_of(outages: Sequence[PublicOutage]) -> Indicator:
    """Return how bad it is: the worst confirmed failure says so; works were meant."""
    severities = [
        Indicator(one.severity.value)
        for one in outages
        if one.takes_down and one.kind is OutageKind.FAILURE
    ]
    return max(severities, key=_INDICATORS.index, default=Indicator.NONE)


def mood_of(outages: Sequence[PublicOutage]) -> Mood:
    """Return which sentence says it altogether."""
    indicator = indicator_of(outages)
    if indicator is not Indicator.NONE:
        return Mood(indicator.value)
    if any(one.takes_down for one in outages):
        return Mood.WORKS
    return Mood.LOOKING if any(not one.over and not one.to_come for one in outages) else Mood.FINE


def uptime(down: Iterable[tuple[datetime, datetime]], now: datetime) -> float:
    """Return the share of the last ninety days in which nothing was down, to four places.

    Spells that overlap count once. Failures only: Statuspage, too, leaves planned works out.
    """
    begin = now - HISTORY
    lost, counted_to = timedelta(), begin
    for start, end in sorted(down):
        first, last = max(start, counted_to), min(end, now)
        if last > first:
            lost += last - first
            counted_to = last
    return round(1 - lost / HISTORY, 4)


def spoken(text: Mapping[str, str], *languages: str) -> tuple[str, str]:
    """Return a text in the first of these languages that it has, else in any, and which it is."""
    for language in (*languages, *sorted(text)):
        if text.get(language):
            return text[language], language
    return "", languages[0] if languages else ""
