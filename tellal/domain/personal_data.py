"""Finds numbers in a text that say more of a person than any message needs to.

Each kind is told by its check digits, so that a case number is not taken for an identity number.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

from tellal.domain.senders import is_tckn

_ELEVEN = re.compile(r"(?<!\d)\d{11}(?!\d)")
_IBAN = re.compile(
    r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Z0-9])"
)
_CARD = re.compile(r"(?<![\d])[2-6]\d{3}(?:[ -]?\d{4}){3}(?!\d)")
_PESEL_WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
_IBAN_REMAINDER = 1
_IBAN_MODULUS = 97
_NINE = 9


class DataKind(StrEnum):
    """A number that belongs to one person, and that no message may hold."""

    TCKN = "tckn"
    PESEL = "pesel"
    IBAN = "iban"
    CARD = "card"


def found_in(text: str, kind: DataKind) -> tuple[str, ...]:
    """Return the numbers of a kind that a text holds, as they stand there."""
    return tuple(_FINDERS[kind](text))


def _tckns(text: str) -> Iterator[str]:
    return (number for number in _ELEVEN.findall(text) if is_tckn(number))


def _pesels(text: str) -> Iterator[str]:
    return (number for number in _ELEVEN.findall(text) if is_pesel(number))


def _ibans(text: str) -> Iterator[str]:
    return (number for number in _IBAN.findall(text) if _is_iban(number.replace(" ", "")))


def _cards(text: str) -> Iterator[str]:
    return (number for number in _CARD.findall(text) if _passes_luhn(re.sub(r"\D", "", number)))


def is_pesel(number: str) -> bool:
    """Say whether eleven digits are a Polish PESEL: the last checks the others, and a date leads.

    The month says the century, too: 1–12 of the 1900s, 21–32 of the 2000s, 81–92 of the 1800s.
    """
    digits = [int(digit) for digit in number]
    total = sum(digit * weight for digit, weight in zip(digits[:10], _PESEL_WEIGHTS, strict=True))
    month, day = int(number[2:4]) % 20, int(number[4:6])
    return digits[10] == -total % 10 and month in range(1, 13) and day in range(1, 32)


def _is_iban(number: str) -> bool:
    turned = number[4:] + number[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % _IBAN_MODULUS == _IBAN_REMAINDER


def _passes_luhn(number: str) -> bool:
    total = 0
    for place, sign in enumerate(reversed(number)):
        doubled = int(sign) * (2 if place % 2 else 1)
        total += doubled - _NINE if doubled > _NINE else doubled
    return total % 10 == 0


_FINDERS: Mapping[DataKind, Callable[[str], Iterator[str]]] = {
    DataKind.TCKN: _tckns,
    DataKind.PESEL: _pesels,
    DataKind.IBAN: _ibans,
    DataKind.CARD: _cards,
}
