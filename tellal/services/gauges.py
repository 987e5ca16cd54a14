"""Reads the ledger's gauges every few seconds, so that no scrape ever waits for the database.

Each query walks a partial index of what is unfinished, and counts up to a bound: a backlog must
not grow heavier because it is watched.
"""

import asyncio
from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal import metrics
from tellal.clock import Clock
from tellal.domain.channels import Lane
from tellal.persistence.session import Sessions
from tellal.supervision import rest

MOST = 10_000
"""How far anything is counted; documented with the gauges."""

_EVERY_S = 5.0

BOUNDS = text("""
SELECT set_config('statement_timeout', '2s', true),
       set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true),
       set_config('enable_sort', 'off', true),
       set_config('jit', 'off', true)
""")
"""For one transaction: walk the index and stop at the bound. Left alone, the planner rather gathers
the whole backlog and sorts it: five times as long for 100000 messages, and growing with them."""

LANES = text("""
WITH RECURSIVE level AS (
    (SELECT lane, priority FROM messages WHERE state = 'queued' AND held_by IS NULL
     ORDER BY lane, priority LIMIT 1)
    UNION ALL
    SELECT further.lane, further.priority
    FROM level, LATERAL (
        SELECT lane, priority FROM messages
        WHERE state = 'queued' AND held_by IS NULL
          AND (lane, priority) > (level.lane, level.priority)
        ORDER BY lane, priority LIMIT 1
    ) AS further
)
SELECT waiting.lane,
       count(*) FILTER (WHERE waiting.not_before <= :now) AS now,
       count(*) FILTER (WHERE waiting.not_before > :now) AS later,
       min(waiting.not_before) AS since
FROM (
    SELECT level.lane, queued.not_before FROM level, LATERAL (
        SELECT not_before FROM messages
        WHERE state = 'queued' AND held_by IS NULL
          AND lane = level.lane AND priority = level.priority
        ORDER BY id LIMIT :most
    ) AS queued
    UNION ALL
    (SELECT lane, not_before FROM messages WHERE state = 'deferred'
     ORDER BY not_before LIMIT :most)
) AS waiting
GROUP BY waiting.lane
""")
"""From each priority of each lane the oldest messages: a message of low priority may be starving
behind any number of urgent ones, and it is the one to be seen."""

UNKNOWN = text("""
SELECT provider, stage, count(*) AS number
FROM (
    (SELECT provider, 'looked_up' AS stage FROM messages
     WHERE state = 'unknown' AND check_at IS NOT NULL ORDER BY check_at LIMIT :most)
    UNION ALL
    (SELECT provider, 'given_up' FROM messages
     WHERE state = 'unknown' AND check_at IS NULL LIMIT :most)
) AS unknown
GROUP BY provider, stage
""")

LEASES = text("""
SELECT count(*) FROM (
    SELECT 1 FROM messages WHERE state = 'handing_over' AND lease_until <= :now LIMIT :most
) AS expired
""")

OUTBOX = text("""
SELECT count(*) AS number, min(created_at) AS written, min(due_at) AS due
FROM (
    SELECT created_at, due_at FROM outbox WHERE done_at IS NULL ORDER BY due_at LIMIT :most
) AS untold
""")

OUTCOMES = text("""
SELECT check_at FROM outcomes WHERE state = 'open' AND check_at <= :now ORDER BY check_at LIMIT 1
""")

COMPLAINTS = text("""
SELECT count(*) FILTER (WHERE due_at > :now) AS close,
       count(*) FILTER (WHERE due_at <= :now) AS late
FROM (
    SELECT due_at FROM complaints
    WHERE closed_at IS NULL AND due_at IS NOT NULL AND warn_at <= :now
    ORDER BY warn_at LIMIT :most
) AS watched
""")
CONFIRMATIONS = text("""
SELECT count(*) FROM (
    SELECT 1 FROM consent_confirmations
    WHERE state IN ('due', 'posted') AND confirm_by <= :now ORDER BY confirm_by LIMIT :most
) AS late
""")


class Gauges:
    """Sets the gauges to what the ledger says."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._unknown: set[tuple[str, str]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Read until told to stop; an error is left to who keeps us going."""
        while not stop.is_set():
            await self.read()
            await rest(stop, _EVERY_S)

    async def read(self) -> None:
        """Read every gauge once, in one transaction."""
        now = self._clock.now()
        async with self._sessions() as tx, tx.begin():
            await tx.execute(BOUNDS)
            await self._lanes(tx, now)
            await self._unknowns(tx)
            expired = await tx.execute(LEASES, {"now": now, "most": MOST})
            metrics.LEASES_EXPIRED.set(expired.scalar_one())
            await self._outbox(tx, now)
            watched = (await tx.execute(COMPLAINTS, {"now": now, "most": MOST})).one()
            metrics.COMPLAINTS_DUE.labels("close").set(watched.close)
            metrics.COMPLAINTS_DUE.labels("late").set(watched.late)
            late = await tx.execute(CONFIRMATIONS, {"now": now, "most": MOST})
            metrics.CONFIRMATIONS_LATE.set(late.scalar_one())
            due = (await tx.execute(OUTCOMES, {"now": now})).scalar_one_or_none()
            metrics.SWEEPER_LAG.set(_since(due, now))
        metrics.LEDGER_READ.set(now.timestamp())

    async def _lanes(self, tx: AsyncSession, now: datetime) -> None:
        found = await tx.execute(LANES, {"now": now, "most": MOST})
        rows: dict[str, Row[tuple[object, ...]]] = {row.lane: row for row in found}
        for lane in Lane:
            row = rows.get(lane.value)
            metrics.LANE_OLDEST_DUE.labels(lane.value).set(_since(row.since if row else None, now))
            metrics.LANE_WAITING.labels(lane.value, "now").set(row.now if row else 0)
            metrics.LANE_WAITING.labels(lane.value, "later").set(row.later if row else 0)

    async def _unknowns(self, tx: AsyncSession) -> None:
        rows = await tx.execute(UNKNOWN, {"most": MOST})
        counted = {(row.provider, row.stage): row.number for row in rows}
        for provider in {provider for provider, _ in counted}:
            self._unknown |= {(provider, "looked_up"), (provider, "given_up")}
        # A gauge that vanished when its last message was found would leave alerts without an end.
        for labels in self._unknown:
            metrics.UNKNOWN.labels(*labels).set(counted.get(labels, 0))

    async def _outbox(self, tx: AsyncSession, now: datetime) -> None:
        row = (await tx.execute(OUTBOX, {"most": MOST})).one()
        metrics.OUTBOX_ITEMS.set(row.number)
        metrics.OUTBOX_AGE.set(_since(row.written, now))
        metrics.DISPATCHER_LAG.set(_since(row.due, now))


def _since(then: datetime | None, now: datetime) -> float:
    """Return the seconds since an instant; none for what is not there or still to come."""
    return 0.0 if then is None else max(0.0, (now - then).total_seconds())
