"""What product teams say beforehand about incidents: kinds, components, lead times and presets.

`rules/incidents/` holds the files; `rules.incidents` reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import StrEnum

from tellal.domain.channels import Channel
from tellal.domain.outages import NoticeKind, OutageKind, Severity

AREAS: Mapping[str, str] = {
    "province": "customer.city",
    "district": "customer.district",
    "neighbourhood": "customer.neighbourhood",
    "feeder": "customer.feeder",
}
"""What an area may name, with the fact of customers that says where they are."""


class PublicChannel(StrEnum):
    """Where everybody can read of an outage, whoever he is; nothing is sent to anyone."""

    PAGE = "page"
    BANNER = "banner"
    HOTLINE = "hotline"
    SOCIAL = "social"
    FEED = "feed"
    CALENDAR = "calendar"
    CAP = "cap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Something that can fail. Whatever depends on it fails with it.

    `names` are by language, as public channels show them; `brands` whose it is, empty for all;
    `hidden` ones are not shown to the public.
    """

    id: str
    names: Mapping[str, str]
    depends_on: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """So many signals of one kind within so long make a suspicion by themselves (B15)."""

    signals: int
    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentKind:
    """How outages of one kind are told: texts, channels, and when something is worth telling.

    `topics` name the texts of each kind of notice; a kind without a topic for one does not send it.
    `channels` is the default plan of direct channels, most wanted first (B02); `email_from` keeps
    mails for outages that last at least so long. `priority` is a condition as in rule files: who is
    told first, and by text message even when not everybody can be in time. `useful_until` is the
    share of the time to the expected end within which a channel must be through for everybody
    (α), with `margin` on top. `material` is by how much the expected end must move, or by which
    share of what is left (`material_share`), for those told to hear of it. `escalate_after` is how
    long a suspicion may stand before the person on call is paged (B17). `approval_above` is how
    many people may be told on one person's word. `compensate_after` is the time after which the law
    gives compensation. `what` names what happened in a few words, as texts say it; it,
    `holding_line` and `hotline_text` are by language.
    """

    id: str
    kind: OutageKind
    means: str
    sector: str
    severity: Severity
    topics: Mapping[NoticeKind, str]
    channels: tuple[Channel, ...]
    public: tuple[PublicChannel, ...]
    components: tuple[str, ...] = ()
    priority: Mapping[str, object] | None = None
    life_critical: bool = False
    email_from: timedelta = timedelta(0)
    useful_until: float = 0.5
    margin: timedelta = timedelta(minutes=5)
    material: timedelta = timedelta(minutes=30)
    material_share: float = 0.25
    suspicion: Suspicion | None = None
    escalate_after: timedelta = timedelta(minutes=15)
    approval_above: int | None = None
    compensate_after: timedelta | None = None
    review_within: timedelta = timedelta(days=5)
    what: Mapping[str, str] = field(default_factory=dict)
    holding_line: Mapping[str, str] = field(default_factory=dict)
    hotline_text: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadTime:
    """How long beforehand planned works are announced in a country's sector, and reminded of.

    `work_from` and `work_until` are the local hours in which such work disturbs least (B09); the
    night spans midnight. `source` is the law or the practice.
    """

    country: str
    sector: str
    lead: timedelta
    remind_before: timedelta
    work_from: time
    work_until: time
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """An outage declared in one line at three in the morning (B19).

    `segment` is a condition as in rule files, None for whoever is in the areas. `lasts` is the
    expected duration if nobody says another; `no_workaround` says that none is known.
    """

    id: str
    incident: str
    title: str
    brands: frozenset[str] = frozenset()
    components: tuple[str, ...] = ()
    severity: Severity | None = None
    areas: tuple[Mapping[str, str], ...] = ()
    segment: Mapping[str, object] | None = None
    lasts: timedelta | None = None
    reason: str = ""
    workaround: str = ""
    no_workaround: bool = False
    hotline: str = ""
    variables: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidents:
    """Everything that is said beforehand, by id."""

    kinds: Mapping[str, IncidentKind]
    components: Mapping[str, Component]
    lead_times: tuple[LeadTime, ...]
    presets: Mapping[str, Preset]

    def failed_with(self, components: frozenset[str]) -> frozenset[str]:
        """Return these components and all that depend on them, however far."""
        failed = set(components)
        while True:
            more = {
                one.id
                for one in self.components.values()
                if one.id not in failed and one.depends_on & failed
            }
            if not more:
                return frozenset(failed)
            failed |= more

    def needs(self, by_channel: Mapping[Channel, frozenset[str]]) -> dict[Channel, frozenset[str]]:
        """Return what channels need, with everything that this depends on, however far."""
        return {
            channel: frozenset(
                one
                for one in {*self.components, *needed}
                if self.failed_with(frozenset({one})) & needed
            )
            for channel, needed in by_channel.items()
        }

    def lead_time(self, country: str, sector: str) -> LeadTime | None:
        """Return what is asked of planned works in a country's sector, None if nothing is."""
        for one in self.lead_times:
            if one.country == country and one.sector == sector:
                return one
        return None
