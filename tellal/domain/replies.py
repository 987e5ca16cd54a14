"""What people answer to an all-clear when they are still without."""

import re

_STILL_OUT = frozenset(
    {"yok", "hala yok", "off", "still off", "still out", "nie ma", "brak", "niema"}
)
_NO_WORD = re.compile(r"[^\w\s]")
_FOLDED = str.maketrans({"İ": "i", "I": "i", "ı": "i", "â": "a"})


def means_still_out(text: str) -> bool:
    """Say whether a text says nothing but that somebody is still without (YOK, OFF, NIE MA).

    Case, marks and blanks do not matter; a longer text may mean anything and is for people.
    """
    words = _NO_WORD.sub(" ", text.translate(_FOLDED)).lower().split()
    return " ".join(words) in _STILL_OUT
