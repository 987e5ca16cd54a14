"""`tellal bench flood`: how long a critical message waits while the bulk lane is flooded.

From the commit that queues it until the carrier has the request, by the simulator's book. The
baseline are as many critical messages on the same stack before the flood. The 99th percentiles are
compared, so the ratio is the idle system's over ours: a third means three times as long.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from statistics import quantiles

from sqlalchemy import TextClause, text

from tellal.bench.crowd import Batch, Crowd, gather_crowd, open_cause, queue
from tellal.clock import SystemClock
from tellal.domain.channels import Lane
from tellal.persistence.session import Sessions, make_engine, make_sessions
from tellal.settings import Settings
from tellal.stack.stack import Stack
from tellal.stories.client import Carrier

WATCHED = 200
"""How many critical messages are timed, idle and flooded."""

_WARM_UP = 20
_PAUSE_S = (0.03, 0.12)
"""Between two critical messages: somebody else's rhythm, not the lanes'."""
_SETTLE_S = 2.0
_PATIENCE_S = 60.0
_SEED = 20_261_123

_LEFT = text("""
SELECT count(*) FROM messages WHERE cause_id = :cause AND state = 'queued'
""")
_TAKEN = text("""
SELECT count(*) FROM messages WHERE cause_id = :cause AND state = 'accepted'
""")


def run(messages: int = 100_000) -> dict[str, object]:
    """Run the benchmark on a stack of its own."""
    with Stack(settings=Settings(), ui=False) as stack:
        return asyncio.run(measure(stack, messages))


async def measure(stack: Stack, messages: int, watched: int = WATCHED) -> dict[str, object]:
    """Flood the bulk lane with so many messages, and time critical ones before and during it."""
    async with AsyncExitStack() as held:
        carrier = await held.enter_async_context(Carrier(stack.carrier_url))
        await carrier.fault(fault="no_callbacks")
        engine = make_engine(stack.database_url, pool=2)
        held.push_async_callback(engine.dispose)
        sessions = make_sessions(engine)
        async with sessions() as tx, tx.begin():
            crowd = await gather_crowd(tx, max(messages, watched))
        await _waits(sessions, carrier, crowd, _WARM_UP)
        idle = await _waits(sessions, carrier, crowd, watched)
        flood = await _flood(sessions, crowd, messages)
        before, began = await _count(sessions, _TAKEN, flood.cause_id), time.perf_counter()
        flooded = await _waits(sessions, carrier, crowd, watched)
        handed = await _count(sessions, _TAKEN, flood.cause_id) - before
        elapsed = time.perf_counter() - began
        left = await _count(sessions, _LEFT, flood.cause_id)
    return {
        "bench": "flood",
        "ratio": round(_percentile(idle, 99) / _percentile(flooded, 99), 3),
        "ours": {
            **_summary(flooded),
            "messages": messages,
            "bulk_per_second": round(handed / elapsed, 1),
            "bulk_left": left,
        },
        "baseline": _summary(idle),
    }


async def _flood(sessions: Sessions, crowd: Crowd, messages: int) -> Batch:
    """Queue the bulk lane's messages, and wait until it runs at its speed."""
    async with sessions() as tx, tx.begin():
        cause_id = await open_cause(tx, crowd, running=True)
        batch = await queue(tx, crowd, cause_id, Lane.BULK, first=1, last=messages)
    await asyncio.sleep(_SETTLE_S)
    return batch


async def _waits(sessions: Sessions, carrier: Carrier, crowd: Crowd, count: int) -> list[float]:
    """Queue critical messages one by one; return how long each waited, in seconds."""
    chance = random.Random(_SEED)  # noqa: S311 - the same rhythm in every run, no secret
    queued: dict[str, datetime] = {}
    async with sessions() as tx, tx.begin():
        cause_id = await open_cause(tx, crowd, running=True)
    since = _now()
    for number in range(1, count + 1):
        async with sessions() as tx, tx.begin():
            batch = await queue(tx, crowd, cause_id, Lane.CRITICAL, first=number, last=number)
            queued[batch.message_id(number)] = _now()
        await asyncio.sleep(chance.uniform(*_PAUSE_S))
    async with asyncio.timeout(_PATIENCE_S):
        while await _count(sessions, _TAKEN, cause_id) < count:  # noqa: ASYNC110 - the ledger is another process
            await asyncio.sleep(_SETTLE_S / 10)
    waits: list[float] = []
    for number, message_id in enumerate(queued, start=1):
        [entry] = [
            one
            for one in await carrier.book(to=crowd.address(number), since=since.isoformat())
            if one["message_id"] == message_id
        ]
        taken_at = datetime.fromisoformat(entry["at"])
        waits.append((taken_at - queued[message_id]).total_seconds())
    return waits


async def _count(sessions: Sessions, question: TextClause, cause_id: str) -> int:
    async with sessions() as tx:
        return int((await tx.execute(question, {"cause": cause_id})).scalar_one())


def _now() -> datetime:
    return SystemClock().now()


def _percentile(waits: Sequence[float], percent: int) -> float:
    return quantiles(waits, n=100)[percent - 1]


def _summary(waits: Sequence[float]) -> dict[str, float]:
    return {
        "p50_s": round(_percentile(waits, 50), 4),
        "p99_s": round(_percentile(waits, 99), 4),
        "longest_s": round(max(waits), 4),
    }
