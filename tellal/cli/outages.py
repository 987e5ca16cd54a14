"""Commands for the night in which something fails: each prints who hears of it and what is next."""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar
from zoneinfo import ZoneInfo

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.cli.persons import Who
    from tellal.domain.customers import Brand
    from tellal.services.outage_office import OutageOffice
    from tellal.services.outage_views import OutageView

T = TypeVar("T")
Work = Callable[["AsyncSession", "OutageOffice", "Brand", "Who"], Awaitable[T]]

outage = typer.Typer(help="Outages: declared, confirmed, updated, resolved.", no_args_is_help=True)

BrandName = Annotated[str, typer.Option("--brand", help="The brand's name.")]
Id = Annotated[str, typer.Argument(metavar="OUTAGE", help="Its id; `tellal outage list`.")]
By = Annotated[str, typer.Option(help="Who acts; else the user of this computer.")]
As = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="KEY",
        envvar="TELLAL_KEY",
        help="Your own key: then it is your word. Better in TELLAL_KEY than here.",
    ),
]
Areas = Annotated[
    list[str] | None,
    typer.Option(
        "--area", metavar="PART=NAME", help="A place: district=tepebasi, or city parts by commas."
    ),
]
Until = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        help="The expected end: 18:30, 2026-11-24T18:30+03:00, or +2h from now or from --from.",
    ),
]
Start = Annotated[str, typer.Option("--from", metavar="WHEN", help="When planned works begin.")]
Workaround = Annotated[str, typer.Option(help="What people can do meanwhile.")]
NoWorkaround = Annotated[
    bool, typer.Option("--no-workaround", help="Nothing is known that they could do.")
]
Reason = Annotated[str, typer.Option(help="What people may know of the cause.")]
Text = Annotated[
    list[str] | None,
    typer.Option("--text", metavar="LANGUAGE=LINE", help="What public channels show: tr=…"),
]

_SPAN = re.compile(r"\+(\d+)(m|h|d)")
_TIME = re.compile(r"(\d{1,2}):(\d{2})")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@outage.command("declare")
def declare(
    title: Annotated[str, typer.Argument(help="What has failed; a preset has a title.")] = "",
    *,
    brand: BrandName,
    preset: Annotated[str, typer.Option(help="As `tellal outage presets` lists them.")] = "",
    incident: Annotated[str, typer.Option(help="The kind, if there is no preset.")] = "",
    area: Areas = None,
    place: Annotated[str, typer.Option(help="How people call it: Tepebaşı.")] = "",
    until: Until = "",
    begins: Start = "",
    workaround: Workaround = "",
    no_workaround: NoWorkaround = False,
    reason: Reason = "",
    hotline: Annotated[str, typer.Option(help="Where people can call.")] = "",
    exercise: Annotated[bool, typer.Option("--exercise", help="Nobody real is told.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Though one like it runs.")] = False,
    by: By = "",
    key: As = "",
) -> None:
    """Declare a failure or planned works; as yet nobody is told."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "OutageView":
        from tellal.services.outage_presets import declaration_of

        now = office.clock.now()
        starts_at = _moment(begins, of, now)
        said = {
            "title": title,
            "incident": incident,
            "areas": [_area(one) for one in area or ()],
            "starts_at": starts_at,
            "expected_end": _moment(until, of, starts_at or now),
            "workaround": workaround,
            "no_workaround": no_workaround,
            "reason": reason,
            "hotline": hotline,
            "anyway": anyway,
            "variables": {"area": place} if place else {},
        }
        said = {name: value for name, value in said.items() if value}
        declared = declaration_of(office.incidents, of, preset, said, now=now, simulated=exercise)
        return await office.outages.declare(tx, brand=of, said=declared, by=who.name)

    _show(brand, by, key, work, reckoned=True)


@outage.command("plan")
def plan(outage_id: Id, *, brand: BrandName, by: By = "", key: As = "") -> None:
    """Show whom each channel would reach in time, at which cost, and what is chosen."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "OutageView":
        del who
        return await office.outages.plan(tx, brand=of, outage_id=outage_id)

    _show(brand, by, key, work, reckoned=True)


