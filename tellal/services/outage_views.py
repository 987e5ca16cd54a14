"""Outages as operators see them: the object, its history, and the ledger's count of each round."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.errors import NotFoundError
from tellal.domain.messages import OutcomeState
from tellal.domain.outages import NoticeKind, OutageState, allowed
from tellal.persistence.columns import table
from tellal.persistence.tables.delivery import CauseCountRow
from tellal.persistence.tables.outages import (
    OutageEntryRow,
    OutageNoticeRow,
    OutageReviewRow,
    OutageRow,
    OutageSignalRow,
)

outages = table(OutageRow)
entries = table(OutageEntryRow)
notices = table(OutageNoticeRow)
signals = table(OutageSignalRow)
reviews = table(OutageReviewRow)
_counted = table(CauseCountRow)

NOBODY: Mapping[str, int] = {"audience": 0, **{state.value: 0 for state in OutcomeState}}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundView:
    """One round of telling. `counts` holds `audience` and every outcome state, which add up to it.

    `in_flight_at_stop` is how many messages a provider was being handed when it was stopped.
    """

    id: str
    number: int
    kind: NoticeKind
    topic: str
    state: str
    created_at: datetime
    decided_at: datetime | None
    stopped_at: datetime | None
    in_flight_at_stop: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One line of an outage's history; `public` is what public channels showed of it."""

    id: str
    command: str
    by: str
    state: OutageState
    body: Mapping[str, object]
    public: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewView:
    """What was learnt of an outage (B13)."""

    by: str
    what_happened: str
    what_was_late: str
    what_changes: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageView:
    """An outage as operators see it.

    `components` are what it has taken down. `counts` are those of everybody told that it is there:
    of its first round. `waits_for_approval` names who asked for a confirmation that a second person
    has to give. `seconds_since_first_signal` runs until it is over. `told_nobody_why` says in words
    why a command led to no direct message; `hints` are what an operator may have overlooked.
    `allowed` is what may be done now.
    """

    id: str
    kind: str
    incident: str
    title: str
    topic: str
    severity: str
    state: str
    segment: Mapping[str, object]
    areas: tuple[Mapping[str, str], ...]
    variables: Mapping[str, object]
    components: tuple[str, ...]
    reason: str
    workaround: str
    no_workaround: bool
    hotline: str
    starts_at: datetime | None
    expected_end: datetime | None
    first_signal_at: datetime | None
    seconds_since_first_signal: int
    declared_at: datetime
    shown_at: datetime | None
    confirmed_at: datetime | None
    confirmed_by: str
    waits_for_approval: str
    broke_glass: str
    escalated_at: datetime | None
    started_at: datetime | None
    decided_at: datetime | None
    resolved_at: datetime | None
    reviewed_at: datetime | None
    in_flight_at_stop: int
    simulated: bool
    plan: Mapping[str, object]
    still_out: int
    counts: Mapping[str, int]
    rounds: tuple[RoundView, ...]
    allowed: tuple[str, ...]
    told_nobody_why: str = ""
    hints: tuple[str, ...] = ()


async def find(tx: AsyncSession, brand_id: str, outage_id: str, *, lock: bool = False) -> Row[Any]:
    """Read an outage of a brand, locking it against other commands if asked to.

    Raises:
        NotFoundError: The brand has no such outage.
    """
    query = select(outages).where(outages.c.id == outage_id, outages.c.brand_id == brand_id)
    if lock:
        query = query.with_for_update(key_share=True)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("no such outage")
    return row


async def rounds_of(tx: AsyncSession, outage_id: str) -> tuple[Row[Any], ...]:
    """Read the rounds of an outage in their order."""
    query = select(notices).where(notices.c.outage_id == outage_id).order_by(notices.c.number)
    return tuple((await tx.execute(query)).all())


