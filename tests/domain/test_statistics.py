"""Formulas against published examples, and what they let one say."""

import pytest
from hypothesis import given, strategies as st

from tellal.domain.statistics import (
    Finding,
    chi_square_above,
    difference,
    newcombe,
    share,
    split,
    wilson,
)

pytestmark = pytest.mark.req("D62")


# Newcombe, Statistics in Medicine 17 (1998), 857, table I, method 3.
@pytest.mark.parametrize(
    ("number", "of", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_shares_have_wilsons_interval(number: int, of: int, low: float, high: float) -> None:
    interval = wilson(number, of)

    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


# Newcombe, Statistics in Medicine 17 (1998), 873, table II, method 10.
@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_differences_have_newcombes_interval(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    interval = newcombe(*one, *other)

    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


# Abramowitz and Stegun, table 26.8: what is exceeded with a probability of 0.05, and of 0.001.
@pytest.mark.parametrize(
    ("statistic", "degrees", "probability"),
    [
        (3.84146, 1, 0.05),
        (5.99147, 2, 0.05),
        (7.81473, 3, 0.05),
        (9.48773, 4, 0.05),
        (11.0705, 5, 0.05),
        (10.828, 1, 0.001),
        (13.816, 2, 0.001),
        (16.266, 3, 0.001),
    ],
)
def test_a_chi_square_has_its_probability(
    statistic: float, degrees: int, probability: float
) -> None:
    assert chi_square_above(statistic, degrees) == pytest.approx(probability, rel=1e-3)


def test_a_split_that_came_out_wrong_is_found() -> None:
    # Kohavi, Tang, Xu (2020), chapter 21: a ratio of 0.993 where 1 was meant, p = 1.8E-6.
    found = split([821_588, 815_482], [50, 50])

    assert found is not None
    assert found.probability == pytest.approx(1.8e-6, rel=0.05)
    assert found.mismatch


def test_a_split_by_chance_is_no_mismatch() -> None:
    found = split([498, 502, 99], [45, 45, 10])

    assert found is not None
    assert found.expected == pytest.approx((494.55, 494.55, 109.9))
    # (3.45² + 7.45²) / 494.55 + 10.9² / 109.9, by hand.
    assert found.chi_square == pytest.approx(1.2174, abs=1e-4)
    assert not found.mismatch


@pytest.mark.parametrize(("numbers", "shares"), [([9], [1]), ([3, 3], [50, 50]), ([9, 9], [9])])
def test_what_cannot_be_checked_is_not(numbers: list[int], shares: list[float]) -> None:
    assert split(numbers, shares) is None


def test_nothing_is_found_before_the_end() -> None:
    one, other = share(900, 1000), share(100, 1000)

    early, late = difference(one, other, final=False), difference(one, other, final=True)

    assert early is not None
    assert late is not None
    assert (early.finding, late.finding) == (Finding.NOT_YET, Finding.HIGHER)
    assert early.interval == late.interval


@pytest.mark.parametrize(
    ("one", "other", "finding"),
    [
        ((9, 10), (3, 10), Finding.TOO_FEW),
        ((5, 1000), (1, 1000), Finding.TOO_FEW),
        ((100, 1000), (150, 1000), Finding.LOWER),
        ((100, 1000), (105, 1000), Finding.NOT_SHOWN),
        ((120, 1000), (60, 1000), Finding.HIGHER),
    ],
)
def test_a_difference_says_what_it_can(
    one: tuple[int, int], other: tuple[int, int], finding: Finding
) -> None:
    found = difference(share(*one), share(*other), final=True)

    assert found is not None
    assert found.finding is finding


def test_nobody_has_no_share() -> None:
    assert share(0, 0).share is None
    assert share(0, 0).interval is None
    assert difference(share(1, 2), share(0, 0), final=True) is None
    with pytest.raises(ValueError, match="of somebody"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="degrees of freedom"):
        chi_square_above(1, 0)


@given(st.integers(0, 400), st.integers(1, 400), st.integers(0, 400), st.integers(1, 400))
def test_intervals_hold_what_was_seen(one: int, of: int, other: int, of_other: int) -> None:
    one, other = min(one, of), min(other, of_other)
    seen, interval = one / of - other / of_other, newcombe(one, of, other, of_other)

    assert 0 <= wilson(one, of).low <= one / of <= wilson(one, of).high <= 1
    assert -1 <= interval.low <= seen <= interval.high <= 1
