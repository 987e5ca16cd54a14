"""Commands for product teams: what their rule files say, and what is wrong with them."""

from pathlib import Path
from typing import Annotated

import typer

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

    A warning is no mistake: what a rule sends, none of the providers that are set up may carry to
    some country.
    """
    from rules.lint import check as lint
    from rules.routing import load_routes
    from tellal.settings import Settings

    settings = Settings()
    table = load_routes(settings.routes)
    findings = lint(folder or settings.rulebook, table, settings.providers)
    for finding in findings:
        typer.echo(str(finding))
    if not all(finding.warns for finding in findings):
        raise typer.Exit(1)
    typer.echo("The rule files are in order.")


@rules.command()
def schema(
    out: Annotated[
        Path | None, typer.Option(help="A file to write it to; else it is shown.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="A folder of rule files; else the one in use.")
    ] = None,
) -> None:
    """Make a JSON Schema of the rule files, with which editors complete and check what is typed.

    It knows the folder's own topics, events, facts and fields: make it anew when they change.
    """
    import json

    from rules.rulebook import load_rulebook
    from rules.schemas.sections import schema_of
    from tellal.settings import Settings

    made = json.dumps(
        schema_of(load_rulebook(folder or Settings().rulebook)), ensure_ascii=False, indent=2
    )
    if out is None:
        typer.echo(made)
        return
    out.write_text(f"{made}\n", encoding="utf-8")
    typer.echo(
        f"Written to {out}. Begin each rule file with: # yaml-language-server: $schema={out.name}"
    )
