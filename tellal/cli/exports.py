"""Commands that hand out what the ledger holds."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from rules.holder import RulebookHolder

exports = typer.Typer(help="Hand out what is kept.", no_args_is_help=True)

Table = Annotated[Path, typer.Argument(dir_okay=False, help="The file to write, CSV or XLSX.")]
BrandName = Annotated[str, typer.Option("--brand", help="The brand's name.")]


@exports.command("evidence")
def export_evidence(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The bundle to write, a ZIP.")],
    *,
    brand: BrandName,
    customer: Annotated[str, typer.Option(help="Your name for the person.")] = "",
    since: Annotated[str, typer.Option(help="Or what was given since a day…")] = "",
    until: Annotated[str, typer.Option(help="… and before another, as in 2026-04-01.")] = "",
) -> None:
    """Write the evidence of a person's or a period's consents as a signed bundle.

    Whoever gets it verifies it with: tellal verify bundle FILE --key PUBLIC.pem
    """
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.bundles import read_signing_key
    from tellal.services.consent_evidence import Wanted, bundle_evidence
    from tellal.settings import Settings

    settings = Settings()
    key = read_signing_key(settings.evidence_key_file)

    async def work(tx: "AsyncSession") -> bytes:
        owner = await find_brand(tx, brand)
        wanted = Wanted(
            customer=customer,
            since=_day(since, owner.timezone, "since"),
            until=_day(until, owner.timezone, "until"),
        )
        return await bundle_evidence(tx, owner, wanted, key=key, clock=SystemClock())

    content = in_transaction(settings.database_url.get_secret_value(), work)
    file.write_bytes(content)
    typer.echo(f"{file} holds the evidence, {len(content)} bytes, signed.")


@exports.command("person")
def export_the_person(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The ZIP to write.")],
    *,
    brand: BrandName,
    customer: Annotated[str, typer.Option(help="Your name for the person.")],
) -> None:
    """Write everything that is held about a person, for himself."""
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.person_export import export_person
    from tellal.settings import Settings

    async def work(tx: "AsyncSession") -> bytes:
        return await export_person(tx, await find_brand(tx, brand), customer, SystemClock())

    content = in_transaction(Settings().database_url.get_secret_value(), work)
    file.write_bytes(content)
    typer.echo(f"{file} holds everything about the person, {len(content)} bytes.")


@exports.command("complaint")
def export_complaint(
    complaint: Annotated[str, typer.Argument(help="The complaint's id.")],
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The bundle to write, a ZIP.")],
    *,
    brand: BrandName,
) -> None:
    """Write the evidence for a complaint as a signed bundle, for the authority.

    Whoever gets it verifies it with: tellal verify bundle FILE --key PUBLIC.pem
    """
    from rules.holder import RulebookHolder
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.bundles import read_signing_key
    from tellal.services.complaint_bundle import bundle_complaint
    from tellal.services.complaints import Complaints
    from tellal.services.progress import Progress
    from tellal.settings import Settings

    settings, clock = Settings(), SystemClock()
    key = read_signing_key(settings.evidence_key_file)
    complaints = Complaints(RulebookHolder(settings.rulebook), Progress(clock), clock)

    async def work(tx: "AsyncSession") -> bytes:
        owner = await find_brand(tx, brand)
        return await bundle_complaint(tx, complaints, owner, complaint, key=key, clock=clock)

    content = in_transaction(settings.database_url.get_secret_value(), work)
    file.write_bytes(content)
    typer.echo(f"{file} holds the evidence, {len(content)} bytes, signed.")


@exports.command("consents")
def export_consents(
    file: Table,
    *,
    brand: BrandName,
) -> None:
    """Write every consent with its history as a table that `tellal import consents` reads."""
    from tellal.cli.transaction import in_transaction
    from tellal.services.brands import find_brand
    from tellal.services.consent_table import write_consents
    from tellal.services.table_writing import table_to
    from tellal.settings import Settings

    async def work(tx: "AsyncSession") -> int:
        owner = await find_brand(tx, brand)
        with table_to(file) as write:
            return await write_consents(tx, owner.id, write)

    number = in_transaction(Settings().database_url.get_secret_value(), work)
    typer.echo(f"{file} holds {number} records.")


@exports.command("customers")
def export_customers(file: Table, *, brand: BrandName) -> None:
    """Write every customer with his addresses and facts; `tellal import customers` reads it."""
    from tellal.cli.in_force import with_rules_in_force
    from tellal.services.brands import find_brand
    from tellal.services.customer_table import write_customers
    from tellal.services.table_writing import table_to
    from tellal.settings import Settings

    async def work(tx: "AsyncSession", books: "RulebookHolder", _: object) -> int:
        owner = await find_brand(tx, brand)
        with table_to(file) as write:
            return await write_customers(tx, owner.id, books.current.vocabulary, write)

    number = with_rules_in_force(Settings(), work)
    typer.echo(f"{file} holds {number} customers.")


@exports.command("public-key")
def export_public_key() -> None:
    """Write the key by which bundles are verified, for inspectors."""
    from tellal.services.bundles import fingerprint, public_pem, read_signing_key
    from tellal.settings import Settings

    key = read_signing_key(Settings().evidence_key_file)
    typer.echo(public_pem(key), nl=False)
    typer.echo(f"Its fingerprint: {fingerprint(key.public_key())}", err=True)


def _day(said: str, timezone: str, field: str) -> datetime | None:
    from zoneinfo import ZoneInfo

    from tellal.domain.errors import InvalidInputError

    if not said:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError as error:
        raise InvalidInputError(
            f"{said!r} is no day", field=field, hint="write it as in 2026-03-31"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(timezone))
