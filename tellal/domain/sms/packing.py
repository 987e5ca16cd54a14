"""One text in one alphabet, cut into segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tellal.domain.sms.alphabets import Alphabet, capacity, units, widths
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
    sizes = widths(text, alphabet)
    length = sum(sizes) + suffix
    whole = capacity(alphabet, concatenated=False)
    if length <= whole:
        return Packing(segments=(text,), units=length, left=whole - length)
    room = capacity(alphabet, concatenated=True)
    segments, left = _filled(text, sizes, room, suffix)
    if alphabet is Alphabet.UCS2:
        pieces = _uncut(text, room)
        if len(pieces) < len(text):
            sizes = [units(piece, alphabet) for piece in pieces]
            uncut, left_uncut = _filled(pieces, sizes, room, suffix)
            if len(uncut) == len(segments):
                segments, left = uncut, left_uncut
    return Packing(segments=segments, units=length, left=left)


def _filled(
    pieces: Sequence[str], sizes: Sequence[int], room: int, suffix: int
) -> tuple[tuple[str, ...], int]:
    """Fill segments in turn; in order, nothing else needs fewer. Return also what is left."""
    starts, used = [0], 0
    # Nobody knows what the operator appends, so it may be cut anywhere.
    for place, size in enumerate([*sizes, *[1] * suffix]):
        if used + size > room:
            starts.append(place)
            used = 0
        used += size
    ends = pairwise([*starts, len(sizes) + suffix])
    return tuple("".join(pieces[start:end]) for start, end in ends), room - used


def _uncut(text: str, room: int) -> list[str]:
    """Part a text into signs, and those that no segment can hold into their characters."""
    pieces: list[str] = []
    for sign in signs(text):
        if len(sign) == 1 or units(sign, Alphabet.UCS2) <= room:
            pieces.append(sign)
        else:
            pieces.extend(sign)
    return pieces
