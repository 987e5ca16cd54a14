"""Planned works: announced early enough, and done when they disturb least."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tellal.domain.errors import ConflictError
from tellal.domain.incidents import LeadTime
from tellal.domain.lead_times import (
    check_lead_time,
    hours_hint,
    is_too_late,
    needed_hours,
    reminder_at,
)

ISTANBUL = ZoneInfo("Europe/Istanbul")
WARSAW = ZoneInfo("Europe/Warsaw")
STARTS = datetime(2026, 5, 12, 1, tzinfo=ISTANBUL)
BANK = LeadTime(
    country="TR",
    sector="banking",
    lead=timedelta(hours=24),
    remind_before=timedelta(hours=12),
    work_from=time(0),
    work_until=time(6),
    source="Practice of banks",
)
LATE_NIGHT = LeadTime(
    country="PL",
    sector="telecom",
    lead=timedelta(days=3),
    remind_before=timedelta(days=1),
    work_from=time(23),
    work_until=time(5),
    source="Practice of operators",
)


@pytest.mark.req("B10", "blocks")
@pytest.mark.req("B10", "allows")
@pytest.mark.parametrize(
    ("hours", "late"), [(24, False), (23.99, True), (0, True), (-1, True), (100, False)]
)
def test_works_are_announced_a_day_before(hours: float, *, late: bool) -> None:
    now = STARTS - timedelta(hours=hours)

    assert is_too_late(BANK, STARTS, now) is late
    if late:
        with pytest.raises(ConflictError, match="at least 24 hours beforehand") as refused:
            check_lead_time(BANK, STARTS, now)
        assert refused.value.code == "too_late"
        assert "Practice of banks" in str(refused.value)
    else:
        check_lead_time(BANK, STARTS, now)


@pytest.mark.req("B10", "blocks")
@pytest.mark.req("B10", "allows")
def test_whoever_says_why_may_announce_late() -> None:
    check_lead_time(BANK, STARTS, STARTS, because="The cable burns")
    with pytest.raises(ConflictError):
        check_lead_time(BANK, STARTS, STARTS, because="  ")


def test_where_nothing_is_said_nothing_is_too_late() -> None:
    assert not is_too_late(None, STARTS, STARTS)
    check_lead_time(None, STARTS, STARTS)
    assert hours_hint(None, STARTS, STARTS + timedelta(days=3), ISTANBUL) == ""


def test_the_hours_that_are_needed_are_a_number() -> None:
    assert needed_hours(LATE_NIGHT) == 72


@pytest.mark.req("B10", "allows")
@pytest.mark.parametrize(
    ("announced", "hours_before"),
    [(48, 12), (12, 6), (4, 2)],
)
def test_people_are_reminded_in_time(announced: float, hours_before: float) -> None:
    due = reminder_at(BANK, STARTS, STARTS - timedelta(hours=announced))

    assert due == STARTS - timedelta(hours=hours_before)


def test_without_a_lead_time_people_are_reminded_a_day_before() -> None:
    assert reminder_at(None, STARTS, STARTS - timedelta(days=9)) == STARTS - timedelta(days=1)
    assert reminder_at(None, STARTS, STARTS - timedelta(hours=4)) == STARTS - timedelta(hours=2)


@pytest.mark.req("B09", "blocks")
@pytest.mark.req("B09", "allows")
@pytest.mark.parametrize(
    ("start", "hours", "outside"),
    [
        pytest.param(1, 4, "", id="at night"),
        pytest.param(0, 6, "", id="the whole night"),
        pytest.param(4, 4, "2 h of the works", id="into the morning"),
        pytest.param(10, 3, "3 h of the works", id="by day"),
        pytest.param(23, 8, "2 h of the works", id="from the evening to the morning"),
        pytest.param(2, 24, "18 h of the works", id="around the clock"),
    ],
)
def test_works_by_day_get_a_hint(start: int, hours: int, outside: str) -> None:
    starts = datetime(2026, 5, 12, start, tzinfo=ISTANBUL)

    hint = hours_hint(BANK, starts, starts + timedelta(hours=hours), ISTANBUL)

    assert hint.startswith(outside)
    assert bool(hint) is bool(outside)
    assert not hint or "00:00 to 06:00" in hint


@pytest.mark.req("B09", "blocks")
@pytest.mark.req("B09", "allows")
def test_a_night_may_span_midnight_and_a_change_of_clocks() -> None:
    # On 29 March 2026 clocks in Poland go from two to three: the night has five hours.
    starts = datetime(2026, 3, 28, 23, tzinfo=WARSAW)

    assert hours_hint(LATE_NIGHT, starts, starts.astimezone(UTC) + timedelta(hours=5), WARSAW) == ""
    hint = hours_hint(LATE_NIGHT, starts, starts.astimezone(UTC) + timedelta(hours=6), WARSAW)
    assert hint.startswith("60 min of the works")
