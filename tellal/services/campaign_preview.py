"""What a campaign would do, before anybody approves it: whom it tells, what they read, its price.

Everybody is decided by the rules in force, in SQL, as the run would decide; nothing is written.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from tellal.clock import Clock
from tellal.domain.campaigns import Plan
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.domain.routes import RouteTable
from tellal.ports import Renderer
from tellal.services.campaign_checks import zones_of
from tellal.services.campaign_counting import Asked, Tally, joined, tally
from tellal.services.campaign_runs import audience_of
from tellal.services.campaign_samples import Sample, Samples
from tellal.services.campaign_times import Wave, next_run
from tellal.services.campaign_views import find
from tellal.services.population import Deciding
from tellal.services.prices import Prices

_HOUR = timedelta(hours=1)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many people of one kind: a channel, or a reason with its words."""

    what: str
    number: int
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """How many would be told in an hour that begins at an instant."""

    at: datetime
    told: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a campaign would do if it ran now as planned.

    `audience` = `told` + `held_out` + the sum of `silent`. `cost` takes as many `segments` for each
    text message as the samples have on average; `approximations` says what was taken to be so.
    """

    begins: datetime
    finishes: datetime
    audience: int
    told: int
    held_out: int
    silent: Sequence[Share]
    channels: Sequence[Share]
    hours: Sequence[Hour]
    cost: Decimal
    over_budget: bool
    segments: float
    samples: Sequence[Sample]
    approximations: Sequence[str]


class Previews:
    """Makes previews; reads, and writes nothing."""

    def __init__(
        self, books: RulebookHolder, renderer: Renderer, routes: RouteTable, clock: Clock
    ) -> None:
        self._books = books
        self._prices = Prices(books, routes)
        self._deciding = Deciding(routes)
        self._samples = Samples(self._deciding, renderer)
        self._clock = clock

    async def preview(self, tx: AsyncSession, brand: Brand, campaign_id: str) -> Preview:
        """Show what a campaign would do.

        Raises:
            NotFoundError: The brand has no such campaign, or it names a group that is gone.
            InvalidInputError: Its time is over, or its segment is no condition.
        """
        row, book = await find(tx, brand.id, campaign_id), self._books.current
        plan = Plan.of(row.plan)
        waves = await self._waves(tx, brand, plan)
        asked = Asked(
            brand=brand,
            plan=plan,
            salt=row.id,
            simulated=row.simulated,
            meant=await audience_of(tx, brand.id, plan),
        )
        counted = await joined(tx, brand, waves)
        found = await tally(tx, self._deciding, book, asked, counted)
        samples = await self._samples.take(tx, book, asked, Wave(at=waves[0].at, zones=()))
        segments = _mean([one.segments for one in samples if one.channel is Channel.SMS])
        finishes, hours = _over_time(plan, waves[0].at, found.told)
        cost = self._cost(found, segments)
        return Preview(
            begins=waves[0].at,
            finishes=finishes,
            audience=found.told.total() + found.held_out + found.silent.total(),
            told=found.told.total(),
            held_out=found.held_out,
            silent=[
                Share(what=code, text=text, number=number)
                for (code, text), number in found.silent.most_common()
            ],
            channels=_by_channel(found),
            hours=hours,
            cost=cost,
            over_budget=plan.budget is not None and cost > plan.budget,
            segments=segments,
            samples=samples,
            approximations=_approximations(asked, waves, counted),
        )

    async def _waves(self, tx: AsyncSession, brand: Brand, plan: Plan) -> list[Wave]:
        now = self._clock.now()
        zones = await zones_of(tx, brand)
        found = next_run(plan.when, brand.country, zones, after=now - plan.when.catch_up)
        if found is None:
            raise InvalidInputError(
                "its time is over", field="when.at", hint="give it a time that is still to come"
            )
        return [Wave(at=max(now, one.at), zones=one.zones) for one in found[1]]

    def _cost(self, found: Tally, segments: float) -> Decimal:
        book, cost = self._books.current, Decimal(0)
        for (topic, channel), number in found.channels.items():
            prices = self._prices.of(book.topics[topic].message_class)
            each = Decimal(str(segments or 1)) if channel == Channel.SMS else Decimal(1)
            cost += prices.get(Channel(channel), Decimal(0)) * number * each
        return cost.quantize(_CENT)


def _over_time(
    plan: Plan, begins: datetime, told: Mapping[datetime, int]
) -> tuple[datetime, list[Hour]]:
    """Say how many are told in which hour at the plan's pace, and when the last one is."""
    hours: Counter[datetime] = Counter()
    free = begins
    for at in sorted(told):
        free, left = max(free, at), told[at]
        if plan.per_second is None:
            hours[_hour(free)] += left
            continue
        while left:
            ends = _hour(free) + _HOUR
            some = min(left, max(1, math.ceil((ends - free).total_seconds() * plan.per_second)))
            hours[_hour(free)] += some
            left -= some
            free += timedelta(seconds=some / plan.per_second)
    return free, [Hour(at=at, told=hours[at]) for at in sorted(hours)]


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _by_channel(found: Tally) -> list[Share]:
    channels: Counter[str] = Counter()
    for (_, channel), number in found.channels.items():
        channels[channel] += number
    return [Share(what=name, number=number) for name, number in channels.most_common()]


def _mean(numbers: Sequence[int]) -> float:
    return round(sum(numbers) / len(numbers), 2) if numbers else 0.0


def _approximations(asked: Asked, waves: Sequence[Wave], counted: Sequence[Wave]) -> list[str]:
    said = ["prices are those of each channel's first route"]
    if asked.plan.steps:
        said.append(
            "later steps are not counted: whom they tell depends on what comes of the first"
        )
    if len(asked.meant) > 1:
        said.append("who is in several of the groups is counted in each of them")
    if len(counted) < len(waves):
        said.append("everybody is decided as of the instant of the first wave")
    if asked.plan.when.window is not None:
        said.append("the hours in which it rests are left out")
    return said
