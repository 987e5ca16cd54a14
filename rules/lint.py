"""Checks rule files before anybody depends on them."""

from pathlib import Path

from rules.rulebook import load_rulebook
from tellal.domain.errors import Finding, RulebookError


def check(folder: Path | None = None) -> tuple[Finding, ...]:
    """Return every mistake of a folder of rule files, in reading order; none if all is well."""
    try:
        load_rulebook(folder)
    except RulebookError as error:
        return error.findings
    return ()
