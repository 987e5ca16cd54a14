"""A day of a real network, from a file: slow hours, a route that degrades, a burst of errors.

Hours of the file are the day's; a rehearsal plays them faster, and begins where it likes.
"""

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tellal.carrier.faults import Fault, FaultKind, Match

_MIDNIGHT = datetime(2000, 1, 1)  # noqa: DTZ001 - hours of any day


class DayError(ValueError):
    """The file of a day cannot be played; the words say where and why."""


class Spell(BaseModel):
    """What goes wrong from one hour of the day until another."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    begins: Annotated[time, Field(alias="from")]
    ends: Annotated[time, Field(alias="until")]
    fault: FaultKind
    match: Match = Match()
    code: str = ""
    rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    retry_after: Annotated[float, Field(ge=0)] | None = None
    by_s: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.ends <= self.begins:
            raise ValueError("a spell ends after it begins, on the same day")
        return self


class Day(BaseModel):
    """The spells of a day."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, le=1)]
    day: list[Spell]

    def faults(self, *, begins: time, speed: float) -> list[Fault]:
        """Return the spells as faults to switch on when the day is played from an hour on.

        An hour takes 1/`speed` of one, and so do the seconds by which receipts are late. What was
        over before is left out.
        """
        played = []
        for spell in self.day:
            ends_s = _since(begins, spell.ends) / speed
            if ends_s <= 0:
                continue
            played.append(
                Fault(
                    match=spell.match,
                    fault=spell.fault,
                    code=spell.code,
                    rate=spell.rate,
                    retry_after=spell.retry_after,
                    by_s=spell.by_s / speed,
                    begins_s=max(0.0, _since(begins, spell.begins) / speed),
                    ends_s=ends_s,
                )
            )
        return played


def load_day(path: Path) -> Day:
    """Read the file of a day.

    Raises:
        DayError: It cannot be read, or an entry of it is wrong.
    """
    try:
        found: object = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        day = Day.model_validate(found)
        day.faults(begins=time(), speed=1.0)
    except (OSError, YAMLError) as error:
        raise DayError(f"{path}: {error}") from error
    except ValidationError as error:
        raise DayError("\n".join(_words(path, error))) from error
    return day


def _words(path: Path, error: ValidationError) -> list[str]:
    return [
        f"{path}: {'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}"
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _since(begins: time, at: time) -> float:
    return (_at(at) - _at(begins)) / timedelta(seconds=1)


def _at(hour: time) -> datetime:
    return datetime.combine(_MIDNIGHT, hour)
