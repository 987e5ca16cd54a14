"""Plans how an outage is told: who is concerned, over what, for how much, and who goes first.

Counts come from the rules, about everybody in one statement; rates and prices from the routes that
work now. What is not known is taken to be something, and the plan says what.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from rules.population.needs import channels_of
from rules.population.reading import Sum
from rules.rulebook import Rulebook
from rules.scoping import ELSEWHERE, is_priority, scoped
from rules.standing import parse_segment
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.decisions import Value, Verdict
from tellal.domain.errors import InvalidInputError
from tellal.domain.incidents import IncidentKind, Incidents
from tellal.domain.outage_plan import (
    UNKNOWN_END,
    Asked,
    Audience,
    ChannelChoice,
    Choices,
    Chosen,
    choose,
    span,
)
from tellal.domain.outages import NoticeKind, OutageKind
from tellal.domain.routes import RouteTable
from tellal.domain.scope import both, scope
from tellal.persistence.tables.outages import OutageRow
from tellal.ports import Renderer
from tellal.services.asking import Circumstances
from tellal.services.components import channels_down
from tellal.services.outage_places import ids_in
from tellal.services.outage_ways import OWN_RATE, Notice, Ways
from tellal.services.population import Deciding, Matter, Population


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFor:
    """What of an outage a plan depends on; `channels` are an operator's own, None the kind's.

    `variables` are those of the notice, under `outage`. `components` are what it has taken down,
    those of its kind if there are none.
    """

    incident: str
    components: Sequence[str] = ()
    areas: Sequence[Mapping[str, str]] = ()
    segment: Mapping[str, object] | None = None
    variables: Mapping[str, object] = field(default_factory=dict)
    starts_at: datetime | None = None
    expected_end: datetime | None = None
    channels: tuple[Channel, ...] | None = None
    simulated: bool = False

    @classmethod
    def of(cls, row: Row[Any] | OutageRow, *, channels: tuple[Channel, ...] | None = None) -> Self:
        """Read what a row of `outages` says."""
        return cls(
            incident=row.incident,
            components=tuple(row.components),
            areas=tuple(row.areas),
            segment=row.segment,
            variables=row.variables,
            starts_at=row.starts_at,
            expected_end=row.expected_end,
            channels=channels,
            simulated=row.simulated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """How many people an outage concerns.

    Of the `affected` the rules would speak to `reachable`; `silent` counts the others by reason.
    `told` are those whom the plan tells, `needs_approval` whether they are more than one person may
    tell on his own.
    """

    affected: int
    reachable: int
    told: int
    silent: Mapping[str, int]
    approval_above: int | None

    @property
    def needs_approval(self) -> bool:
        """Say whether a second person has to agree."""
        return self.approval_above is not None and self.told > self.approval_above


@dataclass(frozen=True, slots=True, kw_only=True)
class OutagePlan:
    """How an outage is told, with the arithmetic of every channel in words.

    `told_by` is when everybody should have been told; `assumed_end` says that nobody knows the end.
    `parts` are those of a round of telling; `approximations` says what was taken to be so.
    """

    made_at: datetime
    topic: str
    ends: datetime
    assumed_end: bool
    told_by: datetime
    impact: Impact
    choices: Choices
    public: tuple[str, ...]
    segment: Mapping[str, object] | None
    priority: Mapping[str, object] | None
    approximations: tuple[str, ...]

    @property
    def parts(self) -> list[dict[str, object]]:
        """Return the parts of the round, in their order, as `outage_notices.parts` keeps them."""
        segments = {
            Chosen.PRIORITY: both(self.segment, self.priority),
            Chosen.EVERYBODY: None if self.segment is None else dict(self.segment),
        }
        return [
            {
                "name": part.whom.value,
                "segment": segments[part.whom],
                "channels": [channel.value for channel in part.channels],
                "audience": f"{part.people} people",
            }
            for part in self.choices.parts
        ]

    def as_json(self) -> dict[str, object]:
        """Write the plan for `outages.plan` and the API: instants in ISO, spans in seconds."""
        impact = self.impact
        return {
            "made_at": self.made_at.isoformat(),
            "topic": self.topic,
            "ends": self.ends.isoformat(),
            "assumed_end": self.assumed_end,
            "told_by": self.told_by.isoformat(),
            "affected": impact.affected,
            "reachable": impact.reachable,
            "told": impact.told,
            "untold": self.choices.untold,
            "silent": dict(impact.silent),
            "approval_above": impact.approval_above,
            "needs_approval": impact.needs_approval,
            "public": list(self.public),
            "channels": [_channel_json(one) for one in self.choices.channels],
            "parts": self.parts,
            "approximations": list(self.approximations),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What is to be planned now, by which rules."""

    brand: Brand
    outage: PlanFor
    kind: IncidentKind
    book: Rulebook
    within: Mapping[str, object] | None
    now: datetime

    @property
    def topic(self) -> str:
        """The topic of the notice."""
        return self.kind.topics[NoticeKind.NOTICE]


