"""What numbers of people allow to be said: shares, differences, and whether a split came out right.

Every formula names where it stands. A share of nobody is no share, so it has no interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import erfc, exp, fsum, gamma, sqrt
from statistics import NormalDist

CONFIDENCE = 0.95
"""How sure intervals are."""

FEWEST_EXPECTED = 5.0
"""How many each cell of a table of two groups needs before a difference is spoken of.

Cochran, "Some methods for strengthening the common chi-squared tests", Biometrics 10 (1954), 420.
"""

MISMATCH = 0.001
"""From which probability on a split is no accident.

Kohavi, Tang, Xu: "Trustworthy Online Controlled Experiments" (2020), chapter 21.
"""

_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Between which bounds something lies, at `CONFIDENCE`."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many, as a share with its interval; None if it is of nobody."""

    number: int
    of: int
    share: float | None
    interval: Interval | None


class Finding(StrEnum):
    """What a difference between two groups lets one say."""

    NOT_YET = "not_yet"
    """People are still being decided, or have time left to do what is counted."""
    TOO_FEW = "too_few"
    """There are too few to say anything."""
    HIGHER = "higher"
    """The interval lies above nought."""
    LOWER = "lower"
    """The interval lies below nought."""
    NOT_SHOWN = "not_shown"
    """Nought lies in the interval: a difference is not shown, nor that there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much higher a group's share is than another's, and what that lets one say."""

    difference: float
    interval: Interval
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Whether people fell into groups as was meant: `probability` of a split as odd as this one.

    `expected` are the numbers that the shares asked for, in the order of the groups.
    """

    expected: tuple[float, ...]
    chi_square: float
    probability: float
    mismatch: bool


def share(number: int, of: int) -> Share:
    """Return a share with Wilson's interval."""
    if of == 0:
        return Share(number=number, of=of, share=None, interval=None)
    return Share(number=number, of=of, share=number / of, interval=wilson(number, of))


def wilson(number: int, of: int) -> Interval:
    """Return the score interval of a share, without correction for continuity.

    Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927), 209; method 3 of Newcombe, "Two-sided confidence
    intervals for the single proportion", Statistics in Medicine 17 (1998), 857:
    `(2np + z² ± z √(z² + 4npq)) / 2(n + z²)`.

    Raises:
        ValueError: It is a share of nobody, or of fewer than are counted.
    """
    if not 0 <= number <= of or of == 0:
        raise ValueError("a share is of somebody")
    p, z2 = number / of, _Z * _Z
    middle, width = 2 * number + z2, _Z * sqrt(z2 + 4 * number * (1 - p))
    whole = 2 * (of + z2)
    # At the ends the bound is exact; arithmetic of floats misses it by a hair.
    low = 0.0 if number == 0 else (middle - width) / whole
    high = 1.0 if number == of else (middle + width) / whole
    return Interval(low=low, high=high)


def newcombe(number: int, of: int, other: int, of_other: int) -> Interval:
    """Return the interval of the difference between two independent shares.

    Method 10 of Newcombe, "Interval estimation for the difference between independent proportions:
    comparison of eleven methods", Statistics in Medicine 17 (1998), 873, of the Wilson intervals
    `(l, u)`: `d - √((p₁ - l₁)² + (u₂ - p₂)²)` to `d + √((u₁ - p₁)² + (p₂ - l₂)²)`.

    Raises:
        ValueError: One of them is a share of nobody.
    """
    one, two = wilson(number, of), wilson(other, of_other)
    p1, p2 = number / of, other / of_other
    difference = p1 - p2
    return Interval(
        low=difference - sqrt((p1 - one.low) ** 2 + (two.high - p2) ** 2),
        high=difference + sqrt((one.high - p1) ** 2 + (p2 - two.low) ** 2),
    )


def difference(one: Share, other: Share, *, final: bool) -> Difference | None:
    """Compare two groups; None if one of them is empty.

    Before it is `final` nothing is found, however clear it looks: who looks again and again until
    a difference shows itself will find one where there is none.
    """
    if one.of == 0 or other.of == 0:
        return None
    interval = newcombe(one.number, one.of, other.number, other.of)
    return Difference(
        difference=one.number / one.of - other.number / other.of,
        interval=interval,
        finding=_finding(one, other, interval, final=final),
    )


def _finding(one: Share, other: Share, interval: Interval, *, final: bool) -> Finding:
    if not final:
        return Finding.NOT_YET
    everybody = one.of + other.of
    did = one.number + other.number
    rarest = min(did, everybody - did) * min(one.of, other.of) / everybody
    if rarest < FEWEST_EXPECTED:
        return Finding.TOO_FEW
    if interval.low > 0:
        return Finding.HIGHER
    return Finding.LOWER if interval.high < 0 else Finding.NOT_SHOWN


def split(numbers: Sequence[int], shares: Sequence[float]) -> Split | None:
    """Check that people fell into groups in the shares meant; None if it cannot be checked.

    Pearson's chi-square test of a sample ratio mismatch: Fabijan and others, "Diagnosing sample
    ratio mismatch in online controlled experiments", KDD 2019. It cannot be checked with fewer than
    two groups, or where a group is to have fewer than `FEWEST_EXPECTED` people.
    """
    people, parts = sum(numbers), sum(shares)
    if len(numbers) != len(shares) or len(numbers) < 2 or parts <= 0:  # noqa: PLR2004 - two groups
        return None
    expected = tuple(people * one / parts for one in shares)
    if min(expected) < FEWEST_EXPECTED:
        return None
    statistic = sum((n - e) ** 2 / e for n, e in zip(numbers, expected, strict=True))
    probability = chi_square_above(statistic, len(numbers) - 1)
    return Split(
        expected=expected,
        chi_square=statistic,
        probability=probability,
        mismatch=probability < MISMATCH,
    )


def chi_square_above(statistic: float, degrees: int) -> float:
    """Return the probability of a chi-square above this one.

    Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.4.4 (odd degrees of freedom) and
    26.4.5 (even ones).

    Raises:
        ValueError: There are no degrees of freedom.
    """
    if degrees < 1:
        raise ValueError("a chi-square has degrees of freedom")
    half = statistic / 2
    if degrees % 2 == 0:
        terms = [half**i / gamma(i + 1) for i in range(degrees // 2)]
        return exp(-half) * fsum(terms)
    terms = [sqrt(half) ** (2 * i - 1) / gamma(i + 0.5) for i in range(1, degrees // 2 + 1)]
    return erfc(sqrt(half)) + exp(-half) * fsum(terms)
