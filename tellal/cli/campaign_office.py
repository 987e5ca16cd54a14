"""What an operator does to campaigns from a terminal: look, preview, pause, let go on, call off."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tellal.cli.campaigns import BrandName, Name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.customers import Brand
    from tellal.services.campaign_preview import Preview
    from tellal.services.campaign_views import CampaignView
    from tellal.services.campaigns import Staff
    from tellal.services.house import House

T = TypeVar("T")
Work = Callable[["AsyncSession", "House", "Brand", "Staff"], Awaitable[T]]
Command = Callable[["House", "AsyncSession", "Brand", str, "Staff"], "Awaitable[CampaignView]"]

As = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="KEY",
        envvar="TELLAL_KEY",
        help="Your own key: then it is your word. Better in TELLAL_KEY than here.",
    ),
]
By = Annotated[str, typer.Option(help="Who acts; else the user of this computer.")]
Reason = Annotated[str, typer.Option(help="Why.")]


def list_campaigns(*, brand: BrandName) -> None:
    """List campaigns with their states, and what their latest run has come to."""

    async def work(
        tx: "AsyncSession", house: "House", of: "Brand", _: "Staff"
    ) -> "list[CampaignView]":
        return await house.campaigns.page(tx, of.id, state="", after="", limit=1_000)

    for one in _do(brand, "", "", work):
        _say(one)


def preview_campaign(name: Name, *, brand: BrandName) -> None:
    """Show whom it would tell, whom not and why, when, for how much, and ten of its texts."""

    async def work(tx: "AsyncSession", house: "House", of: "Brand", _: "Staff") -> "Preview":
        return await house.previews.preview(tx, of, await _id_of(tx, of, name))

    said = _do(brand, "", "", work)
    typer.echo(f"from {said.begins:%Y-%m-%d %H:%M} to {said.finishes:%Y-%m-%d %H:%M} UTC")
    typer.echo(f"audience {said.audience}, told {said.told}, held out {said.held_out}")
    for share in said.channels:
        typer.echo(f"  {share.number:>10}  {share.what}")
    for share in said.silent:
        typer.echo(f"  {share.number:>10}  not told: {share.what}, {share.text}")
    typer.echo(f"cost {said.cost}, {said.segments:g} segments a text")
    for one in said.samples:
        typer.echo(f"  {one.customer} by {one.channel}: {one.problem or one.text}")
    for note in said.approximations:
        typer.echo(f"  ({note})")


def pause_campaign(
    name: Name, *, brand: BrandName, reason: Reason = "operator", by: By = "", key: As = ""
) -> None:
    """Pause a run: nothing of it is handed over any more, and nothing is lost."""
    _command(
        name,
        brand,
        by,
        key,
        lambda house, tx, of, found, who: house.campaigns.pause(
            tx, brand=of, campaign_id=found, who=who, reason=reason
        ),
    )


def resume_campaign(
    name: Name,
    *,
    brand: BrandName,
    send_expired: Annotated[
        bool,
        typer.Option("--send-expired", help="Also what has run out while it was paused."),
    ] = False,
    by: By = "",
    key: As = "",
) -> None:
    """Let a paused run go on; `tellal campaigns list` says what is held and what has expired."""
    _command(
        name,
        brand,
        by,
        key,
        lambda house, tx, of, found, who: house.campaigns.resume(
            tx, brand=of, campaign_id=found, who=who, expired=send_expired
        ),
    )


def cancel_campaign(
    name: Name, *, brand: BrandName, reason: Reason = "", by: By = "", key: As = ""
) -> None:
    """End a campaign for good, and say exactly how many messages had left."""
    _command(
        name,
        brand,
        by,
        key,
        lambda house, tx, of, found, who: house.campaigns.cancel(
            tx, brand=of, campaign_id=found, who=who, reason=reason
        ),
    )


def _command(name: str, brand: str, by: str, key: str, command: Command) -> None:
    async def work(tx: "AsyncSession", house: "House", of: "Brand", who: "Staff") -> "CampaignView":
        return await command(house, tx, of, await _id_of(tx, of, name), who)

    _say(_do(brand, by, key, work))


async def _id_of(tx: "AsyncSession", brand: "Brand", name: str) -> str:
    from tellal.services.campaign_reports import find_campaign_id

    return await find_campaign_id(tx, brand.id, name)


def _say(one: "CampaignView") -> None:
    """Print one campaign in a line, and what a pause or an end has left behind."""
    words = [f"{one.name:<30} {one.state:<10}"]
    if one.next_at is not None:
        words.append(f"next {one.next_at:%Y-%m-%d %H:%M} UTC")
    if one.run is not None:
        counts = {name: number for name, number in one.run.counts.items() if number}
        words.append(f"run {one.run.number}: " + ", ".join(f"{n} {c}" for c, n in counts.items()))
        if one.run.held or one.run.expired:
            words.append(f"{one.run.held} held, {one.run.expired} expired")
    if one.left is not None:
        words.append(f"{one.left} had left, {one.in_flight} were being handed over")
    typer.echo("  ".join(words))


def _do(brand: str, by: str, key: str, work: "Work[T]") -> T:
    """Do it for a brand, in the database that the settings name, with the rules in force."""
    from rules.decide import Decider
    from rules.holder import RulebookHolder
    from rules.routing import load_routes
    from tellal.cli.in_force import with_rules_in_force
    from tellal.cli.persons import Who, who_shows
    from tellal.cli.who import who
    from tellal.clock import SystemClock
    from tellal.persistence.session import make_engine, make_sessions
    from tellal.services.brands import find_brand
    from tellal.services.campaigns import Staff
    from tellal.services.house import furnish
    from tellal.services.keys import Scope
    from tellal.services.shelf import Shelf
    from tellal.settings import Settings

    settings = Settings()

    async def for_brand(tx: "AsyncSession", books: RulebookHolder, shelf: Shelf) -> T:
        found = await find_brand(tx, brand)
        acts = Who(who(by))
        if key:
            acts = await who_shows(tx, key, found, Scope.CAMPAIGNS_WRITE)
        engine = make_engine(settings.database_url.get_secret_value(), pool=1)
        house = furnish(
            sessions=make_sessions(engine),
            books=books,
            decider=Decider(None),
            renderer=shelf,
            clock=SystemClock(),
            routes=load_routes(settings.routes).at_hand(settings.providers),
        )
        try:
            staff = Staff(by=acts.person or acts.name, personal=bool(acts.person))
            return await work(tx, house, found, staff)
        finally:
            await engine.dispose()

    return with_rules_in_force(settings, for_brand)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "list": list_campaigns,
    "preview": preview_campaign,
    "pause": pause_campaign,
    "resume": resume_campaign,
    "cancel": cancel_campaign,
}
"""What `tellal campaigns` can do besides reports."""
