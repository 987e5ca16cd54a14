"""What the law of a country wants a message to say, and what it may not say; a row per duty."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache

from tellal.domain.channels import Channel
from tellal.domain.fines import Fine, FineRow, fine_of
from tellal.domain.personal_data import DataKind
from tellal.domain.senders import SenderKind

MANY = 2
"""A text goes to more than one person: the fine is that of many recipients."""

_NEAR = 100
"""Characters around a word of refusal in which it is said that refusing is free."""


class DutyKind(StrEnum):
    """What a duty is about: what must be said, then what may not be."""

    IDENTITY = "identity"
    CONTACT = "contact"
    REFUSAL = "refusal"
    CONDITIONS = "conditions"
    DESCRIPTION = "description"
    NO_PROMOTION = "no_promotion"
    NO_CONSENT_REQUEST = "no_consent_request"
    MINIMUM = "minimum"


class Severity(StrEnum):
    """What follows from a broken duty: nothing goes, or somebody is told of it."""

    ERROR = "error"
    WARNING = "warning"


class WordKind(StrEnum):
    """What words of a list tell."""

    PROMOTION = "promotion"
    OFFER = "offer"
    DESCRIPTION = "description"
    CONSENT_REQUEST = "consent_request"
    REFUSAL = "refusal"
    FREE = "free"


class Way(StrEnum):
    """A way to refuse that costs the recipient nothing."""

    SHORT_CODE = "short_code"
    EMAIL = "email"
    LINK = "link"
    SETTINGS = "settings"
    """Those of the phone, where everybody turns an app's notifications off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDuty:
    """One row of the law: for these senders and channels, between these days.

    `needs` are fields of the sender's profile that the text names, all of them; of `any_of` it
    names one. `free` wants a notice of refusal to say that it costs nothing. `data` and `variables`
    are what no text may hold. `offence` is the row of fines that breaking it falls under.
    """

    id: str
    means: str
    source: str
    kind: DutyKind
    mend: str
    warns: bool = False
    senders: frozenset[SenderKind] = frozenset(SenderKind)
    channels: frozenset[Channel] = frozenset(Channel)
    needs: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    free: bool = False
    data: tuple[DataKind, ...] = ()
    variables: tuple[str, ...] = ()
    offence: str = ""
    since: date | None = None
    until: date | None = None

    def holds(self, channel: Channel, sender: SenderKind, day: date) -> bool:
        """Say whether it binds such a sender on a channel on a day (`until` is the last one)."""
        begun = self.since is None or self.since <= day
        over = self.until is not None and self.until < day
        return channel in self.channels and sender in self.senders and begun and not over


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """The sentences with which the legal part of a message is said, in a language.

    They name their variables in braces; ways to refuse stand in the order of preference.
    """

    language: str
    channels: frozenset[Channel]
    identity: Mapping[SenderKind, str]
    contact: str
    refusal: Mapping[Way, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLaw:
    """The law of texts of a pack: duties, sentences, words and what breaking it costs.

    `stop_word` is what people write to refuse.
    """

    pack: str
    stop_word: str
    duties: tuple[TextDuty, ...]
    footers: tuple[Footer, ...]
    words: Mapping[WordKind, tuple[str, ...]]
    fines: tuple[FineRow, ...] = ()

    def duties_of(
        self, kind: DutyKind, channel: Channel, sender: SenderKind, day: date
    ) -> Iterator[TextDuty]:
        """Yield the duties of a kind that bind."""
        return (one for one in self.duties if one.kind is kind and one.holds(channel, sender, day))

    def footer(self, channel: Channel, language: str) -> Footer | None:
        """Return the sentences for a channel in a language, in English if it has none."""
        spoken = language.replace("_", "-").lower()
        for candidate in (spoken, spoken.partition("-")[0], "en"):
            for one in self.footers:
                if channel in one.channels and one.language == candidate:
                    return one
        return None

    def said(self, kind: WordKind, text: str) -> tuple[str, ...]:
        """Return the words of a list with which words of a text begin."""
        words = folded(text)
        return tuple(one for one in self.words.get(kind, ()) if _begins(one, words))

    def tells_of_refusal(self, text: str, *, free: bool) -> bool:
        """Say whether a text has a word of refusal, and beside it, if asked, that it is free."""
        words = folded(text)
        for mark in self.words.get(WordKind.REFUSAL, ()):
            # To look for a text as it is takes a hundredth of what the pattern takes.
            if mark not in words:
                continue
            for found in _beginning(mark).finditer(words):
                around = words[max(0, found.start() - _NEAR) : found.end() + _NEAR]
                if not free or self.said(WordKind.FREE, around):
                    return True
        return False

    def risk(self, duty: TextDuty, day: date) -> Fine | None:
        """Return the fine that breaking a duty risks, by a text that goes to many."""
        return fine_of(self.fines, {duty.offence}, MANY, year=day.year)


def folded(text: str) -> str:
    """Fold a text to lower case as it is searched for words: a dotted capital I is an i."""
    return text.replace("İ", "i").casefold()


def _begins(word: str, text: str) -> bool:
    return word in text and _beginning(word).search(text) is not None


@cache
def _beginning(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}")
