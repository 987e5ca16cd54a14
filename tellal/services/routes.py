"""How routes are doing, for all workers: pauses, breakers, and tokens of those that have a rate."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Float, Row, bindparam, cast, extract, func, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal import metrics
from tellal.clock import Clock
from tellal.domain.handover import Answered
from tellal.domain.messages import NOT_CALLED
from tellal.domain.route_health import Health, results_of
from tellal.domain.route_learning import Mode, Share
from tellal.domain.routes import Choice, Route, RouteTable
from tellal.domain.simulation import SIMULATED
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import RouteStateRow

_states = table(RouteStateRow)

_LOOK_EVERY_S = 0.2
_BELIEVED_S = 0.6
"""When a worker reads anew how routes are doing, and for how long it believes what it has read
while it does so: nobody waits for a reading but the first. Its own news it knows at once."""
_WORTH_S = 0.2
"""How much of a rate a lane leases at a time."""
_TOKENS_KEEP_S = 1.0


class Routes:
    """Knows which routes are set up here, and shares with other workers how each is doing."""

    def __init__(self, sessions: Sessions, clock: Clock, routes: RouteTable) -> None:
        self.routes = routes
        self._sessions = sessions
        self._clock = clock
        self._health: dict[str, Health] = {}
        self._shares: dict[str, Share] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._tokens: dict[str, tuple[int, float]] = {}

    async def choice(self) -> Choice:
        """Return how to choose a route now."""
        age = time.monotonic() - self._read_at
        if age >= _LOOK_EVERY_S and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(_heard)
        if age >= _BELIEVED_S and self._reading is not None:
            await asyncio.shield(self._reading)
        return Choice(
            table=self.routes, health=self._health, now=self._clock.now(), shares=self._shares
        )

    async def _read(self) -> None:
        async with self._sessions() as tx, tx.begin():
            self._health, self._shares = await how_routes_stand(tx)
        self._read_at = time.monotonic()
        self._show()

    async def take_tokens(self, route: Route, wanted: int) -> int:
        """Take tokens for up to `wanted` messages; a route without a rate has any number.

        What is leased beyond the need serves the next call, for a moment.
        """
        if route.rate is None:
            return wanted
        held = self._held(route.name)
        if held < wanted:
            worth = max(1, int(route.rate * _WORTH_S))
            leased = await self._lease(route.name, route.rate, max(wanted - held, worth))
            held = self._held(route.name) + leased  # other lanes were here meanwhile
            self._tokens[route.name] = (held, time.monotonic())
        taken = min(held, wanted)
        if taken:
            self._tokens[route.name] = (held - taken, self._tokens[route.name][1])
        return taken

    async def may_probe(self, route: Route) -> bool:
        """Say whether one message may try a route on probation; of all workers, one may."""
        now = self._clock.now()
        async with self._sessions() as tx, tx.begin():
            health = await self._locked(tx, route.name)
            may = health.on_probation and health.rests_until(now) is None
            if may:
                health = health.probing(now)
                await _write(tx, health)
        self._health[route.name] = health
        self._show()
        return may

    async def learn(self, tx: AsyncSession, answered: Sequence[Answered]) -> None:
        """Draw from answers how their routes are doing; all is well costs nothing."""
        by_route: dict[str, list[Answered]] = {}
        for one in answered:
            # Simulated failures are as ordered, and say nothing of how the simulator is doing.
            real = one.message.route and one.message.provider != SIMULATED
            if real and one.answer.code != NOT_CALLED:
                by_route.setdefault(one.message.route, []).append(one)
        now = self._clock.now()
        for route in sorted(by_route):
            results = results_of([one.answer for one in by_route[route]])
            believed = self._health.get(route, Health(route=route))
            if believed.after(results, now) == believed:
                continue
            health = (await self._locked(tx, route)).after(results, now)
            await _write(tx, health)
            self._health[route] = health
        self._show()

    async def _lease(self, route: str, rate: float, wanted: int) -> int:
        """Take from the route's row what has come in since it was last asked, up to `wanted`."""
        parameters = {
            "name": route,
            "rate": rate,
            "burst": _burst(rate),
            "wanted": wanted,
            "at": self._clock.now(),
        }
        async with self._sessions() as tx, tx.begin():
            leased = (await tx.execute(_LEASE, parameters)).scalar_one_or_none()
            if leased is None:
                await self._begin(tx, route)
            return int(leased or 0)

    def _held(self, route: str) -> int:
        """Return how many leased tokens are left and still good."""
        held, leased_at = self._tokens.get(route, (0, 0.0))
        return held if time.monotonic() - leased_at <= _TOKENS_KEEP_S else 0

    async def _locked(self, tx: AsyncSession, route: str) -> Health:
        """Lock a route's row, which is made if there is none."""
        query = select(_states).where(_states.c.route == route).with_for_update(key_share=True)
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            await self._begin(tx, route)
            row = (await tx.execute(query)).one()
        return _health(row)

    async def _begin(self, tx: AsyncSession, route: str) -> None:
        await begin_route(tx, route, self._clock.now())

    def _show(self) -> None:
        """Let the metrics say how routes stand."""
        now = self._clock.now()
        for route in self.routes.routes:
            health = self._health.get(route.name, Health(route=route.name))
            rests = health.rests_until(now)
            metrics.route_is_open(
                route.name,
                is_open=health.is_open(now),
                paused_until=rests.timestamp() if rests else 0.0,
            )
            share = self._shares.get(route.name, Share(route=route.name))
            metrics.share_of_route(route.name, share.factor, share.mode.value)


