"""Tracking codes as people write them: read from a letter, heard on the phone, typed on a mobile.

The alphabet is Crockford's base 32, which has no I, L, O and U; whoever writes one of the first
three means the digit that looks like it.
"""

import unicodedata

LENGTH = 13
"""How many characters a code has: 65 random bits."""

_ALPHABET = frozenset("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
_MEANT = str.maketrans({"O": "0", "I": "1", "L": "1", "İ": "1", "ı": "1"})
_GROUPS = ((0, 4), (4, 8), (8, LENGTH))
_LONGEST = 64
"""More than anybody writes for thirteen characters, with whatever he puts between them."""


def read_code(written: str) -> str:
    """Return the code that somebody wrote, empty if it can be none.

    Case, blanks and dashes of any kind do not count, nor does a slip between O and 0 or I, L and 1.
    """
    if len(written) > _LONGEST:
        return ""
    plain = unicodedata.normalize("NFKC", written)
    code = "".join(
        character.translate(_MEANT).upper().translate(_MEANT)
        for character in plain
        if not character.isspace() and unicodedata.category(character) not in {"Pd", "Cf", "Po"}
    )
    return code if len(code) == LENGTH and _ALPHABET.issuperset(code) else ""


def grouped(code: str) -> str:
    """Write a code as it is read aloud: in groups of 4, 4 and 5."""
    return "-".join(code[begin:end] for begin, end in _GROUPS if code[begin:end])
