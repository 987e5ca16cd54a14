"""Reads what the law of a country asks with regard to its registry of consents (İYS in Turkey)."""

from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from pathlib import Path

from rules.entries import Entry, read_entry
from rules.law_packs import load_packs
from rules.source import Report
from tellal.domain.consents import TAKEN_BY_SENDER, WRITTEN_BY_TELLAL, Source
from tellal.domain.errors import RulebookError
from tellal.domain.registry_answers import Naming, RegistryLaw

FILE = "registry.yaml"

_VERSION = 1
_SHAPE = "the law of a registry is a mapping with 'version' and sections"
_SECTIONS = ("deadlines", "half_days", "limits", "pulls", "sources")
_WORDS = ("id", "means", "source")
_OURS = frozenset(Source) - TAKEN_BY_SENDER
_HOURLY = timedelta(hours=1)


def load_registry_law(path: Path | None = None) -> RegistryLaw:
    """Read the law of a registry, by default that of Turkey's.

    Raises:
        RulebookError: It is none; all mistakes are listed with their places.
    """
    chosen = path or load_packs().packs["tr"].file(FILE)
    report = Report()
    head = read_entry(chosen, "the law of the registry", _SHAPE, report)
    if head is None:
        raise RulebookError(report.in_order())
    head.only(("version", *_SECTIONS), required=("version", *_SECTIONS))
    if head.raw.get("version") != _VERSION:
        head.wrong("version", f"the law of a registry says 'version: {_VERSION}'")
    found = {name: head.entries(name) for name in _SECTIONS}
    law = _law(head, found)
    if report.findings:
        raise RulebookError(report.in_order())
    return law


def _law(head: Entry, found: Mapping[str, Sequence[Entry]]) -> RegistryLaw:
    deadlines = _named(head, "deadlines", found, ("report", "oldest"))
    half = _named(head, "half_days", found, ("eve_of_a_feast",))["eve_of_a_feast"]
    limits = _named(head, "limits", found, ("batch", "file_days"))
    pull = _named(head, "pulls", found, ("changes",))["changes"]
    report, oldest = deadlines["report"], deadlines["oldest"]
    report.only((*_WORDS, "business_days", "warn_after"), required=("business_days", "warn_after"))
    oldest.only((*_WORDS, "business_days"), required=("business_days",))
    half.only((*_WORDS, "ends"), required=("ends",))
    pull.only((*_WORDS, "every"), required=("every",))
    for limit in limits.values():
        limit.only((*_WORDS, "most"), required=("most",))
    days = report.number("business_days", 1, most=30)
    return RegistryLaw(
        report_days=days,
        warn_days=report.number("warn_after", 1, most=max(days - 1, 1)),
        oldest_days=oldest.number("business_days", 1, most=30),
        half_day_ends=_hour(half),
        batch=limits["batch"].number("most", 1),
        pull_every=pull.duration("every", _HOURLY),
        file_days=limits["file_days"].number("most", 1, most=366),
        names=_names(found["sources"]),
    )


def _named(
    head: Entry, section: str, found: Mapping[str, Sequence[Entry]], wanted: Sequence[str]
) -> Mapping[str, Entry]:
    """Return the entries of a section by their ids, which are these and no others."""
    by_id: dict[str, Entry] = {}
    for entry in found[section]:
        name = entry.id()
        _say_what_and_whence(entry)
        if name not in wanted or name in by_id:
            entry.wrong("id", f"'{section}' has {', '.join(wanted)}, each once")
        by_id[name] = entry
    for name in wanted:
        if name not in by_id:
            head.wrong(section, f"'{section}' lacks {name}")
            by_id[name] = Entry(raw={}, file=head.file, report=Report(), start=head.start)
    return by_id


def _say_what_and_whence(entry: Entry) -> None:
    for key in ("means", "source"):
        if not entry.text(key).strip():
            entry.wrong(key, f"'{key}' is empty", "say what it means, and which law says so")


def _hour(entry: Entry) -> time:
    written = entry.text("ends", "13:00")
    try:
        return time.fromisoformat(written)
    except ValueError:
        entry.wrong("ends", f"{written!r} is no hour", 'write it as in "13:00"')
        return time()


def _names(entries: Sequence[Entry]) -> Mapping[str, Naming]:
    names: dict[str, Naming] = {}
    for entry in entries:
        entry.only(("id", "means", "granted", "refused"), required=("id", "means"))
        ours = entry.id()
        if ours not in _OURS:
            entry.wrong("id", f"'{ours}' is no source of ours", "as in branch or reply")
        if ours in names:
            entry.wrong("id", f"'{ours}' stands twice")
        for key in ("granted", "refused"):
            theirs = entry.text(key)
            if theirs and theirs not in TAKEN_BY_SENDER:
                entry.wrong(key, f"{theirs} is no source that a sender may name", "as in HS_WEB")
        if entry.text("granted") and ours in WRITTEN_BY_TELLAL - {Source.REPLY}:
            entry.wrong("granted", f"{ours} is a refusal, never a grant", "leave it out")
        names[ours] = Naming(granted=entry.text("granted"), refused=entry.text("refused"))
    return names
