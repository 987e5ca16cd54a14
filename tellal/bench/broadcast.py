"""`tellal bench broadcast`: messages of one cause from decided to accepted, beside a bare client.

Ours is the whole way of a worker's bulk lane: claims, texts, intents, calls, answers, all in the
ledger. The baseline is the same client in a loop that keeps nothing, as many calls side by side,
against the same simulator in the same run, in turns. The simulator tells nobody of what becomes of
the messages (its fault `no_callbacks`), for either side.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from statistics import median

from sqlalchemy import text

from tellal.bench.crowd import Batch, Crowd, gather_crowd, let_run, open_cause, queue
from tellal.bench.usage import Memory, cpu_seconds, processes_of, watched_memory
from tellal.domain.channels import Lane
from tellal.persistence.session import Sessions, make_engine, make_sessions
from tellal.settings import Settings
from tellal.stack.environment import child_environment
from tellal.stack.stack import Stack
from tellal.stories.client import Carrier

_ROUNDS = 4
_WARM_UP = 300
_LOOK_EVERY_S = 0.05
_PATIENCE_S = 300.0

_UNTAKEN = text("""
SELECT EXISTS (
    SELECT 1 FROM messages WHERE cause_id = :cause AND state IN ('queued', 'handing_over')
)
""")
_STATES = text(
    "SELECT state, count(*) AS number FROM messages WHERE cause_id = :cause GROUP BY state"
)
_AHEAD = text("""
SELECT extract(epoch FROM max(answered_at - intended_at))::float8
FROM attempts JOIN messages ON messages.id = attempts.message_id
WHERE messages.cause_id = :cause
""")


def run(messages: int = 20_000) -> dict[str, object]:
    """Run the benchmark on a stack of its own; `ratio` is our throughput over the baseline's."""
    with Stack(settings=Settings(), ui=False) as stack:
        return asyncio.run(measure(stack, messages))


async def measure(stack: Stack, messages: int) -> dict[str, object]:
    """Send so many messages over our lanes, and as many without; return what it took."""
    size = max(1, messages // _ROUNDS)
    async with AsyncExitStack() as held:
        carrier = await held.enter_async_context(Carrier(stack.carrier_url))
        await carrier.fault(fault="no_callbacks")
        engine = make_engine(stack.database_url, pool=2)
        held.push_async_callback(engine.dispose)
        broadcast = _Broadcast(stack, make_sessions(engine), size)
        await broadcast.prepare()
        memory = await held.enter_async_context(watched_memory(stack.worker.pid))
        for _ in range(_ROUNDS):
            await broadcast.bare()
            await broadcast.ours()
    return broadcast.result(memory)


class _Broadcast:
    """The rounds of both sides, and what each took."""

    def __init__(self, stack: Stack, sessions: Sessions, size: int) -> None:
        self._stack = stack
        self._sessions = sessions
        self._size = size
        self._at_once = stack.settings.bulk_lane.concurrency
        self._pids = processes_of(stack)
        self._ours_s: list[float] = []
        self._bare_s: list[float] = []
        self._longest_call_s = 0.0
        self._ours_cpu: Counter[str] = Counter()
        self._bare_cpu: Counter[str] = Counter()
        self._crowd: Crowd

    async def prepare(self) -> None:
        """Write the customers, and let both sides run warm."""
        async with self._sessions() as tx, tx.begin():
            self._crowd = await gather_crowd(tx, max(self._size, _WARM_UP))
        await self._accepted(await self._queued(_WARM_UP))

    async def bare(self) -> None:
        """Send a round without a ledger, in a process of its own."""
        before = cpu_seconds(self._pids)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tellal.bench.bare_texts",
            str(self._size),
            str(self._at_once),
            stdout=asyncio.subprocess.PIPE,
            env=child_environment(self._stack.settings),
        )
        written, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError("the bare client failed")
        taken = json.loads(written.splitlines()[-1])
        self._bare_s.append(taken["elapsed_s"])
        self._bare_cpu.update(self._since(before) | {"client": taken["cpu_s"]})

    async def ours(self) -> None:
        """Send a round over the worker's bulk lane."""
        batch = await self._queued(self._size)
        before = cpu_seconds(self._pids)
        self._ours_s.append(await self._accepted(batch))
        self._ours_cpu.update(self._since(before))
        async with self._sessions() as tx:
            longest = (await tx.execute(_AHEAD, {"cause": batch.cause_id})).scalar_one()
        self._longest_call_s = max(self._longest_call_s, longest)

    def result(self, memory: Memory) -> dict[str, object]:
        """Sum the rounds up."""
        ratios = [bare / ours for bare, ours in zip(self._bare_s, self._ours_s, strict=True)]
        return {
            "bench": "broadcast",
            "ratio": round(median(ratios), 3),
            "ours": {
                "messages": self._size * _ROUNDS,
                "at_once": self._at_once,
                "per_second": round(self._size / median(self._ours_s), 1),
                "round_s": round(median(self._ours_s), 3),
                "longest_intent_to_answer_s": round(self._longest_call_s, 3),
                **memory.as_json(),
                "cpu_ms_per_message": self._per_message(self._ours_cpu),
            },
            "baseline": {
                "per_second": round(self._size / median(self._bare_s), 1),
                "round_s": round(median(self._bare_s), 3),
                "cpu_ms_per_message": self._per_message(self._bare_cpu),
            },
        }

    async def _queued(self, size: int) -> Batch:
        """Write a round's messages; their cause waits."""
        async with self._sessions() as tx, tx.begin():
            cause_id = await open_cause(tx, self._crowd, running=False)
            return await queue(tx, self._crowd, cause_id, Lane.BULK, first=1, last=size)

    async def _accepted(self, batch: Batch) -> float:
        """Let a cause run and wait until the last message is accepted; return the seconds."""
        began = time.perf_counter()
        async with self._sessions() as tx, tx.begin():
            await let_run(tx, batch)
        async with asyncio.timeout(_PATIENCE_S):
            while await self._some_wait(batch):  # noqa: ASYNC110 - the ledger is another process
                await asyncio.sleep(_LOOK_EVERY_S)
        elapsed = time.perf_counter() - began
        async with self._sessions() as tx:
            counted = (await tx.execute(_STATES, {"cause": batch.cause_id})).all()
            states = {row.state: row.number for row in counted}
        if states != {"accepted": batch.last}:
            raise AssertionError(f"not everything was accepted: {states}")
        return elapsed

    async def _some_wait(self, batch: Batch) -> bool:
        async with self._sessions() as tx:
            return bool((await tx.execute(_UNTAKEN, {"cause": batch.cause_id})).scalar_one())

    def _since(self, before: Mapping[str, float]) -> dict[str, float]:
        return {name: now - before[name] for name, now in cpu_seconds(self._pids).items()}

    def _per_message(self, used: Mapping[str, float]) -> dict[str, float]:
        return {
            name: round(1000 * seconds / (self._size * _ROUNDS), 3)
            for name, seconds in sorted(used.items())
        }
