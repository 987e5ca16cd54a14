"""Quiet hours on ordinary nights, and on the nights on which clocks change."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from rules.definitions import QuietAction, QuietHours, Section
from rules.ir import ALWAYS
from rules.quiet import instant, latest_end, quiet_until
from tellal.domain.channels import Channel

WARSAW, ISTANBUL = ZoneInfo("Europe/Warsaw"), ZoneInfo("Europe/Istanbul")


def _quiet(begin: str, end: str, timezone: str = "") -> QuietHours:
    return QuietHours(
        id="q",
        section=Section.QUIET_HOURS,
        when=ALWAYS,
        means="",
        file="x.yaml",
        line=1,
        channels=frozenset({Channel.SMS}),
        begin=time.fromisoformat(begin),
        end=time.fromisoformat(end),
        timezone=timezone,
        action=QuietAction.DEFER,
        reason="quiet_hours",
        text="",
    )


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        pytest.param("2026-03-02T12:00", None, id="noon"),
        pytest.param("2026-03-02T17:59", None, id="just before"),
        pytest.param("2026-03-02T18:00", "2026-03-03T06:00", id="the beginning is quiet"),
        pytest.param("2026-03-02T23:00", "2026-03-03T06:00", id="after midnight there"),
        pytest.param("2026-03-03T05:59", "2026-03-03T06:00", id="the last minute"),
        pytest.param("2026-03-03T06:00", None, id="the end is not quiet"),
    ],
)
def test_a_night_in_istanbul(at: str, until: str | None) -> None:
    end = quiet_until(_quiet("21:00", "09:00"), _utc(at), ISTANBUL)

    assert end == (None if until is None else _utc(until))


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        pytest.param("2026-03-29", "01:59", "2026-03-29T00:59", id="before the gap"),
        pytest.param("2026-03-29", "02:00", "2026-03-29T01:00", id="the gap begins"),
        pytest.param("2026-03-29", "02:30", "2026-03-29T01:00", id="in the gap: first after it"),
        pytest.param("2026-03-29", "03:00", "2026-03-29T01:00", id="after the gap"),
        pytest.param("2026-10-25", "02:30", "2026-10-25T00:30", id="twice: the earlier"),
        pytest.param("2026-10-25", "03:00", "2026-10-25T02:00", id="after both"),
    ],
)
def test_a_clock_that_changes(day: str, clock: str, expected: str) -> None:
    found = instant(date.fromisoformat(day), time.fromisoformat(clock), WARSAW)

    assert found == _utc(expected)


def test_quiet_hours_end_once_when_their_end_comes_twice() -> None:
    rule = _quiet("21:00", "02:30")

    before = quiet_until(rule, _utc("2026-10-25T00:15"), WARSAW)
    second_time_round = quiet_until(rule, _utc("2026-10-25T01:15"), WARSAW)

    assert before == _utc("2026-10-25T00:30")
    assert second_time_round is None


def test_quiet_hours_that_end_in_a_gap_end_after_it() -> None:
    assert quiet_until(_quiet("21:00", "02:30"), _utc("2026-03-29T00:30"), WARSAW) == _utc(
        "2026-03-29T01:00"
    )


def test_a_fixed_zone_counts_instead_of_the_customers() -> None:
    at = _utc("2026-03-02T22:30")

    assert quiet_until(_quiet("00:00", "06:00", "Europe/Istanbul"), at, WARSAW) is not None
    assert quiet_until(_quiet("00:00", "06:00"), at, WARSAW) is None


def test_an_end_within_other_quiet_hours_is_no_end() -> None:
    rules = (_quiet("21:00", "09:00"), _quiet("08:30", "10:00"))

    assert latest_end(rules, _utc("2026-03-02T20:00"), ISTANBUL) == _utc("2026-03-03T07:00")


def test_quiet_around_the_clock_comes_to_an_end_of_the_search() -> None:
    rules = (_quiet("00:00", "12:00"), _quiet("12:00", "00:00"))

    assert latest_end(rules, _utc("2026-03-02T20:00"), ISTANBUL) > _utc("2026-03-10T00:00")
