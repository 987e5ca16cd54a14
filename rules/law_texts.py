"""Reads what the law of each country says of texts: duties, footers, words and fines.

`content.yaml` holds the duties, `footers.yaml` the sentences of the engine, `words.yaml` the words
that tell a promotion, and `fines.yaml` the amounts. A pack that lacks a file has its base's.
"""

import string
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from rules.entries import Entry, read_entry
from rules.law_packs import LawPack, LawPacks, load_packs
from rules.source import Report, place_of_node
from tellal.domain.channels import Channel
from tellal.domain.errors import RulebookError
from tellal.domain.fines import Amount, FineRow, Gravity
from tellal.domain.personal_data import DataKind
from tellal.domain.senders import SenderKind
from tellal.domain.text_law import DutyKind, Footer, Severity, TextDuty, TextLaw, Way, WordKind

_VERSION = 1
_FIELDS = ("trade_name", "mersis", "owner", "tckn", "phone", "email", "short_number")
_MAY_NAME: Mapping[Way, frozenset[str]] = {
    Way.SHORT_CODE: frozenset({"command", "code"}),
    Way.EMAIL: frozenset({"email", "stop"}),
    Way.LINK: frozenset({"link"}),
    Way.SETTINGS: frozenset(),
}
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_DEAREST = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLaws:
    """The law of texts of every pack, by the pack's name."""

    packs: LawPacks
    by_pack: Mapping[str, TextLaw]

    @property
    def all(self) -> tuple[TextLaw, ...]:
        """Every pack's, in the order of the packs."""
        return tuple(self.by_pack.values())

    def of(self, country: str) -> TextLaw:
        """Return the law of a country, by its code of two letters."""
        return self.by_pack[self.packs.of(country).id]


def load_text_laws(folder: Path | None = None) -> TextLaws:
    """Read the law of texts of every pack of a folder, by default of those that ship.

    Raises:
        RulebookError: A file is broken; all mistakes of a pack are listed with their places.
    """
    packs = load_packs(folder)
    return TextLaws(packs=packs, by_pack={id: _law(pack) for id, pack in packs.packs.items()})


@cache
def shipped_text_laws() -> TextLaws:
    """Return what ships with Tellal, read once."""
    return load_text_laws()


def _law(pack: LawPack) -> TextLaw:
    report = Report()
    fines = _fines(_head(pack, "fines.yaml", report))
    words = _words(_head(pack, "words.yaml", report))
    content = _head(pack, "content.yaml", report)
    duties = _duties(content, {row.id for row in fines})
    stop_word, footers = _footers(_head(pack, "footers.yaml", report), duties)
    if report.findings:
        raise RulebookError(report.in_order())
    return TextLaw(
        pack=pack.id,
        stop_word=stop_word,
        duties=duties,
        footers=footers,
        words=words,
        fines=fines,
    )


def _head(pack: LawPack, name: str, report: Report) -> Entry:
    path = pack.file(name)
    head = read_entry(path, f"{name} of '{pack.id}'", f"{name} is a mapping", report)
    if head is None:
        raise RulebookError(report.in_order())
    # Packs have files of the same names: the folder tells them apart.
    named = f"{path.parent.name}/{path.name}"
    head = replace(head, file=named, start=place_of_node(head.raw, named))
    if head.raw.get("version") != _VERSION:
        head.wrong("version", f"{name} says 'version: {_VERSION}'")
    return head


def _rows(head: Entry, section: str) -> list[Entry]:
    """Return the entries of a section, of which no two have one name."""
    found = head.entries(section)
    seen: set[object] = set()
    for one in found:
        if one.raw.get("id") in seen:
            one.wrong("id", f"there are two entries '{one.raw.get('id')}'")
        seen.add(one.raw.get("id"))
    return found


def _fines(head: Entry) -> tuple[FineRow, ...]:
    head.only(("version", "currency", "fines"), required=("currency", "fines"))
    currency = head.text("currency")
    rows = []
    for entry in _rows(head, "fines"):
        entry.only(
            ("id", "means", "source", "gravity", "from_second", "amounts"),
            required=("id", "means", "source", "gravity", "amounts"),
        )
        amounts = entry.entries("amounts")
        if not amounts:
            entry.wrong("amounts", "there is no amount", "as in {year: 2015, least: 1, most: 2}")
        rows.append(
            FineRow(
                id=entry.id(),
                means=_said(entry, "means"),
                source=_said(entry, "source"),
                gravity=entry.choice("gravity", Gravity, Gravity.MINOR),
                currency=currency,
                amounts=tuple(_amount(one) for one in amounts),
                from_second=entry.number("from_second", 1, most=1000),
            )
        )
    return tuple(rows)


def _amount(entry: Entry) -> Amount:
    keys = ("year", "least", "most", "source")
    entry.only(keys, required=keys)
    amount = Amount(
        year=entry.number("year", _FIRST_YEAR, least=_FIRST_YEAR, most=_LAST_YEAR),
        least=entry.number("least", 0, least=0, most=_DEAREST),
        most=entry.number("most", 0, least=0, most=_DEAREST),
        source=_said(entry, "source"),
    )
    if amount.least > amount.most:
        entry.wrong("least", "the least is more than the most")
    return amount


