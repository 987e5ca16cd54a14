"""What came of a campaign, or of one of its runs: everything counted from the ledger.

A report scans outcomes and messages, and all of its numbers are of one moment: it is read in one
snapshot. How far a campaign is while it runs, `campaign_progress` says without a scan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from rules.rulebook import Rulebook
from tellal.domain.customers import Brand
from tellal.domain.errors import NotFoundError
from tellal.domain.statistics import Split
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import CampaignRoundRow, CampaignRow, CampaignRunRow
from tellal.services.campaign_annoyance import CampaignAnnoyance, campaign_annoyance
from tellal.services.campaign_conversion import Conversion, conversion, goal_of, split_of
from tellal.services.campaign_messages import Sent, count_messages
from tellal.services.campaign_people import People, count_open, count_people, count_rows
from tellal.services.campaign_progress import DECIDING, ENDED, Totals, counted_totals
from tellal.services.campaign_segments import count_segment
from tellal.services.credit_refunds import refunded, to_return

_campaigns = table(CampaignRow)
_runs = table(CampaignRunRow)
_rounds = table(CampaignRoundRow)

SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
"""The first statement of a transaction whose reads are all of one moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The ledger's identity, checked: `audience` counts outcomes, `sum` adds their states up.

    `counted` is what progress shows; it must be the same.
    """

    audience: int
    sum: int
    counted: int
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCheck:
    """Whether people fell into the variants as planned; the hold-out is a group, `hold_out`.

    With a `warning` the variants cannot be compared: something sorted people before they came in.
    """

    groups: tuple[str, ...]
    check: Split
    warning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReport:
    """What came of a campaign, or of the run of that number.

    `decided` says that everybody was decided in every step; before that nothing is final. `open`
    says what those wait for who are open. `by_segment` has those groups that were asked for.
    """

    campaign: str
    name: str
    state: str
    simulated: bool
    run: int | None
    runs: int
    started_at: datetime | None
    ended_at: datetime | None
    at: datetime
    decided: bool
    over: bool
    identity: Identity
    people: People
    open: Mapping[str, int]
    messages: Sent
    by_segment: Mapping[str, Totals]
    annoyance: CampaignAnnoyance
    conversion: Conversion | None
    split: SplitCheck | None


_MISMATCH = (
    "people did not fall into the groups in the shares that were planned, "
    "which chance does less than once in a thousand times: do not compare the groups"
)


async def campaign_report(
    tx: AsyncSession,
    book: Rulebook,
    brand: Brand,
    campaign_id: str,
    now: datetime,
    *,
    run: int | None = None,
    segments: Sequence[str] = (),
) -> CampaignReport:
    """Read the report of a campaign, or of one run, in a transaction of the caller's.

    Begin that with `SNAPSHOT`, or numbers may be of different moments.

    Raises:
        NotFoundError: The brand has no such campaign, run or group.
        InvalidInputError: The rulebook cannot read a group's condition.
    """
    campaign = await find_campaign(tx, brand.id, campaign_id)
    runs = await _runs_of(tx, campaign.id, run)
    rounds = await rounds_of(tx, [one.id for one in runs])
    causes = [one.cause_id for one in rounds]
    people = await count_people(tx, causes)
    sent = await count_messages(tx, causes, brand.timezone)
    back = await refunded(tx, brand.id, causes)
    sent = replace(sent, to_return=to_return(sent.to_return, back))
    decided = _is_decided(campaign.plan, runs, rounds)
    goal = goal_of(campaign.plan)
    ended = [one.ended_at for one in runs]
    return CampaignReport(
        campaign=campaign.id,
        name=campaign.name,
        state=campaign.state,
        simulated=campaign.simulated,
        run=run,
        runs=campaign.runs,
        started_at=min((one.started_at for one in runs), default=None),
        ended_at=None if None in ended else max(ended, default=None),
        at=now,
        decided=decided,
        over=(campaign.state if run is None else runs[0].state) in ENDED,
        identity=await _identity(tx, causes, people),
        people=people,
        open=await count_open(tx, causes),
        messages=sent,
        by_segment={
            name: await count_segment(tx, book, brand.id, name, causes=causes, now=now)
            for name in segments
        },
        annoyance=await campaign_annoyance(tx, brand.id, causes, sent, now),
        conversion=await conversion(tx, causes, goal, now, decided=decided) if goal else None,
        split=await _split(tx, campaign.plan, rounds),
    )


async def find_campaign(tx: AsyncSession, brand_id: str, campaign_id: str) -> Row[Any]:
    """Read a campaign of a brand.

    Raises:
        NotFoundError: The brand has no such campaign.
    """
    query = select(_campaigns).where(
        _campaigns.c.id == campaign_id, _campaigns.c.brand_id == brand_id
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("no such campaign")
    return row


async def find_campaign_id(tx: AsyncSession, brand_id: str, name: str) -> str:
    """Return the id of a brand's campaign by its name.

    Raises:
        NotFoundError: The brand has no such campaign.
    """
    query = select(_campaigns.c.id).where(
        _campaigns.c.brand_id == brand_id, _campaigns.c.name == name
    )
    found: str | None = (await tx.execute(query)).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"there is no campaign {name!r}")
    return found


async def causes_of(tx: AsyncSession, campaign_id: str, run: int | None) -> Sequence[str]:
    """Return the causes of a campaign's rounds, or of those of one run.

    Raises:
        NotFoundError: It has no such run.
    """
    runs = await _runs_of(tx, campaign_id, run)
    return [one.cause_id for one in await rounds_of(tx, [one.id for one in runs])]


async def rounds_of(tx: AsyncSession, run_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Read the rounds of some runs, by their steps and variants."""
    query = select(_rounds).where(_rounds.c.run_id.in_(run_ids))
    found = await tx.execute(query.order_by(_rounds.c.step, _rounds.c.variant, _rounds.c.id))
    return found.all()


