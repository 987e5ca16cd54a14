"""Plain web cases per second, beside a bare workflow with as many signals and activities.

Both run on the same servers in turn, round by round. How many signals and activities a case takes
is not assumed: it is counted in the histories of a first round. Ours is the whole way: five HTTP
requests with their transactions, decisions, the outbox, the lanes, two texts to the carrier and its
signed callbacks; the baseline has none of it, so the ratio says what all of that costs.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from statistics import median, median_low
from typing import Self, cast

import aiohttp
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from tellal.bench.bare import BARE_QUEUE, BARE_WORKFLOW, BareInput
from tellal.ids import new_id
from tellal.settings import Settings
from tellal.stack.stack import Stack
from tellal.stories.cast import DISTRIBUTOR, gather_ensemble
from tellal.stories.client import Caller

_ROUNDS = 5
_CASES = 60
_AT_ONCE = 12
_PACE_S = 0.02
"""Between two signals of the baseline: an officer's commands come one after another, too."""
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    signals: int
    activities: int


def run() -> dict[str, object]:
    """Run the benchmark on a stack of its own; `ratio` is our throughput over the baseline's."""
    with Stack(settings=Settings(), ui=False) as stack, _bare_worker(stack.temporal_address):
        return asyncio.run(_measure(stack))


@contextmanager
def _bare_worker(address: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tellal.bench.bare", address]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


async def _measure(stack: Stack) -> dict[str, object]:
    ensemble = await gather_ensemble(stack.database_url, stack.rulebook)
    client = await Client.connect(stack.temporal_address, data_converter=pydantic_data_converter)
    key = ensemble.keys[DISTRIBUTOR]
    async with Caller(stack.api_url, key) as caller:
        await caller.customer("applicant", contacts={"sms": "+905330000999"})
    async with _Office.open(stack.api_url, key) as utility:
        ended: list[str] = []

        async def first() -> None:
            ended.append(await _case(utility, client))

        await _timed(first)
        shape = await _shape(client, ended)
        await _timed(lambda: _bare(client, shape))
        ours, bare = [], []
        for _ in range(_ROUNDS):
            ours.append(await _timed(lambda: _case(utility, client)))
            bare.append(await _timed(lambda: _bare(client, shape)))
    ratios = [b / o for o, b in zip(ours, bare, strict=True)]
    return {
        "bench": "journeys",
        "ratio": median(ratios),
        "ours": {
            "cases": _ROUNDS * _CASES,
            "per_second": _CASES / median(ours),
            "round_s": median(ours),
            "signals": shape.signals,
            "activities": shape.activities,
        },
        "baseline": {"per_second": _CASES / median(bare), "round_s": median(bare)},
    }


async def _timed(one: Callable[[], Coroutine[object, object, object]]) -> float:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def gated() -> None:
        async with gate:
            await one()

    start = time.perf_counter()
    await asyncio.gather(*(gated() for _ in range(_CASES)))
    return time.perf_counter() - start


class _Office:
    """The officers' system: it writes as stories' callers do, and takes little of the machine."""

    def __init__(self, http: aiohttp.ClientSession, api_url: str) -> None:
        self._http = http
        self._url = f"{api_url}/v1"

    @classmethod
    @asynccontextmanager
    async def open(cls, api_url: str, key: str) -> AsyncIterator[Self]:
        """Keep connections while the office is open."""
        headers = {"Authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as http:
            yield cls(http, api_url)

    async def write(self, path: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Write something that must succeed."""
        headers = {"Idempotency-Key": new_id()}
        async with self._http.post(self._url + path, json=body, headers=headers) as response:
            return cast(Mapping[str, object], await response.json())


async def _case(utility: _Office, client: Client) -> str:
    """Bring one web case from opening to the end of its workflow; return the workflow's id."""
    case = await utility.write(
        "/cases", {"customer": "applicant", "channel": "web", "subject": "bench"}
    )
    path = f"/cases/{case['number']}"
    await utility.write(f"{path}/route", {"team": "metering"})
    await utility.write(f"{path}/answer", {"answer": "done"})
    await utility.write(f"{path}/call", {"reached": True, "verified_as": "applicant"})
    await utility.write(f"{path}/resolve", {"result": "done"})
    workflow_id = f"case/{case['id']}"
    await _ended(client, workflow_id)
    return workflow_id


async def _ended(client: Client, workflow_id: str) -> None:
    """Wait for the end of a workflow that the dispatcher may not have started yet."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await client.get_workflow_handle(workflow_id).result()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or time.monotonic() > end:
                raise
            await asyncio.sleep(_PACE_S)
        else:
            return


async def _shape(client: Client, workflow_ids: Sequence[str]) -> _Shape:
    """Count what a middling case takes; news that comes close together is one signal."""
    signals, activities = [], []
    for workflow_id in workflow_ids:
        history = await client.get_workflow_handle(workflow_id).fetch_history()
        kinds = [event.event_type for event in history.events]
        signals.append(kinds.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
        activities.append(kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED))
    return _Shape(signals=median_low(signals), activities=median_low(activities))


async def _bare(client: Client, shape: _Shape) -> None:
    handle = await client.start_workflow(
        BARE_WORKFLOW,
        BareInput(signals=shape.signals, activities=shape.activities),
        id=f"bare/{new_id()}",
        task_queue=BARE_QUEUE,
    )
    for _ in range(shape.signals):
        await handle.signal("go_on")
        await asyncio.sleep(_PACE_S)
    await handle.result()
