"""The baseline of `bench journeys`: a workflow that receives signals and runs activities, no more.

Run as a module it is the baseline's worker, a process of its own as Tellal's worker is.
"""

import asyncio
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

BARE_WORKFLOW = "TellalBenchBare"
BARE_QUEUE = "tellal-bench-bare"


@dataclass(frozen=True, slots=True, kw_only=True)
class BareInput:
    """How many signals to wait for, and how many activities to run between them."""

    signals: int
    activities: int


@activity.defn(name="tellal_bench.nothing")
async def nothing() -> None:
    """Do nothing: what is measured is the orchestration."""


@workflow.defn(name=BARE_WORKFLOW)
class BareWorkflow:
    """Runs its activities spread evenly over its signals."""

    def __init__(self) -> None:
        self._received = 0

    @workflow.signal(name="go_on")
    def go_on(self) -> None:
        """Count a signal."""
        self._received += 1

    @workflow.run
    async def run(self, input: BareInput) -> None:
        """Run the activities, waiting for the signals that lie between them."""
        for done in range(input.activities):
            wanted = done * input.signals // max(1, input.activities)
            await workflow.wait_condition(lambda wanted=wanted: self._received >= wanted)  # type: ignore[misc]
            await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=30))
        await workflow.wait_condition(lambda: self._received >= input.signals)


async def serve(address: str) -> None:
    """Work the baseline's queue until SIGTERM."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Worker(
        client, task_queue=BARE_QUEUE, workflows=[BareWorkflow], activities=[nothing]
    ):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
