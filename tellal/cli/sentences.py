"""Says in a sentence what went wrong; only a mistake of ours ends in a traceback."""

import errno
import json
from typing import Any

import typer
from typer.core import TyperGroup

from tellal.domain.errors import TellalError


class PlainSpeaking(TyperGroup):
    """A group of commands that explains what a user can mend, and ends with exit code 1."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 typer keeps the class to itself
        """Run the command; explain its failure."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            words = explain(error)
            if words is None:
                raise
            typer.secho(words, fg="red", err=True)
            raise typer.Exit(1) from error


def explain(error: Exception) -> str | None:
    """Return what a user should know about an error, or None if it is none of his making."""
    if isinstance(error, TellalError):
        return _own(error)
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "Somebody listens on that port already; choose another with --port."
    if isinstance(error, RuntimeError) and "client connect" in str(error):
        return "Temporal does not answer; check TEMPORAL_ADDRESS (and that its server runs)."
    return _of_settings(error) or _of_database(error)


def _own(error: TellalError) -> str:
    from tellal.stack.process import PartError

    if not isinstance(error, PartError):
        hint = getattr(error, "hint", "")
        return f"{error} ({hint})" if hint else str(error)
    tail = f"\n\n{_readable(error.tail)}\n" if error.tail else ""
    log = f"\nThe whole log: {error.log}" if error.log.is_file() else ""
    return f"{error}.{tail}\nTo mend it: {error.mend}.{log}"


def _readable(tail: str) -> str:
    """Write log lines that are JSON for a person: the level, the event, where an error arose."""
    lines = []
    for line in tail.splitlines():
        try:
            logged = json.loads(line)
            lines.append(f"{logged['level']}: {logged['event'].strip()}")
            lines += [
                f"  {part['class']} at {part['where'][-1:]}" for part in logged.get("error", ())
            ]
        except (ValueError, KeyError, TypeError):
            lines.append(line)
    return "\n".join(lines)


def _of_settings(error: Exception) -> str | None:
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    if isinstance(error, SettingsError):
        return f"A setting cannot be read: {error}."
    if isinstance(error, ValidationError) and error.title == "Settings":
        # Without the values: one of them may be a password.
        wrong = (f"{_variable(part['loc'])}: {part['msg']}" for part in error.errors())
        return "The settings are wrong.\n" + "\n".join(wrong)
    return None


def _variable(location: tuple[int | str, ...]) -> str:
    """Return the environment variable that a setting is read from."""
    words = "__".join(str(step) for step in location).upper()
    return words if words.startswith("TEMPORAL_") else f"TELLAL_{words}"


def _of_database(error: Exception) -> str | None:
    from sqlalchemy.exc import ArgumentError, OperationalError

    if isinstance(error, ArgumentError):
        return "TELLAL_DATABASE_URL is no address: postgresql+psycopg://user:password@host/name."
    if isinstance(error, OperationalError):
        first = str(error.orig).strip().partition("\n")[0]
        return f"PostgreSQL does not let us in: {first}. Check TELLAL_DATABASE_URL."
    return None
