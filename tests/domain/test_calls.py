"""When somebody may be called, and when calling is over."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tellal.domain.business_days import Working
from tellal.domain.calls import is_unreachable, may_call_at
from tellal.domain.cases import CallOutcome

ISTANBUL = ZoneInfo("Europe/Istanbul")
FEAST_EVE = date(2026, 3, 19)


def working(day: date) -> Working:
    if day == FEAST_EVE:
        return Working.HALF
    return Working.NONE if day.weekday() >= 5 else Working.FULL


def local(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=ISTANBUL)


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        pytest.param(local(2, 10), local(2, 10), id="in hours"),
        pytest.param(local(2, 7), local(2, 9), id="in the morning"),
        pytest.param(local(2, 18), local(3, 9), id="when they end"),
        pytest.param(local(6, 19), local(9, 9), id="over the weekend"),
        pytest.param(local(19, 12, 59), local(19, 12, 59), id="before a half-day ends"),
        pytest.param(local(19, 13), local(20, 9), id="after a half-day ended"),
    ],
)
def test_somebody_is_called_in_hours_of_work(at: datetime, allowed: datetime) -> None:
    found = may_call_at(
        at.astimezone(UTC),
        begin=time(9),
        end=time(18),
        working=working,
        zone=ISTANBUL,
        half_ends=time(13),
    )

    assert found == allowed


def test_a_calendar_without_work_is_broken() -> None:
    with pytest.raises(ValueError, match="no business day"):
        may_call_at(
            local(2, 10),
            begin=time(9),
            end=time(18),
            working=lambda _: Working.NONE,
            zone=ISTANBUL,
            half_ends=time(13),
        )


@pytest.mark.req("E43")
@pytest.mark.parametrize(
    ("outcome", "attempts", "hours", "over"),
    [
        (CallOutcome.NO_ANSWER, 3, 48, True),
        (CallOutcome.NO_ANSWER, 3, 47, False),
        (CallOutcome.BUSY, 2, 90, False),
        (CallOutcome.REFUSED, 1, 0, True),
        (CallOutcome.WRONG_NUMBER, 1, 0, True),
    ],
)
def test_calling_is_over_after_enough_tries_over_enough_days(
    *, outcome: CallOutcome, attempts: int, hours: int, over: bool
) -> None:
    first = local(2, 10)

    now = first + timedelta(hours=hours)

    assert is_unreachable(outcome, attempts, first, now, most=3, over=timedelta(days=2)) is over