def _words(head: Entry) -> Mapping[WordKind, tuple[str, ...]]:
    head.only(("version", "words"), required=("words",))
    lists: dict[WordKind, tuple[str, ...]] = {}
    for entry in _rows(head, "words"):
        entry.only(("id", "kind", "words"), required=("id", "kind", "words"))
        kind = entry.choice("kind", WordKind, WordKind.PROMOTION)
        for place, word in entry.texts("words"):
            if word != word.strip().lower() or not word:
                head.report.add(
                    place, f"{word!r} is not written in small letters without blanks around"
                )
            lists[kind] = (*lists.get(kind, ()), word)
    return lists


def _duties(head: Entry, offences: Collection[str]) -> tuple[TextDuty, ...]:
    head.only(("version", "duties"), required=("duties",))
    return tuple(_duty(entry, offences) for entry in _rows(head, "duties"))


def _duty(entry: Entry, offences: Collection[str]) -> TextDuty:
    entry.only(
        (
            "id", "means", "source", "kind", "mend", "severity", "senders", "channels", "needs",
            "any_of", "free", "data", "variables", "offence", "from", "until",
        ),
        required=("id", "means", "source", "kind", "mend"),
    )  # fmt: skip
    offence = entry.text("offence")
    if offence and offence not in offences:
        entry.wrong("offence", f"no fine is set for {offence!r}", "see fines.yaml")
    return TextDuty(
        id=entry.id(),
        means=_said(entry, "means"),
        source=_said(entry, "source"),
        kind=entry.choice("kind", DutyKind, DutyKind.IDENTITY),
        mend=_said(entry, "mend"),
        warns=entry.choice("severity", Severity, Severity.ERROR) is Severity.WARNING,
        senders=frozenset(entry.choices("senders", SenderKind)) or frozenset(SenderKind),
        channels=frozenset(entry.choices("channels", Channel)) or frozenset(Channel),
        needs=_fields(entry, "needs"),
        any_of=_fields(entry, "any_of"),
        free=entry.flag("free"),
        data=entry.choices("data", DataKind),
        variables=tuple(name for _, name in entry.texts("variables")),
        offence=offence,
        since=entry.day("from"),
        until=entry.day("until"),
    )


def _fields(entry: Entry, key: str) -> tuple[str, ...]:
    """Read names of fields of the sender's profile."""
    names = entry.texts(key)
    for place, name in names:
        if name not in _FIELDS:
            entry.report.add(place, f"a sender has no {name!r}", f"one of {', '.join(_FIELDS)}")
    return tuple(name for _, name in names)


def _said(entry: Entry, key: str) -> str:
    words = entry.text(key)
    if key in entry.raw and not words.strip():
        entry.wrong(key, f"'{key}' is blank")
    return words


def _footers(head: Entry, duties: Collection[TextDuty]) -> tuple[str, tuple[Footer, ...]]:
    head.only(("version", "stop_word", "footers"), required=("stop_word", "footers"))
    footers = tuple(_footer(entry) for entry in _rows(head, "footers"))
    said = {DutyKind.IDENTITY, DutyKind.CONTACT, DutyKind.REFUSAL}
    owed = {channel for duty in duties if duty.kind in said for channel in duty.channels}
    spoken = {channel for one in footers if one.language == "en" for channel in one.channels}
    for channel in sorted(owed - spoken):
        head.wrong("footers", f"there is no English footer for {channel}", "others fall back on it")
    return head.text("stop_word"), footers


def _footer(entry: Entry) -> Footer:
    keys = ("id", "language", "channels", "identity", "contact", "refusal")
    entry.only(keys, required=keys)
    identity, refusal = entry.within("identity"), entry.within("refusal")
    kinds = [kind.value for kind in SenderKind]
    identity.only(kinds, required=kinds)
    refusal.only([way.value for way in Way])
    if not refusal.raw:
        entry.wrong("refusal", "there is no way to refuse")
    return Footer(
        language=entry.text("language"),
        channels=frozenset(entry.choices("channels", Channel)),
        identity={kind: _sentence(identity, kind.value, _FIELDS) for kind in SenderKind},
        contact=_sentence(entry, "contact", ("contact",)),
        refusal={way: _sentence(refusal, way.value, _MAY_NAME[way]) for way in _ways(refusal)},
    )


def _ways(refusal: Entry) -> Iterator[Way]:
    """Yield the ways in the order in which they stand."""
    known = {way.value: way for way in Way}
    return (known[str(key)] for key in refusal.raw if key in known)


def _sentence(entry: Entry, key: str, names: Collection[str]) -> str:
    """Read a sentence whose braces name only what it may name."""
    words = entry.text(key)
    try:
        parts = list(string.Formatter().parse(words))
    except ValueError as error:
        entry.wrong(key, f"'{key}': {error}")
        return ""
    for _, name, form, _ in parts:
        if name is not None and (name not in names or form):
            entry.wrong(key, f"'{key}' may not name {{{name}}}", f"one of {', '.join(names)}")
    return words
