"""A command for operators: the routes over which messages leave, and how each is doing."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.routes import Carriage
    from tellal.services.route_views import RouteView


def routes() -> None:
    """Show every route: what it may carry, what it costs, and how it is doing now."""
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
