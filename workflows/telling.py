"""Starts and tells workflows over a client; said twice, it is done once."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from tellal.domain.channels import Lane
from tellal.domain.outbox import OutboxItem, WorkflowGoneError
from workflows.starting import Signal, Start, instruction, lane

_PATIENCE = timedelta(seconds=5)
"""For one call to Temporal; the outbox tries again."""


class Telling:
    """Delivers what the outbox says."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def deliver(self, item: OutboxItem) -> None:
        """Start or tell a workflow.

        Raises:
            WorkflowGoneError: The workflow to be told has ended, or was not started yet.
        """
        match instruction(item):
            case Start() as start:
                await self._start(start)
            case Signal() as signal:
                await self._signal(signal)

    async def keep_lanes(self, lanes: int = 1) -> None:
        """See to it that every lane has so many workflows."""
        for name in Lane:
            for number in range(lanes):
                await self._start(lane(name, number), again=True)

    async def _start(self, start: Start, *, again: bool = False) -> None:
        """Start a workflow that is told once; one that has ended starts `again` only if asked."""
        reuse = WorkflowIDReusePolicy
        try:
            await self._client.start_workflow(
                start.workflow,
                start.input,
                id=start.id,
                task_queue=self._task_queue,
                id_reuse_policy=reuse.ALLOW_DUPLICATE if again else reuse.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                search_attributes=start.search_attributes,
                static_summary=start.summary,
                # The dispatcher lives beside the worker, which gets the first task with the answer.
                request_eager_start=True,
                rpc_timeout=_PATIENCE,
            )
        except WorkflowAlreadyStartedError:
            return

    async def _signal(self, signal: Signal) -> None:
        handle = self._client.get_workflow_handle(signal.id)
        try:
            await handle.signal(signal.name, signal.news, rpc_timeout=_PATIENCE)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND and signal.again is not None:
                # What is opened again after it was over still has to be told.
                return await self._start(signal.again, again=True)
            if error.status is RPCStatusCode.NOT_FOUND:
                raise WorkflowGoneError(signal.id) from error
            raise
