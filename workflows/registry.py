"""Every workflow and activity that a worker offers, each under its explicit name."""

from collections.abc import Callable, Sequence
from typing import Any

from activities.cases import CaseActivities
from activities.journeys import JourneyActivities
from activities.lanes import LaneActivities
from activities.outages import OutageActivities
from workflows.case import CaseWorkflow
from workflows.lane import LaneWorkflow
from workflows.nudge import NudgeWorkflow
from workflows.outage import OutageWorkflow

WORKFLOWS: tuple[type, ...] = (NudgeWorkflow, CaseWorkflow, OutageWorkflow, LaneWorkflow)


def activities(
    *, journeys: JourneyActivities, cases: CaseActivities, outages: OutageActivities
) -> Sequence[Callable[..., Any]]:
    """Return the activities of the main queue, bound to who answers them."""
    return (
        journeys.advance,
        cases.notice,
        cases.remind,
        cases.describe,
        outages.decide_audience,
        outages.watch,
    )


def lane_activities(lanes: LaneActivities) -> Sequence[Callable[..., Any]]:
    """Return the activities of the lanes' own queue."""
    return (lanes.work,)
