"""Commands for product teams: what their rule files say, and what is wrong with them."""

from collections.abc import Collection, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rules.rulebook import Rulebook
    from tellal.domain.errors import Finding
    from tellal.domain.routes import RouteTable


class SchemaOf(StrEnum):
    """The files of which a schema can be made."""

    RULES = "rules"
    PROFILE = "profile"


rules = typer.Typer(help="Rule files.", no_args_is_help=True)


@rules.callback()
def _rules() -> None:
    """Make `rules` a group even while it has a single command."""


@rules.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of rule files; else the one in use.")
    ] = None,
) -> None:
    """Find every mistake in the rule files, with file, line, column and how to mend it.

    Texts that break the law of their topic's class are mistakes, too, and so is what is said about
    incidents and cannot be carried out by these rules, or about a channel over which cases come in.
    A warning is no mistake: a rule that never gets its turn, a fact that nobody reads, a text that
    is missing, a country to which none of the providers that are set up may carry something.
    """
    from rules.lint import check as lint
    from rules.routing import load_routes
    from rules.rulebook import load_rulebook
    from tellal.settings import Settings

    settings = Settings()
    table = load_routes(settings.routes)
    findings = [*lint(folder or settings.rulebook, table, settings.providers)]
    if all(finding.warns for finding in findings):
        book = load_rulebook(folder or settings.rulebook)
        findings += _texts(book, table, settings.providers)
        if settings.incidents or not (folder or settings.rulebook):
            findings += _incidents(book, table, settings.incidents)
        if settings.intake or not (folder or settings.rulebook):
            findings += _intake(book, settings.intake)
    for finding in findings:
        typer.echo(str(finding))
    if not all(finding.warns for finding in findings):
        raise typer.Exit(1)
    typer.echo("The rule files are in order.")


@rules.command()
def schema(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of rule files; else the one in use.")
    ] = None,
    *,
    of: Annotated[
        SchemaOf, typer.Option(help="Of rule files, or of a profile of an intake channel.")
    ] = SchemaOf.RULES,
    out: Annotated[
        Path | None, typer.Option(help="A file to write it to; else it is shown.")
    ] = None,
) -> None:
    """Make a JSON Schema of the rule files, with which editors complete and check what is typed.

    It knows the folder's own topics, events, facts and fields: make it anew when they change. With
    `--of profile` it is that of intake profiles, whose notices name topics of these rule files.
    """
    import json

    from rules.rulebook import load_rulebook
    from rules.schemas.profiles import profile_schema
    from rules.schemas.sections import schema_of
    from tellal.settings import Settings

    book = load_rulebook(folder or Settings().rulebook)
    schema = profile_schema(book.topics) if of is SchemaOf.PROFILE else schema_of(book)
    made = json.dumps(schema, ensure_ascii=False, indent=2)
    if out is None:
        typer.echo(made)
        return
    out.write_text(f"{made}\n", encoding="utf-8")
    file = "profile" if of is SchemaOf.PROFILE else "rule file"
    typer.echo(
        f"Written to {out}. Begin each {file} with: # yaml-language-server: $schema={out.name}"
    )


def _intake(book: "Rulebook", folder: Path | None) -> "Sequence[Finding]":
    """Find what is wrong with intake profiles, or names a topic that these rules do not know."""
    from rules.profiles import load_profiles
    from tellal.domain.errors import RulebookError

    try:
        load_profiles(folder, topics=book.topics)
    except RulebookError as error:
        return error.findings
    return ()


def _incidents(book: "Rulebook", table: "RouteTable", folder: Path | None) -> "Sequence[Finding]":
    """Find what is wrong with the files about incidents, or does not go with these rules."""
    from rules.incident_checks import check_incidents
    from rules.incident_files import read_incidents
    from tellal.domain.errors import RulebookError

    try:
        return check_incidents(read_incidents(folder), book, table)
    except RulebookError as error:
        return error.findings


def _texts(book: "Rulebook", table: "RouteTable", providers: "Collection[str]") -> "list[Finding]":
    """Find texts that are missing, and texts of the rules' topics that may not leave."""
    from rules.law_texts import shipped_text_laws
    from tellal.clock import SystemClock
    from templates.gaps import gaps
    from templates.lawfulness import Law
    from templates.lint import Ways, check as lint

    classes = {topic.id: topic.message_class for topic in book.topics.values()}
    wanted = {
        topic: {channel for plan in shard.channels for channel, _ in plan.rule.steps}
        for topic, shard in book.shards.items()
    }
    law = Law(laws=shipped_text_laws().all, day=SystemClock().now().date())
    digested = {topic.id for topic in book.topics.values() if topic.digest}
    checked = lint(
        Ways(table=table, providers=providers, classes=classes, law=law, digested=digested)
    )
    unlawful = [
        finding
        for one in checked
        for finding in one.findings
        if not finding.warns and one.path.partition("/")[0] in book.topics
    ]
    return [*unlawful, *gaps(wanted)]
