"""What calls of officers and of agents have in common: who has one, how long, and at which hours.

Both are rows with `state`, `claimed_by`, `claimed_until`, `not_before` and `ended_at`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, Table, and_, func, or_

from rules.calendars import working_in
from rules.profiles import CallPlan
from tellal.domain.calls import TaskState, may_call_at
from tellal.domain.errors import ConflictError
from tellal.services.case_duties import HALF_DAY_ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a call stands: it is `open` again when the time of who claimed it is over."""

    state: str
    by: str
    until: datetime | None


def matching(
    calls: Table, state: TaskState | None, now: datetime, *, due: bool
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a list; `due` are those that may be called now."""
    mine = and_(calls.c.state == TaskState.CLAIMED.value, calls.c.claimed_until > now)
    if state is TaskState.CLAIMED:
        yield mine
    elif state is TaskState.OPEN:
        yield and_(calls.c.ended_at.is_(None), ~func.coalesce(mine, False))
    elif state is not None:
        yield calls.c.state == state.value
    if due:
        yield and_(
            calls.c.ended_at.is_(None),
            calls.c.not_before <= now,
            or_(calls.c.claimed_until.is_(None), calls.c.claimed_until <= now),
        )


def is_claimed(row: Row[Any], now: datetime) -> bool:
    """Say whether somebody has the call now."""
    return bool(row.claimed_by and row.claimed_until is not None and row.claimed_until > now)


def standing_of(row: Row[Any], now: datetime) -> Standing:
    """Say how a call stands now."""
    if row.state == TaskState.CLAIMED.value and not is_claimed(row, now):
        return Standing(state=TaskState.OPEN.value, by="", until=None)
    return Standing(state=row.state, by=row.claimed_by, until=row.claimed_until)


def check_free(row: Row[Any], by: str, now: datetime, *, what: str, who: str) -> None:
    """Refuse whoever comes too late; `what` and `who` are a call and a caller in words.

    Raises:
        ConflictError: It is over, or somebody else has it.
    """
    if row.ended_at is not None:
        raise ConflictError(f"this {what} is {row.state}", code=f"{what}_{row.state}")
    if is_claimed(row, now) and row.claimed_by != by:
        raise ConflictError(
            f"another {who} has this {what}",
            code="claimed_by_other",
            hint=f"until {row.claimed_until.isoformat()}",
        )


def hours_from(at: datetime, plan: CallPlan, *, country: str, timezone: str) -> datetime:
    """Return the first instant from `at` on at which a plan lets people be called."""
    return may_call_at(
        at,
        begin=plan.begin,
        end=plan.end,
        working=working_in(country),
        zone=ZoneInfo(timezone),
        half_ends=HALF_DAY_ENDS,
    )
