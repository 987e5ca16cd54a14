"""What a reader sees as one sign, although it is several characters: an accent, a family, a flag.

A short form of the grapheme clusters of Unicode (UAX #29) that needs no table beyond Python's own.
"""

import re
import unicodedata

_JOINER = "\u200d"
_MARKS = frozenset({"Mn", "Mc", "Me"})
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)
_TAGS = range(0xE0020, 0xE0080)  # they spell the flags of Scotland, Wales and the like


# Letters of Europe, punctuation and currencies; most texts have nothing else, and are done soon.
_ALL_ALONE = re.compile("[\x00-\x0c\x0e-\u02ff\u1e00-\u1eff\u2010-\u2027\u20a0-\u20cf]*")


def signs(text: str) -> list[str]:
    """Part a text into signs; joined, they are the text."""
    if _ALL_ALONE.fullmatch(text):
        return list(text)
    parted: list[str] = []
    for character in text:
        if parted and _belongs(character, parted[-1]):
            parted[-1] += character
        else:
            parted.append(character)
    return parted


def _belongs(character: str, sign: str) -> bool:
    """Say whether a character goes on with a sign that has begun."""
    code = ord(character)
    if character == "\n" or sign.endswith(("\n", "\r")):
        return character == "\n" and sign == "\r"
    if character == _JOINER or sign.endswith(_JOINER):
        return True
    if code in _FLAG_LETTERS:
        return len(sign) == 1 and ord(sign) in _FLAG_LETTERS
    return code in _SKIN_TONES or code in _TAGS or unicodedata.category(character) in _MARKS
