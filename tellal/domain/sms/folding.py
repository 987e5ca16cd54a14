"""Plain characters in place of those that have none in GSM-7, and a report of what was changed."""

import string
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from tellal.domain.sms.alphabets import Alphabet, missing


class Folding(StrEnum):
    """How far a text may be changed to save segments, from not at all to the furthest."""

    NEVER = "never"
    TYPOGRAPHIC = "typographic"
    """Quotes, dashes, ellipses and spaces; a letter and its accent become the one letter."""
    ASCII = "ascii"
    """Also letters: those that GSM-7 has not (ğ, ş, ı, ą, â) lose what sets them apart.

    Those that it has (ö, ü, Ç, é) stay, since they cost nothing.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was put in place of what, and how often."""

    before: str
    after: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A text after folding, and what was changed, in the order of the text."""

    text: str
    changes: tuple[Change, ...]


_INVISIBLE = frozenset("\u00ad\u200b\u2060\ufeff")  # soft hyphen, spaces of no width
_PLAIN = {
    **dict.fromkeys("‘’‚‛‹›′`´", "'"),
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\t\u00a0\u202f\u205f", " "),
    **dict.fromkeys(map(chr, range(0x2000, 0x200B)), " "),
    **dict.fromkeys("\u2028\u2029", "\n"),
    "…": "...",
}
# To Unicode their stroke, or the missing dot, is no accent.
_BARE = {"ı": "i", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}


def fold(text: str, folding: Folding) -> Folded:
    """Make a text as plain as `folding` says, whether or not that saves anything.

    Folding what has been folded changes nothing.
    """
    if folding is Folding.NEVER or not missing(text, Alphabet.GSM7):
        return Folded(text=text, changes=())
    written: list[str] = []
    changes: Counter[tuple[str, str]] = Counter()
    for letter in _letters(text):
        plain = _plain(letter, folding)
        written.append(plain)
        if plain != letter:
            changes[letter, plain] += 1
    return Folded(
        text="".join(written),
        changes=tuple(
            Change(before=before, after=after, count=count)
            for (before, after), count in changes.items()
        ),
    )


def _letters(text: str) -> Iterator[str]:
    """Yield each character with the accents and the invisible ones that follow it."""
    letter = ""
    for character in text:
        if letter and not unicodedata.combining(character) and character not in _INVISIBLE:
            yield letter
            letter = ""
        letter += character
    if letter:
        yield letter


@lru_cache(maxsize=1024)
def _plain(letter: str, folding: Folding) -> str:
    visible = "".join(character for character in letter if character not in _INVISIBLE)
    composed = unicodedata.normalize("NFC", visible)
    if composed and not missing(composed, Alphabet.GSM7):
        return composed
    if folding is Folding.ASCII:
        bare = unicodedata.normalize("NFD", visible)[:1]
        bare = _BARE.get(bare, bare)
        if bare and bare in string.ascii_letters:
            return bare
    # Unicode takes some signs apart for good; those stay as they came.
    kept = composed if len(composed) < len(visible) else visible
    return "".join(_PLAIN.get(character, character) for character in kept)
