"""One text in one alphabet, cut into segments."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, repeat

from tellal.domain.sms.alphabets import Alphabet, capacity, units
from tellal.domain.sms.signs import signs


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """A text cut into segments; units are septets, or UTF-16 units in UCS-2.

    `segments` hold the text only; the last is empty when the suffix alone lies in it. `units` and
    `left` (what is free in the last segment) count the suffix.
    """

    segments: tuple[str, ...]
    units: int
    left: int


def packed(text: str, alphabet: Alphabet, *, suffix: int = 0) -> Packing:
    """Cut a text, and a suffix of so many units after it, into the fewest segments.

    An escape and its code stay together, and so do surrogates; in UCS-2 a sign of several
    characters does too, unless cutting it saves a segment. The alphabet must have all characters.
    """
    length = units(text, alphabet) + suffix
    whole = capacity(alphabet, concatenated=False)
    if length <= whole:
        return Packing(segments=(text,), units=length, left=whole - length)
    room = capacity(alphabet, concatenated=True)
    filled = _filled(text, alphabet, room, suffix)
    if alphabet is Alphabet.UCS2:
        uncut = _filled(signs(text), alphabet, room, suffix)
        filled = uncut if len(uncut) == len(filled) else filled
    _, used = filled[-1]
    return Packing(segments=tuple(segment for segment, _ in filled), units=length, left=room - used)


def _filled(
    pieces: Iterable[str], alphabet: Alphabet, room: int, suffix: int
) -> list[tuple[str, int]]:
    """Fill segments in turn; in order, nothing else needs fewer."""
    filled: list[tuple[str, int]] = []
    segment, used = "", 0
    # Nobody knows what the operator appends, so it may be cut anywhere.
    for piece, size in chain(_sized(pieces, alphabet, room), repeat(("", 1), suffix)):
        if used + size > room:
            filled.append((segment, used))
            segment, used = "", 0
        segment += piece
        used += size
    return [*filled, (segment, used)]


def _sized(pieces: Iterable[str], alphabet: Alphabet, room: int) -> Iterable[tuple[str, int]]:
    for piece in pieces:
        size = units(piece, alphabet)
        if size <= room:
            yield piece, size
        else:  # so many accents that no segment holds them
            yield from ((character, units(character, alphabet)) for character in piece)