async def how_routes_stand(tx: AsyncSession) -> tuple[dict[str, Health], dict[str, Share]]:
    """Read how the routes are doing of which anything is known, and what shares they have."""
    rows = (await tx.execute(select(_states))).all()
    return {row.route: _health(row) for row in rows}, {row.route: share_of(row) for row in rows}


async def begin_route(tx: AsyncSession, route: str, now: datetime) -> None:
    """Give a route its row, unless it has one."""
    row = {"tokens": 0.0, "refilled_at": now, **asdict(Health(route=route))}
    await tx.execute(pg_insert(_states).values(**row).on_conflict_do_nothing())


def share_of(row: Row[Any]) -> Share:
    """Return the share that a route's row holds."""
    return Share(
        route=row.route,
        factor=row.factor,
        mode=Mode(row.mode),
        usual_s=row.usual_s,
        moved_at=row.moved_at,
    )


async def tokens_of_routes(tx: AsyncSession, table: RouteTable, now: datetime) -> dict[str, int]:
    """Return how many tokens each route that has a rate would give now."""
    rows = {row.route: row for row in await tx.execute(select(_states))}
    found = {}
    for route in table.routes:
        if route.rate is None:
            continue
        row = rows.get(route.name)
        since = timedelta() if row is None else max(timedelta(), now - row.refilled_at)
        left = 0.0 if row is None else row.tokens
        found[route.name] = int(min(_burst(route.rate), left + route.rate * since.total_seconds()))
    return found


def _burst(rate: float) -> float:
    """Return how many tokens come together at most; the one, so that no part of one is lost."""
    return 1.0 + rate * _WORTH_S


async def _write(tx: AsyncSession, health: Health) -> None:
    values = asdict(health)
    route = values.pop("route")
    await tx.execute(update(_states).where(_states.c.route == route).values(**values))


def _heard(reading: asyncio.Task[None]) -> None:
    """Take note of a failed reading: the next one tries again, and who waits for it is told."""
    if not reading.cancelled():
        reading.exception()


def _health(row: Row[Any]) -> Health:
    return Health(
        route=row.route,
        paused_until=row.paused_until,
        failures=row.failures,
        open_until=row.open_until,
        opened_times=row.opened_times,
        reason=row.reason,
    )


_at = bindparam("at", type_=Instant())
_rate = bindparam("rate", type_=Float())
_wanted = bindparam("wanted", type_=Float())
_elapsed = func.greatest(0.0, cast(extract("epoch", _at - _states.c.refilled_at), Float))
_filled = (
    select(
        _states.c.route,
        func.least(bindparam("burst", type_=Float()), _states.c.tokens + _rate * _elapsed).label(
            "tokens"
        ),
    )
    .where(_states.c.route == bindparam("name"))
    .with_for_update(key_share=True)
    .cte("filled")
)
_granted = func.least(_wanted, func.floor(_filled.c.tokens))
_LEASE = (
    update(_states)
    .where(_states.c.route == _filled.c.route)
    .values(
        tokens=_filled.c.tokens - _granted,
        refilled_at=func.greatest(_states.c.refilled_at, _at),
    )
    .returning(_granted)
)
