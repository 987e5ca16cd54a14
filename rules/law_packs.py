"""Finds what the law of a country says: packs are folders of YAML, each with a base behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rules.entries import entries_of
from rules.source import (
    SHIPPED_LAW as SHIPPED,
    Report,
    SourceFile,
    parse,
    place_of_node,
    read_file,
)
from tellal.addresses import is_country
from tellal.domain.errors import RulebookError

_VERSION = 1
_SHAPE = "a list of packs is a mapping with 'version' and 'packs'"


@dataclass(frozen=True, slots=True, kw_only=True)
class LawPack:
    """A folder of the law: for these countries, with what it does not say itself in its base."""

    id: str
    means: str
    folder: Path
    base: "LawPack | None" = None
    countries: tuple[str, ...] = ()

    def file(self, name: str) -> Path:
        """Return the file of a name, the pack's own or else its base's.

        Raises:
            RulebookError: Neither has it.
        """
        own = self.folder / name
        if own.exists():
            return own
        if self.base is not None:
            return self.base.file(name)
        report = Report()
        read_file(own, f"the law of '{self.id}'", report)
        raise RulebookError(report.in_order())


@dataclass(frozen=True, slots=True, kw_only=True)
class LawPacks:
    """All packs by their name; `first` holds where no pack names the country."""

    packs: Mapping[str, LawPack]
    first: LawPack

    def of(self, country: str) -> LawPack:
        """Return the pack of a country, by its code of two letters."""
        return next((pack for pack in self.packs.values() if country in pack.countries), self.first)


def load_packs(folder: Path | None = None) -> LawPacks:
    """Read the list of packs of a folder, by default of the one that ships with Tellal.

    Raises:
        RulebookError: It is no list of packs; all mistakes are listed with their places.
    """
    chosen = folder or SHIPPED
    report = Report()
    file = read_file(chosen / "packs.yaml", "the list of law packs", report)
    packs = packs_of(file, chosen, report) if file else None
    if packs is None:
        raise RulebookError(report.in_order())
    return packs


def packs_of(file: SourceFile, folder: Path, report: Report) -> LawPacks | None:
    """Read a list of packs whose folders stand in a folder; mistakes give None."""
    before = len(report.findings)
    root = parse(file, report, _SHAPE)
    if root is None:
        return None
    packs: dict[str, LawPack] = {}
    taken: set[str] = set()
    for entry in entries_of(root, "packs", file.name, report):
        entry.only(("id", "means", "base", "countries"), required=("id", "means"))
        name, base = entry.id(), entry.text("base")
        if name in packs:
            entry.wrong("id", f"there are two packs '{name}'")
        if base and base not in packs:
            entry.wrong("base", f"no pack '{base}' stands before this one")
        countries = []
        for place, country in entry.texts("countries"):
            if not is_country(country):
                report.add(place, f"'{country}' is no country", "two capital letters, as in TR")
            elif country in taken:
                report.add(place, f"another pack has {country}")
            taken.add(country)
            countries.append(country)
        packs[name] = LawPack(
            id=name,
            means=entry.text("means"),
            folder=folder / name,
            base=packs.get(base),
            countries=tuple(countries),
        )
    if root.get("version") != _VERSION or not packs:
        message = f"a list of packs says 'version: {_VERSION}' and has one pack at least"
        report.add(place_of_node(root, file.name), message)
    if len(report.findings) > before:
        return None
    return LawPacks(packs=packs, first=next(iter(packs.values())))
