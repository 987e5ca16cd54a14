"""Credit at the command line: accounts, what is paid in, and statements."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from decimal import Decimal

    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.customers import Brand
    from tellal.services.credit import Account, Credit, Line, Terms

T = TypeVar("T")

credit = typer.Typer(help="Credit: what a brand has paid beforehand.", no_args_is_help=True)

BrandName = Annotated[str, typer.Option("--brand", help="The brand's name.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
By = Annotated[str, typer.Option(help="Who acts; else the user of this computer.")]
Note = Annotated[str, typer.Option(help="What it is for.")]
Thresholds = Annotated[
    list[str] | None, typer.Option("--below", help="Tell people below this; may come again.")
]
Kept = Annotated[str, typer.Option("--keep", help="What is kept for telling them.")]
Mobile = Annotated[str, typer.Option(help="Whom a text tells.")]
Email = Annotated[str, typer.Option(help="Whom a mail tells.")]
Negative = Annotated[
    bool, typer.Option("--may-go-negative", help="Mandatory messages leave without credit, too.")
]
_PAGE = 200


@credit.command("list")
def list_accounts(brand: BrandName) -> None:
    """List accounts with what is on them."""

    async def work(tx: "AsyncSession", desk: "Credit", owner: "Brand") -> "tuple[Account, ...]":
        return await desk.all_of(tx, owner.id)

    found = _do(brand, work)
    if not found:
        typer.echo("There is no account, so nothing is limited.")
    for one in found:
        _show(one)


@credit.command("open")
def open_account(
    name: Name,
    currency: Annotated[str, typer.Argument(help="As in the prices of routes: TRY.")],
    *,
    brand: BrandName,
    below: Thresholds = None,
    keep: Kept = "0",
    mobile: Mobile = "",
    email: Email = "",
    may_go_negative: Negative = False,
    by: By = "",
) -> None:
    """Open an account; from then on what has a price in its currency waits for credit."""
    from tellal.cli.who import who

    terms = _terms(below, keep, mobile, email, may_go_negative=may_go_negative)

    async def work(tx: "AsyncSession", desk: "Credit", owner: "Brand") -> "Account":
        return await desk.open(tx, owner, name, currency, terms, by=who(by))

    _show(_do(brand, work))
    typer.echo(f"Next: tellal credit top-up {name} AMOUNT --brand {brand}")


@credit.command("top-up")
def top_up(
    name: Name,
    amount: Annotated[str, typer.Argument(help="As in 1500.00")],
    *,
    brand: BrandName,
    note: Note = "",
    by: By = "",
) -> None:
    """Pay in; messages that waited for it leave within seconds."""
    from tellal.cli.who import who

    paid = _amount(amount)

    async def work(tx: "AsyncSession", desk: "Credit", owner: "Brand") -> "Account":
        return await desk.top_up(tx, owner.id, name, paid, note=note, by=who(by))

    _show(_do(brand, work))


@credit.command("adjust", context_settings={"ignore_unknown_options": True})
def adjust(
    name: Name,
    amount: Annotated[str, typer.Argument(help="Up or down, as in -20.00")],
    *,
    brand: BrandName,
    note: Note = "",
    by: By = "",
) -> None:
    """Put an account right by hand, and say why."""
    from tellal.cli.who import who

    changed = _amount(amount)

    async def work(tx: "AsyncSession", desk: "Credit", owner: "Brand") -> "Account":
        return await desk.adjust(tx, owner.id, name, changed, note=note, by=who(by))

    _show(_do(brand, work))


@credit.command("terms")
def set_terms(
    name: Name,
    *,
    brand: BrandName,
    below: Thresholds = None,
    keep: Kept = "0",
    mobile: Mobile = "",
    email: Email = "",
    may_go_negative: Negative = False,
    by: By = "",
) -> None:
    """Say anew what an account allows and who is told when; what is left out is taken away."""
    from tellal.cli.who import who

    terms = _terms(below, keep, mobile, email, may_go_negative=may_go_negative)

    async def work(tx: "AsyncSession", desk: "Credit", owner: "Brand") -> "Account":
        return await desk.set_terms(tx, owner, name, terms, by=who(by))

    _show(_do(brand, work))


@credit.command("statement")
def show_statement(
    name: Name,
    *,
    brand: BrandName,
    after: Annotated[str, typer.Option(help="Go on after this line.")] = "",
    most: Annotated[int, typer.Option(min=1, help="How many lines.")] = _PAGE,
) -> None:
    """Show an account line by line: when, what, how much, for which message."""

    async def work(tx: "AsyncSession", desk: "Credit", owner: "Brand") -> "list[Line]":
        return list(await desk.statement(tx, owner.id, name, after=after, limit=most + 1))

    found = _do(brand, work)
    for one in found[:most]:
        typer.echo(
            f"{one.id}\t{one.at:%Y-%m-%d %H:%M:%S}\t{one.kind.value}\t{_plain(one.amount)}\t"
            f"{one.message_id or '-'}\t{one.by}\t{one.note}"
        )
    if len(found) > most:
        typer.echo(
            f"Next: tellal credit statement {name} --brand {brand} --after {found[most - 1].id}"
        )


def _terms(
    below: list[str] | None, keep: str, mobile: str, email: str, *, may_go_negative: bool
) -> "Terms":
    from tellal.services.credit import Terms

    return Terms(
        may_go_negative=may_go_negative,
        alert_reserve=_amount(keep),
        thresholds=tuple(_amount(one) for one in below or ()),
        mobile=mobile,
        email=email,
    )


def _amount(said: str) -> "Decimal":
    from decimal import Decimal, InvalidOperation

    try:
        return Decimal(said)
    except InvalidOperation as error:
        raise typer.BadParameter(f"{said!r} is no amount") from error


def _show(account: "Account") -> None:
    typer.echo(
        f"{account.name}: balance {_plain(account.balance)} {account.currency}, "
        f"reserved {_plain(account.reserved)}, available {_plain(account.available)}"
    )
    if account.held_back:
        typer.echo(
            f"  {account.held_back} messages wait for credit, {_plain(account.held_back_cost)} "
            f"{account.currency}"
        )
    if account.terms.thresholds:
        told = account.terms.mobile, account.terms.email
        whom = " and ".join(one for one in told if one) or "nobody"
        typer.echo(f"  below {', '.join(map(_plain, account.terms.thresholds))} it tells {whom}")


def _plain(amount: "Decimal") -> str:
    return f"{amount:.2f}" if amount == round(amount, 2) else f"{amount.normalize():f}"


def _do(brand: str, work: "Callable[[AsyncSession, Credit, Brand], Awaitable[T]]") -> T:
    """Do it for a brand, in the database that the settings name."""
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.credit import Credit
    from tellal.settings import Settings

    async def for_brand(tx: "AsyncSession") -> T:
        return await work(tx, Credit(SystemClock()), await find_brand(tx, brand))

    return in_transaction(Settings().database_url.get_secret_value(), for_brand)
