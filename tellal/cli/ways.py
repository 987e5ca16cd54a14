"""Commands for operators: the routes over which messages leave, and who decides on their shares."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.route_learning import Share
    from tellal.domain.routes import Carriage
    from tellal.services.route_steering import Movement, RouteSteering
    from tellal.services.route_views import RouteView

T = TypeVar("T")

routes = typer.Typer(
    help="Show every route: what it may carry, what it costs, and how it is doing now.",
    invoke_without_command=True,
)

Name = Annotated[str, typer.Argument(help="The route's name.")]
Reason = Annotated[str, typer.Option(help="Why.")]
By = Annotated[str, typer.Option(help="Who acts; else the user of this computer.")]


@routes.callback()
def show(context: typer.Context) -> None:
    """Show every route: what it may carry, what it costs, and how it is doing now."""
    if context.invoked_subcommand is not None:
        return
    from rules.routing import load_routes
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.route_views import view_routes
    from tellal.settings import Settings

    settings = Settings()
    table = load_routes(settings.routes)

    async def work(tx: "AsyncSession") -> "tuple[RouteView, ...]":
        return await view_routes(tx, table, settings.providers, SystemClock().now())

    for view in in_transaction(settings.database_url.get_secret_value(), work):
        typer.echo("  ".join(_words(view)))
        for one in view.route.carries:
            typer.echo(f"    {_carriage(one)}")


@routes.command("history")
def show_history(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many at the most.")] = 20,
) -> None:
    """Show how a route's share moved, the latest first, and why."""

    async def work(tx: "AsyncSession", steering: "RouteSteering") -> "list[Movement]":
        return await steering.movements(tx, name, limit=limit)

    found = _do(work)
    if not found:
        typer.echo(f"The share of {name} has never moved.")
    for one in found:
        typer.echo("  ".join(_moved(one)))


@routes.command()
def drain(name: Name, *, reason: Reason = "", by: By = "") -> None:
    """Let nothing new go by a route; what it alone may carry waits."""
    _steer(name, "drained", reason, by)
    typer.echo(f"Nothing new goes by {name}. Next: tellal routes release {name}")


@routes.command()
def pin(name: Name, *, reason: Reason = "", by: By = "") -> None:
    """Let all go by a route that it may carry, as long as it works."""
    _steer(name, "pinned", reason, by)
    typer.echo(f"All that it may carry goes by {name}. Next: tellal routes release {name}")


@routes.command()
def release(name: Name, *, reason: Reason = "", by: By = "") -> None:
    """Leave a route's share to what is learned again."""
    share = _steer(name, "auto", reason, by)
    typer.echo(f"{name} has {share.factor:.0%} of its weight, and what is learned decides again.")


def _steer(name: str, mode: str, reason: str, by: str) -> "Share":
    from tellal.cli.who import who
    from tellal.domain.route_learning import Mode

    async def work(tx: "AsyncSession", steering: "RouteSteering") -> "Share":
        return await steering.steer(tx, name, Mode(mode), reason=reason, by=who(by))

    return _do(work)


def _do(work: "Callable[[AsyncSession, RouteSteering], Awaitable[T]]") -> T:
    from rules.routing import load_routes
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.route_steering import RouteSteering
    from tellal.settings import Settings

    settings = Settings()
    steering = RouteSteering(load_routes(settings.routes), SystemClock())
    return in_transaction(settings.database_url.get_secret_value(), lambda tx: work(tx, steering))


def _moved(one: "Movement") -> list[str]:
    words = [f"{one.at:%Y-%m-%d %H:%M:%S} UTC", f"{one.before:.0%} to {one.after:.0%}"]
    words.append(str(one.reason).replace("_", " "))
    if one.judged:
        words.append(f"{one.faults} of {one.judged} failed")
    if one.awaited:
        words.append(f"{one.late} of {one.awaited} receipts late (usual {one.usual_s:g} s)")
    if one.by:
        words.append(f"by {one.by}: {one.note}")
    return words


def _words(view: "RouteView") -> list[str]:
    route = view.route
    words = [f"{route.name:<10}", f"{route.channel:<8}", f"{route.provider:<16}"]
    words.append(str(view.standing).replace("_", " "))
    if view.rests_until is not None:
        words.append(f"until {view.rests_until:%Y-%m-%d %H:%M:%S} UTC")
    if view.reason:
        words.append(f"because of {view.reason}")
    if view.failures:
        words.append(f"failures {view.failures} of 20")
    if view.share.mode != "auto":
        words.append(str(view.share.mode))
    if view.share.factor < 1:
        words.append(f"{view.share.factor:.0%} of its weight")
    if route.rate is not None:
        words.append(f"{route.rate:g}/s, {view.tokens} now")
    if route.price is not None:
        words.append(f"{route.price.amount} {route.price.currency}")
    return words


def _carriage(one: "Carriage") -> str:
    to = ", ".join(sorted(one.countries)) or "others"
    classes = ", ".join(sorted(one.classes)) or "nothing"
    added = f"; {one.reserved} characters are added" if one.reserved else ""
    return f"{to}: {classes}; {'links' if one.urls else 'no links'}{added}"
