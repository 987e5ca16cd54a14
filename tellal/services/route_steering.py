"""What operators decide about routes: drained, pinned, or left to what is learned again."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.domain.route_learning import Mode, Share, Why
from tellal.domain.routes import RouteTable
from tellal.persistence.columns import table
from tellal.persistence.tables.delivery import RouteMovementRow
from tellal.services.route_learning import locked_share, write_movement

_movements = table(RouteMovementRow)
_WHY = {Mode.DRAINED: Why.DRAINED, Mode.PINNED: Why.PINNED, Mode.AUTO: Why.RELEASED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A change of a route's share, from one part of its weight to another, and what it rests on.

    Of `judged` attempts `faults` were the route's fault, of `awaited` ones `late` got no final
    receipt in time, where `usual_s` is usual. `by` is empty where it was learned.
    """

    id: str
    route: str
    at: datetime
    reason: Why
    mode: Mode
    before: float
    after: float
    judged: int
    faults: int
    awaited: int
    late: int
    usual_s: float | None
    note: str
    by: str


class RouteSteering:
    """Takes shares out of the hands of what is learned, and gives them back."""

    def __init__(self, routes: RouteTable, clock: Clock) -> None:
        self._routes = routes
        self._clock = clock

    async def steer(
        self, tx: AsyncSession, route: str, mode: Mode, *, reason: str, by: str
    ) -> Share:
        """Put a route into a mode, in the caller's transaction.

        Raises:
            NotFoundError: There is no such route.
            ConflictError: It is in this mode already.
            InvalidInputError: No reason is given.
        """
        self._known(route)
        if not reason.strip():
            raise InvalidInputError("say why", field="reason")
        now = self._clock.now()
        before = await locked_share(tx, route, now)
        if before.mode is mode:
            raise ConflictError(
                f"the route {route} is {mode} already", code="no_change", hint="nothing to do"
            )
        # What went by it before somebody stepped in says nothing of what comes now.
        after = replace(before, mode=mode, moved_at=now)
        await write_movement(tx, before, after, _WHY[mode], now, note=reason.strip(), by=by)
        return after

    async def movements(
        self, tx: AsyncSession, route: str, *, before: str = "", limit: int = 100
    ) -> list[Movement]:
        """Return movements of a route, the latest first, those before an id.

        Raises:
            NotFoundError: There is no such route.
        """
        self._known(route)
        query = select(_movements).where(_movements.c.route == route)
        if before:
            query = query.where(_movements.c.id < before)
        rows = await tx.execute(query.order_by(_movements.c.id.desc()).limit(limit))
        return [_movement(row) for row in rows]

    def _known(self, route: str) -> None:
        names = [one.name for one in self._routes.routes]
        if route not in names:
            raise NotFoundError(f"no route {route!r}; there are: {', '.join(sorted(names))}")


def _movement(row: Row[Any]) -> Movement:
    values = dict(row._mapping)  # noqa: SLF001 - the row as it is
    return Movement(**{**values, "reason": Why(row.reason), "mode": Mode(row.mode)})
