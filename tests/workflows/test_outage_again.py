"""An outage whose workflow has ended, and of which something is to be told again."""

from collections.abc import AsyncIterator

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.outages import AboutOutage
from tellal.domain.journeys import OutageStep
from tellal.domain.outages import OutageState
from tellal.domain.outbox import OutboxItem, OutboxKind, WorkflowGoneError
from tellal.ids import new_id
from workflows.registry import WORKFLOWS
from workflows.telling import Telling


@activity.defn(name="tellal.look_at_outage")
async def over_at_once(about: AboutOutage) -> OutageStep:
    assert about.outage_id
    return OutageStep(
        state=OutageState.RESOLVED,
        stage="resolved",
        undecided=(),
        wait_until=None,
        open_outcomes=0,
        over=True,
    )


@pytest.fixture
async def worked(temporal: Client, task_queue: str) -> AsyncIterator[str]:
    """A queue that a worker serves."""
    async with Worker(
        temporal, task_queue=task_queue, workflows=WORKFLOWS, activities=[over_at_once]
    ):
        yield task_queue


def item(kind: OutboxKind, outage_id: str, **more: str) -> OutboxItem:
    body = {"outage_id": outage_id, **more}
    return OutboxItem(id=new_id(), kind=kind, workflow_id=f"outage/{outage_id}", body=body)


async def test_news_of_an_outage_that_was_over_have_it_looked_at_again(
    temporal: Client, worked: str
) -> None:
    telling, outage_id = Telling(temporal, worked), new_id()
    handle = temporal.get_workflow_handle(f"outage/{outage_id}")
    what = {"brand": "porsuk-edas", "topic": "outage_notice"}
    declared = item(OutboxKind.OUTAGE_DECLARED, outage_id, **what)
    reopened = item(OutboxKind.OUTAGE_CHANGED, outage_id, state="confirmed", **what)

    await telling.deliver(declared)
    await handle.result()
    first = (await handle.describe()).run_id
    await telling.deliver(declared)
    repeated = (await handle.describe()).run_id
    await telling.deliver(reopened)
    await handle.result()
    again = (await handle.describe()).run_id

    assert repeated == first
    assert again != first


async def test_news_that_name_no_brand_are_for_a_workflow_that_runs(
    temporal: Client, worked: str
) -> None:
    """Such items were written before outages could be woken."""
    with pytest.raises(WorkflowGoneError):
        await Telling(temporal, worked).deliver(
            item(OutboxKind.OUTAGE_CHANGED, new_id(), state="resolved")
        )
