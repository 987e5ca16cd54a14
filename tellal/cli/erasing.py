"""The command that erases a person."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.services.person_erasure import Erasure

erase = typer.Typer(help="Erase what is held.", no_args_is_help=True)


@erase.callback()
def _erase() -> None:
    """Make `erase` a group even while it has a single command."""


@erase.command("person")
def erase_person(
    customer: Annotated[str, typer.Argument(help="Your name for the person.")],
    *,
    brand: Annotated[str, typer.Option("--brand", help="The brand's name.")],
    by: Annotated[str, typer.Option(help="Who orders it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a person: nothing brings it back. What he refused stays refused, by a salted hash."""
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.consents import Consents
    from tellal.services.person_erasure import Persons
    from tellal.services.progress import Progress
    from tellal.settings import Settings

    if not yes:
        typer.confirm(
            "Nothing brings it back. Export the person first if he asked for it. Erase?", abort=True
        )
    clock = SystemClock()
    persons = Persons(Consents(clock), Progress(clock), clock)

    async def work(tx: "AsyncSession") -> "Erasure":
        return await persons.erase(tx, await find_brand(tx, brand), customer, by=by)

    done = in_transaction(Settings().database_url.get_secret_value(), work)
    rows = ", ".join(f"{number} {name}" for name, number in sorted(done.counts.items()) if number)
    typer.echo(f"Erased ({done.id}): {rows}.")
    typer.echo(f"{len(done.copies)} copies at providers; see tellal report erasures.")
