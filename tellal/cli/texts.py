"""Commands for those who write texts: what is wrong with them, and how they read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tellal.domain.channels import Channel

if TYPE_CHECKING:
    from templates.lint import Ways

templates = typer.Typer(help="Texts.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--folder", help="A folder of texts; else those that ship.")
]


@templates.command()
def lint(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of texts; else those that ship.")
    ] = None,
) -> None:
    """Fill every text in with its example; find what is missing, and links that nobody carries.

    Of each SMS it is said how many segments it takes on each route, and which characters make it
    cost more.
    """
    from templates.lint import check

    _refuse_nowhere(folder)
    checked = check(_ways(), folder)
    findings = [finding for one in checked for finding in one.findings]
    for one in checked:
        for finding in one.findings:
            typer.echo(str(finding))
        if one.note:
            typer.echo(f"{one.path}: {one.note}")
    if not all(finding.warns for finding in findings):
        raise typer.Exit(1)
    typer.echo("The texts are in order.")


@templates.command()
def preview(
    topic: Annotated[str, typer.Argument(help="The topic, as its folder is called.")],
    channel: Annotated[Channel, typer.Argument(help="The channel.")],
    language: Annotated[str, typer.Option(help="As in tr or pt-BR.")] = "",
    folder: Folder = None,
) -> None:
    """Show a text as the example of its topic fills it in."""
    from templates.environment import JinjaRenderer

    _refuse_nowhere(folder)
    renderer = JinjaRenderer(folder)
    rendered = renderer.render(
        topic=topic, channel=channel, language=language, variables=renderer.example(topic)
    )
    if rendered.subject:
        typer.echo(f"Subject: {rendered.subject}\n")
    typer.echo(rendered.text)


def _refuse_nowhere(folder: Path | None) -> None:
    from tellal.domain.errors import InvalidInputError

    if folder is not None and not folder.is_dir():
        raise InvalidInputError(f"there is no folder {folder}", field="folder")


def _ways() -> "Ways":
    """Return where texts go, as the settings say."""
    from rules.routing import load_routes
    from rules.rulebook import load_rulebook
    from tellal.settings import Settings
    from templates.lint import Ways

    settings = Settings()
    topics = load_rulebook(settings.rulebook).topics
    return Ways(
        table=load_routes(settings.routes),
        providers=settings.providers,
        classes={topic.id: topic.message_class for topic in topics.values()},
    )
