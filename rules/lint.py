"""Checks rule files before anybody depends on them."""

from collections.abc import Collection
from pathlib import Path

from rules.rulebook import load_rulebook
from rules.smells import smells
from rules.unsendable import unsendable
from tellal.domain.errors import Finding, RulebookError
from tellal.domain.routes import RouteTable


def check(
    folder: Path | None = None,
    routes: RouteTable | None = None,
    providers: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Return every mistake of a folder of rule files, in reading order; none if all is well.

    What is allowed and hardly meant is found as well, as warnings.

    With a table of routes, what they may not carry is found as well; `providers` are set up, all
    of the table if none is named.
    """
    try:
        book = load_rulebook(folder)
    except RulebookError as error:
        return error.findings
    found = [*smells(book), *(() if routes is None else unsendable(book, routes, providers))]
    return tuple(sorted(found, key=lambda one: (one.file, one.line, one.column)))
