"""The outbox meets a real Temporal server: said twice, done once; away, and back again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.journeys import AdvanceOutcome
from tellal.clock import SystemClock
from tellal.domain.journeys import Step
from tellal.domain.messages import OutcomeState
from tellal.domain.outbox import OutboxItem, OutboxKind, WorkflowGoneError
from tellal.ids import new_id
from tellal.persistence.session import Sessions
from tellal.services.dispatching import Dispatcher
from tellal.services.outbox import enqueue
from tests.support.carrier import free_port
from tests.support.ledger import outbox
from tests.support.waiting import until
from workflows.contracts import lanes_queue
from workflows.registry import WORKFLOWS
from workflows.telling import Telling


@activity.defn(name="tellal.advance_outcome")
async def told_at_once(order: AdvanceOutcome) -> Step:
    return Step(
        outcome_id=order.outcome_id,
        state=OutcomeState.TOLD,
        stage="told",
        wait_until=None,
        rule="phishing.channels.sms",
        topic="phishing",
        brand="bank",
    )


@pytest.fixture
async def worked(temporal: Client, task_queue: str) -> AsyncIterator[str]:
    """A queue that a worker serves."""
    async with Worker(
        temporal, task_queue=task_queue, workflows=WORKFLOWS, activities=[told_at_once]
    ):
        yield task_queue


def a_nudge(outcome_id: str) -> OutboxItem:
    return OutboxItem(
        id=new_id(),
        kind=OutboxKind.NUDGE_STARTED,
        workflow_id=f"nudge/{outcome_id}",
        body={
            "outcome_id": outcome_id,
            "topic": "phishing",
            "brand": "bank",
            "rule": "phishing.channels.sms",
        },
    )


def news(outcome_id: str) -> OutboxItem:
    return OutboxItem(
        id=new_id(),
        kind=OutboxKind.PROGRESSED,
        workflow_id=f"nudge/{outcome_id}",
        body={"outcome_id": outcome_id, "state": "told"},
    )


async def test_a_start_that_is_repeated_runs_once(temporal: Client, worked: str) -> None:
    telling, outcome_id = Telling(temporal, worked), new_id()

    await telling.deliver(a_nudge(outcome_id))
    await temporal.get_workflow_handle(f"nudge/{outcome_id}").result()
    await telling.deliver(a_nudge(outcome_id))

    handle = temporal.get_workflow_handle(f"nudge/{outcome_id}")
    runs = [run async for run in temporal.list_workflows(f'WorkflowId="nudge/{outcome_id}"')]
    assert (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED
    assert len(runs) <= 1


async def test_who_has_ended_or_never_was_is_gone(temporal: Client, worked: str) -> None:
    telling, outcome_id = Telling(temporal, worked), new_id()
    await telling.deliver(a_nudge(outcome_id))
    await temporal.get_workflow_handle(f"nudge/{outcome_id}").result()

    for gone in (outcome_id, new_id()):
        with pytest.raises(WorkflowGoneError):
            await telling.deliver(news(gone))


async def test_an_engineer_sees_what_a_nudge_is_about(temporal: Client, worked: str) -> None:
    outcome_id = new_id()
    await Telling(temporal, worked).deliver(a_nudge(outcome_id))
    handle = temporal.get_workflow_handle(f"nudge/{outcome_id}")
    await handle.result()

    run = await handle.describe()

    seen = {pair.key.name: pair.value for pair in run.typed_search_attributes}
    assert seen == seen | {
        "TellalBrand": "bank",
        "TellalTopic": "phishing",
        "TellalRule": "phishing.channels.sms",
        "TellalStage": "told",
        "TellalOutcome": "told",
    }
    assert await run.static_summary() == "phishing for a customer of bank"


async def test_lanes_are_started_once_and_again_when_somebody_ended_them(
    temporal: Client, task_queue: str
) -> None:
    telling = Telling(temporal, task_queue)
    lanes = [temporal.get_workflow_handle(f"lane/{name}/0") for name in ("critical", "bulk")]

    await telling.keep_lanes()
    first = [(await lane.describe()).run_id for lane in lanes]
    await lanes[0].terminate()
    await telling.keep_lanes()
    second = [(await lane.describe()).run_id for lane in lanes]
    for name in ("critical", "journeys", "bulk"):
        await temporal.get_workflow_handle(f"lane/{name}/0").terminate()

    assert first[0] != second[0]
    assert first[1] == second[1]
    assert lanes_queue(task_queue) != task_queue


async def test_the_outbox_outlives_that_temporal_is_away(
    sessions: Sessions, temporal: Client, worked: str
) -> None:
    nowhere = await Client.connect(
        f"127.0.0.1:{free_port()}", data_converter=pydantic_data_converter, lazy=True
    )
    nudge = a_nudge(new_id())
    async with sessions() as tx, tx.begin():
        await enqueue(
            tx,
            brand_id="brand",
            kind=nudge.kind,
            workflow_id=nudge.workflow_id,
            body=nudge.body,
            now=SystemClock().now(),
        )

    await Dispatcher(sessions, SystemClock(), Telling(nowhere, worked).deliver).deliver_due()
    [waiting] = await outbox(sessions)
    stop = asyncio.Event()
    dispatcher = Dispatcher(sessions, SystemClock(), Telling(temporal, worked).deliver)
    running = asyncio.create_task(dispatcher.run(stop))

    async def it_has_ended() -> bool:
        try:
            run = await temporal.get_workflow_handle(nudge.workflow_id).describe()
        except RPCError:
            return False
        return run.status is WorkflowExecutionStatus.COMPLETED

    await until(it_has_ended)
    stop.set()
    await running

    assert (waiting.done_at, waiting.tries) == (None, 1)
    assert waiting.error != ""
