"""Editions: rule files and texts as one thing, named by their content, and what is wrong with one.

The files of an edition are kept by path: `rules/iscep.yaml`, `templates/iscep_promo/sms.tr.j2`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from functools import cached_property
from pathlib import Path

from rules.law_rows import load_law
from rules.law_texts import shipped_text_laws
from rules.rulebook import Rulebook, compile_rulebook
from rules.source import SourceFile, completed, law_texts, read_folder, revision_of
from rules.unsendable import unsendable
from tellal.domain.channels import Channel
from tellal.domain.errors import Finding, InvalidInputError, RulebookError
from tellal.domain.routes import RouteTable
from templates.environment import SHIPPED, JinjaRenderer
from templates.lawfulness import Law, promotes
from templates.library import belongs, texts_in
from templates.lint import Ways, check as check_texts

Files = Mapping[str, str]

_RULES = "rules/"
_TEXTS = "templates/"
_LARGEST = 5_000_000
"""Characters of an edition: the one that ships has a fiftieth of it."""


class Edition:
    """Rules and texts that come into force together; each is compiled when it is first needed."""

    def __init__(self, files: Files) -> None:
        self.files: Files = dict(sorted(files.items()))
        named = [SourceFile(name=path, text=text) for path, text in self.files.items()]
        self.revision = revision_of(named)

    @cached_property
    def rules(self) -> tuple[SourceFile, ...]:
        """The rule files, by name."""
        return tuple(
            SourceFile(name=name, text=text) for name, text in _under(_RULES, self.files).items()
        )

    @cached_property
    def texts(self) -> Files:
        """The texts and what describes them, by their path in a library."""
        return _under(_TEXTS, self.files)

    @cached_property
    def book(self) -> Rulebook:
        """The rules, compiled.

        Raises:
            RulebookError: They are broken, or were written for another version of Tellal.
        """
        book = compile_rulebook(self.rules, self.revision)
        claiming = [topic.id for topic in book.topics.values() if topic.basis or topic.content]
        laws = shipped_text_laws().all
        promoting = [topic for topic in claiming if promotes(self.renderer, topic, laws)]
        if not promoting:
            return book
        return compile_rulebook(self.rules, self.revision, promoting=promoting)

    @cached_property
    def renderer(self) -> JinjaRenderer:
        """The texts, ready to be filled in.

        Raises:
            InvalidInputError: Something that describes them is broken.
        """
        return JinjaRenderer(texts=self.texts)


def pack(rules: Mapping[str, str], texts: Mapping[str, str]) -> Edition:
    """Make an edition of rule files by name and of texts by path.

    The vocabulary that ships with Tellal becomes a part of it where it has none. So does the law,
    always: whatever a caller sends back of it, an edition holds the law of this Tellal.

    Raises:
        InvalidInputError: A file is called what none may be called, or it is too much.
    """
    rules = {name: text for name, text in rules.items() if name not in law_texts()}
    for name in rules:
        if not name.endswith(".yaml") or "/" in name or "\\" in name or name.startswith("."):
            raise InvalidInputError(
                f"no rule file is called {name!r}", field="rules", hint="as in promotions.yaml"
            )
    for path in texts:
        if not belongs(path) or path.startswith("."):
            raise InvalidInputError(
                f"no text is called {path!r}",
                field="templates",
                hint="as in iscep_promo/sms.tr.j2, iscep_promo/topic.json",
            )
    whole = {one.name: one.text for one in completed(rules)}
    files = {_RULES + name: text for name, text in whole.items()}
    files |= {_TEXTS + path: text for path, text in texts.items()}
    if sum(map(len, files.values())) > _LARGEST:
        raise InvalidInputError(f"that is more than {_LARGEST} characters", field="rules")
    for path, text in files.items():
        if "\0" in text or not _is_text(path + text):
            raise InvalidInputError(f"{path} holds characters that no text has", field="rules")
    return Edition(files)


def _is_text(words: str) -> bool:
    """Say whether it can be written in UTF-8; JSON lets halves of characters pass."""
    try:
        return bool(words.encode())
    except UnicodeEncodeError:
        return False


def read_edition(rulebook: Path | None, texts: Mapping[str, str] | None = None) -> Edition:
    """Make an edition of a folder of rules, by default what ships, and of texts likewise."""
    rules = {one.name: one.text for one in read_folder(rulebook)}
    return pack(rules, texts_in(SHIPPED) if texts is None else texts)


def read_texts(folder: Path) -> dict[str, str]:
    """Read a folder of texts.

    Raises:
        InvalidInputError: There is no such folder, or a file in it is not written in UTF-8.
    """
    if not folder.is_dir():
        raise InvalidInputError(f"there is no folder {folder}", field="folder")
    try:
        return texts_in(folder)
    except UnicodeDecodeError as error:
        raise InvalidInputError("a text is not written in UTF-8", field="folder") from error


def check(
    edition: Edition, table: RouteTable, providers: Collection[str] = (), *, day: date
) -> tuple[Finding, ...]:
    """Check an edition as a whole, by the law of a day, and return the warnings.

    Raises:
        RulebookError: There are mistakes; all are listed with their places.
    """
    book = edition.book
    ways = Ways(
        table=table,
        providers=providers,
        classes={topic.id: topic.message_class for topic in book.topics.values()},
        digested={topic.id for topic in book.topics.values() if topic.digest},
        law=Law(laws=shipped_text_laws().all, day=day),
    )
    findings = [
        *unsendable(book, table, providers),
        *_false_claims(book),
        *(one for checked in check_texts(ways, texts=edition.texts) for one in checked.findings),
    ]
    if all(one.warns for one in findings):
        findings += _missing_texts(edition)
    wrong = [one for one in findings if not one.warns]
    if wrong:
        raise RulebookError(_in_order(wrong))
    return _in_order(findings)


def _false_claims(book: Rulebook) -> Iterator[Finding]:
    """Yield the topics that promote and claim what no promotion may rest on."""
    sober = load_law().sober
    for topic in book.topics.values():
        if topic.promotes and topic.basis in sober:
            yield Finding(
                file=topic.file,
                line=topic.line,
                column=1,
                message=f"the texts of '{topic.id}' promote: it cannot claim '{topic.basis}'",
                hint="take the promotion out of them, or ask for consent: leave 'basis' out",
            )


def _missing_texts(edition: Edition) -> Iterator[Finding]:
    """Yield the channels that a rule names and that the topic has no text for."""
    for topic in edition.book.topics.values():
        for plan in (asked.rule for asked in edition.book.shards[topic.id].channels):
            for (channel, _), place in zip(plan.steps, plan.places, strict=True):
                if not has_text(edition, topic.id, channel):
                    yield Finding(
                        file=place.file,
                        line=place.line,
                        column=place.column,
                        message=f"there is no text for {topic.id} over {channel}",
                        hint=f"write {topic.id}/{channel}.en.j2, or take the channel out",
                    )


def has_text(edition: Edition, topic: str, channel: Channel, language: str = "") -> bool:
    """Say whether a topic has a text for a channel, in a language or what it falls back on."""
    named = edition.renderer.text_name(topic=topic, channel=channel, language=language)
    return bool(named)


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda one: (one.file, one.line, one.column)))


def _under(folder: str, files: Files) -> dict[str, str]:
    return {
        path.removeprefix(folder): text for path, text in files.items() if path.startswith(folder)
    }
