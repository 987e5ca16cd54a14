"""Whether those who were told did what the campaign is for, compared with those kept out.

Two shares are shown. Of those who were *told*, from the moment that the message left. And of all
who were *decided*, told or not, from the moment of the decision: this one is compared with the
hold-out, because those who could be told are no fair draw of everybody, and nobody sorted the
hold-out by it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CTE, ColumnElement, Row, exists, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.messages import LOST, OutcomeState
from tellal.domain.statistics import Difference, Share, Split, difference, share, split
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import CampaignRoundRow
from tellal.persistence.tables.customers import EventRow
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.services.campaign_people import HELD_OUT

_rounds = table(CampaignRoundRow).c
_outcomes = table(OutcomeRow).c
_messages = table(MessageRow).c
_events = table(EventRow).c

_SPAN = re.compile(r"([0-9]+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WHOLE = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a campaign is for: an event, and how long after being told it still counts."""

    event: str
    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A variant's people, or those held out: how many of them came to the goal.

    `vs_hold_out` compares `decided` with that of the hold-out, None for that itself or without one.
    """

    variant: str
    held_out: bool
    decided: Share
    told: Share
    vs_hold_out: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What came of a campaign's goal, by variant.

    Before it is `final` no difference is spoken of: people are still being decided, or the last of
    them has time left (until `final_at`, None while that is not known). A person counts once in
    each run.
    """

    event: str
    within_s: int
    final: bool
    final_at: datetime | None
    groups: tuple[Group, ...]


def goal_of(plan: Mapping[str, Any]) -> Goal | None:
    """Read what a plan is for; None if it names no event and time that can be counted."""
    said = plan.get("goal")
    if not isinstance(said, Mapping):
        return None
    within = _span(str(said.get("within", "")))
    event = str(said.get("event", ""))
    return Goal(event=event, within=within) if event and within else None


def _span(written: str) -> timedelta | None:
    found = _SPAN.fullmatch(written.strip())
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None


async def conversion(
    tx: AsyncSession, causes: Sequence[str], goal: Goal, now: datetime, *, decided: bool
) -> Conversion:
    """Count who came to the goal; `decided` says that the audience is known."""
    rows = (await tx.execute(_query(causes, goal))).all()
    newest = max((row.newest for row in rows), default=None)
    final_at = newest + goal.within if newest is not None and decided else None
    final = final_at is not None and final_at <= now
    held_out = next((share(row.did, row.people) for row in rows if row.held_out), None)
    return Conversion(
        event=goal.event,
        within_s=int(goal.within.total_seconds()),
        final=final,
        final_at=final_at,
        groups=tuple(_group(row, held_out, final=final) for row in rows),
    )


def _group(row: Row[Any], held_out: Share | None, *, final: bool) -> Group:
    everybody = share(row.did, row.people)
    compared = None
    if held_out is not None and not row.held_out:
        compared = difference(everybody, held_out, final=final)
    return Group(
        variant=row.variant,
        held_out=row.held_out,
        decided=everybody,
        told=share(row.did_told, row.told),
        vs_hold_out=compared,
    )


def _query(causes: Sequence[str], goal: Goal) -> Any:  # noqa: ANN401 - a select of so many columns
    people = _people(causes)
    one = people.c
    did = _did(people, one.decided_at, goal)
    did_told = _did(people, one.told_at, goal)
    newest = func.max(func.greatest(one.decided_at, one.told_at))
    return (
        select(
            one.variant,
            one.held_out,
            func.count().label("people"),
            func.count().filter(did).label("did"),
            func.count(one.told_at).label("told"),
            func.count().filter(one.told_at.is_not(None), did_told).label("did_told"),
            newest.label("newest"),
        )
        .group_by(one.held_out, one.variant)
        .order_by(one.held_out, one.variant)
    )


def _people(causes: Sequence[str]) -> CTE:
    """Select each person of each run: when he was decided, and when he was told first."""
    left = (
        select(func.min(_messages.handed_at).label("at"))
        .where(_messages.outcome_id == _outcomes.id, _messages.state.not_in(sorted(LOST)))
        .lateral("left_at")
    )
    told = _outcomes.state == OutcomeState.TOLD.value
    told_at = func.min(func.coalesce(left.c.at, _outcomes.closed_at)).filter(told)
    kept_out = _outcomes.reason == HELD_OUT
    variant = func.coalesce(
        func.min(_rounds.variant).filter(~kept_out), literal("")
    )  # the hold-out belongs to no variant
    each = (
        select(
            _rounds.run_id,
            _outcomes.customer_id,
            variant.label("variant"),
            func.bool_or(kept_out).label("held_out"),
            func.min(_outcomes.created_at).label("decided_at"),
            told_at.label("told_at"),
        )
        .select_from(table(OutcomeRow))
        .join(table(CampaignRoundRow), _rounds.cause_id == _outcomes.cause_id)
        .outerjoin(left, literal(value=True))
        .where(_outcomes.cause_id.in_(causes))
        .group_by(_rounds.run_id, _outcomes.customer_id)
    )
    return each.cte("people")


def _did(people: CTE, since: ColumnElement[Any], goal: Goal) -> ColumnElement[bool]:
    return exists(
        select(literal(1))
        .where(
            _events.customer_id == people.c.customer_id,
            _events.type == goal.event,
            _events.occurred_at >= since,
            _events.occurred_at < since + literal(goal.within),
        )
        .correlate(people)
    )


def split_of(
    plan: Mapping[str, Any], people: Mapping[str, int], held_out: int
) -> tuple[Split, tuple[str, ...]] | None:
    """Check that people of the first step fell into variants and hold-out as the plan says.

    Returns the check with the names of its groups, the hold-out last under no name; None where
    there is nothing to check.
    """
    variants = [one for one in plan.get("variants") or () if isinstance(one, Mapping)]
    kept = float(plan.get("hold_out") or 0)
    names = [str(one.get("name", "")) for one in variants] or [""]
    wanted = [float(one.get("share", 0)) for one in variants] or [1.0]
    shares = [one / sum(wanted) * (_WHOLE - kept) for one in wanted] if sum(wanted) else []
    numbers = [people.get(name, 0) for name in names]
    if kept:
        names, shares, numbers = [*names, HELD_OUT], [*shares, kept], [*numbers, held_out]
    checked = split(numbers, shares)
    return None if checked is None else (checked, tuple(names))
