"""What a route's answers teach about its share, whatever is seen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from tellal.domain.route_learning import (
    FLOOR,
    Lessons,
    Seen,
    Share,
    Why,
    learned,
    lower_bound,
    usual_after,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LESSONS = Lessons()
LONG_AGO = NOW - timedelta(hours=1)
FULL = Share(route="a")
counts = st.integers(0, 2_000)
factors = st.floats(FLOOR, 1.0)


@st.composite
def sights(draw: st.DrawFn) -> Seen:
    judged, awaited = draw(counts), draw(counts)
    return Seen(
        judged=judged,
        faults=draw(st.integers(0, judged)),
        awaited=awaited,
        late=draw(st.integers(0, awaited)),
    )


def after(share: Share, seen: Seen, now: datetime = NOW) -> Share:
    moved = learned(share, seen, now, LESSONS)
    return share if moved is None else moved[0]


@given(seen=sights(), factor=factors)
def test_a_share_stays_between_the_floor_and_the_whole(seen: Seen, factor: float) -> None:
    share = replace(FULL, factor=factor, moved_at=LONG_AGO)

    assert FLOOR <= after(share, seen).factor <= 1.0
    assert learned(share, seen, NOW, LESSONS) == learned(share, seen, NOW, LESSONS)


@given(judged=counts, awaited=counts, factor=factors)
def test_an_error_or_two_never_take_anything_away(judged: int, awaited: int, factor: float) -> None:
    share = replace(FULL, factor=factor, moved_at=LONG_AGO)
    seen = Seen(judged=judged, faults=min(2, judged), awaited=awaited, late=min(2, awaited))

    assert after(share, seen).factor >= factor


@given(judged=st.integers(10, 2_000), few=counts, many=counts)
def test_more_errors_never_leave_a_larger_share(judged: int, few: int, many: int) -> None:
    few, many = sorted((min(few, judged), min(many, judged)))
    share = replace(FULL, factor=0.5, moved_at=LONG_AGO)

    less = after(share, Seen(judged=judged, faults=many)).factor
    more = after(share, Seen(judged=judged, faults=few)).factor
    assert less <= more


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (Seen(judged=100, faults=60), Why.ERRORS),
        (Seen(judged=100, awaited=100, late=80), Why.LATE_RECEIPTS),
        (Seen(judged=100, faults=30, awaited=100, late=80), Why.LATE_RECEIPTS),
    ],
)
def test_a_route_that_errs_or_is_late_loses_most_of_its_share(seen: Seen, why: Why) -> None:
    moved = learned(FULL, seen, NOW, LESSONS)

    assert moved is not None
    assert (moved[1], moved[0].moved_at) == (why, NOW)
    assert moved[0].factor < 0.3


@pytest.mark.parametrize(
    "seen",
    [
        Seen(judged=100, faults=12),  # one in ten is tolerated, and twelve do not prove more
        Seen(judged=9, faults=9),
        Seen(judged=100, awaited=100, late=30),
    ],
)
def test_what_proves_nothing_moves_nothing(seen: Seen) -> None:
    assert learned(FULL, seen, NOW, LESSONS) is None


def test_a_route_that_goes_well_gets_its_share_back_by_doubling() -> None:
    share, now = replace(FULL, factor=FLOOR, moved_at=NOW), NOW
    steps: list[float] = []
    while share.factor < 1 and len(steps) < 20:
        now += LESSONS.settle
        share = after(share, Seen(judged=20), now)
        steps.append(share.factor)

    assert steps == pytest.approx([0.04, 0.08, 0.16, 0.32, 0.64, 1.0])


def test_it_waits_for_evidence_or_for_a_quiet_while() -> None:
    share = replace(FULL, factor=0.1, moved_at=NOW)
    soon, later = NOW + timedelta(seconds=9), NOW + LESSONS.quiet

    assert learned(share, Seen(judged=50), soon, LESSONS) is None
    assert learned(share, Seen(judged=3), soon, LESSONS) is None
    assert learned(share, Seen(judged=3, faults=1), later, LESSONS) is None
    assert learned(share, Seen(judged=20, awaited=10, late=5), later, LESSONS) is None
    moved = learned(share, Seen(judged=3), later, LESSONS)
    assert moved is not None
    assert (moved[0].factor, moved[1]) == (0.2, Why.QUIET)


def test_the_bound_is_that_of_wilson() -> None:
    """Checked against R: prop.test(x, n, correct = FALSE)."""
    assert lower_bound(0, 0) == 0.0
    assert lower_bound(1, 1) == pytest.approx(0.2065, abs=1e-4)
    assert lower_bound(60, 100) == pytest.approx(0.5020, abs=1e-4)


def test_the_usual_time_follows_slowly() -> None:
    assert usual_after(None, 3.0) == 3.0
    assert usual_after(3.0, 13.0) == pytest.approx(4.0)
    assert LESSONS.late_in(4.0) == timedelta(seconds=30)
    assert LESSONS.late_in(60.0) == timedelta(seconds=240)
