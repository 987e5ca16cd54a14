"""Says for each item of the outbox which workflow to start, or what to tell which one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from temporalio.common import SearchAttributePair, TypedSearchAttributes

from tellal.domain.campaigns import CampaignState
from tellal.domain.cases import CaseState
from tellal.domain.channels import Lane
from tellal.domain.messages import OutcomeState
from tellal.domain.outages import OutageState
from tellal.domain.outbox import OutboxItem, OutboxKind
from workflows.contracts import (
    CampaignChanged,
    CampaignInput,
    CaseChanged,
    CaseInput,
    LaneInput,
    NudgeInput,
    OutageChanged,
    OutageInput,
    Progressed,
    SurveyInput,
)
from workflows.showing import BRAND, RULE, STAGE, TOPIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A workflow to start, by its wire name."""

    workflow: str
    id: str
    input: object
    summary: str
    search_attributes: TypedSearchAttributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Something to tell a workflow that was started; `again` is how it starts if it has ended."""

    id: str
    name: str
    news: object
    again: Start | None = None


def instruction(item: OutboxItem) -> Start | Signal:
    """Translate an item of the outbox."""
    return _INSTRUCTIONS[item.kind](item.workflow_id, item.body)


def lane(name: Lane, number: int) -> Start:
    """Return the start of a lane's workflow."""
    return Start(
        workflow="TellalLane",
        id=f"lane/{name}/{number}",
        input=LaneInput(lane=name, number=number),
        summary=f"Lane {name}: hands messages over to providers",
        search_attributes=TypedSearchAttributes([SearchAttributePair(STAGE, "working")]),
    )


def _nudge(workflow_id: str, body: Mapping[str, Any]) -> Start:
    nudge = NudgeInput(
        outcome_id=body["outcome_id"], topic=body["topic"], brand=body["brand"], rule=body["rule"]
    )
    return Start(
        workflow="TellalNudge",
        id=workflow_id,
        input=nudge,
        summary=f"{nudge.topic} for a customer of {nudge.brand}",
        search_attributes=_attributes(
            brand=nudge.brand, topic=nudge.topic, rule=nudge.rule, stage="in the lane"
        ),
    )


def _case(workflow_id: str, body: Mapping[str, Any]) -> Start:
    case = CaseInput(
        case_id=body["case_id"],
        brand=body["brand"],
        channel=body["channel"],
        state=CaseState(body.get("state", CaseState.OPENED)),
        look_at=_instant(body.get("look_at", "")),
    )
    return Start(
        workflow="TellalCase",
        id=workflow_id,
        input=case,
        summary=f"Case of {case.brand} over {case.channel}",
        search_attributes=_attributes(brand=case.brand, stage=case.state.value),
    )


def _survey(workflow_id: str, body: Mapping[str, Any]) -> Start:
    survey = SurveyInput(case_id=body["case_id"], brand=body["brand"], channel=body["channel"])
    return Start(
        workflow="TellalCaseSurvey",
        id=workflow_id,
        input=survey,
        summary=f"Survey after a case of {survey.brand} over {survey.channel}",
        search_attributes=_attributes(brand=survey.brand, stage="survey"),
    )


def _outage(workflow_id: str, body: Mapping[str, Any]) -> Start:
    outage = OutageInput(outage_id=body["outage_id"], brand=body["brand"], topic=body["topic"])
    return Start(
        workflow="TellalOutage",
        id=workflow_id,
        input=outage,
        summary=f"Outage of {outage.brand}: {outage.topic}",
        search_attributes=_attributes(
            brand=outage.brand, topic=outage.topic, stage=OutageState.SUSPECTED.value
        ),
    )


def _case_changed(workflow_id: str, body: Mapping[str, Any]) -> Signal:
    look_at = _instant(body.get("look_at", ""))
    change = CaseChanged(state=CaseState(body["state"]), look_at=look_at)
    return Signal(id=workflow_id, name="changed", news=change)


def _outage_changed(workflow_id: str, body: Mapping[str, Any]) -> Signal:
    change = OutageChanged(state=OutageState(body["state"]))
    again = _outage(workflow_id, body) if "brand" in body else None
    return Signal(id=workflow_id, name="changed", news=change, again=again)


def _campaign_changed(workflow_id: str, body: Mapping[str, Any]) -> Signal:
    campaign = CampaignInput(campaign_id=body["campaign_id"], brand=body["brand"])
    change = CampaignChanged(state=CampaignState(body["state"]))
    start = Start(
        workflow="TellalCampaign",
        id=workflow_id,
        input=campaign,
        summary=f"Campaign of {campaign.brand}",
        search_attributes=_attributes(brand=campaign.brand, stage=body["state"]),
    )
    return Signal(id=workflow_id, name="changed", news=change, again=start)


def _progressed(workflow_id: str, body: Mapping[str, Any]) -> Signal:
    news = Progressed(outcome_id=body["outcome_id"], state=OutcomeState(body["state"]))
    return Signal(id=workflow_id, name="progressed", news=news)


_INSTRUCTIONS: Mapping[OutboxKind, Callable[[str, Mapping[str, Any]], Start | Signal]] = {
    OutboxKind.NUDGE_STARTED: _nudge,
    OutboxKind.CASE_OPENED: _case,
    OutboxKind.CASE_CHANGED: _case_changed,
    OutboxKind.CASE_SURVEYED: _survey,
    OutboxKind.OUTAGE_DECLARED: _outage,
    OutboxKind.OUTAGE_CHANGED: _outage_changed,
    OutboxKind.CAMPAIGN_CHANGED: _campaign_changed,
    OutboxKind.PROGRESSED: _progressed,
}


def _instant(written: str) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


def _attributes(
    *, brand: str, stage: str, topic: str = "", rule: str = ""
) -> TypedSearchAttributes:
    words = ((BRAND, brand), (TOPIC, topic), (STAGE, stage), (RULE, rule))
    return TypedSearchAttributes([SearchAttributePair(key, word) for key, word in words if word])
