"""Commands that take files in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.blocks import Block
    from tellal.domain.customers import Brand

imports = typer.Typer(help="Take files in.", no_args_is_help=True)

_AT_ONCE = 5_000
"""How many blocks are one transaction: it locks every customer that they concern."""


@imports.callback()
def _imports() -> None:
    """Make `import` a group even while it has a single command."""


@imports.command("blocks")
def import_blocks(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file.")],
    *,
    brand: Annotated[str, typer.Option(help="The brand's name.")],
    by: Annotated[str, typer.Option(help="Who blocks; else the user of this computer.")] = "",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the good lines although some are bad.")
    ] = False,
) -> None:
    """Add a file to the black list.

    The columns: address, reason, origin (institution or customer), and if you like channel and
    until. UTF-8, `;` or `,` between fields. If a line is bad, nothing is imported; a file may be
    imported again.
    """
    from tellal.cli.transaction import in_transaction
    from tellal.cli.who import who
    from tellal.clock import SystemClock
    from tellal.services.block_lists import read_block_list
    from tellal.services.blocks import BlockInput, Blocks
    from tellal.services.brands import find_brand
    from tellal.settings import Settings

    database, clock = Settings().database_url.get_secret_value(), SystemClock()

    async def find(tx: "AsyncSession") -> "Brand":
        return await find_brand(tx, brand)

    owner = in_transaction(database, find)
    found = read_block_list(file.read_bytes(), owner, at=clock.now())
    for bad in found.bad:
        typer.secho(f"{file.name}, {bad}", fg="red", err=True)
    if found.bad and not skip_bad:
        typer.echo("Nothing was imported. Mend the lines above, or leave them out: --skip-bad")
        raise typer.Exit(1)

    def place(part: tuple[BlockInput, ...]) -> int:
        async def work(tx: "AsyncSession") -> "tuple[Block, ...]":
            return await Blocks(clock).place_new(tx, owner.id, part, by=who(by))

        return len(in_transaction(database, work))

    parts = range(0, len(found.blocks), _AT_ONCE)
    placed = sum(place(found.blocks[start : start + _AT_ONCE]) for start in parts)
    typer.echo(
        f"Blocked: {placed}. In force already: {len(found.blocks) - placed}. "
        f"Bad lines: {len(found.bad)}."
    )
