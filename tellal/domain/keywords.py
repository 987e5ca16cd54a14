"""What people mean by a word that they write to a short number: yes, no, or who is this.

A refusal is heard though it is misspelt, because refusing is easy and free. Agreement must be
spelt right: whoever relies on it has to prove it.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from tellal.domain.channels import Channel

Value = TypeVar("Value")


class Meaning(StrEnum):
    """What a text does; `nothing` are words that may stand beside the others."""

    GRANT = "grant"
    REFUSE = "refuse"
    HELP = "help"
    NOTHING = "nothing"


class ReplyKind(StrEnum):
    """What an answer says."""

    REFUSED = "refused"
    GRANTED = "granted"
    WHICH = "which"
    HELP = "help"


class Part(StrEnum):
    """A piece of a text: how one refuses or agrees, and what the first message adds."""

    BY_TEXT = "by_text"
    AGREE = "agree"
    BY_CONTACT = "by_contact"
    FIRST_SEND = "first_send"


MOST_WORDS = 6
"""A longer text may mean anything, and is for people."""

_NEAR_FROM = 5
"""Letters that a word needs so that one of them may be wrong."""
_OF_ANOTHER = 2
_NO_WORD = re.compile(r"[\W_]+")
_TWICE = re.compile(r"(.)\1+")
_LETTERS = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})


def fold(text: str) -> str:
    """Write a text as it is compared: small, without accents and marks, `İ`, `I`, `ı`, `i` alike.

    Phones do not agree on the Turkish letters, and many have none of them.
    """
    apart = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(one for one in apart if not unicodedata.combining(one))
    # Once more: what was taken apart may have had capitals in it.
    return " ".join(_NO_WORD.sub(" ", letters.casefold().translate(_LETTERS)).split())


def compact(text: str) -> str:
    """Write a text as it is compared, without blanks."""
    return fold(text).replace(" ", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """A text as a carrier brings it; `reference` is the carrier's id of it.

    `answered` says that the carrier has answered it itself.
    """

    provider: str
    reference: str
    sender: str
    recipient: str
    text: str
    channel: Channel = Channel.SMS
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word in the form in which it is compared, what it does, and in which language."""

    compact: str
    does: Meaning
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a text means; `keyword` is the one of `keywords` that it names, if it names one."""

    does: Meaning
    keyword: str = ""
    language: str = ""


class Lexicon:
    """The words that are understood."""

    def __init__(self, words: Collection[Word]) -> None:
        self.words = tuple(words)
        said = [word for word in words if word.does is not Meaning.NOTHING]
        self._exact = {word.compact: word for word in said}
        self._once = {_once(word.compact): word for word in said}
        self._refusals = [
            word for word in said if word.does is Meaning.REFUSE and len(word.compact) >= _NEAR_FROM
        ]
        self._beside = frozenset(word.compact for word in words if word.does is Meaning.NOTHING)

    def find(self, said: str) -> Word | None:
        """Return the word that a text in its compact form is, or a refusal that is near to it."""
        found = self._exact.get(said) or self._once.get(_once(said))
        if found is not None or len(said) < _NEAR_FROM - 1:
            return found
        return next((word for word in self._refusals if near(said, word.compact)), None)

    def exact(self, said: str) -> Word | None:
        """Return the word that a text in its compact form is, letter by letter."""
        return self._exact.get(said)

    def spoken(self, folded: str) -> list[str]:
        """Return the words of a folded text, without those that say nothing by themselves."""
        words = folded.split()
        return [word for word in words if word not in self._beside] or words


def hear(text: str, lexicon: Lexicon, keywords: Collection[str] = ()) -> Heard | None:
    """Say what a text means on a number on which `keywords` name brands; None if nothing.

    A keyword alone joins its brand's list (`MARKA`), with a word beside it, before or behind, does
    what that word does (`MARKA RET`).
    """
    folded = fold(text)
    if not folded or len(folded.split()) > MOST_WORDS:
        return None
    words = lexicon.spoken(folded)
    by_length = sorted(keywords, key=lambda one: (-len(compact(one)), one))
    # As it was written first: a blank within a word may cut off what looks like a polite one.
    for said in dict.fromkeys(("".join(folded.split()), "".join(words))):
        bare = lexicon.find(said)
        if bare is not None:
            return Heard(does=bare.does, language=bare.language)
        for keyword in by_length:
            if (found := _with_keyword(said, keyword, lexicon)) is not None:
                return found
    return _misspelt(words, by_length, lexicon)


def near(one: str, other: str) -> bool:
    """Say whether one letter is wrong, missing, too many, or two of them changed places."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    a, b = one[start:], other[start:]
    swapped = len(a) > 1 and len(b) > 1 and a[:2] == b[1::-1] and a[2:] == b[2:]
    return swapped or a[1:] == b[1:] or a[1:] == b or a == b[1:]


def matching(keyword: str, keywords: Mapping[str, Value]) -> list[Value]:
    """Return what is meant by a keyword, of values by their own: the same letters before others."""
    same = [value for name, value in keywords.items() if name == keyword]
    return same or [v for name, v in keywords.items() if compact(name) == compact(keyword)]


def _with_keyword(said: str, keyword: str, lexicon: Lexicon) -> Heard | None:
    name = compact(keyword)
    if not name:
        return None
    if said == name:
        return Heard(does=Meaning.GRANT, keyword=keyword)
    for rest in (said.removeprefix(name), said.removesuffix(name)):
        word = lexicon.find(rest) if rest != said else None
        if word is not None:
            return Heard(does=word.does, keyword=keyword, language=word.language)
    return None


def _misspelt(words: Sequence[str], keywords: Sequence[str], lexicon: Lexicon) -> Heard | None:
    """Hear a refusal that names a brand with a wrong letter, or one that is not here."""
    if len(words) != _OF_ANOTHER:
        return None
    for name, verb in (words, words[::-1]):
        word = lexicon.exact(verb)
        if word is None or word.does is not Meaning.REFUSE:
            continue
        meant = [k for k in keywords if len(compact(k)) >= _NEAR_FROM and near(name, compact(k))]
        if len(meant) == 1:
            return Heard(does=Meaning.REFUSE, keyword=meant[0], language=word.language)
        if verb is words[-1]:
            return Heard(does=Meaning.REFUSE, language=word.language)
    return None


def _once(text: str) -> str:
    return _TWICE.sub(r"\1", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordBook:
    """What a country's law and custom say: words, answers by kind and language, and limits.

    `languages` are those in which everything is said, the first where no other is known.
    """

    lexicon: Lexicon
    languages: tuple[str, ...]
    replies: Mapping[ReplyKind, Mapping[str, str]]
    parts: Mapping[Part, Mapping[str, str]]
    replies_a_day: int

    def language(self, *wanted: str) -> str:
        """Return the first of some languages that is spoken here."""
        plain = (one.partition("-")[0].lower() for one in wanted)
        return next((one for one in plain if one in self.languages), self.languages[0])

    def how_to_refuse(self, language: str, *, code: str, keyword: str, contact: str) -> str:
        """Say how one refuses: by a text to a number, or else by an address of the brand's."""
        if not code:
            return self.parts[Part.BY_CONTACT][language].format(contact=contact)
        said = self.parts[Part.BY_TEXT][language].format(code=code, keyword=keyword)
        return " ".join(said.split())  # without a keyword there is a blank too many

    def how_to_agree(self, language: str, keyword: str) -> str:
        """Say what one writes to agree on a number of many senders."""
        return self.parts[Part.AGREE][language].format(keyword=keyword)
