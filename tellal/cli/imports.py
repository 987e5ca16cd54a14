"""Commands that take files in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from rules.holder import RulebookHolder
    from tellal.domain.blocks import Block
    from tellal.domain.customers import Brand

imports = typer.Typer(help="Take files in.", no_args_is_help=True)

_AT_ONCE = 5_000
"""How many blocks are one transaction: it locks every customer that they concern."""

_CONSENTS_AT_ONCE = 10_000
"""As many consents."""


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


@imports.command("consents")
def import_consents(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A file: CSV, XLS or XLSX.")
    ],
    *,
    brand: Annotated[str, typer.Option(help="The brand's name.")],
    by: Annotated[str, typer.Option(help="Who imports; else the user of this computer.")] = "",
    direct_sale: Annotated[
        bool,
        typer.Option(
            "--direct-sale",
            help="Vouch that the brand itself sold to everybody whom the file names as HS_2015.",
        ),
    ] = False,
    locale: Annotated[str, typer.Option(help="The language of new customers, as tr-TR.")] = "",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the good lines although some are bad.")
    ] = False,
) -> None:
    """Take consents and refusals with their history into the ledger.

    The columns: address, channel, state, and if you like customer, source, given_at and what proves
    it; or İYS' own (recipient, type, status, source, consentDate). If a line is bad, nothing is
    imported; a file may be imported again.
    """
    from tellal.cli.transaction import in_transaction
    from tellal.cli.who import who
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.consent_files import ConsentFile, ConsentLine, read_consents
    from tellal.services.consent_import import ConsentImport, Imported
    from tellal.settings import Settings

    database, clock, acts = Settings().database_url.get_secret_value(), SystemClock(), who(by)

    async def find(tx: "AsyncSession") -> "Brand":
        return await find_brand(tx, brand)

    owner = in_transaction(database, find)
    ledger = ConsentImport(clock, owner, locale=locale)
    attested_by = acts if direct_sale else ""
    said = read_consents(
        file.read_bytes(), owner, at=clock.now(), direct_sale_attested_by=attested_by
    )

    async def settle(tx: "AsyncSession") -> ConsentFile:
        return await ledger.settle(tx, said)

    found = in_transaction(database, settle)
    for bad in found.bad:
        typer.secho(f"{file.name}, {bad}", fg="red", err=True)
    if found.bad and not skip_bad:
        typer.echo("Nothing was imported. Mend the lines above, or leave them out: --skip-bad")
        raise typer.Exit(1)

    def put(part: tuple[ConsentLine, ...]) -> Imported:
        async def work(tx: "AsyncSession") -> Imported:
            return await ledger.put(tx, part, by=acts)

        return in_transaction(database, work)

    parts = range(0, len(found.lines), _CONSENTS_AT_ONCE)
    done = sum((put(found.lines[start : start + _CONSENTS_AT_ONCE]) for start in parts), Imported())
    there = len(found.lines) - done.consents
    typer.echo(
        f"Recorded: {done.consents}. There already: {there}. Repeated lines: {found.repeated}. "
        f"New customers: {done.customers}. Bad lines: {len(found.bad)}."
    )


@imports.command("customers")
def import_customers(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A file: CSV, XLS or XLSX.")
    ],
    *,
    brand: Annotated[str, typer.Option(help="The brand's name.")],
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the good lines although some are bad.")
    ] = False,
) -> None:
    """Take customers in with their addresses and facts; their consents come by a file of their own.

    The columns are those of `tellal export customers`, of which a reference, a number or a mail is
    needed. What the file says replaces what was known, what it says nothing of stays; addresses are
    added. If a line is bad, nothing is imported; a file may be imported again.
    """
    from tellal.cli.in_force import with_rules_in_force
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.customer_files import read_customers_of
    from tellal.services.customer_import import CustomerImport, TakenIn
    from tellal.settings import Settings

    async def work(tx: "AsyncSession", books: "RulebookHolder", _: object) -> TakenIn:
        owner = await find_brand(tx, brand)
        read = read_customers_of(file.read_bytes(), owner, books.current.vocabulary)
        return await CustomerImport(SystemClock()).take(tx, owner, read, skip_bad=skip_bad)

    done = with_rules_in_force(Settings(), work)
    for bad in (*done.bad, *done.repeated):
        typer.secho(f"{file.name}, {bad}", fg="red", err=True)
    if not done.done:
        typer.echo("Nothing was imported. Mend the lines above, or leave them out: --skip-bad")
        raise typer.Exit(1)
    typer.echo(
        f"New customers: {done.created}. Changed: {done.changed}. "
        f"Repeated lines: {len(done.repeated)}. Bad lines: {len(done.bad)}."
    )
