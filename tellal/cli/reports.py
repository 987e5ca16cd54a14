"""Reports at the command line."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.services.annoyance import Annoyance

report = typer.Typer(help="Reports.", no_args_is_help=True)


@report.callback()
def _report() -> None:
    """Make `report` a group even while it has a single command."""


@report.command("annoyance")
def report_annoyance(
    *,
    brand: Annotated[str, typer.Option("--brand", help="The brand's name.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days back.")] = 30,
) -> None:
    """Show how many messages people got, and which topics they complained of."""
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.annoyance import annoyance
    from tellal.services.brands import find_brand
    from tellal.settings import Settings

    now = SystemClock().now()

    async def read(tx: "AsyncSession") -> "Annoyance":
        found = await find_brand(tx, brand)
        return await annoyance(tx, found.id, now - timedelta(days=days), now)

    said = in_transaction(Settings().database_url.get_secret_value(), read)
    typer.echo(f"{said.messages} messages in {days} days.")
    _table("customers by messages", said.customers)
    _table("messages by class", said.by_class)
    _table("messages by channel", said.by_channel)
    typer.echo("\ntopic                          messages  complaints  per 1,000")
    for topic in said.topics:
        typer.echo(
            f"{topic.topic:30} {topic.messages:8}  {topic.complaints:10}  {topic.per_thousand:9}"
        )
    _table("most messages", dict(said.most))
    _table("refusals by channel", said.refusals)
    _table("kept back, by reason", said.suppressed)


def _table(name: str, numbers: Mapping[str, int]) -> None:
    if numbers:
        typer.echo(f"\n{name}")
    for key, number in numbers.items():
        typer.echo(f"  {key:28} {number:8}")
