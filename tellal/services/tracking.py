"""What whoever holds a case's tracking code may see of it: where it is, and nothing of anybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import JSON, String, bindparam, func, literal_column, null, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.tracking import read_code
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.operations import CaseEntryRow, CaseRow
from tellal.services.rate_limits import Allowance, Limit

LOOKING = Allowance(
    name="track", each=Limit(burst=20, per_s=0.5), all=Limit(burst=400, per_s=100.0)
)
"""A person looks a few times; nobody can try codes, of which there are 2 to the power of 65."""

_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_brands = table(BrandRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedStep:
    """Something that was done about a case, and when; not by whom, and not what was said."""

    command: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How a brand is reached, and what its clocks and its language are."""

    trade_name: str
    phone: str
    email: str
    country: str
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedCase:
    """A case as its code shows it; `due_at` is by when something is to be done, if that is said."""

    code: str
    channel: str
    state: str
    steps: Sequence[TrackedStep]
    opened_at: datetime
    resolved_at: datetime | None
    due_at: datetime | None
    simulated: bool
    brand: Reach


def _steps() -> object:
    line = func.json_build_object(
        literal_column("'command'"), _entries.c.command, literal_column("'at'"), _entries.c.at
    )
    return (
        select(func.json_agg(aggregate_order_by(line, _entries.c.id), type_=JSON))
        .where(_entries.c.case_id == _cases.c.id)
        .correlate(_cases)
        .scalar_subquery()
        .label("steps")
    )


_BY_CODE = (
    select(
        _cases.c.channel,
        _cases.c.state,
        _cases.c.opened_at,
        _cases.c.resolved_at,
        # Where no deadline is kept yet there is none to show.
        _cases.c.get("due_at", null().label("due_at")),
        _cases.c.simulated,
        _brands.c.trade_name,
        _brands.c.phone,
        _brands.c.email,
        _brands.c.country,
        _brands.c.timezone,
        _steps(),  # type: ignore[call-overload]  # a labelled scalar
    )
    .join(_brands, _brands.c.id == _cases.c.brand_id)
    .where(_cases.c.tracking_code == bindparam("code", type_=String()))
)


async def find_tracked(tx: AsyncSession, written: str) -> TrackedCase | None:
    """Find a case by its code as somebody wrote it; None for what is no code, or nobody's any more.

    What can be no code is looked up all the same, so that all refusals take as long.
    """
    code = read_code(written)
    row = (await tx.execute(_BY_CODE, {"code": code})).one_or_none()
    if row is None or not code:
        return None
    return TrackedCase(
        code=code,
        channel=row.channel,
        state=row.state,
        steps=[
            TrackedStep(command=step["command"], at=datetime.fromisoformat(step["at"]))
            for step in row.steps or ()
        ],
        opened_at=row.opened_at,
        resolved_at=row.resolved_at,
        due_at=row.due_at,
        simulated=row.simulated,
        brand=Reach(
            trade_name=row.trade_name,
            phone=row.phone,
            email=row.email,
            country=row.country,
            timezone=row.timezone,
        ),
    )
