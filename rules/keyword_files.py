"""Reads the words that people refuse and agree with, and what they are answered, per country."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import TypeVar

from rules.entries import Entry, read_entry
from rules.law_packs import LawPacks, load_packs
from rules.source import Report, place_of
from tellal.domain.errors import RulebookError
from tellal.domain.keywords import (
    KeywordBook,
    Lexicon,
    Meaning,
    Part,
    ReplyKind,
    Word,
    compact,
    near,
)

FILE = "keywords.yaml"

Kind = TypeVar("Kind", ReplyKind, Part)

_VERSION = 1
_SHAPE = "a file of keywords is a mapping with 'version', 'words', 'replies', 'parts' and 'limits'"
_SECTIONS = ("words", "replies", "parts", "limits")
_ABOUT = ("id", "means", "source")
_NAMES: Mapping[str, frozenset[str]] = {
    ReplyKind.REFUSED: frozenset({"brand"}),
    ReplyKind.GRANTED: frozenset({"brand", "how"}),
    ReplyKind.WHICH: frozenset({"words"}),
    ReplyKind.HELP: frozenset({"brand", "contact", "how"}),
    Part.BY_TEXT: frozenset({"code", "keyword"}),
    Part.AGREE: frozenset({"keyword"}),
    Part.BY_CONTACT: frozenset({"contact"}),
    Part.FIRST_SEND: frozenset({"how"}),
}
"""What each text must name, and all that it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordBooks:
    """The books of all packs of the law."""

    packs: LawPacks
    books: Mapping[str, KeywordBook]

    def of(self, country: str) -> KeywordBook:
        """Return the book of a country, by its code of two letters."""
        return self.books[self.packs.of(country).id]


@cache
def keyword_books(folder: Path | None = None) -> KeywordBooks:
    """Read the books of a folder of packs, by default of those that ship with Tellal; once.

    Raises:
        RulebookError: A file is wrong; all of its mistakes are listed with their places.
    """
    packs = load_packs(folder)
    books = {name: read_keywords(pack.file(FILE)) for name, pack in packs.packs.items()}
    return KeywordBooks(packs=packs, books=books)


def read_keywords(path: Path) -> KeywordBook:
    """Read one file.

    Raises:
        RulebookError: It is wrong; all mistakes are listed with their places.
    """
    report = Report()
    head = read_entry(path, "the file of keywords", _SHAPE, report)
    if head is None:
        raise RulebookError(report.in_order())
    head.only(("version", *_SECTIONS), required=("version", *_SECTIONS))
    if head.raw.get("version") != _VERSION:
        head.wrong("version", f"a file of keywords says 'version: {_VERSION}'")
    words = [word for entry in head.entries("words") for word in _words(entry)]
    _check_apart(words, head)
    replies = _texts(head.entries("replies"), ReplyKind, head, "replies")
    parts = _texts(head.entries("parts"), Part, head, "parts")
    limits = {}
    for entry in head.entries("limits"):
        entry.only((*_ABOUT, "most"), required=(*_ABOUT, "most"))
        limits[entry.id()] = entry.number("most", 0, least=0, most=100)
    if set(limits) != {"replies_a_day"}:
        head.wrong("limits", "the limits are 'replies_a_day'")
    if not report.findings and set(replies[ReplyKind.REFUSED]) != set(parts[Part.BY_TEXT]):
        head.wrong("parts", "'parts' are there in the languages of 'replies'")
    if report.findings:
        raise RulebookError(report.in_order())
    return KeywordBook(
        lexicon=Lexicon(words),
        languages=tuple(replies[ReplyKind.REFUSED]),
        replies=replies,
        parts=parts,
        replies_a_day=limits["replies_a_day"],
    )


def _words(entry: Entry) -> list[Word]:
    entry.only((*_ABOUT, "does", "words"), required=(*_ABOUT, "does", "words"))
    entry.id()
    does = entry.choice("does", Meaning, Meaning.NOTHING)
    spoken = entry.within("words")
    found = []
    for language in spoken.raw:
        for place, text in spoken.texts(str(language)):
            if not compact(text):
                entry.report.add(place, f"{text!r} is no word")
            found.append(Word(compact=compact(text), does=does, language=str(language)))
    return found


def _check_apart(words: list[Word], head: Entry) -> None:
    """See that no word means two things, nor that a slip of a refusal would be agreement."""
    meanings: dict[str, Meaning] = {}
    for word in words:
        known = meanings.setdefault(word.compact, word.does)
        if known is not word.does:
            head.wrong("words", f"'{word.compact}' means both {known} and {word.does}")
    grants = [word.compact for word in words if word.does is Meaning.GRANT]
    for word in words:
        if word.does is Meaning.REFUSE and any(near(word.compact, one) for one in grants):
            head.wrong("words", f"'{word.compact}' is one letter away from a word of agreement")


def _texts(
    entries: list[Entry], kinds: type[Kind], head: Entry, section: str
) -> dict[Kind, Mapping[str, str]]:
    found: dict[Kind, Mapping[str, str]] = {}
    for entry in entries:
        entry.only((*_ABOUT, "text"), required=(*_ABOUT, "text"))
        entry.id()
        kind = entry.choice("id", kinds, next(iter(kinds)))
        spoken = entry.within("text")
        texts = {str(language): spoken.text(str(language)) for language in spoken.raw}
        for language, text in texts.items():
            if _named(text) != _NAMES[kind]:
                names = ", ".join(f"{{{name}}}" for name in sorted(_NAMES[kind]))
                place = place_of(spoken.raw, language, entry.file)
                entry.report.add(place, f"the text of '{kind}' names {names}, and nothing else")
        found[kind] = texts
    missing = [kind.value for kind in kinds if kind not in found]
    if missing:
        head.wrong(section, f"'{section}' lacks {', '.join(missing)}")
    elif len({tuple(sorted(texts)) for texts in found.values()}) != 1:
        head.wrong(section, f"all texts of '{section}' are there in the same languages")
    return found


def _named(text: str) -> frozenset[str]:
    try:
        return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)
    except ValueError:
        return frozenset({"?"})
