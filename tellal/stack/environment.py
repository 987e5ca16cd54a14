"""Settings written back as the environment variables from which a child process reads them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, SecretStr

import tellal
from tellal.settings import Settings

_OURS = ("TELLAL_", "TEMPORAL_")
_DELIMITER = "__"


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a child: ours, with exactly these settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    # The child runs the very code that we run, installed or not.
    code = str(Path(tellal.__file__).parent.parent)
    return inherited | dict(as_variables(settings)) | {"PYTHONPATH": code, "PYTHONUNBUFFERED": "1"}


def as_variables(settings: Settings) -> Iterator[tuple[str, str]]:
    """Return name and value of every setting that has one."""
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"TELLAL_{name.upper()}"
        yield from _written(variable, getattr(settings, name))


def _written(variable: str, value: object) -> Iterator[tuple[str, str]]:
    match value:
        case None:
            return
        case BaseModel():
            for name in type(value).model_fields:
                inner = f"{variable}{_DELIMITER}{name.upper()}"
                yield from _written(inner, getattr(value, name))
        case dict():
            for name, one in value.items():
                yield from _written(f"{variable}{_DELIMITER}{name.upper()}", one)
        case SecretStr():
            yield variable, value.get_secret_value()
        case tuple():
            yield variable, json.dumps(value)
        case Path():
            # The child stands in another folder than the one from which the path was named.
            yield variable, str(value.absolute())
        case _:
            yield variable, str(value)
