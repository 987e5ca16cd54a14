"""Reads intake profiles: one YAML file per channel over which cases come in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from rules.entries import Entry, read_entry
from rules.source import Report
from tellal.domain.cases import CaseState
from tellal.domain.errors import RulebookError

SHIPPED = Path(__file__).parent / "intake"

_SHAPE = "a profile is a mapping with 'id', 'name' and 'notices'"
_REQUIRED = ("id", "name", "notices")
_ALLOWED = (*_REQUIRED, "enabled", "source_system", "call_before_close", "remind_after")


class CallBeforeClose(StrEnum):
    """Whether the customer must have been called before the case may be resolved."""

    ALWAYS = "always"
    WHEN_ROUTED = "when_routed"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeProfile:
    """One intake channel: its notices per state, its duties, its reminders."""

    id: str
    name: str
    enabled: bool
    source_system: str
    notices: Mapping[CaseState, tuple[str, ...]]
    call_before_close: CallBeforeClose
    remind_after: Mapping[CaseState, timedelta]


def load_profiles(folder: Path | None = None) -> Mapping[str, IntakeProfile]:
    """Read every profile of a folder, by default those that ship with Tellal.

    Raises:
        RulebookError: A file is not a valid profile; all mistakes are listed with their places.
    """
    profiles: dict[str, IntakeProfile] = {}
    report = Report()
    for path in sorted((folder or SHIPPED).glob("*.yaml")):
        entry = read_entry(path, "the profile", _SHAPE, report)
        if entry is None:
            continue
        profile = _profile(entry)
        if profile.id and profile.id in profiles:
            entry.wrong("id", f"a second profile is called {profile.id!r}")
        profiles.setdefault(profile.id, profile)
    if report.findings:
        raise RulebookError(report.in_order())
    return profiles


def _profile(entry: Entry) -> IntakeProfile:
    entry.only(_ALLOWED, required=_REQUIRED)
    return IntakeProfile(
        id=entry.id(),
        name=entry.text("name"),
        enabled=entry.flag("enabled", default=True),
        source_system=entry.text("source_system"),
        notices=_notices(entry.within("notices")),
        call_before_close=entry.choice(
            "call_before_close", CallBeforeClose, CallBeforeClose.WHEN_ROUTED
        ),
        remind_after=entry.durations("remind_after", CaseState),
    )


def _notices(entry: Entry) -> Mapping[CaseState, tuple[str, ...]]:
    entry.only([state.value for state in CaseState])
    return {
        state: tuple(topic for _, topic in entry.texts(state.value))
        for state in CaseState
        if state.value in entry.raw
    }
