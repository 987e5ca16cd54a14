"""What operators say of outages, and what of it is new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from tellal.domain.outages import OutageCommand, OutageKind, OutageState, Severity

OTHER = "other_failure"
"""The kind of incident of an outage that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What an operator says when he declares an outage; what he leaves out the kind says.

    `segment` is a condition as in rule files, `areas` are places; who is in both is affected.
    `text` is what public channels show, by language. `anyway` declares it though one like it runs.
    """

    title: str
    incident: str = OTHER
    topic: str = ""
    segment: Mapping[str, object] = field(default_factory=dict)
    areas: Sequence[Mapping[str, str]] = ()
    variables: Mapping[str, object] = field(default_factory=dict)
    components: Sequence[str] | None = None
    severity: Severity | None = None
    starts_at: datetime | None = None
    expected_end: datetime | None = None
    reason: str = ""
    workaround: str = ""
    no_workaround: bool = False
    hotline: str = ""
    first_signal_at: datetime | None = None
    anyway: bool = False
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an operator says anew of an outage; None leaves it as it was."""

    title: str | None = None
    severity: Severity | None = None
    starts_at: datetime | None = None
    expected_end: datetime | None = None
    reason: str | None = None
    workaround: str | None = None
    no_workaround: bool | None = None
    hotline: str | None = None
    areas: Sequence[Mapping[str, str]] | None = None
    segment: Mapping[str, object] | None = None
    components: Sequence[str] | None = None
    variables: Mapping[str, object] | None = None
    text: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """How an operator lets those affected be told.

    `channels` overrides the plan (channel → everybody, priority or nobody) with a `reason`, which
    also excuses an announcement that comes too late. `break_glass` says why nobody else is waited
    for, in a declared emergency; it is looked at afterwards. `person` is whose word it is, if he
    has shown a key of his own: only such a word counts as one of two.
    """

    channels: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    break_glass: str = ""
    person: str = ""
    text: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What was learnt (B13)."""

    what_happened: str
    what_was_late: str
    what_changes: str


def new_values(row: Row[Any], change: Change) -> dict[str, object]:
    """Return what a change says that the outage does not say yet."""
    said: dict[str, object] = {
        "title": change.title,
        "severity": None if change.severity is None else change.severity.value,
        "starts_at": change.starts_at,
        "expected_end": change.expected_end,
        "reason": change.reason,
        "workaround": change.workaround,
        "no_workaround": change.no_workaround,
        "hotline": change.hotline,
        "areas": None if change.areas is None else [dict(area) for area in change.areas],
        "segment": None if change.segment is None else dict(change.segment),
        "components": None if change.components is None else sorted(set(change.components)),
        "variables": None if change.variables is None else {**row.variables, **change.variables},
    }
    return {
        name: value
        for name, value in said.items()
        if value is not None and value != getattr(row, name)
    }


def kind_of_update(row: Row[Any], values: Mapping[str, object]) -> OutageCommand:
    """Name what new values do: new times of planned works move or extend them."""
    if row.kind == OutageKind.PLANNED and row.state != OutageState.DRAFT:
        if row.state == OutageState.IN_PROGRESS and "expected_end" in values:
            return OutageCommand.EXTEND
        if row.state != OutageState.IN_PROGRESS and {"starts_at", "expected_end"} & set(values):
            return OutageCommand.RESCHEDULE
    return OutageCommand.UPDATE


def plain(value: object) -> object:
    """Write a value as JSON can hold it."""
    return value.isoformat() if isinstance(value, datetime) else value
