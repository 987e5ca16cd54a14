"""One time that a campaign runs: its rounds, of whom each part is, and when each begins."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.campaigns import HOLD_OUT, Only, Plan, Slice, Step
from tellal.domain.customers import Brand
from tellal.domain.groups import GroupKind
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import CauseRow
from tellal.services.campaign_times import Wave
from tellal.services.campaign_views import rounds, runs
from tellal.services.groups import resolve
from tellal.services.round_reading import DECIDING

_causes = table(CauseRow)

RUNNING, PAUSED, ENDED, CANCELLED = "running", "paused", "ended", "cancelled"
"""Where a run is."""

Segment = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """Some of an audience that can be asked for at once: members of groups who meet a segment."""

    segment: Segment | None
    groups: tuple[str, ...]
    without: tuple[str, ...]


async def audience_of(tx: AsyncSession, brand_id: str, plan: Plan) -> list[Meant]:
    """Say of whom an audience consists; who belongs to several of them is told once all the same.

    Raises:
        NotFoundError: The brand has no group of a name.
    """
    wanted = await resolve(tx, brand_id, plan.audience.groups)
    unwanted = await resolve(tx, brand_id, plan.audience.without)
    within = [plan.audience.segment] if plan.audience.segment else []
    within += [
        {"unless": group.segment or {}} for group in unwanted if group.kind is GroupKind.SEGMENT
    ]
    without = tuple(group.id for group in unwanted if group.kind is not GroupKind.SEGMENT)
    lists = tuple(group.id for group in wanted if group.kind is not GroupKind.SEGMENT)
    meant = []
    if lists or not wanted:
        meant.append(Meant(segment=_all_of(within), groups=lists, without=without))
    for group in wanted:
        if group.kind is GroupKind.SEGMENT:
            segment = _all_of([*within, group.segment or {}])
            meant.append(Meant(segment=segment, groups=(), without=without))
    return meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a run is made of: the plan, and the waves in which its hour comes."""

    plan: Plan
    waves: Sequence[Wave]
    now: datetime


async def begin_run(tx: AsyncSession, campaign: Row[Any], brand: Brand, occasion: Occasion) -> str:
    """Begin a run and return its id: a cause and a round for each step and each variant.

    Raises:
        NotFoundError: A group is gone.
    """
    run_id, number = new_id(), campaign.runs + 1
    plan, waves, now = occasion.plan, occasion.waves, occasion.now
    meant = await audience_of(tx, brand.id, plan)
    await tx.execute(
        insert(runs).values(
            id=run_id,
            campaign_id=campaign.id,
            brand_id=brand.id,
            number=number,
            planned_for=waves[0].at,
            state=RUNNING,
            started_at=now,
        )
    )
    causes: list[dict[str, object]] = []
    told: list[dict[str, object]] = []
    words = [_Word(said=said, cause_id=new_id()) for said in _sayings(plan)]
    for word in words:
        said, cause_id = word.said, word.cause_id
        causes.append(
            {
                "id": cause_id,
                "brand_id": brand.id,
                "kind": "campaign",
                "key": f"campaign:{campaign.id}:{number}:{said.number}:{said.variant}",
                "topic": said.topic,
                "state": "running",
                "counted": True,
                "created_at": now,
            }
        )
        told.append(
            {
                "id": new_id(),
                "run_id": run_id,
                "campaign_id": campaign.id,
                "brand_id": brand.id,
                "step": said.number,
                "variant": said.variant,
                "cause_id": cause_id,
                "topic": said.topic,
                "variables": {**plan.variables, **said.variables},
                "parts": [
                    _part(plan, said, wave, one)
                    | {
                        "salt": campaign.id,
                        "after": _after(plan, said, _before(word, words)),
                        "not_of": _beside(word, words),
                    }
                    for wave in waves
                    for one in meant
                ],
                "cursor": {},
                "state": DECIDING,
                "simulated": campaign.simulated,
                "created_at": now,
            }
        )
    await tx.execute(insert(_causes), causes)
    await tx.execute(insert(rounds), told)
    return run_id