class Planning:
    """Makes plans; reads, and writes nothing."""

    def __init__(
        self,
        incidents: Incidents,
        books: RulebookHolder,
        renderer: Renderer,
        routes: RouteTable,
        *,
        own_rate: float = OWN_RATE,
    ) -> None:
        """Plan by what product teams have said, over routes that are set up here.

        `own_rate` is how many messages per second this installation hands over at most.
        """
        self._incidents = incidents
        self._books = books
        self._needs = routes.needs
        self._ways = Ways(renderer, routes, own_rate)
        self._deciding = Deciding(routes)

    async def plan(
        self, tx: AsyncSession, brand: Brand, outage: PlanFor, now: datetime
    ) -> OutagePlan:
        """Decide who is told over what, as things stand now.

        Raises:
            InvalidInputError: There is no such kind of incident, the segment is no condition, an
                area is no place, or the notice's text needs a variable that is missing (B12).
        """
        kind = self.kind(outage.incident)
        within = scope(outage.areas, outage.segment)
        case = _Case(
            brand=brand,
            outage=outage,
            kind=kind,
            book=self._books.current,
            within=within,
            now=now,
        )
        sums = await self._sums(tx, case)
        asked, notes = await self._asked(tx, case, _audiences(sums))
        choices = choose(asked)
        return OutagePlan(
            made_at=now,
            topic=case.topic,
            ends=now + asked.left,
            assumed_end=asked.ends is None,
            told_by=max(now, now + asked.budget),
            impact=_impact(sums, choices, kind),
            choices=choices,
            public=tuple(one.value for one in kind.public),
            segment=within,
            priority=kind.priority,
            approximations=(*notes, *_guessed(choices)),
        )

    def kind(self, incident: str) -> IncidentKind:
        """Return what is said of a kind of incident.

        Raises:
            InvalidInputError: There is none of that name.
        """
        kind = self._incidents.kinds.get(incident)
        if kind is None:
            known = ", ".join(sorted(self._incidents.kinds))
            raise InvalidInputError(
                f"there is no kind of incident {incident!r}", field="incident", hint=known
            )
        return kind

    async def _sums(self, tx: AsyncSession, case: _Case) -> list[Sum]:
        """Count, by the rules, those whom it concerns; in one statement, however many they are."""
        book, priority, brand_id = case.book, case.kind.priority, case.brand.id
        matter = Matter(
            topic=case.topic,
            at=case.now,
            whom=Population(
                brand_id=brand_id,
                ids=await ids_in(tx, brand_id, case.outage.areas),
                simulated=case.outage.simulated,
            ),
            around=Circumstances(document=outage_facts(case.kind)),
        )
        narrowed = scoped(
            book,
            case.topic,
            None if case.within is None else parse_segment(book, case.within),
            None if priority is None else parse_segment(book, priority),
        )
        sums = await self._deciding.sums(tx, narrowed, matter)
        return [one for one in sums if one.reason is None or one.reason.code != ELSEWHERE]

    async def _asked(
        self, tx: AsyncSession, case: _Case, audiences: tuple[Audience, ...]
    ) -> tuple[Asked, tuple[str, ...]]:
        """Gather what the plan is made of, and what of it is guessed."""
        kind, outage = case.kind, case.outage
        ends = _useful_until(kind, outage, case.now)
        notice = Notice(
            topic=case.book.topics[case.topic],
            channels=channels_of(case.book.shards[case.topic]),
            variables={"what": kind.what, **outage.variables},
        )
        ways, notes = await self._ways.now(tx, case.brand, notice, case.now)
        if ends is None:
            notes = (f"nobody says when it ends: it is taken to last {span(UNKNOWN_END)}", *notes)
        asked = Asked(
            now=case.now,
            ends=ends,
            lasts=_lasts(outage, case.now),
            channels=kind.channels if outage.channels is None else outage.channels,
            audiences=audiences,
            ways=ways,
            broken=await self._broken(tx, case),
            has_priority=kind.priority is not None,
            useful_until=kind.useful_until,
            margin=kind.margin,
            email_from=kind.email_from,
        )
        return asked, notes

    async def _broken(self, tx: AsyncSession, case: _Case) -> dict[Channel, str]:
        """Say what of each channel's needs does not work: by this outage, and by others (B18)."""
        failed: frozenset[str] = frozenset()
        if case.kind.kind is OutageKind.FAILURE or _has_begun(case.outage, case.now):
            own = frozenset(case.outage.components or case.kind.components)
            failed = self._incidents.failed_with(own)
        hit = {one: needed & failed for one, needed in self._needs.items() if needed & failed}
        broken = {one: ", ".join(self._named(names)) for one, names in hit.items()}
        simulated = case.outage.simulated
        others = await channels_down(tx, case.brand.id, self._needs, simulated=simulated)
        return {**others, **broken}

    def _named(self, components: frozenset[str]) -> list[str]:
        known = self._incidents.components
        return sorted(
            known[one].names.get("en", one) if one in known else one for one in components
        )


