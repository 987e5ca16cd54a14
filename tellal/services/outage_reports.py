"""How fast outages were told: from the first signal to the public, and to those affected."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.messages import OutcomeState
from tellal.domain.outages import TELLS_OF_IT, NoticeKind, OutageKind, OutageState
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.services.outage_views import counts, entries, notices, outages

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageTimes:
    """One outage; times are seconds, None where it has not come to that.

    Nobody signals planned works, so two of the times are those of failures only.
    `told` is how many people were told that it is there, `all_clears` how many of its end,
    `pages` how often the person on call was called for.
    """

    id: str
    title: str
    kind: str
    incident: str
    state: str
    began_at: datetime
    signal_to_public_s: int | None
    signal_to_confirmed_s: int | None
    confirmed_to_first_notice_s: int | None
    lasted_s: int | None
    audience: int
    told: int
    all_clears: int
    in_flight_at_stop: int
    pages: int
    broke_glass: str
    review_missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageReport:
    """Outages that were declared in a period, with the median of each time of the failures."""

    begins: datetime
    ends: datetime
    signal_to_public_s: float | None
    signal_to_confirmed_s: float | None
    confirmed_to_first_notice_s: float | None
    reviews_missing: int
    broke_glass: int
    outages: tuple[OutageTimes, ...]


async def outage_report(
    tx: AsyncSession, brand_id: str, begins: datetime, ends: datetime
) -> OutageReport:
    """Report on the outages of a brand that were declared in a period, rehearsals left out."""
    query = (
        select(outages)
        .where(
            outages.c.brand_id == brand_id,
            outages.c.declared_at >= begins,
            outages.c.declared_at < ends,
            outages.c.simulated.is_(False),
        )
        .order_by(outages.c.id)
    )
    found = tuple([await _times(tx, row) for row in (await tx.execute(query)).all()])
    failures = [one for one in found if one.kind == OutageKind.FAILURE]
    return OutageReport(
        begins=begins,
        ends=ends,
        signal_to_public_s=_median([one.signal_to_public_s for one in failures]),
        signal_to_confirmed_s=_median([one.signal_to_confirmed_s for one in failures]),
        confirmed_to_first_notice_s=_median([one.confirmed_to_first_notice_s for one in failures]),
        reviews_missing=sum(one.review_missing for one in found),
        broke_glass=sum(bool(one.broke_glass) for one in found),
        outages=found,
    )


async def _times(tx: AsyncSession, row: Row[Any]) -> OutageTimes:
    began = row.first_signal_at or row.declared_at
    query = select(notices.c.kind, notices.c.cause_id).where(notices.c.outage_id == row.id)
    rounds = (await tx.execute(query.order_by(notices.c.number))).all()
    telling = [one.cause_id for one in rounds if one.kind in TELLS_OF_IT]
    handed = select(func.min(_messages.c.handed_at)).where(_messages.c.cause_id.in_(telling))
    first_notice_at = (await tx.execute(handed)).scalar_one()
    failure = row.kind == OutageKind.FAILURE
    pages = select(func.count()).where(
        entries.c.outage_id == row.id, entries.c.command.in_(["escalate", "overdue"])
    )
    over = row.state in (OutageState.RESOLVED, OutageState.COMPLETED)
    return OutageTimes(
        id=row.id,
        title=row.title,
        kind=row.kind,
        incident=row.incident,
        state=row.state,
        began_at=began,
        signal_to_public_s=_between(began, row.shown_at) if failure else None,
        signal_to_confirmed_s=_between(began, row.confirmed_at) if failure else None,
        confirmed_to_first_notice_s=_between(row.confirmed_at, first_notice_at),
        lasted_s=_between(row.started_at, row.resolved_at),
        audience=max([(await counts(tx, one))["audience"] for one in telling], default=0),
        told=await _told(tx, telling),
        all_clears=await _told(
            tx, [one.cause_id for one in rounds if one.kind == NoticeKind.ALL_CLEAR]
        ),
        in_flight_at_stop=row.in_flight_at_stop,
        pages=int((await tx.execute(pages)).scalar_one()),
        broke_glass=row.broke_glass,
        review_missing=over and row.reviewed_at is None,
    )


async def _told(tx: AsyncSession, causes: Sequence[str]) -> int:
    """Count the people who were told in any of some rounds; whoever was told twice is one."""
    if len(causes) == 1:
        return (await counts(tx, causes[0]))["told"]
    query = select(func.count(func.distinct(_outcomes.c.customer_id))).where(
        _outcomes.c.cause_id.in_(causes), _outcomes.c.state == OutcomeState.TOLD.value
    )
    return int((await tx.execute(query)).scalar_one())


def _between(begin: datetime | None, end: datetime | None) -> int | None:
    return None if begin is None or end is None else max(0, int((end - begin).total_seconds()))


def _median(found: Sequence[int | None]) -> float | None:
    known = [one for one in found if one is not None]
    return float(median(known)) if known else None