async def _runs_of(tx: AsyncSession, campaign_id: str, number: int | None) -> Sequence[Row[Any]]:
    query = select(_runs).where(_runs.c.campaign_id == campaign_id).order_by(_runs.c.number)
    if number is None:
        return (await tx.execute(query)).all()
    found = (await tx.execute(query.where(_runs.c.number == number))).all()
    if not found:
        raise NotFoundError(f"the campaign has no run {number}")
    return found


def _is_decided(
    plan: Mapping[str, Any], runs: Sequence[Row[Any]], rounds: Sequence[Row[Any]]
) -> bool:
    """Say whether nobody will be decided any more: every run is through its steps, or has ended."""
    steps = len(plan.get("steps") or ())
    for run in runs:
        mine = [one for one in rounds if one.run_id == run.id]
        through = run.state in ENDED or max((one.step for one in mine), default=-1) >= steps
        if not through or any(one.state == DECIDING for one in mine):
            return False
    return bool(rounds)


async def _identity(tx: AsyncSession, causes: Sequence[str], people: People) -> Identity:
    audience = await count_rows(tx, causes)
    counted = (await counted_totals(tx, causes)).audience
    total = people.totals.audience
    return Identity(
        audience=audience,
        sum=total,
        counted=counted,
        holds=audience == total == counted,
    )


async def _split(
    tx: AsyncSession, plan: Mapping[str, Any], rounds: Sequence[Row[Any]]
) -> SplitCheck | None:
    """Check the split of the first step, once that is decided; later ones speak to who is left."""
    first = [one for one in rounds if one.step == 0]
    if any(one.state == DECIDING for one in first):
        return None
    numbers: dict[str, int] = {}
    held_out = 0
    for variant in sorted({one.variant for one in first}):
        causes = [one.cause_id for one in first if one.variant == variant]
        people = await count_people(tx, causes)
        held_out += people.held_out
        numbers[variant] = people.totals.audience - people.held_out
    found = split_of(plan, numbers, held_out)
    if found is None:
        return None
    check, groups = found
    return SplitCheck(groups=groups, check=check, warning=_MISMATCH if check.mismatch else "")
