"""Commands for groups: who is in them, and files of members in and out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncSession

    from rules.holder import RulebookHolder
    from tellal.domain.customers import Brand
    from tellal.services.groups import Groups
    from tellal.services.member_import import Report

T = TypeVar("T")

groups = typer.Typer(help="Groups of customers.", no_args_is_help=True)

BrandName = Annotated[str, typer.Option("--brand", help="The brand's name.")]
GroupName = Annotated[str, typer.Argument(help="The group's name.")]
By = Annotated[str, typer.Option(help="Who acts; else the user of this computer.")]
_SHOWN = 50


@groups.command("list")
def list_groups(brand: BrandName) -> None:
    """List a brand's groups, with how many are in each now."""

    async def work(tx: "AsyncSession", kept: "Groups", owner: "Brand") -> list[str]:
        rows: list[str] = []
        after: str | None = ""
        while after is not None:
            page = await kept.page(tx, owner.id, after=after, limit=200)
            for one in page:
                number = await kept.members.count(tx, one)
                rows.append(f"{one.name}\t{one.kind.value}\t{number}")
            after = page[-1].id if len(page) == 200 else None  # noqa: PLR2004 - the page's limit
        return rows

    for row in _do(brand, work):
        typer.echo(row)


@groups.command("make")
def make_group(
    name: GroupName,
    *,
    brand: BrandName,
    segment: Annotated[
        str, typer.Option(help="A condition as JSON; without one the group is a list.")
    ] = "",
    by: By = "",
) -> None:
    """Make a list, or a segment of whoever meets a condition."""
    from tellal.cli.who import who
    from tellal.domain.groups import GroupKind
    from tellal.services.groups import NewGroup

    condition = _condition(segment)
    kind = GroupKind.LIST if condition is None else GroupKind.SEGMENT

    async def work(tx: "AsyncSession", kept: "Groups", owner: "Brand") -> int:
        said = NewGroup(name=name, kind=kind, segment=condition)
        return await kept.members.count(tx, await kept.make(tx, owner, said, by=who(by)))

    typer.echo(f"{name} is a {kind.value} with {_do(brand, work)} members.")


@groups.command("import")
def import_group(
    name: GroupName,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A file: CSV, XLS or XLSX.")
    ],
    *,
    brand: BrandName,
    create: Annotated[
        bool, typer.Option("--create", help="Make those known whom nobody knows.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take those out whom the file does not name.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Take the good lines although some are bad.")
    ] = False,
    customer: Annotated[str, typer.Option(help="The column of your references.")] = "",
    phone: Annotated[str, typer.Option(help="The column of numbers.")] = "",
    email: Annotated[str, typer.Option(help="The column of mails.")] = "",
    by: By = "",
) -> None:
    """Put the people of a spreadsheet into a list, which is made if there is none.

    A column names the customer, every other one is a variable of his. If a line is bad, nothing is
    changed; a file may be imported again.
    """
    from tellal.cli.who import who
    from tellal.clock import SystemClock
    from tellal.domain.errors import NotFoundError
    from tellal.services.groups import NewGroup
    from tellal.services.member_files import Columns, read_members
    from tellal.services.member_import import MemberImport, Wanted

    columns = Columns(customer=customer, phone=phone, email=email)
    wanted = Wanted(create=create, replace=replace, skip_bad=skip_bad, source=file.name)

    async def work(tx: "AsyncSession", kept: "Groups", owner: "Brand") -> "Report":
        read = read_members(file.read_bytes(), owner, columns)
        taking = MemberImport(SystemClock())
        try:
            group = await kept.find(tx, owner.id, name, lock=True)
        except NotFoundError:
            async with tx.begin_nested() as made:
                group = await kept.make(tx, owner, NewGroup(name=name), by=who(by))
                report = await taking.take(tx, owner, group, read, wanted)
                if not report.done:
                    await made.rollback()
                return report
        return await taking.take(tx, owner, group, read, wanted)

    _tell(file, _do(brand, work))


@groups.command("snapshot")
def snapshot(
    name: GroupName,
    to: Annotated[str, typer.Argument(help="What the snapshot is called.")],
    *,
    brand: BrandName,
    by: By = "",
) -> None:
    """Keep who is in a group now under another name."""
    from tellal.cli.who import who

    async def work(tx: "AsyncSession", kept: "Groups", owner: "Brand") -> int:
        _, number = await kept.snapshot(tx, owner, name, to, by=who(by))
        return number

    typer.echo(f"{to} is a snapshot with {_do(brand, work)} members.")


@groups.command("export")
def export_group(
    name: GroupName,
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The file, CSV or XLSX.")],
    *,
    brand: BrandName,
) -> None:
    """Write who is in a group now, with his variables; `tellal groups import` reads it."""
    from tellal.services.group_table import write_members
    from tellal.services.table_writing import table_to

    async def work(tx: "AsyncSession", kept: "Groups", owner: "Brand") -> int:
        group = await kept.find(tx, owner.id, name)
        with table_to(file) as write:
            return await write_members(tx, kept.members, group, write)

    number = _do(brand, work)
    typer.echo(f"{file} holds {number} members.")


@groups.command("delete")
def delete_group(name: GroupName, *, brand: BrandName) -> None:
    """Take a group away; its customers stay, and its name is free again."""

    async def work(tx: "AsyncSession", kept: "Groups", owner: "Brand") -> None:
        await kept.delete(tx, owner, name)

    _do(brand, work)
    typer.echo(f"{name} is gone.")


def _do(brand: str, work: "Callable[[AsyncSession, Groups, Brand], Awaitable[T]]") -> "T":
    """Do some work with a brand's groups, by the rules in force."""
    from rules.routing import load_routes
    from tellal.cli.in_force import with_rules_in_force
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.groups import Groups
    from tellal.settings import Settings

    settings = Settings()
    routes = load_routes(settings.routes).with_providers(settings.providers)

    async def with_groups(tx: "AsyncSession", books: "RulebookHolder", _: object) -> "T":
        return await work(tx, Groups(books, routes, SystemClock()), await find_brand(tx, brand))

    return with_rules_in_force(settings, with_groups)


def _condition(segment: str) -> dict[str, object] | None:
    import json

    from tellal.domain.errors import InvalidInputError

    if not segment:
        return None
    try:
        found = json.loads(segment)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidInputError(
            "the condition is no JSON object",
            field="segment",
            hint="""as in '{"customer.city": "Ankara"}'""",
        )
    return found


def _tell(file: Path, report: "Report") -> None:
    for note in report.notes:
        typer.echo(note, err=True)
    for bad in report.bad:
        typer.secho(f"{file.name}, {bad}", fg="red", err=True)
    for again in report.repeated[:_SHOWN]:
        typer.echo(f"{file.name}, {again}", err=True)
    if not report.done:
        typer.echo("Nothing was imported. Mend the lines above, or leave them out: --skip-bad")
        raise typer.Exit(1)
    typer.echo(
        f"Added: {report.added}. Changed: {report.changed}. Removed: {report.removed}. "
        f"New customers: {report.created}. Repeated lines: {len(report.repeated)}. "
        f"Empty lines: {report.empty}. Bad lines: {len(report.bad)}."
    )
