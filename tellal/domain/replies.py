"""What people answer to an all-clear when they are still without."""

import re
import unicodedata

_STILL_OUT = frozenset(
    {"yok", "hala yok", "off", "still off", "still out", "nie ma", "brak", "niema"}
)
_NO_WORD = re.compile(r"[^\w\s]")
_DOTLESS = str.maketrans({"ı": "i"})


def means_still_out(text: str) -> bool:
    """Say whether a text says nothing but that somebody is still without (YOK, OFF, NIE MA).

    Case, accents, marks and blanks do not matter; a longer text may mean anything and is for
    people.
    """
    apart = unicodedata.normalize("NFKD", text)
    letters = "".join(one for one in apart if not unicodedata.combining(one)).lower()
    return " ".join(_NO_WORD.sub(" ", letters.translate(_DOTLESS)).split()) in _STILL_OUT
