"""Whom a campaign spoke to, one by one: what became of each, when, why, and what it cost."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.delivery_codes import words_of
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import MessageState, OutcomeState
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import CampaignRoundRow, CampaignRunRow
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.services.campaign_reports import causes_of, find_campaign

_customers = table(CustomerRow).c
_outcomes = table(OutcomeRow).c
_messages = table(MessageRow).c
_rounds = table(CampaignRoundRow).c
_runs = table(CampaignRunRow).c

_AT_A_TIME = 1_000
"""How many rows a cursor fetches at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One person of one round: what became of him, and his newest message.

    `state` and what follows it are the message's, empty for whom none was written. `words` say what
    the provider's code means. `cost` and `segments` are those of all his messages that a provider
    took, `messages` how many were written.
    """

    customer: str
    run: int
    step: int
    variant: str
    outcome: str
    reason: str
    channel: str
    state: str
    code: str
    words: str
    route: str
    provider: str
    decided_at: datetime
    handed_at: datetime | None
    state_at: datetime | None
    closed_at: datetime | None
    messages: int
    segments: int
    cost: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whom to list: of one run or all, with an outcome, with a newest message in a state."""

    run: int | None = None
    outcome: OutcomeState | None = None
    state: MessageState | None = None


async def page_of_recipients(
    tx: AsyncSession,
    brand_id: str,
    campaign_id: str,
    wanted: Wanted,
    *,
    after: str,
    limit: int,
) -> tuple[list[Recipient], str | None]:
    """List recipients round by round; the second value goes into `after` for the next page.

    Raises:
        NotFoundError: The brand has no such campaign, or that no such run.
        InvalidInputError: `after` is none of ours.
    """
    causes = await _causes(tx, brand_id, campaign_id, wanted)
    place, last = _place(causes, after)
    found: list[Row[Any]] = []
    # Cause by cause, each in the order of an index: a page costs the same however many there are.
    for cause in causes[place:]:
        query = _query(cause, wanted).order_by(_outcomes.customer_id)
        left = limit + 1 - len(found)
        found += (await tx.execute(query.where(_outcomes.customer_id > last).limit(left))).all()
        last = ""
        if len(found) > limit:
            end = found[limit - 1]
            return [_recipient(row) for row in found[:limit]], f"{end.cause_id}.{end.customer_id}"
    return [_recipient(row) for row in found], None


async def every_recipient(
    tx: AsyncSession, brand_id: str, campaign_id: str, wanted: Wanted
) -> AsyncGenerator[Sequence[Recipient]]:
    """Yield all recipients in batches, over a cursor of the server: memory stays as it is.

    It needs a transaction of the caller's, who closes this if he does not come to its end.

    Raises:
        NotFoundError: The brand has no such campaign, or that no such run.
    """
    for cause in await _causes(tx, brand_id, campaign_id, wanted):
        query = _query(cause, wanted).order_by(_outcomes.customer_id)
        rows = await tx.stream(query, execution_options={"yield_per": _AT_A_TIME})
        try:
            async for some in rows.partitions():
                yield [_recipient(row) for row in some]
        finally:
            await rows.close()


async def _causes(
    tx: AsyncSession, brand_id: str, campaign_id: str, wanted: Wanted
) -> Sequence[str]:
    campaign = await find_campaign(tx, brand_id, campaign_id)
    return await causes_of(tx, campaign.id, wanted.run)


def _place(causes: Sequence[str], after: str) -> tuple[int, str]:
    if not after:
        return 0, ""
    cause, dot, customer = after.partition(".")
    if not dot or cause not in causes:
        raise InvalidInputError(
            "this is no `next` of a page of these recipients",
            field="after",
            hint="send the `next` of the page before, with the same `run`",
        )
    return causes.index(cause), customer


def _query(cause: str, wanted: Wanted) -> Select[Any]:
    newest = (
        select(_messages.id.table)
        .where(_messages.outcome_id == _outcomes.id)
        .order_by(_messages.created_at.desc(), _messages.id.desc())
        .limit(1)
        .lateral("newest")
    )
    taken = _messages.handed_at.is_not(None)
    sums = (
        select(
            func.count().label("messages"),
            func.coalesce(func.sum(_messages.segments).filter(taken), 0).label("segments"),
            func.sum(_messages.cost).filter(taken).label("cost"),
            func.max(_messages.currency).filter(taken).label("currency"),
        )
        .where(_messages.outcome_id == _outcomes.id)
        .lateral("sums")
    )
    one = newest.c
    query = (
        select(
            _outcomes.cause_id,
            _outcomes.customer_id,
            _customers.ref,
            _runs.number,
            _rounds.step,
            _rounds.variant,
            _outcomes.state.label("outcome"),
            _outcomes.reason,
            _outcomes.created_at,
            _outcomes.closed_at,
            *(one[name] for name in ("channel", "state", "code", "route", "provider")),
            *(one[name] for name in ("handed_at", "state_at")),
            *(sums.c[name] for name in ("messages", "segments", "cost", "currency")),
        )
        .select_from(table(OutcomeRow))
        .join(table(CampaignRoundRow), _rounds.cause_id == _outcomes.cause_id)
        .join(table(CampaignRunRow), _runs.id == _rounds.run_id)
        .join(table(CustomerRow), _customers.id == _outcomes.customer_id)
        .outerjoin(newest, literal(value=True))
        .outerjoin(sums, literal(value=True))
        .where(_outcomes.cause_id == cause)
    )
    if wanted.outcome is not None:
        query = query.where(_outcomes.state == wanted.outcome.value)
    if wanted.state is not None:
        query = query.where(one.state == wanted.state.value)
    return query


def _recipient(row: Row[Any]) -> Recipient:
    return Recipient(
        customer=row.ref,
        run=row.number,
        step=row.step,
        variant=row.variant,
        outcome=row.outcome,
        reason=row.reason,
        channel=row.channel or "",
        state=row.state or "",
        code=row.code or "",
        words=words_of(row.provider or "", row.code) if row.code else "",
        route=row.route or "",
        provider=row.provider or "",
        decided_at=row.created_at,
        handed_at=row.handed_at,
        state_at=row.state_at,
        closed_at=row.closed_at,
        messages=row.messages,
        segments=row.segments,
        cost=row.cost,
        currency=row.currency or "",
    )