async def entries_of(tx: AsyncSession, outage_id: str) -> tuple[EntryView, ...]:
    """Read the history of an outage, oldest first."""
    query = select(entries).where(entries.c.outage_id == outage_id).order_by(entries.c.id)
    return tuple(
        EntryView(
            id=row.id,
            command=row.command,
            by=row.by,
            state=OutageState(row.state),
            body=row.body,
            public=row.public,
            at=row.at,
        )
        for row in await tx.execute(query)
    )


async def review_of(tx: AsyncSession, outage_id: str) -> ReviewView | None:
    """Read what was learnt of an outage, None if nobody has written it yet."""
    row = (await tx.execute(select(reviews).where(reviews.c.outage_id == outage_id))).one_or_none()
    if row is None:
        return None
    return ReviewView(
        by=row.by,
        what_happened=row.what_happened,
        what_was_late=row.what_was_late,
        what_changes=row.what_changes,
        at=row.at,
    )


async def counts(tx: AsyncSession, cause_id: str) -> dict[str, int]:
    """Count a cause's outcomes by state; `audience` is their sum (the ledger's identity).

    They are kept with every change of an outcome, so this reads a few rows however many people.
    """
    states = [state.value for state in OutcomeState]
    query = select(*(func.coalesce(func.sum(_counted.c[state]), 0) for state in states))
    row = (await tx.execute(query.where(_counted.c.cause_id == cause_id))).one()
    by_state = {state: int(number) for state, number in zip(states, row, strict=True)}
    return {"audience": sum(by_state.values()), **by_state}


async def view(
    tx: AsyncSession, row: Row[Any], now: datetime, *, why: str = "", hints: tuple[str, ...] = ()
) -> OutageView:
    """Show an outage with the counts of its rounds."""
    rounds = tuple([await _round(tx, one) for one in await rounds_of(tx, row.id)])
    out = select(func.count(func.distinct(signals.c.customer_id))).where(
        signals.c.outage_id == row.id, signals.c.still_out.is_(True)
    )
    since = row.first_signal_at or row.declared_at
    length: timedelta = (row.resolved_at or now) - since
    return OutageView(
        id=row.id,
        kind=row.kind,
        incident=row.incident,
        title=row.title,
        topic=row.topic,
        severity=row.severity,
        state=row.state,
        segment=row.segment,
        areas=tuple(row.areas),
        variables=row.variables,
        components=tuple(row.components),
        reason=row.reason,
        workaround=row.workaround,
        no_workaround=row.no_workaround,
        hotline=row.hotline,
        starts_at=row.starts_at,
        expected_end=row.expected_end,
        first_signal_at=row.first_signal_at,
        seconds_since_first_signal=max(0, int(length.total_seconds())),
        declared_at=row.declared_at,
        shown_at=row.shown_at,
        confirmed_at=row.confirmed_at,
        confirmed_by=row.confirmed_by,
        waits_for_approval=row.asked_by if row.confirmed_at is None else "",
        broke_glass=row.broke_glass,
        escalated_at=row.escalated_at,
        started_at=row.started_at,
        decided_at=rounds[0].decided_at if rounds else None,
        resolved_at=row.resolved_at,
        reviewed_at=row.reviewed_at,
        in_flight_at_stop=row.in_flight_at_stop,
        simulated=row.simulated,
        plan=row.plan,
        still_out=int((await tx.execute(out)).scalar_one()),
        counts=rounds[0].counts if rounds else NOBODY,
        rounds=rounds,
        allowed=tuple(command.value for command in allowed(OutageState(row.state))),
        told_nobody_why=why,
        hints=hints,
    )


async def _round(tx: AsyncSession, row: Row[Any]) -> RoundView:
    return RoundView(
        id=row.id,
        number=row.number,
        kind=NoticeKind(row.kind),
        topic=row.topic,
        state=row.state,
        created_at=row.created_at,
        decided_at=row.decided_at,
        stopped_at=row.stopped_at,
        in_flight_at_stop=row.in_flight_at_stop,
        counts=await counts(tx, row.cause_id),
    )
