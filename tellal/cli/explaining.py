"""Commands that say why: of decisions that were made, and of those that would be."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from rules.holder import RulebookHolder
    from rules.rulebook import Rulebook
    from tellal.services.explaining import Explanation, Stored
    from tellal.services.shelf import Shelf


def explain_decision(
    *,
    customer: Annotated[str, typer.Option(help="The brand's own reference of a customer.")] = "",
    topic: Annotated[str, typer.Option(help="A topic of the rulebook.")] = "",
    brand: Annotated[str, typer.Option("--brand", help="The brand's name.")] = "",
    at: Annotated[
        str, typer.Option(help="A moment, as in 2026-03-02T12:00+03:00; without it, now.")
    ] = "",
    decision: Annotated[str, typer.Option(help="A decision that was made, by its id.")] = "",
) -> None:
    """Say why a customer would, or would not, get a message; nothing is written.

    Of a moment in the past the facts are taken that were stored with his last decision about the
    topic; where there is none, those of today, and it says so.
    """
    from rules.telling import explain

    if decision:
        stored = _find(decision)
        typer.echo(f"as it was decided, by the rules {stored.decision.revision}")
        lines = explain(stored.decision)
    elif customer and topic and brand:
        found = _explained(brand, customer, topic, at)
        typer.echo(found.label)
        lines = (*explain(found.decision), *filter(None, (found.gathers,)))
    else:
        message = "name a --customer, a --topic and a --brand, or a --decision"
        raise typer.BadParameter(message)
    for line in lines:
        typer.echo(line)


def record_decision(
    decision: Annotated[str, typer.Argument(help="The id of a decision.")],
    *,
    into: Annotated[
        Path | None, typer.Option(help="A test file to add it to; else it is shown.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the test is called.")] = "",
) -> None:
    """Write a test from a decision that was made, with nothing personal in it.

    Every personal value is replaced by a made-up one to which all rules answer the same; a decision
    of which that is impossible, or which the rules do not make any more, is refused.
    """
    from rules.source import TESTS
    from rules.trials.recorded import added, record
    from tellal.domain.errors import InvalidInputError

    if into is not None and not into.name.endswith(TESTS):
        message = f"the name of a test file ends with {TESTS}"
        raise InvalidInputError(message, field="into")
    stored = _find(decision)
    if stored.question is None:
        message = "nothing was kept of what was known then"
        raise InvalidInputError(message, field="decision", hint="take a younger decision")
    what = f"{stored.decision.topic} {stored.decision.verdict}"
    test = record(
        _book(stored.decision.revision),
        stored.question,
        stored.decision,
        name or f"{what}, as decided in {stored.id}",
    )
    before = into.read_text(encoding="utf-8") if into is not None and into.exists() else ""
    text = added(before, test)
    if into is None:
        typer.echo(text, nl=False)
    else:
        into.write_text(text, encoding="utf-8")
        typer.echo(f"Written to {into}. Next: tellal rules test {into.parent}")


def register(rules: typer.Typer) -> None:
    """Add the commands to the group of rule files."""
    rules.command("explain")(explain_decision)
    rules.command("record")(record_decision)


def _book(revision: str) -> "Rulebook":
    from tellal.cli.in_force import with_rules_in_force
    from tellal.domain.errors import InvalidInputError
    from tellal.services.explaining import revisions
    from tellal.settings import Settings

    async def work(_: "AsyncSession", books: "RulebookHolder", shelf: "Shelf") -> "Rulebook | None":
        return await revisions(books, shelf.book_of)(revision)

    book = with_rules_in_force(Settings(), work)
    if book is None:
        message = f"the rules of the decision ({revision[:19]}) are not the ones in use"
        raise InvalidInputError(message, hint="set TELLAL_RULEBOOK to a folder that holds them")
    return book


def _find(decision_id: str) -> "Stored":
    from tellal.cli.transaction import in_transaction
    from tellal.services.explaining import find_decision
    from tellal.settings import Settings

    async def work(tx: "AsyncSession") -> "Stored":
        return await find_decision(tx, decision_id)

    return in_transaction(Settings().database_url.get_secret_value(), work)


def _explained(brand: str, customer: str, topic: str, at: str) -> "Explanation":
    from rules.decide import Decider
    from rules.routing import load_routes
    from tellal.cli.in_force import with_rules_in_force
    from tellal.clock import SystemClock
    from tellal.services.asking import Asking
    from tellal.services.brands import find_brand
    from tellal.services.explaining import Explaining, revisions
    from tellal.settings import Settings

    settings, moment = Settings(), _moment(at)
    routes = load_routes(settings.routes).at_hand(settings.providers)

    async def work(tx: "AsyncSession", books: "RulebookHolder", shelf: "Shelf") -> "Explanation":
        known = revisions(books, shelf.book_of)
        explaining = Explaining(Asking(books, Decider(None), routes), known)
        brand_id = (await find_brand(tx, brand)).id
        now = SystemClock().now()
        return await explaining.explain(tx, brand_id, customer, topic, now, at=moment)

    return with_rules_in_force(settings, work)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        hint = "write a moment with its offset, as in 2026-03-02T12:00+03:00"
        raise typer.BadParameter(hint, param_hint="--at")
    return moment
