"""Reads what the law of each country says of consent into rules that every rulebook has.

A row takes channels away; an exemption is a fact (`tr/merchants`) that a row names in `unless`.
Both are conditions like those of any rule, so that every executor gives them the same meaning.
What a message is (its class, the basis that it claims) is known when rules are compiled; who sends
it and to whom is read at the decision.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

from rules.definitions import FactRule, Law, Requirement, Rule, Section, active_law
from rules.entries import Entry, entries_of
from rules.ir import ALWAYS, FactTest, Ir, Op, Test, every, fields_of, leaves, negate
from rules.language import Conditions
from rules.law_packs import LawPack, packs_of
from rules.names import (
    BASIS,
    CLASS,
    CONTENT,
    EXEMPTION,
    LICENCE,
    OF_RECIPIENTS,
    OF_SENDERS,
    PRODUCT,
    PROMOTES,
    SECTOR,
)
from rules.source import (
    CONSENT,
    LAW,
    PACKS,
    Report,
    SourceFile,
    law_texts,
    parse,
    place_of_node,
)
from rules.vocabulary import Field, FieldType, Vocabulary, did_you_mean
from tellal.domain.channels import Channel, MessageClass, RecipientType
from tellal.domain.errors import RulebookError

_VERSION = 1
_SHAPE = "the law of consent is a mapping with 'version', 'means' and 'rows'"
_SECTIONS = ("sectors", "exemptions", "rows", "collecting")
_TEXT = FieldType.TEXT
_KINDS = tuple(kind.value for kind in RecipientType)

VOCABULARY = Vocabulary(
    fields={
        field.path: field
        for field in (
            Field(path=CLASS, type=_TEXT, values=tuple(one.value for one in MessageClass)),
            Field(path=BASIS, type=_TEXT),
            Field(path=CONTENT, type=_TEXT),
            Field(path=PRODUCT, type=_TEXT),
            *OF_SENDERS,
            *(
                replace(field, values=_KINDS) if field.path == "customer.kind" else field
                for field in OF_RECIPIENTS
            ),
        )
    }
)
"""What a row of the law may read."""


class Way(StrEnum):
    """How consent is asked for, where that is a question of the day."""

    OUTBOUND_CALL = "outbound_call"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """A way of asking for consent that is lawful on some days only, and what to say on others."""

    id: str
    way: Way
    source: str
    text: str
    begins: date | None
    ends: date | None

    def allows(self, day: date) -> bool:
        """Say whether consent may be asked for in this way on a day."""
        begun = self.begins is None or self.begins <= day
        return begun and (self.ends is None or day <= self.ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentLaw:
    """The law of all countries: its rules, and the words that senders and topics may use of it.

    `sober` are the bases that nothing may claim that promotes. `collecting` is by country; None
    stands for those that no pack names.
    """

    rules: tuple[Rule, ...] = ()
    bases: frozenset[str] = frozenset()
    sober: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()
    exemptions: frozenset[str] = frozenset()
    licences: frozenset[str] = frozenset()
    sectors: frozenset[str] = frozenset()
    collecting: Mapping[str | None, tuple[Collecting, ...]]

    def forbids(self, way: Way, day: date, country: str) -> Collecting | None:
        """Return the row that forbids to ask for consent in a way on a day, if one does."""
        rows = self.collecting.get(country, self.collecting.get(None, ()))
        return next((row for row in rows if row.way is way and not row.allows(day)), None)


NO_LAW = ConsentLaw(collecting={})


@lru_cache(maxsize=4)
def load_law(folder: Path | None = None) -> ConsentLaw:
    """Read the law of a folder of packs, by default the one that ships with Tellal.

    Raises:
        RulebookError: Something is wrong; every mistake is listed.
    """
    report = Report()
    texts = law_texts(folder)
    law = read_law([SourceFile(name=name, text=text) for name, text in texts.items()], report)
    if report.findings:
        raise RulebookError(report.in_order())
    return law


def read_law(files: Sequence[SourceFile], report: Report) -> ConsentLaw:
    """Read the files of the law; a rulebook from before it was packed has none of them."""
    by_name = {file.name: file for file in files}
    listing = by_name.get(PACKS)
    if listing is None:
        return NO_LAW
    packs = packs_of(listing, Path(LAW), report)
    if packs is None:
        return NO_LAW
    found: dict[str, list[LawPack]] = {}
    for pack in packs.packs.values():
        name = _file_of(pack, by_name)
        if name:
            found.setdefault(name, []).append(pack)
        else:
            report.add(place_of_node(None, PACKS), f"the pack '{pack.id}' has no {CONSENT}")
    readers = []
    for name, sharing in found.items():
        root = parse(by_name[name], report, _SHAPE)
        if root is None:
            continue
        countries = frozenset(country for pack in sharing for country in pack.countries)
        elsewhere: frozenset[str] = frozenset()
        if packs.first in sharing:
            taken = {country for pack in packs.packs.values() for country in pack.countries}
            countries, elsewhere = frozenset(), frozenset(taken) - countries
        own = name.removeprefix(LAW).removesuffix(f"/{CONSENT}")
        reader = _Reader(root, name, own, report, only_in=countries, not_in=elsewhere)
        reader.read()
        readers.append(reader)
    return _joined(readers)


def _file_of(pack: LawPack | None, files: Mapping[str, SourceFile]) -> str:
    """Name the file of a pack, its own or else its base's; empty if neither has one."""
    while pack is not None:
        name = f"{LAW}{pack.id}/{CONSENT}"
        if name in files:
            return name
        pack = pack.base
    return ""


