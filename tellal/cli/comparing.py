"""The command that says what a change of the rules would do to everybody."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from rules.holder import RulebookHolder
    from rules.rulebook import Rulebook
    from tellal.services.differences import TopicChange
    from tellal.services.shelf import Shelf

_HELP = "A folder of rule files, a published revision, or 'now' for what is in force."
_NOW = "now"


def diff(
    old: Annotated[str, typer.Argument(help=_HELP)],
    new: Annotated[str, typer.Argument(help=_HELP)],
    *,
    brand: Annotated[str, typer.Option("--brand", help="The brand's name.")],
    topic: Annotated[str, typer.Option(help="Only this topic; else all that change.")] = "",
    samples: Annotated[int, typer.Option(min=0, max=20, help="How many customers to name.")] = 5,
) -> None:
    """Decide about everybody by both, and say who gains, loses or changes a message.

    Nobody is told anything, and nothing is written.
    """
    from rules.routing import load_routes
    from rules.rulebook import load_rulebook
    from tellal.cli.in_force import with_rules_in_force
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.differences import Differences
    from tellal.settings import Settings

    settings = Settings()
    routes = load_routes(settings.routes)
    at_hand = routes.at_hand(settings.providers)

    folders = {one: load_rulebook(Path(one)) for one in (old, new) if Path(one).is_dir()}

    async def work(
        tx: "AsyncSession", books: "RulebookHolder", shelf: "Shelf"
    ) -> "list[TopicChange]":
        both = [folders.get(one) or await _book(one, tx, books, shelf) for one in (old, new)]
        whose = (await find_brand(tx, brand)).id
        now = SystemClock().now()
        wanted = [topic] if topic else []
        return await Differences(at_hand).compare(tx, whose, both[0], both[1], now, topics=wanted)

    changes = with_rules_in_force(settings, work)
    if not changes:
        typer.echo("Both decide alike about everything.")
    for change in changes:
        _show(change, samples)


async def _book(
    named: str, tx: "AsyncSession", books: "RulebookHolder", shelf: "Shelf"
) -> "Rulebook":
    from tellal.domain.errors import InvalidInputError
    from tellal.services import revisions

    if named == _NOW:
        return books.current
    if not named.startswith("sha256:"):
        message = f"'{named}' is neither a folder nor a revision"
        raise InvalidInputError(message, hint="tellal rules history names revisions")
    found = await revisions.find(tx, named)
    book = await shelf.book_of(found.revision)
    if book is None:
        raise InvalidInputError(f"this version of Tellal cannot read the revision {named}")
    return book


def _show(change: "TopicChange", samples: int) -> None:
    counted = ", ".join(
        f"{change.number(kind)} {words}"
        for kind, words in (
            ("gain", "gain it"),
            ("lose", "lose it"),
            ("channel", "get it over another channel"),
            ("time", "get it at another time"),
            ("unsure", "may get it at another time"),
            ("same", "see no change"),
        )
    )
    cost = sum(shift.cost for shift in change.shifts)
    typer.echo(f"{change.topic}: {counted}; first messages cost {cost:+.2f}")
    for shift in sorted(change.shifts, key=lambda one: -one.customers):
        if shift.kind == "same":
            continue
        names = f", as {', '.join(shift.sample[:samples])}" if shift.sample and samples else ""
        typer.echo(f"  {shift.kind:8} {shift.customers:8}  {shift.before} -> {shift.after}{names}")


def register(rules: typer.Typer) -> None:
    """Add the command to the group of rule files."""
    rules.command("diff")(diff)
