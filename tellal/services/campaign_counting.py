"""Who of a campaign's audience would be told, counted by the rules in SQL before anybody is."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.population.reading import Sum
from rules.rulebook import Rulebook
from rules.scoping import ELSEWHERE, scoped
from rules.standing import parse_segment
from tellal.domain.campaigns import HOLD_OUT, Plan, Slice
from tellal.domain.customers import Brand
from tellal.domain.decisions import Verdict
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow
from tellal.services.audience import chosen
from tellal.services.campaign_runs import Meant
from tellal.services.campaign_times import Wave
from tellal.services.population import Deciding, Matter, Population
from tellal.services.round_reading import Part

_customers = table(CustomerRow)

_ONE_BY_ONE = 200_000
"""Of more people than this those of all zones are decided as of the first wave's instant."""
_OTHERWISE = ("no_channel", "No channel is left")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Some of an audience who are asked about the same: a wave, a group, a variant."""

    wave: Wave
    meant: Meant
    slice: Slice
    part: Part

    @property
    def topic(self) -> str:
        """What they would be told of."""
        return self.slice.variant.topic

    @property
    def held_out(self) -> bool:
        """Whether they are told nothing."""
        return self.slice.variant.name == HOLD_OUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many are told from which instant on and over which channel, and why others are not."""

    told: Counter[datetime] = field(default_factory=Counter)
    channels: Counter[tuple[str, str]] = field(default_factory=Counter)
    silent: Counter[tuple[str, str]] = field(default_factory=Counter)
    held_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A campaign about which is asked: whose it is, its plan, of whom its audience consists."""

    brand: Brand
    plan: Plan
    salt: str
    simulated: bool
    meant: Sequence[Meant]

    def slots(self, waves: Sequence[Wave]) -> Iterator[Slot]:
        """Go through those who are asked about the same."""
        slices = self.plan.slices()
        for wave in waves:
            for meant in self.meant:
                for one in slices:
                    part = Part(
                        groups=meant.groups,
                        without=meant.without,
                        zones=wave.zones,
                        buckets=None if len(slices) == 1 else (one.first, one.end),
                        salt=self.salt,
                    )
                    yield Slot(wave=wave, meant=meant, slice=one, part=part)


def candidates(brand: Brand, part: Part) -> Select[str]:
    """Select who may be of a part, besides its segment."""
    only: list[ColumnElement[bool]] = [
        _customers.c.brand_id == brand.id,
        _customers.c.erased_at.is_(None),
        *chosen(part),
    ]
    return select(_customers.c.id).where(*only)


def within(book: Rulebook, slot: Slot) -> Rulebook:
    """Return a rulebook that answers only about those of a slot's segment."""
    segment = slot.meant.segment
    return scoped(book, slot.topic, parse_segment(book, segment) if segment else None, None)


async def tally(
    tx: AsyncSession, deciding: Deciding, book: Rulebook, asked: Asked, waves: Sequence[Wave]
) -> Tally:
    """Count everybody, each as of the instant of his wave."""
    found, held_out = Tally(), 0
    for slot in asked.slots(waves):
        for some in await _sums(tx, deciding, book, asked, slot):
            if some.verdict is Verdict.SUPPRESS:
                why = some.reason
                found.silent[(why.code, why.text) if why else _OTHERWISE] += some.number
            elif slot.held_out:
                held_out += some.number
            else:
                found.told[max(some.hour or slot.wave.at, slot.wave.at)] += some.number
                found.channels[slot.topic, some.channels[0].value] += some.number
    return Tally(told=found.told, channels=found.channels, silent=found.silent, held_out=held_out)


async def joined(tx: AsyncSession, brand: Brand, waves: Sequence[Wave]) -> Sequence[Wave]:
    """Make one wave of all for a very large audience, which is decided as of the first instant."""
    few = select(_customers.c.id).where(_customers.c.brand_id == brand.id).limit(_ONE_BY_ONE)
    number = await tx.scalar(select(func.count()).select_from(few.subquery()))
    if len(waves) == 1 or (number or 0) < _ONE_BY_ONE:
        return waves
    return [Wave(at=waves[0].at, zones=())]


async def _sums(
    tx: AsyncSession, deciding: Deciding, book: Rulebook, asked: Asked, slot: Slot
) -> list[Sum]:
    ids = None
    if chosen(slot.part):
        ids = (await tx.execute(candidates(asked.brand, slot.part))).scalars().all()
    whom = Population(brand_id=asked.brand.id, ids=ids, simulated=asked.simulated)
    matter = Matter(topic=slot.topic, at=slot.wave.at, whom=whom)
    found = await deciding.sums(tx, within(book, slot), matter)
    return [one for one in found if one.reason is None or one.reason.code != ELSEWHERE]
