"""Serves the two task queues: one for everything that waits, one for lanes alone."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from temporalio.client import Client
from temporalio.worker import Worker

from activities.errors import CodedErrors
from activities.observing import Observed
from tellal.supervision import rest
from workflows.contracts import lanes_queue
from workflows.registry import WORKFLOWS, Activities
from workflows.telling import Telling

_GRACE = timedelta(seconds=20)
"""How long a worker that is told to stop finishes what it has in hand."""
_BEAT = timedelta(seconds=2)
_SLOTS = 40
_LANE_SLOTS = 12
_LOOK_AFTER_S = 30.0


class Serving:
    """A worker's hands at Temporal; each method works until told to stop."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    def parts(
        self, activities: Activities, lane_activities: Activities, stop: asyncio.Event
    ) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return what is to be kept going side by side."""
        return {
            "queue": partial(self.serve, activities, stop),
            "lanes": partial(self.serve_lanes, lane_activities, stop),
            "lane workflows": partial(self.keep_lanes, stop),
        }

    async def serve(self, activities: Activities, stop: asyncio.Event) -> None:
        """Work workflows, and the activities that speak with the ledger."""
        async with Worker(
            self._client,
            task_queue=self._task_queue,
            workflows=WORKFLOWS,
            activities=activities,
            interceptors=[Observed(), CodedErrors()],
            max_concurrent_activities=_SLOTS,
            max_heartbeat_throttle_interval=_BEAT,
            graceful_shutdown_timeout=_GRACE,
        ):
            await stop.wait()

    async def serve_lanes(self, activities: Activities, stop: asyncio.Event) -> None:
        """Work lanes, with slots that nothing else can take."""
        async with Worker(
            self._client,
            task_queue=lanes_queue(self._task_queue),
            activities=activities,
            interceptors=[Observed(), CodedErrors()],
            max_concurrent_activities=_LANE_SLOTS,
            max_heartbeat_throttle_interval=_BEAT,
            graceful_shutdown_timeout=_GRACE,
        ):
            await stop.wait()

    async def keep_lanes(self, stop: asyncio.Event) -> None:
        """See to it that every lane's workflow runs, also after somebody ended one."""
        telling = Telling(self._client, self._task_queue)
        while not stop.is_set():
            await telling.keep_lanes()
            await rest(stop, _LOOK_AFTER_S)
