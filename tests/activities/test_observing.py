"""Whatever an activity logs carries the ids by which it is found in the Temporal UI."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.journeys import AdvanceOutcome
from activities.observing import Observed, ids_of
from activities.outages import WatchOutage
from tellal.metrics import EVENTS
from tellal.telemetry import configure


class Logging(ActivityInboundInterceptor):
    """Stands for the activity itself."""

    def __init__(self) -> None:
        """There is no next one."""

    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        logging.getLogger("tellal.test").info("at work")
        return input.args


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    written = io.StringIO()
    configure("info", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_what_is_logged_in_an_activity_names_workflow_and_order(stream: io.StringIO) -> None:
    name, labels = "tellal_schedule_lag_seconds_count", {"work": "activities"}
    before = EVENTS.get_sample_value(name, labels) or 0.0
    observing = Observed().intercept_activity(Logging())
    order = AdvanceOutcome(outcome_id="01OUTCOME")

    async def work() -> object:
        return await observing.execute_activity(
            ExecuteActivityInput(fn=work, args=[order], executor=None, headers={})
        )

    environment = ActivityEnvironment()
    done = await environment.run(work)

    assert done == [order]
    line = json.loads(stream.getvalue())
    assert line["outcome_id"] == "01OUTCOME"
    assert line["workflow_id"] == environment.info.workflow_id
    assert line["activity"] == environment.info.activity_type
    assert line["attempt"] == "1"
    assert EVENTS.get_sample_value(name, labels) == before + 1


def test_only_ids_are_taken_from_an_order() -> None:
    orders = [WatchOutage(outage_id="01OUTAGE", at_most_s=3.0), "+905320000101"]

    assert dict(ids_of(orders)) == {"outage_id": "01OUTAGE"}
