"""Three business days, across weekends, half-days and both bayrams."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from rules.calendars import working_in
from tellal.domain.business_days import Working, deadline, oldest

TURKEY = ZoneInfo("Europe/Istanbul")
ONE = time(13)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TURKEY)


@pytest.mark.parametrize(
    ("given", "due"),
    [
        pytest.param("2026-03-02T10:00", "2026-03-06T00:00", id="Monday"),
        pytest.param("2026-03-05T23:59", "2026-03-11T00:00", id="over a weekend"),
        pytest.param("2026-03-07T10:00", "2026-03-12T00:00", id="Saturday"),
        # Ramazan bayramı: the eve is Thursday the 19th, the feast ends on Sunday the 22nd.
        pytest.param("2026-03-16T10:00", "2026-03-19T13:00", id="ends with the eve"),
        pytest.param("2026-03-17T10:00", "2026-03-24T00:00", id="over Ramazan bayramı"),
        pytest.param("2026-03-20T10:00", "2026-03-26T00:00", id="within Ramazan bayramı"),
        # Kurban bayramı: the eve is Tuesday 26 May, the feast the four days from Wednesday on.
        pytest.param("2026-05-21T10:00", "2026-05-26T13:00", id="ends with the eve of Kurban"),
        pytest.param("2026-05-22T10:00", "2026-06-02T00:00", id="over Kurban bayramı"),
        pytest.param("2026-10-26T10:00", "2026-10-31T00:00", id="over the day of the Republic"),
        pytest.param("2025-12-30T10:00", "2026-01-06T00:00", id="over New Year"),
    ],
)
def test_the_end_of_the_third_business_day(given: str, due: str) -> None:
    found = deadline(at(given), 3, working_in("TR"), zone=TURKEY, half_day_ends=ONE)

    assert found == at(due)


def test_the_day_is_turkeys_whatever_the_zone_of_the_moment() -> None:
    late = datetime(2026, 3, 2, 21, 30, tzinfo=UTC)  # half past midnight, on Tuesday

    found = deadline(late, 3, working_in("TR"), zone=TURKEY, half_day_ends=ONE)

    assert found == at("2026-03-07T00:00")


@pytest.mark.parametrize("now", ["2026-03-06T12:00", "2026-03-19T12:59", "2026-03-23T09:00"])
def test_the_oldest_moment_is_the_first_whose_deadline_has_not_passed(now: str) -> None:
    def due(given_at: datetime) -> datetime:
        return deadline(given_at, 3, working_in("TR"), zone=TURKEY, half_day_ends=ONE)

    found = oldest(at(now), 3, working_in("TR"), zone=TURKEY, half_day_ends=ONE)

    assert due(found) >= at(now)
    assert due(found - timedelta(seconds=1)) < at(now)


def test_a_calendar_without_work_is_a_broken_one() -> None:
    def never(_: date) -> Working:
        return Working.NONE

    with pytest.raises(ValueError, match="no business day"):
        deadline(at("2026-03-02T10:00"), 1, never, zone=TURKEY, half_day_ends=ONE)
