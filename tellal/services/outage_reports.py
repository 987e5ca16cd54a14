"""How fast outages were told: from the first signal to the public, and to those affected."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.messages import OutcomeState
from tellal.domain.outages import ENDED, NoticeKind, OutageState
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.services.outage_rounds import TELLS_OF_IT
from tellal.services.outage_views import counts, entries, notices, outages

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageTimes:
    """One outage; times are seconds, None where it has not come to that.

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
    """Outages that were declared in a period, with the median of each time."""

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
    return OutageReport(
        begins=begins,
        ends=ends,
        signal_to_public_s=_median([one.signal_to_public_s for one in found]),
        signal_to_confirmed_s=_median([one.signal_to_confirmed_s for one in found]),
        confirmed_to_first_notice_s=_median([one.confirmed_to_first_notice_s for one in found]),
        reviews_missing=sum(one.review_missing for one in found),
        broke_glass=sum(bool(one.broke_glass) for one in found),
        outages=found,
    )


async def _times(tx: AsyncSession, row: Row[Any]) -> OutageTimes:
    began = row.first_signal_at or row.declared_at
    query = select(notices.c.kind, notices.c.cause_id).where(notices.c.outage_id == row.id)
    rounds = (await tx.execute(query.order_by(notices.c.number))).all()
    first = [one for one in rounds if one.kind == NoticeKind.NOTICE.value][:1]
    first_notice_at = None
    if first:
        handed = select(func.min(_messages.c.handed_at)).where(
            _messages.c.cause_id == first[0].cause_id
        )
        first_notice_at = (await tx.execute(handed)).scalar_one()
    by_kind = {
        kind: [await counts(tx, one.cause_id) for one in rounds if one.kind == kind.value]
        for kind in (NoticeKind.NOTICE, NoticeKind.ALL_CLEAR)
    }
    pages = select(func.count()).where(
        entries.c.outage_id == row.id, entries.c.command.in_(["escalate", "overdue"])
    )
    told = (
        select(func.count(func.distinct(_outcomes.c.customer_id)))
        .join(notices, notices.c.cause_id == _outcomes.c.cause_id)
        .where(
            notices.c.outage_id == row.id,
            notices.c.kind.in_([kind.value for kind in TELLS_OF_IT]),
            _outcomes.c.state == OutcomeState.TOLD.value,
        )
    )
    over = OutageState(row.state) in ENDED
    return OutageTimes(
        id=row.id,
        title=row.title,
        kind=row.kind,
        incident=row.incident,
        state=row.state,
        began_at=began,
        signal_to_public_s=_between(began, row.shown_at),
        signal_to_confirmed_s=_between(began, row.confirmed_at),
        confirmed_to_first_notice_s=_between(row.confirmed_at, first_notice_at),
        lasted_s=_between(row.started_at, row.resolved_at),
        audience=max((one["audience"] for one in by_kind[NoticeKind.NOTICE]), default=0),
        told=int((await tx.execute(told)).scalar_one()),
        all_clears=sum(one["told"] for one in by_kind[NoticeKind.ALL_CLEAR]),
        in_flight_at_stop=row.in_flight_at_stop,
        pages=int((await tx.execute(pages)).scalar_one()),
        broke_glass=row.broke_glass,
        review_missing=over and row.confirmed_at is not None and row.reviewed_at is None,
    )


def _between(begin: datetime | None, end: datetime | None) -> int | None:
    return None if begin is None or end is None else max(0, int((end - begin).total_seconds()))


def _median(found: Sequence[int | None]) -> float | None:
    known = [one for one in found if one is not None]
    return float(median(known)) if known else None
