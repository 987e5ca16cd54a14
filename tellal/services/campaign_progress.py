"""How far a campaign has come, from the counts that the ledger keeps with every outcome.

It reads a few rows however many people there are: the campaign, its run, the run's rounds, and the
counts of each round's cause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.errors import NotFoundError
from tellal.domain.messages import OutcomeState
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import CampaignRoundRow, CampaignRow, CampaignRunRow
from tellal.persistence.tables.delivery import CauseCountRow

_campaigns = table(CampaignRow)
_runs = table(CampaignRunRow)
_rounds = table(CampaignRoundRow)
_counted = table(CauseCountRow)

STATES: Sequence[str] = [state.value for state in OutcomeState]
DECIDING = "deciding"
"""The state of a round whose audience is still being decided."""
ENDED = frozenset({"ended", "cancelled"})
"""The states of a campaign, and of a run, that is over."""

_RUN = bindparam("run", type_=Integer())
_run = (
    select(_runs)
    .where(_runs.c.campaign_id == _campaigns.c.id, or_(_RUN.is_(None), _runs.c.number == _RUN))
    .order_by(_runs.c.number.desc())
    .limit(1)
    .lateral("run")
)
_counts = (
    select(*(func.coalesce(func.sum(_counted.c[state]), 0).label(state) for state in STATES))
    .where(_counted.c.cause_id == _rounds.c.cause_id)
    .lateral("counts")
)
_PROGRESS = (
    select(
        _campaigns.c.id,
        _campaigns.c.name,
        _campaigns.c.state,
        _campaigns.c.runs,
        _campaigns.c.simulated,
        _campaigns.c.next_at,
        _run.c.number,
        _run.c.state.label("run_state"),
        _run.c.reason,
        _run.c.started_at,
        _run.c.ended_at,
        _rounds.c.step,
        _rounds.c.variant,
        _rounds.c.topic,
        _rounds.c.state.label("round_state"),
        *(_counts.c[state].label(f"n_{state}") for state in STATES),
    )
    .select_from(
        _campaigns.outerjoin(_run, true())
        .outerjoin(_rounds, _rounds.c.run_id == _run.c.id)
        .outerjoin(_counts, true())
    )
    .where(_campaigns.c.id == bindparam("campaign"), _campaigns.c.brand_id == bindparam("brand"))
    .order_by(_rounds.c.step, _rounds.c.variant)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """People by what became of them, which add up to the audience (the ledger's identity)."""

    audience: int
    open: int
    told: int
    suppressed: int
    expired: int
    cancelled: int
    failed: int
    unknown: int

    @classmethod
    def of(cls, numbers: Mapping[str, int]) -> "Totals":
        """Add states up."""
        by_state = {state: int(numbers.get(state, 0)) for state in STATES}
        return cls(audience=sum(by_state.values()), **by_state)

    def plus(self, other: "Totals") -> "Totals":
        """Add those of somebody else."""
        return Totals(
            audience=self.audience + other.audience,
            **{state: getattr(self, state) + getattr(other, state) for state in STATES},
        )


NOBODY = Totals.of({})


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundProgress:
    """How far one variant of one step has come; `state` is deciding, decided or stopped."""

    step: int
    variant: str
    topic: str
    state: str
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run of a campaign has come; without a run yet `run` is None and nobody is counted.

    `decided` says that the audience of each round so far is known: a later step may add to it.
    `runs` is how many runs there were, `next_at` when there is another. `over` says that nothing
    will change any more by the campaign's own doing; receipts may still come.
    """

    campaign: str
    name: str
    state: str
    simulated: bool
    run: int | None
    runs: int
    run_state: str
    reason: str
    started_at: datetime | None
    ended_at: datetime | None
    next_at: datetime | None
    decided: bool
    over: bool
    totals: Totals
    rounds: tuple[RoundProgress, ...]
    at: datetime


async def read_progress(
    tx: AsyncSession, brand_id: str, campaign_id: str, now: datetime, *, run: int | None = None
) -> Progress:
    """Read how far a run is: the one named, or the newest.

    Raises:
        NotFoundError: The brand has no such campaign, or that has no such run.
    """
    values = {"campaign": campaign_id, "brand": brand_id, "run": run}
    rows = (await tx.execute(_PROGRESS, values)).all()
    if not rows:
        raise NotFoundError("no such campaign")
    first = rows[0]
    if run is not None and first.number is None:
        raise NotFoundError(f"the campaign has no run {run}")
    rounds = tuple(_round(row) for row in rows if row.round_state is not None)
    totals = NOBODY
    for one in rounds:
        totals = totals.plus(one.totals)
    return Progress(
        campaign=first.id,
        name=first.name,
        state=first.state,
        simulated=first.simulated,
        run=first.number,
        runs=first.runs,
        run_state=first.run_state or "",
        reason=first.reason or "",
        started_at=first.started_at,
        ended_at=first.ended_at,
        next_at=first.next_at,
        decided=bool(rounds) and all(one.state != DECIDING for one in rounds),
        over=(first.run_state if run is not None else first.state) in ENDED,
        totals=totals,
        rounds=rounds,
        at=now,
    )


async def counted_totals(tx: AsyncSession, causes: Sequence[str]) -> Totals:
    """Read the counts that are kept of some causes, all together."""
    sums = (func.coalesce(func.sum(_counted.c[state]), 0).label(state) for state in STATES)
    row = (await tx.execute(select(*sums).where(_counted.c.cause_id.in_(causes)))).one()
    return Totals.of(row._asdict())


def _round(row: Any) -> RoundProgress:  # noqa: ANN401 - a row of so many columns
    return RoundProgress(
        step=row.step,
        variant=row.variant,
        topic=row.topic,
        state=row.round_state,
        totals=Totals.of({state: getattr(row, f"n_{state}") for state in STATES}),
    )
