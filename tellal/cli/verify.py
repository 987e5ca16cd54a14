"""Commands for auditors: whether what was written down is still what was written down."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.customers import Brand
    from tellal.services.consent_proof import ConsentProof
    from tellal.services.rulebook_log import Verified

verify = typer.Typer(help="Look for what was changed afterwards.", no_args_is_help=True)


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


@verify.command("consents")
def verify_consents(
    *,
    brand: Annotated[str, typer.Option(help="The brand's name; else every brand.")] = "",
    head: Annotated[
        str, typer.Option(help="A seal that you noted earlier; names a brand, too.")
    ] = "",
) -> None:
    """Walk the chain of consents, and compare every record with what was sealed of it.

    Note the seal that is shown, somewhere else: with it a chain that was cut off shows, too.
    """
    from tellal.cli.transaction import in_transaction
    from tellal.services.brands import all_brands, find_brand
    from tellal.services.consent_proof import verify_consents as look
    from tellal.settings import Settings

    if head and not brand:
        raise typer.BadParameter("a seal is of one brand: name it with --brand")
    database = Settings().database_url.get_secret_value()

    async def named(tx: "AsyncSession") -> "tuple[Brand, ...]":
        return (await find_brand(tx, brand),) if brand else await all_brands(tx)

    broken = False
    for one in in_transaction(database, named):

        async def work(tx: "AsyncSession", brand_id: str = one.id) -> "ConsentProof":
            return await look(tx, brand_id, head=head)

        proof = in_transaction(database, work)
        for fault in proof.faults:
            typer.echo(f"{one.name}: {fault}")
        broken = broken or bool(proof.faults)
        typer.echo(f"{one.name}: {_consents_said(proof)}")
    if broken:
        raise typer.Exit(1)


def _consents_said(proof: "ConsentProof") -> str:
    """Say in a line what a look through the ledger gave."""
    state = f"{len(proof.faults)} faults" if proof.faults else "the ledger is whole"
    words = f"{state}: {proof.records} consents, {proof.erasures} of them erased"
    waiting = (
        f"; {proof.unsealed} not sealed yet, since {proof.unsealed_since:%Y-%m-%d %H:%M}"
        if proof.unsealed
        else "; everything is sealed"
    )
    untold = f"; {proof.untold} erasures not sealed yet" if proof.untold else ""
    return f"{words}{waiting}{untold}. The last seal: {proof.head or 'none'}."
