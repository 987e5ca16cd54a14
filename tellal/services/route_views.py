"""Shows every route of the table: what it carries, and how it is doing now."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.route_health import Health
from tellal.domain.route_learning import Share
from tellal.domain.routes import Route, RouteTable
from tellal.services.routes import how_routes_stand, tokens_of_routes


class Standing(StrEnum):
    """How a route stands."""

    WORKS = "works"
    PAUSED = "paused"
    """It asked for a pause, or one message tries whether it has healed."""
    OPEN = "open"
    """Its breaker is open."""
    ON_PROBATION = "on_probation"
    """It was open; the next message tries it."""
    NOT_SET_UP = "not_set_up"
    """Its provider has no settings here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """A route. `tokens` is how many messages its rate would let go now, None without a rate.

    `reason` is the code of what made it rest last, empty when it works.
    """

    route: Route
    standing: Standing
    rests_until: datetime | None
    reason: str
    failures: int
    opened_times: int
    tokens: int | None
    share: Share


async def view_routes(
    tx: AsyncSession, table: RouteTable, providers: Collection[str], now: datetime
) -> tuple[RouteView, ...]:
    """Show the routes in the order of the table."""
    healths, shares = await how_routes_stand(tx)
    tokens = await tokens_of_routes(tx, table, now)
    return tuple(
        _view(
            route,
            healths.get(route.name, Health(route=route.name)),
            tokens.get(route.name),
            shares.get(route.name, Share(route=route.name)),
            is_set_up=route.provider in providers,
            now=now,
        )
        for route in table.routes
    )


def _view(
    route: Route,
    health: Health,
    tokens: int | None,
    share: Share,
    *,
    is_set_up: bool,
    now: datetime,
) -> RouteView:
    standing = _standing(health, now) if is_set_up else Standing.NOT_SET_UP
    rests = standing in {Standing.PAUSED, Standing.OPEN, Standing.ON_PROBATION}
    return RouteView(
        route=route,
        standing=standing,
        rests_until=health.rests_until(now) if rests else None,
        reason=health.reason if rests else "",
        failures=health.failures,
        opened_times=health.opened_times,
        tokens=tokens,
        share=share,
    )


def _standing(health: Health, now: datetime) -> Standing:
    if health.is_open(now):
        return Standing.OPEN
    if health.rests_until(now) is not None:
        return Standing.PAUSED
    return Standing.ON_PROBATION if health.on_probation else Standing.WORKS
