"""Moves shares of routes by what their attempts and receipts of the last minutes say.

One worker at a time looks every few seconds: at no more than some hundreds of attempts of each
route, by an index. Share and movement are written in one transaction, with the route's row locked.
"""

import asyncio
from datetime import datetime

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.messages import LOST, MessageState
from tellal.domain.route_learning import (
    Lessons,
    Mode,
    Seen,
    Share,
    Why,
    learned,
    usual_after,
)
from tellal.domain.routes import RouteTable
from tellal.domain.simulation import SIMULATED
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import RouteMovementRow, RouteStateRow
from tellal.services.leases import Leases
from tellal.services.routes import begin_route, share_of
from tellal.supervision import rest

_states = table(RouteStateRow)
_movements = table(RouteMovementRow)

_LEASE = "route_learning"
_LOOK_EVERY_S = 5.0
_MOST = 500
"""So many attempts of a route are looked at; more would prove nothing better."""
_LEAST_FOR_USUAL = 20
_FINAL = sorted(state.value for state in LOST | {MessageState.DELIVERED})

_JUDGED = text("""
SELECT count(*) AS judged, count(*) FILTER (WHERE fault) AS faults
FROM (
    SELECT fault FROM attempts
    WHERE route = :route AND intended_at > :since AND provider <> :simulated
      AND fault IS NOT NULL
    ORDER BY intended_at DESC LIMIT :most
) AS latest
""")
_TOOK = """
    SELECT min(receipts.received_at) - attempts.answered_at AS took
    FROM (
        SELECT message_id, reference, answered_at FROM attempts
        WHERE route = :route AND intended_at > :since AND intended_at <= :until
          AND provider <> :simulated AND answer = 'accepted'
        ORDER BY intended_at DESC LIMIT :most
    ) AS attempts
    JOIN messages ON messages.id = attempts.message_id AND messages.receipts = 'delivery'
    LEFT JOIN receipts ON receipts.message_id = attempts.message_id
        AND receipts.reference = attempts.reference AND receipts.state = ANY(:final)
    GROUP BY attempts.message_id, attempts.reference, attempts.answered_at
"""
_LATE = text(f"""
SELECT count(*) AS awaited, count(*) FILTER (WHERE took IS NULL OR took > :late) AS late
FROM ({_TOOK}) AS times
""")  # noqa: S608 - our own text
_USUAL = text(f"""
SELECT count(took) AS number,
       extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY took)) AS median
FROM ({_TOOK}) AS times
""")  # noqa: S608 - our own text


class RouteLearning:
    """Learns what share each route deserves; several may run, one at a time is at it."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        table: RouteTable,
        *,
        lessons: Lessons | None = None,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._table = table
        self._lessons = lessons or Lessons()
        self._leases = Leases(sessions, clock)
        self._me = new_id()

    async def run(self, stop: asyncio.Event) -> None:
        """Look until told to stop; an error is left to who keeps us going."""
        while not stop.is_set():
            await self.look()
            await rest(stop, _LOOK_EVERY_S)

    async def look(self) -> list[tuple[Share, Why]]:
        """Look at every route once, unless another does; return what moved."""
        if not await self._leases.take(_LEASE, self._me, self._lessons.window):
            return []
        moved = []
        for route in self._table.routes:
            async with self._sessions() as tx, tx.begin():
                found = await self._look_at(tx, route.name)
            moved += [found] if found else []
        return moved

    async def _look_at(self, tx: AsyncSession, route: str) -> tuple[Share, Why] | None:
        now = self._clock.now()
        share = await locked_share(tx, route, now)
        if share.mode is Mode.DRAINED:
            return None  # nothing goes by it, so nothing can be learned
        seen = await self._seen(tx, share, now)
        moved = learned(share, seen, now, self._lessons)
        if moved is not None:
            await write_movement(tx, share, moved[0], moved[1], now, seen=seen)
        elif share.factor == 1.0 and not seen.late and not seen.faults:
            await self._remember_usual(tx, share, now)
        return moved

    async def _seen(self, tx: AsyncSession, share: Share, now: datetime) -> Seen:
        """Look at what happened since the share moved, for what was before has been paid for."""
        lessons = self._lessons
        since = _since(share, now - lessons.window)
        values = {"route": share.route, "simulated": SIMULATED, "most": _MOST}
        judged = (await tx.execute(_JUDGED, {**values, "since": since})).one()
        seen = Seen(judged=judged.judged, faults=judged.faults)
        if share.usual_s is None:
            return seen
        late = lessons.late_in(share.usual_s)
        times = {"since": _since(share, now - lessons.receipts_window - late), "until": now - late}
        waited = {**values, **times, "late": late, "final": _FINAL}
        awaited = (await tx.execute(_LATE, waited)).one()
        return Seen(
            judged=seen.judged, faults=seen.faults, awaited=awaited.awaited, late=awaited.late
        )

    async def _remember_usual(self, tx: AsyncSession, share: Share, now: datetime) -> None:
        """Learn how long receipts take while all goes well."""
        window = self._lessons.receipts_window
        values = {
            "route": share.route,
            "since": _since(share, now - 2 * window),
            "until": now - self._lessons.late_from,
            "simulated": SIMULATED,
            "most": _MOST,
            "final": _FINAL,
        }
        row = (await tx.execute(_USUAL, values)).one()
        if row.number < _LEAST_FOR_USUAL:
            return
        usual = round(usual_after(share.usual_s, float(row.median)), 3)
        if usual != share.usual_s:
            await tx.execute(
                update(_states).where(_states.c.route == share.route).values(usual_s=usual)
            )


async def locked_share(tx: AsyncSession, route: str, now: datetime) -> Share:
    """Lock a route's row, which is made if there is none, and return its share."""
    query = select(_states).where(_states.c.route == route).with_for_update(key_share=True)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        await begin_route(tx, route, now)
        row = (await tx.execute(query)).one()
    return share_of(row)


async def write_movement(
    tx: AsyncSession,
    before: Share,
    after: Share,
    why: Why,
    now: datetime,
    *,
    seen: Seen | None = None,
    note: str = "",
    by: str = "",
) -> None:
    """Write a share and how it came to it; the row is locked by `locked_share`."""
    seen = seen or Seen()
    await tx.execute(
        update(_states)
        .where(_states.c.route == after.route)
        .values(factor=after.factor, mode=after.mode.value, moved_at=after.moved_at)
    )
    await tx.execute(
        insert(_movements).values(
            id=new_id(),
            route=after.route,
            at=now,
            reason=why.value,
            mode=after.mode.value,
            before=_effective(before),
            after=_effective(after),
            judged=seen.judged,
            faults=seen.faults,
            awaited=seen.awaited,
            late=seen.late,
            usual_s=before.usual_s,
            note=note,
            by=by,
        )
    )


def _since(share: Share, earliest: datetime) -> datetime:
    return earliest if share.moved_at is None else max(earliest, share.moved_at)


def _effective(share: Share) -> float:
    """Return the part of its weight that a route really has."""
    return 0.0 if share.mode is Mode.DRAINED else share.factor
