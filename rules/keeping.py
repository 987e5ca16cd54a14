"""Reads how long what is personal is kept, kind by kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from rules.entries import Entry, read_entry
from rules.source import Report
from tellal.domain.errors import RulebookError

SHIPPED = Path(__file__).parent / "retention.yaml"

_VERSION = 1
_SHAPE = "periods of retention are a mapping with 'version' and 'kinds'"
_KEYS = ("id", "keep", "means", "source")


class Kind(StrEnum):
    """What is emptied by age."""

    MESSAGE_TEXTS = "message_texts"
    DECISION_INPUTS = "decision_inputs"
    EVENT_DATA = "event_data"
    COMPLAINT_WORDS = "complaint_words"
    CASE_TEXTS = "case_texts"
    CONSENT_EVIDENCE = "consent_evidence"
    INBOUND_WORDS = "inbound_words"
    SIGNAL_ORIGINS = "signal_origins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """For how long a kind is kept, and by which source."""

    kind: Kind
    keep: timedelta
    means: str
    source: str


def load_periods(path: Path | None = None) -> Mapping[Kind, Period]:
    """Read a file of periods, by default the one that ships with Tellal.

    Raises:
        RulebookError: It is none, or a kind is missing, twice or unknown; all mistakes are listed.
    """
    report = Report()
    head = read_entry(path or SHIPPED, "the periods of retention", _SHAPE, report)
    if head is None:
        raise RulebookError(report.in_order())
    head.only(("version", "kinds"), required=("version", "kinds"))
    if "version" in head.raw and head.raw["version"] != _VERSION:
        head.wrong("version", f"periods of retention say 'version: {_VERSION}'")
    periods = _periods(head)
    for kind in Kind:
        if kind not in periods:
            head.wrong("kinds", f"it says nothing of '{kind}'")
    if report.findings:
        raise RulebookError(report.in_order())
    return periods


def _periods(head: Entry) -> dict[Kind, Period]:
    periods: dict[Kind, Period] = {}
    for entry in head.entries("kinds"):
        entry.only(_KEYS, required=_KEYS)
        kind = entry.choice("id", Kind, Kind.MESSAGE_TEXTS)
        if kind.value == entry.raw.get("id") and kind in periods:
            entry.wrong("id", f"'{kind}' stands there twice")
        periods[kind] = Period(
            kind=kind,
            keep=entry.duration("keep", timedelta(days=1)),
            means=entry.text("means"),
            source=entry.text("source"),
        )
        if not periods[kind].source.strip():
            entry.wrong("source", "say where the period comes from")
    return periods
