"""Every workflow and activity that a worker offers, each under its explicit name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from activities.campaigns import CampaignActivities, CampaignDesk
from activities.cases import CaseActivities, CaseDesk
from activities.journeys import JourneyActivities, JourneyDesk
from activities.lanes import HandOverDesk, LaneActivities
from activities.outages import OutageActivities, OutageDesk
from tellal.domain.channels import Lane
from tellal.ports import Sender
from workflows.campaign import CampaignWorkflow
from workflows.case import CaseWorkflow
from workflows.case_survey import CaseSurveyWorkflow
from workflows.lane import LaneWorkflow
from workflows.nudge import NudgeWorkflow
from workflows.outage import OutageWorkflow

WORKFLOWS: tuple[type, ...] = (
    NudgeWorkflow,
    CaseWorkflow,
    CaseSurveyWorkflow,
    OutageWorkflow,
    CampaignWorkflow,
    LaneWorkflow,
)


Activities = Sequence[Callable[..., Any]]


def activities(
    *, journeys: JourneyDesk, cases: CaseDesk, outages: OutageDesk, campaigns: CampaignDesk
) -> Activities:
    """Return the activities of the main queue, bound to who answers them."""
    journey, case, outage, campaign = (
        JourneyActivities(journeys),
        CaseActivities(cases),
        OutageActivities(outages),
        CampaignActivities(campaigns),
    )
    return (
        journey.advance,
        case.notice,
        case.remind,
        case.describe,
        case.attend,
        case.survey,
        outage.look,
        outage.decide_round,
        outage.decide_audience,
        outage.watch,
        campaign.look,
        campaign.decide_run,
    )


def lane_activities(
    desk: HandOverDesk, senders: Mapping[str, Sender], side_by_side: Mapping[Lane, int]
) -> Activities:
    """Return the activities of the lanes' own queue."""
    return (LaneActivities(desk, senders, side_by_side).work,)
