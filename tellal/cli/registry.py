"""Commands for İYS, the Turkish registry of consents."""

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.registry_answers import Account
    from tellal.services.registry_reconciling import Reconciliation

registry = typer.Typer(help="İYS: what it must know of a brand's consents.", no_args_is_help=True)

_SHOWN = 200

BrandName = Annotated[str, typer.Argument(help="The brand's name, for example green-bank.")]


@registry.command("account")
def set_account(
    name: BrandName,
    *,
    iys_code: Annotated[int, typer.Option(help="The sender's number at İYS.")],
    brand_code: Annotated[int, typer.Option(help="The brand's number at İYS.")],
    activated_on: Annotated[
        str, typer.Option(help="The day of its activation, as in 2026-03-02; before it: history.")
    ] = "",
) -> None:
    """Note a brand's numbers at İYS; from then on it is told of the brand's consents."""
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.registry_accounts import open_account
    from tellal.settings import Settings

    day = _day(activated_on) if activated_on else None

    async def work(tx: "AsyncSession") -> int:
        return await open_account(
            tx,
            await find_brand(tx, name),
            iys_code=iys_code,
            brand_code=brand_code,
            activated_on=day,
            now=SystemClock().now(),
        )

    number = in_transaction(Settings().database_url.get_secret_value(), work)
    typer.echo(f"{name} is {brand_code} of {iys_code} at İYS; {number} consents are to be told.")


@registry.command("retry")
def retry(name: BrandName) -> None:
    """Tell İYS again what it, or our own check, refused."""
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.registry_marks import look_again
    from tellal.settings import Settings

    async def work(tx: "AsyncSession") -> int:
        return await look_again(tx, (await find_brand(tx, name)).id, SystemClock().now())

    number = in_transaction(Settings().database_url.get_secret_value(), work)
    typer.echo(f"{number} records wait again.")


@registry.command("dismiss")
def dismiss(
    name: BrandName,
    record: Annotated[str, typer.Argument(help="The record, as `tellal report registry` has it.")],
) -> None:
    """Leave a refused record as it is, once somebody has looked at it; its code stays."""
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.registry_marks import dismiss as leave
    from tellal.settings import Settings

    async def work(tx: "AsyncSession") -> None:
        await leave(tx, (await find_brand(tx, name)).id, record, SystemClock().now())

    in_transaction(Settings().database_url.get_secret_value(), work)
    typer.echo("It is left as it is.")


def report_registry(
    *,
    brand: Annotated[str, typer.Option("--brand", help="The brand's name.")],
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="Ask İYS, and list what it sees differently.")
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=7, help="How many days of its files.")] = 7,
) -> None:
    """Show what İYS does not know yet, until when it must, and what it refused."""
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.registry_accounts import find_account
    from tellal.services.registry_watch import counted, settled, to_look_at
    from tellal.settings import Settings

    now = SystemClock().now()

    async def read(tx: "AsyncSession") -> "Account":
        account = await find_account(tx, (await find_brand(tx, brand)).id)
        said = await counted(tx, now, account.brand_id)
        done = await settled(tx, account.brand_id)
        typer.echo(
            f"not at İYS: {said.waiting} in time, {said.soon} due soon, {said.late} late, "
            f"{said.refused} refused"
        )
        typer.echo(f"next due: {_moment(said.next_due)}")
        numbers = ", ".join(
            f"{done.get(one, 0)} {one}" for one in ("accepted", "known", "needless")
        )
        typer.echo(f"settled: {numbers}")
        for row in await to_look_at(tx, account.brand_id, now, most=_SHOWN):
            late = " LATE" if row.due_at is not None and row.due_at <= now else ""
            typer.echo(
                f"{row.consent_id}  {row.ref}  {row.channel} {row.said} by {row.source}, given "
                f"{_moment(row.given_at)}, due {_moment(row.due_at)}{late}: {row.state} "
                f"{row.code or '-'}, {row.attempts} attempts"
            )
        return account

    account = in_transaction(Settings().database_url.get_secret_value(), read)
    if reconcile:
        _show_differences(_reconciled(account, days))


def _reconciled(account: "Account", days: int) -> "Reconciliation":
    import asyncio

    from activities.assembly import registry_of
    from tellal.clock import SystemClock
    from tellal.domain.registry_answers import RegistryError
    from tellal.persistence.session import make_engine, make_sessions
    from tellal.services.registry_clock import registry_clock
    from tellal.services.registry_reconciling import reconcile
    from tellal.settings import Settings

    settings, clock = Settings(), SystemClock()
    registry, now = registry_of(settings, clock), clock.now()
    if registry is None:
        typer.echo("No user of İYS is set up: TELLAL_IYS__USERNAME", err=True)
        raise typer.Exit(2)

    async def run() -> "Reconciliation":
        engine = make_engine(settings.database_url.get_secret_value(), pool=1)
        try:
            law = registry_clock().law
            return await reconcile(registry, make_sessions(engine), account, law, now, days=days)
        finally:
            await registry.close()
            await engine.dispose()

    try:
        return asyncio.run(run())
    except RegistryError as error:
        typer.echo(f"İYS gave no answer: {error}", err=True)
        raise typer.Exit(1) from error


def _show_differences(said: "Reconciliation") -> None:
    typer.echo(f"compared: {said.compared}, different: {len(said.differences)}")
    for one in said.differences:
        typer.echo(
            f"{one.who or '-'}  {one.channel} {one.role}: here {one.here or 'nothing'}, at İYS "
            f"{one.there or 'nothing'}: {one.why}"
        )


def _moment(at: object) -> str:
    from datetime import datetime

    from tellal.domain.consent_rules import REGISTRY_TIME

    return f"{at.astimezone(REGISTRY_TIME):%Y-%m-%d %H:%M}" if isinstance(at, datetime) else "-"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        hint = "write a day as in 2026-03-02"
        raise typer.BadParameter(hint, param_hint="--activated-on") from None