@outage.command("show")
def show(outage_id: Id, *, brand: BrandName, text: Text = None, by: By = "", key: As = "") -> None:
    """Show a holding line of a suspicion on public channels; nobody is told directly."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "OutageView":
        return await office.outages.show(
            tx, brand=of, outage_id=outage_id, text=_texts(text), by=who.name
        )

    _show(brand, by, key, work)


@outage.command("confirm")
def confirm(
    outage_id: Id,
    *,
    brand: BrandName,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHANNEL=WHOM", help="Overrides the plan: sms=everybody, priority or nobody."
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option(help="Why the plan is overridden, or the announcement is late.")
    ] = "",
    break_glass: Annotated[
        str, typer.Option(help="Why nobody else is waited for; it is looked at afterwards.")
    ] = "",
    text: Text = None,
    by: By = "",
    key: As = "",
) -> None:
    """Confirm a failure, or announce planned works: those affected are told from now on."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "OutageView":
        from tellal.domain.errors import DeniedError
        from tellal.domain.outages import OutageKind
        from tellal.services.outage_sayings import Go

        go = Go(
            channels=dict(_pair(one, "CHANNEL=WHOM") for one in channel or ()),
            reason=reason,
            break_glass=break_glass,
            person=who.person,
            text=_texts(text),
        )
        found = await office.outages.view(tx, of.id, outage_id)
        planned = found.kind == OutageKind.PLANNED
        command = office.outages.announce if planned else office.outages.confirm
        try:
            return await command(tx, brand=of, outage_id=outage_id, go=go, by=who.name)
        except DeniedError as error:
            if error.code == "personal_key_needed":
                error.hint = (
                    "show yours in TELLAL_KEY or after --as; in an emergency say --break-glass"
                )
            raise

    _show(brand, by, key, work)


@outage.command("update")
def update(
    outage_id: Id,
    *,
    brand: BrandName,
    area: Areas = None,
    until: Until = "",
    begins: Start = "",
    workaround: Workaround = "",
    no_workaround: NoWorkaround = False,
    reason: Reason = "",
    text: Text = None,
    by: By = "",
    key: As = "",
) -> None:
    """Say what is new; those affected hear of it only if it matters to them."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "OutageView":
        from tellal.services.outage_sayings import Change

        now = office.clock.now()
        starts_at = _moment(begins, of, now)
        change: Change = Change(
            areas=[_area(one) for one in area] if area else None,
            starts_at=starts_at,
            expected_end=_moment(until, of, starts_at or now),
            workaround=workaround or None,
            no_workaround=no_workaround or None,
            reason=reason or None,
            text=_texts(text),
        )
        return await office.outages.update(
            tx, brand=of, outage_id=outage_id, change=change, by=who.name
        )

    _show(brand, by, key, work)


@outage.command("resolve")
def resolve(
    outage_id: Id, *, brand: BrandName, text: Text = None, by: By = "", key: As = ""
) -> None:
    """End an outage: when this returns, no further message of it is handed over."""
    _end("resolve", outage_id, brand, text, by=by, key=key)


@outage.command("dismiss")
def dismiss(
    outage_id: Id, *, brand: BrandName, text: Text = None, by: By = "", key: As = ""
) -> None:
    """Dismiss a suspicion; nobody was told of it."""
    _end("dismiss", outage_id, brand, text, by=by, key=key)


@outage.command("cancel")
def cancel(
    outage_id: Id, *, brand: BrandName, text: Text = None, by: By = "", key: As = ""
) -> None:
    """Call planned works off; who heard of them hears of that."""
    _end("cancel", outage_id, brand, text, by=by, key=key)


def _end(
    name: str, outage_id: str, brand: str, text: list[str] | None, *, by: str, key: str
) -> None:
    """End an outage by a command; planned works that are resolved are completed."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "OutageView":
        from tellal.domain.outages import OutageCommand, OutageKind

        found = await office.outages.view(tx, of.id, outage_id)
        command = OutageCommand(name)
        if command is OutageCommand.RESOLVE and found.kind == OutageKind.PLANNED:
            command = OutageCommand.COMPLETE
        return await office.outages.end(
            tx, brand=of, outage_id=outage_id, command=command, by=who.name, text=_texts(text)
        )

    _show(brand, by, key, work)


@outage.command("reopen")
def reopen(
    outage_id: Id,
    *,
    brand: BrandName,
    until: Until = "",
    text: Text = None,
    by: By = "",
    key: As = "",
) -> None:
    """Open a failure again that was thought to be over; those affected are told anew."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "OutageView":
        from tellal.services.outage_sayings import Change

        change = Change(expected_end=_moment(until, of, office.clock.now()), text=_texts(text))
        return await office.outages.reopen(
            tx, brand=of, outage_id=outage_id, change=change, by=who.name
        )

    _show(brand, by, key, work)


@outage.command("review")
def review(
    outage_id: Id,
    *,
    brand: BrandName,
    happened: Annotated[str, typer.Option(help="What happened.")],
    changes: Annotated[str, typer.Option(help="What will be done differently.")],
    late: Annotated[str, typer.Option(help="What was told too late.")] = "",
    by: By = "",
    key: As = "",
) -> None:
    """Write down what was learnt; every outage needs it when it is over."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "OutageView":
        from tellal.services.outage_sayings import Review

        said = Review(what_happened=happened, what_was_late=late, what_changes=changes)
        await office.outages.review(tx, brand=of, outage_id=outage_id, said=said, by=who.name)
        return await office.outages.view(tx, of.id, outage_id)

    _show(brand, by, key, work)


