"""What breaking the law of messages costs: amounts as data, each with its year and its source.

Amounts are re-valued every January, so a reckoning names the year of the amount that it took.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from tellal.domain.errors import InvalidInputError


class Gravity(StrEnum):
    """How grave an offence is, the least first."""

    MINOR = "minor"
    SERIOUS = "serious"
    GRAVE = "grave"

    @property
    def rank(self) -> int:
        """Its place in the order, from 0."""
        return tuple(Gravity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """The bounds of a fine from the first of January of a year, in whole units of the currency."""

    year: int
    least: int
    most: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FineRow:
    """An offence and what it costs.

    `from_second` multiplies the amount once more than one person got the message (1: it does not).
    """

    id: str
    means: str
    source: str
    gravity: Gravity
    currency: str
    amounts: tuple[Amount, ...]
    from_second: int = 1

    def amount(self, year: int) -> Amount | None:
        """Return the amount of a year, or the last one known before it."""
        known = [one for one in self.amounts if one.year <= year]
        return max(known, key=lambda one: one.year, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinePart:
    """What one offence adds to a fine; `year` is that of the amount it was reckoned with."""

    offence: str
    gravity: Gravity
    least: int
    most: int
    year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fine:
    """What offences risk together; the gravest part first."""

    currency: str
    parts: tuple[FinePart, ...]

    @property
    def least(self) -> int:
        """The lower bound of the sum."""
        return sum(part.least for part in self.parts)

    @property
    def most(self) -> int:
        """The upper bound of the sum."""
        return sum(part.most for part in self.parts)

    @property
    def gravity(self) -> Gravity:
        """The gravest of its parts."""
        return self.parts[0].gravity

    def __str__(self) -> str:
        """Say it in words, with the year of the oldest amount in it."""
        year = min(part.year for part in self.parts)
        return f"up to {self.most} {self.currency} ({year})"


def fine_of(
    rows: Iterable[FineRow], offences: Collection[str], recipients: int, *, year: int
) -> Fine | None:
    """Reckon what offences risk that so many people were the target of; None if nothing.

    An offence counts once, however often it is named. One that no row knows costs nothing here:
    the law of the country sets no amount for it.

    Raises:
        InvalidInputError: There cannot be so few recipients, or rows name several currencies.
    """
    if recipients < 0:
        raise InvalidInputError("nobody is the least of recipients", field="recipients")
    parts, currencies = [], set()
    for row in rows if recipients else ():
        amount = row.amount(year)
        if row.id not in offences or amount is None:
            continue
        times = row.from_second if recipients > 1 else 1
        currencies.add(row.currency)
        parts.append(
            FinePart(
                offence=row.id,
                gravity=row.gravity,
                least=amount.least * times,
                most=amount.most * times,
                year=amount.year,
            )
        )
    if not parts:
        return None
    if len(currencies) > 1:
        raise InvalidInputError("amounts of several currencies have no sum", field="rows")
    in_order = sorted(parts, key=lambda one: (-one.gravity.rank, -one.most, one.offence))
    return Fine(currency=currencies.pop(), parts=tuple(in_order))