def _joined(readers: Sequence["_Reader"]) -> ConsentLaw:
    rules = [rule for reader in readers for rule in reader.rules]
    tests = [leaf for rule in rules for leaf in leaves(rule.when) if isinstance(leaf, Test)]
    collecting: dict[str | None, tuple[Collecting, ...]] = {}
    for reader in readers:
        for country in reader.only_in or [None]:
            collecting[country] = tuple(reader.collecting)
    return ConsentLaw(
        rules=tuple(rules),
        bases=_named(tests, BASIS),
        sober=_named(tests, BASIS) - _promoting(rules),
        contents=_named(tests, CONTENT),
        exemptions=_named(tests, EXEMPTION),
        licences=_named(tests, LICENCE),
        sectors=frozenset(name for reader in readers for name in reader.sectors),
        collecting=collecting,
    )


def _named(tests: Iterable[Test], path: str) -> frozenset[str]:
    """Return the words with which tests compare a field."""
    found: set[str] = set()
    for test in tests:
        if test.path == path and test.op in {Op.EQ, Op.IN}:
            wanted = test.wanted if isinstance(test.wanted, tuple) else (test.wanted,)
            found.update(str(word) for word in wanted)
    return frozenset(found)


class _Common(TypedDict):
    """What every rule of a pack begins with."""

    id: str
    section: Section
    means: str
    file: str
    line: int
    begins: date | None
    ends: date | None
    source: str
    only_in: frozenset[str]
    not_in: frozenset[str]


