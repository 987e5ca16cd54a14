"""When campaigns run: on the calendar of the wall, around holidays, when clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tellal.domain.campaigns import Plan, When
from tellal.domain.errors import InvalidInputError
from tellal.services.campaign_times import days_of, next_run, opens_at, shifted, waves

ISTANBUL, WARSAW, TOKYO = "Europe/Istanbul", "Europe/Warsaw", "Asia/Tokyo"
pytestmark = pytest.mark.req("D73")


def when(at: str, **said: Any) -> When:  # noqa: ANN401 - as a plan has it
    return Plan.of({"topic": "tariff_change", "when": {"at": at, **said}}).when


def days(found: When, number: int, country: str = "TR") -> list[date]:
    return [at.date() for at in islice(days_of(found, country), number)]


def wall(text: str) -> datetime:
    """Read a time on the wall."""
    return datetime.fromisoformat(text)


def utc(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.req("D73", "allows")
@pytest.mark.parametrize("later", [timedelta(weeks=1), timedelta(days=30), timedelta(days=365)])
def test_a_week_a_month_and_a_year_ahead_ten_oclock_is_ten_oclock(later: timedelta) -> None:
    begins = wall("2026-11-24T10:00") + later

    found = next_run(when(begins.isoformat()), "PL", [WARSAW], after=None)

    assert found is not None
    assert found[0] == begins
    assert found[1][0].at.astimezone(UTC).hour in (8, 9)


@pytest.mark.req("D73", "blocks")
def test_what_is_over_does_not_run_again() -> None:
    once = when("2026-03-02T10:00", zone=ISTANBUL)

    assert next_run(once, "TR", [ISTANBUL], after=utc(2026, 3, 2, 7)) is None


@pytest.mark.parametrize(
    ("at", "instant"),
    [
        # On 2027-03-28 clocks in Warsaw go from 2:00 to 3:00, on 2026-10-25 from 3:00 to 2:00.
        ("2027-03-28T01:59", utc(2027, 3, 28, 0, 59)),
        ("2027-03-28T02:30", utc(2027, 3, 28, 1, 0)),
        ("2027-03-28T03:00", utc(2027, 3, 28, 1, 0)),
        ("2026-10-25T02:30", utc(2026, 10, 25, 0, 30)),
        ("2026-10-25T03:00", utc(2026, 10, 25, 2, 0)),
    ],
)
def test_on_nights_of_changing_clocks_it_runs_once_at_a_time_that_there_is(
    at: str, instant: datetime
) -> None:
    (wave,) = waves(when(at), datetime.fromisoformat(at), [WARSAW])

    assert wave.at == instant


def test_zones_of_one_clock_are_one_wave_and_waves_come_in_their_order() -> None:
    found = waves(
        when("2026-07-01T10:00"), wall("2026-07-01T10:00"), [ISTANBUL, TOKYO, "Asia/Riyadh"]
    )

    assert [wave.zones for wave in found] == [(TOKYO,), ("Asia/Riyadh", ISTANBUL)]
    assert [wave.at for wave in found] == [utc(2026, 7, 1, 1), utc(2026, 7, 1, 7)]


def test_one_zone_for_all_is_one_wave_for_everybody() -> None:
    (wave,) = waves(when("2026-07-01T10:00", zone=ISTANBUL), wall("2026-07-01T10:00"), [TOKYO])

    assert (wave.at, wave.zones) == (utc(2026, 7, 1, 7), ())


def test_it_recurs_by_day_weekday_month_and_year() -> None:
    daily = when("2026-03-02T10:00", repeat={"every": "day"})
    weekly = when("2026-03-02T10:00", repeat={"every": "week", "on": ["mon", "thu"]})
    monthly = when("2026-01-31T10:00", repeat={"every": "month"})
    yearly = when("2028-02-29T10:00", repeat={"every": "year"})

    assert days(daily, 3) == [date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)]
    assert days(weekly, 3) == [date(2026, 3, 2), date(2026, 3, 5), date(2026, 3, 9)]
    assert days(monthly, 3) == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)]
    assert days(yearly, 2) == [date(2028, 2, 29), date(2029, 2, 28)]


def test_days_to_be_skipped_are_left_out_and_the_end_is_the_end() -> None:
    found = when(
        "2026-03-02T10:00", repeat={"every": "day"}, skip=["2026-03-03"], until="2026-03-04"
    )

    assert days(found, 9) == [date(2026, 3, 2), date(2026, 3, 4)]


@pytest.mark.parametrize(
    ("holidays", "expected"),
    [
        ("send", [date(2026, 4, 22), date(2026, 4, 23), date(2026, 4, 24)]),
        ("skip", [date(2026, 4, 22), date(2026, 4, 24), date(2026, 4, 25)]),
        ("next", [date(2026, 4, 22), date(2026, 4, 24), date(2026, 4, 25)]),
    ],
)
def test_a_holiday_is_sent_on_left_out_or_moved(holidays: str, expected: list[date]) -> None:
    found = when("2026-04-22T10:00", repeat={"every": "day"}, holidays=holidays)

    assert days(found, 3) == expected


def test_what_is_moved_from_a_holiday_goes_on_a_working_day() -> None:
    # 2026-10-29 is a Thursday, and Republic Day.
    once = when("2026-10-29T10:00", holidays="next")
    # 2027-05-01 is a Saturday, and Labour Day.
    may = when("2027-05-01T10:00", holidays="next")

    assert days(once, 1) == [date(2026, 10, 30)]
    assert days(may, 1) == [date(2027, 5, 3)]


def test_chance_puts_a_run_off_within_bounds_and_always_alike() -> None:
    found, at = when("2026-03-02T10:00", jitter_s=600), utc(2026, 3, 2, 7)
    put_off = {shifted(found, at, f"c{n}") - at for n in range(50)}

    assert shifted(found, at, "c1") == shifted(found, at, "c1")
    assert min(put_off) >= timedelta()
    assert max(put_off) <= timedelta(seconds=600)
    assert len(put_off) == 50


@given(
    st.datetimes(wall("2026-01-01T00:00"), wall("2028-01-01T00:00")).map(
        lambda at: at.replace(tzinfo=UTC)
    ),
    st.sampled_from([ISTANBUL, WARSAW, TOKYO, "America/New_York"]),
)
def test_a_window_that_is_closed_opens_within_a_day_and_is_open_then(
    now: datetime, zone: str
) -> None:
    window = (time(10), time(18))

    opens = opens_at(window, zone, now)

    if opens is not None:
        assert now < opens <= now + timedelta(hours=25)
        assert opens_at(window, zone, opens) is None


@given(st.integers(0, 50), st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_slices_share_all_buckets_without_a_gap(held: int, weights: list[int]) -> None:
    total = sum(weights)
    shares = [100 * weight / total for weight in weights]
    shares[-1] = 100 - sum(round(share, 2) for share in shares[:-1])
    variants = [{"name": f"v{n}", "share": str(round(share, 2))} for n, share in enumerate(shares)]
    raw = {"topic": "t", "when": {"at": "2026-03-02T10:00"}, "variants": variants, "hold_out": held}
    try:
        plan = Plan.of(raw)
    except InvalidInputError:
        return

    slices = plan.slices()

    assert slices[0].first == 0
    assert slices[-1].end == 10_000
    assert [one.end for one in slices[:-1]] == [one.first for one in slices[1:]]
    assert all(one.first <= one.end for one in slices)