async def running_run(tx: AsyncSession, campaign_id: str) -> Row[Any] | None:
    """Find the run that goes on or is paused; there is one at most."""
    query = select(runs).where(
        runs.c.campaign_id == campaign_id, runs.c.state.in_((RUNNING, PAUSED))
    )
    return (await tx.execute(query)).one_or_none()


async def write_run(tx: AsyncSession, run_id: str, **values: object) -> None:
    """Change a run's row."""
    await tx.execute(update(runs).where(runs.c.id == run_id).values(**values))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saying:
    """What one round says: of which step, over which topic, to which buckets."""

    number: int
    variant: str
    topic: str
    variables: Mapping[str, object]
    buckets: tuple[int, int] | None
    step: Step | None = None

    @property
    def at(self) -> timedelta:
        """How long after the first word it comes."""
        return timedelta() if self.step is None else self.step.after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """What a round says, and by which cause."""

    said: _Saying
    cause_id: str


def _before(word: _Word, words: Sequence[_Word]) -> list[_Word]:
    """Return what is said earlier; who is held out is told nothing that something could come of."""
    return [one for one in words if one.said.variant != HOLD_OUT and one.said.at < word.said.at]


def _beside(word: _Word, words: Sequence[_Word]) -> list[str]:
    """Return the causes of steps that come at the same time to others.

    What came of the words before may change while they are decided; nobody is meant by two.
    """
    if word.said.step is None:
        return []
    return [one.cause_id for one in words if one is not word and one.said.at == word.said.at]


def _sayings(plan: Plan) -> Iterator[_Saying]:
    slices = plan.slices()
    for one in slices:
        yield _Saying(
            number=0,
            variant=one.variant.name,
            topic=one.variant.topic,
            variables=one.variant.variables,
            buckets=_own(one, slices),
        )
    held = [one for one in slices if one.variant.name == HOLD_OUT]
    first = held[0].end if held else 0
    last = slices[-1].end
    for number, step in enumerate(plan.steps, start=1):
        yield _Saying(
            number=number,
            variant="",
            topic=step.topic,
            variables=step.variables,
            buckets=(first, last) if held else None,
            step=step,
        )


def _own(one: Slice, slices: Sequence[Slice]) -> tuple[int, int] | None:
    return None if len(slices) == 1 else (one.first, one.end)


def _part(plan: Plan, said: _Saying, wave: Wave, meant: Meant) -> dict[str, object]:
    at = wave.at + said.at
    within = [one for one in (meant.segment, said.step.segment if said.step else None) if one]
    segment = _all_of(within)
    return {
        "at": at.isoformat(),
        "until": None if plan.expires_after is None else (at + plan.expires_after).isoformat(),
        "segment": None if segment is None else dict(segment),
        "groups": list(meant.groups),
        "without": list(meant.without),
        "zones": list(wave.zones),
        "buckets": None if said.buckets is None else list(said.buckets),
        "withheld": HOLD_OUT if said.variant == HOLD_OUT else "",
    }


def _after(plan: Plan, said: _Saying, before: Sequence[_Word]) -> dict[str, object] | None:
    """Say what must have come of earlier words: of the last one, or, of the goal, of any."""
    only = Only.ALL if said.step is None else said.step.only
    if only is Only.ALL:
        return None
    if only in (Only.TOLD, Only.NOT_TOLD):
        latest = max(one.said.at for one in before)
        last = [one.cause_id for one in before if one.said.at == latest]
        return {"causes": last, "told": only is Only.TOLD}
    found: dict[str, object] = {
        "causes": [one.cause_id for one in before],
        "converted": only is Only.CONVERTED,
    }
    if plan.goal is not None:
        found |= {"event": plan.goal.event, "within_s": plan.goal.within.total_seconds()}
    return found


def _all_of(segments: Sequence[Segment]) -> Segment | None:
    match len(segments):
        case 0:
            return None
        case 1:
            return segments[0]
        case _:
            return {"all": list(segments)}