def outage_facts(kind: IncidentKind) -> dict[str, Value]:
    """Return what rules may read of an outage besides the customer."""
    return {"outage.kind": kind.kind.value, "outage.life_critical": kind.life_critical}


def _has_begun(outage: PlanFor, now: datetime) -> bool:
    return outage.starts_at is not None and outage.starts_at <= now


def _useful_until(kind: IncidentKind, outage: PlanFor, now: datetime) -> datetime | None:
    """Return when news of it is of no use any more: works are announced before they begin."""
    if kind.kind is OutageKind.PLANNED and not _has_begun(outage, now):
        return outage.starts_at
    return _end(outage, now)


def _end(outage: PlanFor, now: datetime) -> datetime | None:
    """Return the expected end, None if nobody knows it: one that has passed was none."""
    end = outage.expected_end
    return end if end is not None and end > now else None


def _lasts(outage: PlanFor, now: datetime) -> timedelta | None:
    end = _end(outage, now)
    return None if end is None else end - (outage.starts_at or now)


def _audiences(sums: Sequence[Sum]) -> tuple[Audience, ...]:
    found: dict[tuple[tuple[Channel, ...], bool], int] = {}
    for one in sums:
        if one.verdict is not Verdict.SUPPRESS:
            key = one.channels, is_priority(one.rule)
            found[key] = found.get(key, 0) + one.number
    return tuple(
        Audience(channels=channels, priority=priority, number=number)
        for (channels, priority), number in found.items()
    )


def _guessed(choices: Choices) -> tuple[str, ...]:
    """Say what the choice itself leaves out."""
    used = [one for one in choices.channels if one.chosen is not Chosen.NOBODY]
    if len(used) < len(("one", "next")):
        return ()
    return ("whoever a channel fails to reach gets his next one, which is not counted beforehand",)


def _impact(sums: Sequence[Sum], choices: Choices, kind: IncidentKind) -> Impact:
    silent: dict[str, int] = {}
    for one in sums:
        if one.verdict is Verdict.SUPPRESS and one.reason is not None:
            silent[one.reason.code] = silent.get(one.reason.code, 0) + one.number
    affected = sum(one.number for one in sums)
    return Impact(
        affected=affected,
        reachable=affected - sum(silent.values()),
        told=sum(one.told for one in choices.channels),
        silent=dict(sorted(silent.items())),
        approval_above=kind.approval_above,
    )


def _channel_json(one: ChannelChoice) -> dict[str, object]:
    return {
        "channel": one.channel.value,
        "chosen": one.chosen.value,
        "code": one.code.value,
        "why": one.why,
        "audience": one.audience,
        "told": one.told,
        "fits": one.fits,
        "rate": one.rate,
        "segments": one.segments,
        "takes_s": None if one.takes is None else round(one.takes.total_seconds(), 1),
        "useful_share": None if one.useful_share is None else round(one.useful_share, 4),
        "cost": None if one.cost is None else str(one.cost.quantize(Decimal("0.01"))),
        "currency": one.currency,
    }
