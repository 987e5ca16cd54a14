"""Commands for auditors: whether what was written down is still what was written down."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.customers import Brand
    from tellal.services.audit_proof import AuditProof
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
    from tellal.services.consent_proof import verify_consents as look

    async def work(tx: "AsyncSession", brand_id: str) -> "tuple[tuple[str, ...], str]":
        proof = await look(tx, brand_id, head=head)
        return proof.faults, _consents_said(proof)

    _every_brand(brand, head, work)


@verify.command("audit")
def verify_audit(
    *,
    brand: Annotated[str, typer.Option(help="The brand's name; else every brand.")] = "",
    head: Annotated[
        str, typer.Option(help="A seal that you noted earlier; names a brand, too.")
    ] = "",
) -> None:
    """Walk the chain of what staff did, and compare every record with what was sealed of it.

    Histories of cases and outages, holds, notices, explicit consents, erasures and purges. Note
    the seal that is shown, somewhere else: with it a chain that was cut off shows, too.
    """
    from tellal.services.audit_proof import verify_audit as look

    async def work(tx: "AsyncSession", brand_id: str) -> "tuple[tuple[str, ...], str]":
        proof = await look(tx, brand_id, head=head)
        return proof.faults, _audit_said(proof)

    _every_brand(brand, head, work)


@verify.command("bundle")
def verify_bundle(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The bundle, a ZIP.")],
    *,
    key: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="The sender's public key (PEM); else your own key's."
        ),
    ] = None,
) -> None:
    """Look whether a bundle of evidence is as it was signed, and each record as it was sealed.

    It needs neither database nor network.
    """
    from tellal.services.bundles import read_public_key, read_signing_key
    from tellal.services.consent_evidence import check_evidence
    from tellal.settings import Settings

    own = Settings().evidence_key_file
    trusted = None
    if key is not None:
        trusted = read_public_key(key)
    elif own is not None:
        trusted = read_signing_key(own).public_key()
    found = check_evidence(file.read_bytes(), trusted)
    for fault in found.faults:
        typer.echo(fault)
    if found.faults:
        raise typer.Exit(1)
    typer.echo(
        f"The bundle is whole: {found.records} consents of {found.brand}, signed by {found.signer}."
    )
    if found.unsealed:
        typer.echo(f"{found.unsealed} of them had no place in the chain yet.")
    if trusted is None:
        typer.echo("It names that key itself: compare it with the sender's, or use --key.")


def _every_brand(
    brand: str,
    head: str,
    look: "Callable[[AsyncSession, str], Awaitable[tuple[tuple[str, ...], str]]]",
) -> None:
    """Look through the chain of one brand or of all; a fault ends the command with 1."""
    from tellal.cli.transaction import in_transaction
    from tellal.services.brands import all_brands, find_brand
    from tellal.settings import Settings

    if head and not brand:
        raise typer.BadParameter("a seal is of one brand: name it with --brand")
    database = Settings().database_url.get_secret_value()

    async def named(tx: "AsyncSession") -> "tuple[Brand, ...]":
        return (await find_brand(tx, brand),) if brand else await all_brands(tx)

    broken = False
    for one in in_transaction(database, named):

        async def work(tx: "AsyncSession", brand_id: str = one.id) -> "tuple[tuple[str, ...], str]":
            return await look(tx, brand_id)

        faults, said = in_transaction(database, work)
        for fault in faults:
            typer.echo(f"{one.name}: {fault}")
        broken = broken or bool(faults)
        typer.echo(f"{one.name}: {said}")
    if broken:
        raise typer.Exit(1)


def _audit_said(proof: "AuditProof") -> str:
    """Say in a line what a look through the logs gave."""
    state = f"{len(proof.faults)} faults" if proof.faults else "the logs are whole"
    waiting = (
        f"; {proof.unsealed} records and {proof.untold} erasures not sealed yet"
        if proof.unsealed or proof.untold
        else "; everything is sealed"
    )
    since = f", since {proof.waiting_since:%Y-%m-%d %H:%M}" if proof.waiting_since else ""
    return (
        f"{state}: {proof.records} records, {proof.erasures} of them emptied{waiting}{since}. "
        f"The last seal: {proof.head or 'none'}."
    )


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
