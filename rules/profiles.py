"""Reads intake profiles: one YAML file per channel over which cases come in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from tellal.domain.cases import CaseState
from tellal.domain.errors import Finding, RulebookError

SHIPPED = Path(__file__).parent / "intake"
_DURATION = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


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


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str
    name: str
    enabled: bool = True
    source_system: str = ""
    notices: dict[CaseState, list[str]]
    call_before_close: CallBeforeClose = CallBeforeClose.WHEN_ROUTED
    remind_after: dict[CaseState, timedelta] = Field(default_factory=dict)

    @field_validator("remind_after", mode="before")
    @classmethod
    def _durations(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return {state: _duration(str(text)) for state, text in value.items()}


def load_profiles(folder: Path | None = None) -> Mapping[str, IntakeProfile]:
    """Read every profile of a folder, by default those that ship with Tellal.

    Raises:
        RulebookError: A file is not a valid profile; all mistakes are listed.
    """
    profiles: dict[str, IntakeProfile] = {}
    findings: list[Finding] = []
    for path in sorted((folder or SHIPPED).glob("*.yaml")):
        try:
            loaded = _read(path)
        except RulebookError as error:
            findings.extend(error.findings)
            continue
        if loaded.id in profiles:
            findings.append(_finding(path, 1, 1, f"a second profile is called {loaded.id!r}"))
        profiles[loaded.id] = loaded
    if findings:
        raise RulebookError(findings)
    return profiles


def _read(path: Path) -> IntakeProfile:
    yaml = YAML()
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise RulebookError([_finding(path, line, column, str(error.problem))]) from error
    try:
        file = _File.model_validate(raw)
    except ValidationError as error:
        raise RulebookError([_from_pydantic(path, raw, item) for item in error.errors()]) from error
    return IntakeProfile(
        id=file.id,
        name=file.name,
        enabled=file.enabled,
        source_system=file.source_system,
        notices={state: tuple(topics) for state, topics in file.notices.items()},
        call_before_close=file.call_before_close,
        remind_after=file.remind_after,
    )


def _from_pydantic(path: Path, raw: object, item: Mapping[str, object]) -> Finding:
    where = item["loc"]
    line, column = 1, 1
    keys = where if isinstance(where, tuple) else ()
    if keys and isinstance(raw, CommentedMap) and keys[0] in raw:
        line, column = (number + 1 for number in raw.lc.key(keys[0]))
    dotted = ".".join(str(key) for key in keys)
    return _finding(path, line, column, f"{dotted}: {item['msg']}")


def _finding(path: Path, line: int, column: int, message: str) -> Finding:
    return Finding(file=path.name, line=line, column=column, message=message)


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration; write 30m, 8h or 2d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
