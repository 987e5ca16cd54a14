"""What an SMS costs, and which of its characters make it cost more."""

import unicodedata
from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal

from tellal.domain.sms.alphabets import EVERYWHERE, TABLES, Alphabet, missing
from tellal.domain.sms.folding import Folding, fold


@dataclass(frozen=True, slots=True, kw_only=True)
class CostlyCharacter:
    """A character for whose sake the whole text is written in UCS-2, 70 to a segment.

    `plain` is what folding would put in its place, None when it knows nothing.
    """

    character: str
    name: str
    count: int
    plain: str | None


def price_of(segments: int, per_segment: Decimal) -> Decimal:
    """Return what so many segments cost, in the currency of the price of one."""
    return per_segment * segments


def costly_characters(
    text: str, *, alphabets: AbstractSet[Alphabet] = EVERYWHERE
) -> tuple[CostlyCharacter, ...]:
    """Name the characters that force a text into UCS-2, in the order of the text.

    There are none if the route has a 7-bit alphabet for all of it. If it has several and none will
    do, the answer is about the one that comes nearest.
    """
    strange = min(
        (missing(text, alphabet) for alphabet in TABLES if alphabet in alphabets | {Alphabet.GSM7}),
        key=len,
    )
    found = Counter(character for character in text if character in strange)
    return tuple(
        CostlyCharacter(
            character=character,
            name=unicodedata.name(character, f"U+{ord(character):04X}"),
            count=count,
            plain=_plain(character),
        )
        for character, count in found.items()
    )


def _plain(character: str) -> str | None:
    plain = fold(character, Folding.ASCII).text
    return plain if plain != character else None
