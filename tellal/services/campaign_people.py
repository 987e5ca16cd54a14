"""Counts what became of the people of a campaign's rounds, in one scan.

The scan groups by everything at once, and what a report shows is summed up from the groups; there
are few of them however many people there are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.messages import MessageState, OutcomeState
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import CampaignRoundRow
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import DecisionRow, MessageRow, OutcomeRow
from tellal.services.campaign_progress import NOBODY, Totals

_rounds = table(CampaignRoundRow).c
_customers = table(CustomerRow).c
_outcomes = table(OutcomeRow).c
_decisions = table(DecisionRow).c
_messages = table(MessageRow).c

_S = MessageState

HELD_OUT = "hold_out"
"""The reason of those who were kept out to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBack:
    """Why people were not told: the reason of the decision, and its words."""

    reason: str
    words: str
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """People of some rounds, by what a report groups them by."""

    totals: Totals
    by_step: Mapping[str, Totals]
    by_variant: Mapping[str, Totals]
    by_country: Mapping[str, Totals]
    by_language: Mapping[str, Totals]
    suppressed: tuple[KeptBack, ...]
    held_out: int


async def count_people(tx: AsyncSession, causes: Sequence[str]) -> People:
    """Count the people of some causes."""
    language = func.split_part(_customers.locale, "-", 1).label("language")
    keys = (_rounds.step, _rounds.variant, _customers.country, language)
    query = (
        select(*keys, _outcomes.state, _outcomes.reason, func.count().label("number"))
        .select_from(table(OutcomeRow))
        .join(table(CampaignRoundRow), _rounds.cause_id == _outcomes.cause_id)
        .join(table(CustomerRow), _customers.id == _outcomes.customer_id)
        .where(_outcomes.cause_id.in_(causes))
        .group_by(*keys, _outcomes.state, _outcomes.reason)
    )
    rows = (await tx.execute(query)).all()
    kept_back: dict[str, int] = {}
    for row in rows:
        if row.state == OutcomeState.SUPPRESSED:
            kept_back[row.reason] = kept_back.get(row.reason, 0) + row.number
    words = await _words_of_reasons(tx, causes, list(kept_back))
    return People(
        totals=_people(rows, lambda _: "").get("", NOBODY),
        by_step=_people(rows, lambda row: str(row.step)),
        by_variant=_people(rows, lambda row: row.variant),
        by_country=_people(rows, lambda row: row.country),
        by_language=_people(rows, lambda row: row.language),
        suppressed=tuple(
            KeptBack(reason=reason, words=words.get(reason, ""), people=number)
            for reason, number in sorted(kept_back.items(), key=_most_first)
        ),
        held_out=kept_back.get(HELD_OUT, 0),
    )


async def count_rows(tx: AsyncSession, causes: Sequence[str]) -> int:
    """Count the outcomes themselves, whatever their states: the audience."""
    query = select(func.count()).where(_outcomes.cause_id.in_(causes))
    return int((await tx.execute(query)).scalar_one())


async def count_open(tx: AsyncSession, causes: Sequence[str]) -> Mapping[str, int]:
    """Count who is open by what his newest message waits for: they add up to `open`.

    `held` is kept back by a hold, `between` waits for the next channel or try.
    """
    newest = (
        select(_messages.state, _messages.held_by)
        .where(_messages.outcome_id == _outcomes.id)
        .order_by(_messages.created_at.desc(), _messages.id.desc())
        .limit(1)
        .lateral("newest")
    )
    query = (
        select(newest.c.state, newest.c.held_by.is_not(None), func.count())
        .select_from(table(OutcomeRow).outerjoin(newest, literal(value=True)))
        .where(_outcomes.cause_id.in_(causes), _outcomes.state == OutcomeState.OPEN.value)
        .group_by(newest.c.state, newest.c.held_by.is_not(None))
    )
    found = dict.fromkeys(("held", "queued", "deferred", "with_provider", "between"), 0)
    for state, held, number in await tx.execute(query):
        found[_waits_for(state, held=held)] += number
    return found


def _waits_for(state: str | None, *, held: bool) -> str:
    if held:
        return "held"
    if state in (_S.QUEUED, _S.DEFERRED):
        return str(state)
    with_provider = (_S.HANDING_OVER, _S.ACCEPTED, _S.SENT, _S.UNKNOWN)
    return "with_provider" if state in with_provider else "between"


async def _words_of_reasons(
    tx: AsyncSession, causes: Sequence[str], reasons: Sequence[str]
) -> Mapping[str, str]:
    """Read the words of each reason from one of the decisions that gave it."""
    if not reasons:
        return {}
    one_each = (
        select(_outcomes.reason, func.max(_outcomes.id).label("outcome"))
        .where(
            _outcomes.cause_id.in_(causes),
            _outcomes.state == OutcomeState.SUPPRESSED.value,
            _outcomes.reason.in_(reasons),
        )
        .group_by(_outcomes.reason)
        .subquery()
    )
    query = select(one_each.c.reason, _decisions.body["reasons"]).join(
        table(DecisionRow), _decisions.outcome_id == one_each.c.outcome
    )
    found = {}
    for reason, said in await tx.execute(query):
        for one in said or ():
            if one.get("code") == reason:
                found[reason] = str(one.get("text", ""))
    return found


def _people(rows: Sequence[Row[Any]], by: Callable[[Row[Any]], str]) -> dict[str, Totals]:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        states = found.setdefault(by(row), {})
        states[row.state] = states.get(row.state, 0) + row.number
    return {name: Totals.of(states) for name, states in sorted(found.items())}


def _most_first(item: tuple[Any, int]) -> tuple[int, Any]:
    return -item[1], item[0]