class _Reader:
    """Reads the file of one pack."""

    def __init__(
        self,
        root: Mapping[object, object],
        file: str,
        pack: str,
        report: Report,
        *,
        only_in: frozenset[str],
        not_in: frozenset[str],
    ) -> None:
        self._root, self._file, self._pack, self._report = root, file, pack, report
        self.only_in, self.not_in = only_in, not_in
        self._conditions = Conditions(vocabulary=VOCABULARY, facts=(), report=report, file=file)
        self.rules: list[Rule] = []
        self.sectors: dict[str, date | None] = {}
        self.collecting: list[Collecting] = []
        self._exemptions: dict[str, FactRule] = {}
        self._lifted: list[Ir] = []

    def read(self) -> None:
        """Read all of it; what is wrong goes into the report."""
        head = Entry(
            raw=self._root,
            file=self._file,
            report=self._report,
            start=place_of_node(self._root, self._file),
        )
        head.only(("version", "means", *_SECTIONS), required=("version", "means", "rows"))
        if self._root.get("version") != _VERSION:
            head.wrong("version", f"the law of consent says 'version: {_VERSION}'")
        for entry in self._entries("sectors"):
            self._sector(entry)
        for entry in self._entries("exemptions"):
            self._exempt(entry)
        for entry in self._entries("rows"):
            self.rules.append(self._row(entry))
        for entry in self._entries("collecting"):
            self.collecting.append(self._collecting(entry))
        seen: set[str] = set()
        for entry in (one for section in _SECTIONS for one in self._entries(section)):
            name = str(entry.raw.get("id"))
            if name in seen:
                entry.wrong("id", f"'{name}' is already defined", "give it another name")
            seen.add(name)

    def _entries(self, section: str) -> list[Entry]:
        return entries_of(self._root, section, self._file, self._report)

    def _common(self, entry: Entry) -> _Common:
        begins, ends = entry.day("from"), entry.day("until")
        if begins and ends and ends < begins:
            entry.wrong("until", "'until' is before 'from'", "the last day on which it holds")
        return _Common(
            id=f"{self._pack}/{entry.id()}",
            section=Section.LAW,
            means=entry.text("means"),
            file=self._file,
            line=entry.place.line,
            begins=begins,
            ends=ends,
            source=self._source(entry),
            only_in=self.only_in,
            not_in=self.not_in,
        )

    def _source(self, entry: Entry) -> str:
        source = entry.text("source")
        if "source" in entry.raw and not source.strip():
            entry.wrong("source", "'source' names the article", "as in Law 6563, article 6")
        return source

    def _when(self, entry: Entry, common: _Common) -> Ir:
        when: Ir = ALWAYS
        if "when" in entry.raw:
            when = self._conditions.read(entry.raw["when"], entry.at("when"))
        bounded = common["begins"] or common["ends"] or self.only_in or self.not_in
        path = active_law(self._pack, common["begins"], common["ends"])
        active = Test(Op.EQ, path, wanted=True)
        return every([active, when]) if bounded else when

    def _exempt(self, entry: Entry) -> None:
        entry.only(
            ("id", "means", "source", "when", "from", "until", "may_promote"),
            required=("id", "means", "source", "when"),
        )
        common = self._common(entry)
        when = self._when(entry, common)
        if not entry.flag("may_promote"):
            when = every([when, Test(Op.EQ, PROMOTES, "no")])
        rule = FactRule(**common, when=when, derives=common["id"])
        self._exemptions[entry.id()] = rule
        self.rules.append(rule)

    def _sector(self, entry: Entry) -> None:
        entry.only(("id", "means", "source", "from"), required=("id", "means", "source"))
        self._source(entry)
        self.sectors[entry.id()] = entry.day("from")

    def _row(self, entry: Entry) -> Law:
        requires = entry.choice("requires", Requirement, Requirement.CONSENT)
        keys = ["id", "means", "source", "requires", "when", "text"]
        allowed = [*keys, "from", "until"]
        if requires is not Requirement.NOTHING:
            keys += ["channels", "reason"]
            allowed += ["channels", "reason", "countries", "phased"]
        if requires is Requirement.CONSENT:
            allowed.append("unless")
        entry.only(allowed, required=keys)
        common = self._common(entry)
        when = every([self._when(entry, common), *map(negate, self._lifted)])
        if requires is Requirement.NOTHING:
            self._lifted.append(when)
            channels = frozenset(Channel)
        else:
            channels = frozenset(entry.choices("channels", Channel))
        if entry.raw.get("phased") is not None and entry.flag("phased"):
            when = every([when, *self._begun(common["begins"], entry)])
        exempt = self._unless(entry)
        return Law(
            **common,
            when=every([when, *(FactTest(rule.derives, holds=False) for rule in exempt)]),
            channels=channels,
            countries=frozenset(text for _, text in entry.texts("countries")),
            reason=entry.code("reason", "law"),
            text=entry.text("text"),
            requires=requires,
            bases={basis: rule.means for rule in exempt for basis in _bases_of(rule)},
        )

    def _unless(self, entry: Entry) -> list[FactRule]:
        exempt = []
        for place, name in entry.texts("unless"):
            rule = self._exemptions.get(name)
            if rule is None:
                near = did_you_mean(name, self._exemptions)
                self._report.add(place, f"no exemption of this pack is called '{name}'", near)
            else:
                exempt.append(rule)
        return exempt

    def _begun(self, since: date | None, entry: Entry) -> list[Ir]:
        """Return what says that the sender's sector is not one whose turn has yet to come."""
        waits: list[Ir] = []
        for sector, begins in self.sectors.items():
            if begins is None or (since is not None and begins <= since):
                continue
            name = f"{self._pack}/{entry.id()}_not_yet_for_{sector}"
            last = begins - timedelta(days=1)
            active = Test(Op.EQ, active_law(self._pack, None, last), wanted=True)
            rule = FactRule(
                id=name,
                section=Section.LAW,
                when=every([active, Test(Op.EQ, SECTOR, sector)]),
                means=f"{entry.text('means')}: not before {begins} for this sector",
                file=self._file,
                line=entry.place.line,
                ends=last,
                source=entry.text("source"),
                only_in=self.only_in,
                not_in=self.not_in,
                derives=name,
            )
            self.rules.append(rule)
            waits.append(FactTest(name, holds=False))
        return waits

    def _collecting(self, entry: Entry) -> Collecting:
        keys = ("id", "means", "source", "way", "text")
        entry.only((*keys, "from", "until"), required=keys)
        return Collecting(
            id=f"{self._pack}/{entry.id()}",
            way=entry.choice("way", Way, Way.OUTBOUND_CALL),
            source=self._source(entry),
            text=entry.text("text"),
            begins=entry.day("from"),
            ends=entry.day("until"),
        )


def _promoting(rules: Iterable[Rule]) -> set[str]:
    """Return the bases that some law lets a promotion claim."""
    exempt = [rule for rule in rules if isinstance(rule, FactRule)]
    free = [rule for rule in exempt if PROMOTES not in fields_of(rule.when)]
    return {basis for rule in free for basis in _bases_of(rule)}


def _bases_of(rule: Rule) -> Collection[str]:
    return _named([one for one in leaves(rule.when) if isinstance(one, Test)], BASIS)