@outage.command("view")
def view(outage_id: Id, *, brand: BrandName, by: By = "", key: As = "") -> None:
    """Show an outage with everything that was done to it."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "OutageView":
        del who
        for entry in await office.outages.history(tx, of.id, outage_id):
            typer.echo(f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.command}  {entry.by}")
        return await office.outages.view(tx, of.id, outage_id)

    _show(brand, by, key, work)


@outage.command("list")
def list_outages(
    *,
    brand: BrandName,
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
) -> None:
    """List outages with how long each has lasted since the first signal."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "list[OutageView]":
        del who
        found: list[OutageView] = []
        after = ""
        while page := await office.outages.page(
            tx, of.id, running=not every, after=after, limit=200
        ):
            found += page
            after = page[-1].id
        return found

    found = _do(brand, "", "", work)
    if not found:
        typer.echo("No outage.")
    for one in found:
        lasted = timedelta(seconds=one.seconds_since_first_signal)
        typer.echo(f"{one.id}  {one.state:<11}  {lasted}  {one.title}")


@outage.command("presets")
def presets(*, brand: BrandName) -> None:
    """List what the brand may declare in one line."""

    async def work(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "list[str]":
        from tellal.services.outage_presets import preset_views

        del tx
        del who
        return [
            f"{one.id:<28} {one.kind:<8} {one.title}" for one in preset_views(office.incidents, of)
        ]

    for line in _do(brand, "", "", work):
        typer.echo(line)


def _show(
    brand: str, by: str, key: str, work: "Work[OutageView]", *, reckoned: bool = False
) -> None:
    """Do it, and print who hears of it, what it costs, and the next command."""
    from tellal.cli.outage_words import lines

    async def shown(
        tx: "AsyncSession", office: "OutageOffice", of: "Brand", who: "Who"
    ) -> "list[str]":
        return list(lines(await work(tx, office, of, who), of, reckoned=reckoned))

    for line in _do(brand, by, key, shown):
        typer.echo(line)


def _moment(said: str, brand: "Brand", now: datetime) -> datetime | None:
    """Read a time as people say it in the night: the next 18:30 where the brand is, or +2h.

    `now` is what they count from: the present, or when planned works begin.
    """
    if not said:
        return None
    if span := _SPAN.fullmatch(said):
        at = now + timedelta(**{_UNITS[span[2]]: int(span[1])})
        return at.replace(second=0, microsecond=0)
    zone = ZoneInfo(brand.timezone)
    if clock := _TIME.fullmatch(said):
        local = now.astimezone(zone)
        try:
            at = local.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        except ValueError as error:
            raise typer.BadParameter(f"{said} is no time of day") from error
        return at if at > local else at + timedelta(days=1)
    try:
        moment = datetime.fromisoformat(said)
    except ValueError as error:
        raise typer.BadParameter(
            f"{said!r} is no time; write 18:30, +2h or 2026-11-24T18:30+03:00"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _area(said: str) -> dict[str, str]:
    return dict(_pair(part, "PART=NAME") for part in said.split(","))


def _texts(said: list[str] | None) -> Mapping[str, str]:
    return dict(_pair(one, "LANGUAGE=LINE") for one in said or ())


def _pair(said: str, shape: str) -> tuple[str, str]:
    name, sign, value = said.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise typer.BadParameter(f"{said!r} is not {shape}")
    return name.strip(), value.strip()


def _do(brand: str, by: str, key: str, work: "Work[T]") -> T:
    """Do it for a brand, in the database that the settings name, with the rules in force."""
    from rules.holder import RulebookHolder
    from rules.incident_files import load_incidents
    from rules.routing import load_routes
    from tellal.cli.in_force import with_rules_in_force
    from tellal.cli.persons import Who, who_shows
    from tellal.cli.who import who
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.keys import Scope
    from tellal.services.outage_office import outage_office
    from tellal.services.shelf import Shelf
    from tellal.settings import Settings

    settings = Settings()

    async def for_brand(tx: "AsyncSession", books: RulebookHolder, shelf: Shelf) -> T:
        found = await find_brand(tx, brand)
        acts = Who(who(by))
        if key:
            acts = await who_shows(tx, key, found, Scope.OUTAGES_WRITE)
        office = outage_office(
            books=books,
            renderer=shelf,
            routes=load_routes(settings.routes).at_hand(settings.providers),
            incidents=load_incidents(settings.incidents),
            clock=SystemClock(),
        )
        return await work(tx, office, found, acts)

    return with_rules_in_force(settings, for_brand)
