"""The alphabets of an SMS as data, and how much of each one segment holds.

Tables: 3GPP TS 23.038, 6.2.1 (default alphabet), 6.2.1.1 (its extension), A.2.1 and A.3.1 (Turkish
single shift and locking shift). Headers: 3GPP TS 23.040, 9.2.3.24. Characters stand in the order
of the tables, without the escape itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Alphabet(StrEnum):
    """A way to write an SMS on the air; of two that cost the same, the earlier is taken."""

    GSM7 = "gsm7"
    TURKISH_SINGLE = "turkish_single"
    """The single shift table: each of its Turkish letters takes two septets."""
    TURKISH_LOCKING = "turkish_locking"
    """The locking shift table, alone: each of its letters takes one septet; `ì ø æ ¡` are gone."""
    TURKISH_BOTH = "turkish_both"
    """Both tables, for gateways that know no other way: the same letters, a longer header."""
    UCS2 = "ucs2"


EVERYWHERE = frozenset({Alphabet.GSM7, Alphabet.UCS2})
"""What any route can write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a 7-bit alphabet holds, and how many octets of header tell the phone of it."""

    basic: frozenset[str]
    """Characters of one septet."""
    extension: frozenset[str]
    """Characters of two: the escape and a code, which never part."""
    language_octets: int


_DEFAULT = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
_LOCKING = frozenset(
    "@£$¥€éùıòÇ\nĞğ\rÅåΔ_ΦΓΛΩΠΨΣΘΞŞşßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "İABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§çabcdefghijklmnopqrstuvwxyzäöñüà"
)
_SINGLE = frozenset("\f^{}\\[~]|ĞİŞç€ğış")

_SEGMENT_OCTETS = 140
_HEADER_LENGTH_OCTETS = 1
_CONCATENATION_OCTETS = 5  # with a reference of 8 bits
_LANGUAGE_OCTETS = 3

TABLES: Mapping[Alphabet, Table] = {
    Alphabet.GSM7: Table(basic=_DEFAULT, extension=_EXTENSION, language_octets=0),
    Alphabet.TURKISH_SINGLE: Table(
        basic=_DEFAULT, extension=_SINGLE, language_octets=_LANGUAGE_OCTETS
    ),
    Alphabet.TURKISH_LOCKING: Table(
        basic=_LOCKING, extension=_EXTENSION, language_octets=_LANGUAGE_OCTETS
    ),
    Alphabet.TURKISH_BOTH: Table(
        basic=_LOCKING, extension=_SINGLE, language_octets=2 * _LANGUAGE_OCTETS
    ),
}
"""The 7-bit alphabets; UCS-2 holds everything and needs no table."""

_WRITABLE = {alphabet: table.basic | table.extension for alphabet, table in TABLES.items()}
_LAST_OF_16_BITS = "\uffff"


def capacity(alphabet: Alphabet, *, concatenated: bool) -> int:
    """Return how many units (septets, or UTF-16 units in UCS-2) one segment holds.

    A segment that is one of several spends room on saying so; a national table, on its name.
    """
    table = TABLES.get(alphabet)
    elements = _CONCATENATION_OCTETS if concatenated else 0
    elements += table.language_octets if table else 0
    octets = _SEGMENT_OCTETS - (_HEADER_LENGTH_OCTETS + elements if elements else 0)
    return octets * 8 // 7 if table else octets // 2


def missing(text: str, alphabet: Alphabet) -> frozenset[str]:
    """Return the characters of a text that have no place in an alphabet."""
    if alphabet is Alphabet.UCS2:
        return frozenset()
    return frozenset(text) - _WRITABLE[alphabet]


def widths(text: str, alphabet: Alphabet) -> list[int]:
    """Return how many units each character takes; all must have a place in the alphabet."""
    if alphabet is Alphabet.UCS2:
        return [2 if character > _LAST_OF_16_BITS else 1 for character in text]
    # A character of both, as the euro in Turkish, is written the shorter way.
    basic = TABLES[alphabet].basic
    return [1 if character in basic else 2 for character in text]


def units(text: str, alphabet: Alphabet) -> int:
    """Return how many units a text takes; its characters must have a place in the alphabet."""
    return sum(widths(text, alphabet))
