"""Commands for auditors: whether what was written down is still what was written down."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.services.rulebook_log import Verified

verify = typer.Typer(help="Look for what was changed afterwards.", no_args_is_help=True)


@verify.callback()
def _verify() -> None:
    """Make `verify` a group even while it has a single command."""


@verify.command("rulebook")
def verify_rulebook(
    head: Annotated[
        str, typer.Option(help="A seal that you noted earlier: the log must still contain it.")
    ] = "",
) -> None:
    """Go through the log of the rulebook, its revisions and what is in force.

    Note the seal that is shown, somewhere else: with it a log that was cut off shows, too.
    """
    from tellal.cli.transaction import in_transaction
    from tellal.services.rulebook_log import verify as look
    from tellal.settings import Settings

    async def work(tx: "AsyncSession") -> "Verified":
        return await look(tx, head=head)

    found = in_transaction(Settings().database_url.get_secret_value(), work)
    for fault in found.faults:
        typer.echo(fault)
    if found.faults:
        raise typer.Exit(1)
    seal = found.head or "none"
    typer.echo(f"The log of the rulebook is whole: {found.records} records, the last seal {seal}.")
