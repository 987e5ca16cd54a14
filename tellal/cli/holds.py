"""Commands that stop messages from leaving, and let them go again."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.holds import Hold, HoldScope
    from tellal.services.hold_reach import Waiting
    from tellal.services.holds import HoldPreview, Holds, HoldView

T = TypeVar("T")

hold = typer.Typer(help="Holds: what must not leave for now.", no_args_is_help=True)

BrandName = Annotated[str, typer.Option("--brand", help="The brand's name.")]
By = Annotated[str, typer.Option(help="Who acts; else the user of this computer.")]


@hold.command("place")
def place_hold(
    *,
    brand: BrandName,
    topic: Annotated[str, typer.Option(help="A topic of the rulebook.")] = "",
    template: Annotated[str, typer.Option(help="One text, as in phishing_awareness/sms.tr")] = "",
    message_class: Annotated[
        str, typer.Option("--class", help="commercial, service or mandatory.")
    ] = "",
    channel: Annotated[str, typer.Option(help="sms, email, push, whatsapp or banner.")] = "",
    route: Annotated[str, typer.Option(help="A route to a provider.")] = "",
    mandatory: Annotated[
        bool, typer.Option("--mandatory", help="Stop what the law orders to be told, too.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    by: By = "",
    preview: Annotated[
        bool, typer.Option("--preview", help="Only count what it would hold.")
    ] = False,
) -> None:
    """Stop messages: when this returns, nothing that it covers is handed to a provider."""
    from tellal.cli.who import who

    scope = _scope(topic, template, message_class, channel, route, mandatory=mandatory)

    async def look(tx: "AsyncSession", holds: "Holds", brand_id: str) -> "HoldPreview":
        return await holds.preview(tx, brand_id, scope)

    async def place(tx: "AsyncSession", holds: "Holds", brand_id: str) -> "Hold":
        return await holds.place(tx, brand_id, scope, reason=reason, by=who(by))

    if preview:
        found = _do(brand, look)
        _show(found.waiting, "It would hold", at_most=scope.by_route)
        return
    placed = _do(brand, place)
    typer.echo(f"The hold {placed.id} is in force: {_words(placed)}.")
    _show(_do(brand, _view(placed.id)).waiting, "It holds", at_most=scope.by_route)
    typer.echo(f"Next: tellal hold release {placed.id} --brand {brand}")


@hold.command("list")
def list_holds(
    *,
    brand: BrandName,
    every: Annotated[bool, typer.Option("--all", help="Released ones, too.")] = False,
) -> None:
    """List holds with what waits under them."""

    async def work(tx: "AsyncSession", holds: "Holds", brand_id: str) -> "list[HoldView]":
        found: list[HoldView] = []
        after = ""
        while page := await holds.page(
            tx, brand_id, in_force=None if every else True, after=after, limit=200
        ):
            found += [await holds.view(tx, brand_id, one.id) for one in page]
            after = page[-1].id
        return found

    found = _do(brand, work)
    if not found:
        typer.echo("Nothing is held.")
    for view in found:
        one = view.hold
        state = "in force" if one.in_force else f"released by {one.released_by}"
        typer.echo(
            f"{one.id}  {state}  {_words(one)}  {view.messages} messages, {view.expired} expired  "
            f"{one.placed_at:%Y-%m-%d %H:%M} UTC by {one.placed_by}: {one.reason}"
        )


@hold.command("release")
def release_hold(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="Its id; `tellal hold list`.")],
    *,
    brand: BrandName,
    by: By = "",
    preview: Annotated[
        bool, typer.Option("--preview", help="Only count what it would free.")
    ] = False,
) -> None:
    """Let the messages of a hold go; those that have expired meanwhile end and do not leave."""
    from tellal.cli.who import who

    async def release(tx: "AsyncSession", holds: "Holds", brand_id: str) -> "Hold":
        return await holds.release(tx, brand_id, hold_id, by=who(by))

    view = _do(brand, _view(hold_id))
    if preview:
        _show(view.waiting, "It would free", at_most=view.hold.by_route)
        return
    _do(brand, release)
    _show(view.waiting, "It frees", at_most=view.hold.by_route)
    typer.echo(f"The hold is released. Next: tellal hold list --brand {brand}")


def _view(hold_id: str) -> "Callable[[AsyncSession, Holds, str], Awaitable[HoldView]]":
    async def work(tx: "AsyncSession", holds: "Holds", brand_id: str) -> "HoldView":
        return await holds.view(tx, brand_id, hold_id)

    return work


def _scope(
    topic: str, template: str, message_class: str, channel: str, route: str, *, mandatory: bool
) -> "HoldScope":
    from tellal.domain.channels import Channel, MessageClass
    from tellal.domain.holds import HoldScope

    for option, said, known in (
        ("--class", message_class, list(MessageClass)),
        ("--channel", channel, list(Channel)),
    ):
        if said and said not in known:
            raise typer.BadParameter(f"one of: {', '.join(known)}", param_hint=option)
    return HoldScope(
        topic=topic,
        template=template,
        message_class=message_class,
        channel=channel,
        route=route,
        mandatory=mandatory,
    )


def _words(scope: "HoldScope") -> str:
    """Say what a hold covers."""
    parts = (
        ("topic", scope.topic),
        ("text", scope.template),
        ("class", scope.message_class),
        ("channel", scope.channel),
        ("route", scope.route),
    )
    named = ", ".join(f"{name} {value}" for name, value in parts if value) or "everything"
    return f"{named}, mandatory too" if scope.mandatory else f"{named}, except mandatory"


def _show(waiting: "tuple[Waiting, ...]", verb: str, *, at_most: bool) -> None:
    total, expired = sum(w.messages for w in waiting), sum(w.expired for w in waiting)
    bound = "at most " if at_most else ""
    typer.echo(f"{verb} {bound}{total} messages, of which {expired} have expired.")
    for one in waiting:
        kind = f"{one.topic}, {one.message_class}, {one.channel}"
        typer.echo(f"  {kind}: {one.messages}, expired {one.expired}")


def _do(brand: str, work: "Callable[[AsyncSession, Holds, str], Awaitable[T]]") -> T:
    """Do it for a brand, in the database that the settings name."""
    from rules.holder import RulebookHolder
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.holds import Holds
    from tellal.services.revisions import active_edition
    from tellal.settings import Settings
    from templates.environment import JinjaRenderer

    settings = Settings()

    async def for_brand(tx: "AsyncSession") -> T:
        books, renderer = RulebookHolder(settings.rulebook), JinjaRenderer()
        published = await active_edition(tx)
        if published is not None:
            books.publish(published.book)
            renderer = published.renderer
        holds = Holds(books, renderer, SystemClock())
        return await work(tx, holds, (await find_brand(tx, brand)).id)

    return in_transaction(settings.database_url.get_secret_value(), for_brand)
