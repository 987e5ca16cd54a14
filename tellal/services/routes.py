"""How routes are doing, for all workers: pauses, breakers, and tokens of those that have a rate."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Float, Row, bindparam, cast, extract, func, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.handover import Answered
from tellal.domain.messages import NOT_CALLED
from tellal.domain.routes import Choice, Health, Route, RouteTable, results_of
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
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._tokens: dict[str, tuple[int, float]] = {}
        self._known: set[str] = set()

    async def choice(self) -> Choice:
        """Return how to choose a route now."""
        age = time.monotonic() - self._read_at
        if age >= _LOOK_EVERY_S and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(_heard)
        if age >= _BELIEVED_S and self._reading is not None:
            await asyncio.shield(self._reading)
        return Choice(table=self.routes, health=self._health, now=self._clock.now())

    async def _read(self) -> None:
        async with self._sessions() as tx, tx.begin():
            rows = (await tx.execute(select(_states))).all()
        self._health = {row.route: _health(row) for row in rows}
        self._read_at = time.monotonic()

    async def take_tokens(self, route: Route, wanted: int) -> int:
        """Take tokens for up to `wanted` messages; a route without a rate has any number.

        What is leased beyond the need serves the next call, for a moment.
        """
        if route.rate is None:
            return wanted
        held, leased_at = self._tokens.pop(route.name, (0, 0.0))
        if time.monotonic() - leased_at > _TOKENS_KEEP_S:
            held = 0
        if held < wanted:
            worth = max(1, int(route.rate * _WORTH_S))
            held += await self._lease(route.name, route.rate, max(wanted - held, worth))
            leased_at = time.monotonic()
        taken = min(held, wanted)
        self._tokens[route.name] = (held - taken, leased_at)
        return taken

    async def learn(self, tx: AsyncSession, answered: Sequence[Answered]) -> None:
        """Draw from answers how their routes are doing; all is well costs nothing."""
        by_route: dict[str, list[Answered]] = {}
        for one in answered:
            if one.message.route and one.answer.code != NOT_CALLED:
                by_route.setdefault(one.message.route, []).append(one)
        now = self._clock.now()
        for route in sorted(by_route):
            results = results_of([one.answer for one in by_route[route]])
            believed = self._health.get(route, Health(route=route))
            if believed.after(results, now) == believed:
                continue
            await self._know(tx, route)
            query = select(_states).where(_states.c.route == route)
            row = (await tx.execute(query.with_for_update(key_share=True))).one()
            health = _health(row).after(results, now)
            values = asdict(health)
            values.pop("route")
            await tx.execute(update(_states).where(_states.c.route == route).values(**values))
            self._health[route] = health

    async def _lease(self, route: str, rate: float, wanted: int) -> int:
        """Take from the route's row what has come in since it was last asked, up to `wanted`."""
        parameters = {
            "name": route,
            "rate": rate,
            "burst": max(1.0, rate * _WORTH_S),
            "wanted": wanted,
            "at": self._clock.now(),
        }
        async with self._sessions() as tx, tx.begin():
            await self._know(tx, route)
            return int((await tx.execute(_LEASE, parameters)).scalar_one())

    async def _know(self, tx: AsyncSession, route: str) -> None:
        """See to it that the route has a row."""
        if route in self._known:
            return
        row = {"tokens": 0.0, "refilled_at": self._clock.now(), **asdict(Health(route=route))}
        await tx.execute(pg_insert(_states).values(**row).on_conflict_do_nothing())
        self._known.add(route)


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
