"""Scenes that the tests play, and whose histories are stored to be replayed for ever.

Record them anew, into files of new names, whenever a workflow learns something:
`python -m tests.support.scenes`. Old histories stay: somewhere such a run is still open.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowContinuedAsNewError, WorkflowHandle

from tellal.domain.campaigns import CampaignState
from tellal.domain.cases import CaseState
from tellal.domain.channels import Lane
from tellal.domain.messages import OutcomeState
from tellal.domain.outages import OutageState
from tellal.domain.outbox import OutboxKind
from tests.support.stage import Cue, Stage, a_stage
from workflows.contracts import LaneInput, OutageResult

HISTORIES = Path(__file__).parent.parent / "histories"

Handle = WorkflowHandle[Any, Any]
TOLD = Cue(state=OutcomeState.TOLD)


async def nudge_told(stage: Stage) -> Handle:
    """A receipt arrives: one look at the ledger, one signal."""
    stage.ledger.outcomes["o1"] = [Cue(stage="waiting for a receipt")]
    handle = await start_nudge(stage)
    await stage.say(OutboxKind.PROGRESSED, "nudge/o1", outcome_id="o1", state="told")
    await stage.end_of(handle)
    return handle


async def nudge_unanswered(stage: Stage) -> Handle:
    """Nobody says anything; the ledger tries, tries another channel, and gives it up."""
    stage.ledger.outcomes["o1"] = [
        Cue(stage="trying push", wait=timedelta(minutes=10)),
        Cue(stage="trying sms", wait=timedelta(days=3)),
        Cue(stage="waiting for the next try", wait=timedelta(days=7)),
        Cue(state=OutcomeState.FAILED),
    ]
    handle = await start_nudge(stage)
    await stage.end_of(handle)
    return handle


async def case_through(stage: Stage) -> Handle:
    """Opened, routed, answered, called, resolved, and both notices delivered."""
    await start_case(stage)
    for state in ("routed", "answered", "called", "resolved"):
        await change_case(stage, state)
    await stage.say(OutboxKind.PROGRESSED, "case/c1", outcome_id="opening", state="told")
    await stage.say(OutboxKind.PROGRESSED, "case/c1", outcome_id="closing", state="told")
    handle = stage.client.get_workflow_handle("case/c1")
    await stage.end_of(handle)
    return handle


async def case_attended(stage: Stage) -> Handle:
    """A team lets five days pass and is reminded twice; then the case goes its way."""
    stage.ledger.remind_after = timedelta(days=2)
    await start_case(stage)
    await change_case(stage, "routed")
    await stage.env.sleep(timedelta(days=5))
    for state in ("answered", "called", "resolved"):
        await change_case(stage, state)
    handle = stage.client.get_workflow_handle("case/c1")
    await stage.end_of(handle)
    return handle


async def case_replied(stage: Stage) -> Handle:
    """A reply goes by e-mail; the ledger names it when it is asked at once, and it is followed."""
    await start_case(stage)
    await change_case(stage, "routed")
    stage.ledger.beside = {"reply": Cue(wait=timedelta(hours=4))}
    stage.ledger.outcomes["reply"] = [TOLD]
    now = await stage.env.get_current_time()
    await change_case(stage, "replied", look_at=now)
    await stage.env.sleep(timedelta(minutes=1))
    await change_case(stage, "resolved")
    handle = stage.client.get_workflow_handle("case/c1")
    await stage.end_of(handle)
    return handle


async def case_informed(stage: Stage) -> Handle:
    """Opened and concluded in one: told once, at the end."""
    await start_case(stage, state="resolved")
    handle = stage.client.get_workflow_handle("case/c1")
    await stage.end_of(handle)
    return handle


async def case_surveyed(stage: Stage) -> Handle:
    """A day after it was concluded its applicant is asked what he thinks of it."""
    stage.ledger.outcomes["survey"] = [TOLD]
    await stage.say(
        OutboxKind.CASE_SURVEYED,
        "case/c1/survey",
        case_id="c1",
        brand="utility",
        channel="written",
    )
    handle = stage.client.get_workflow_handle("case/c1/survey", result_type=int)
    await stage.say(OutboxKind.PROGRESSED, "case/c1/survey", outcome_id="survey", state="told")
    await stage.end_of(handle)
    return handle


async def outage_rounds(stage: Stage) -> Handle:
    """Confirmed, told in three chunks, updated, resolved, and the all-clear given."""
    await start_outage(stage)
    for state, notice, chunks in (
        (OutageState.CONFIRMED, "notice", 3),
        (OutageState.CONFIRMED, "update", 1),
        (OutageState.RESOLVED, "all-clear", 1),
    ):
        await change_outage(stage, state, **{notice: chunks})
    handle = stage.client.get_workflow_handle("outage/u1", result_type=OutageResult)
    await stage.end_of(handle)
    return handle


async def outage_was_none(stage: Stage) -> Handle:
    """A suspicion that the clock looks after, and that a person dismisses."""
    stage.ledger.due = timedelta(minutes=15)
    await start_outage(stage)
    await stage.env.sleep(timedelta(minutes=20))
    await change_outage(stage, OutageState.DISMISSED)
    handle = stage.client.get_workflow_handle("outage/u1", result_type=OutageResult)
    await stage.end_of(handle)
    return handle


async def campaign_runs(stage: Stage) -> Handle:
    """Waits for its time, is decided at its pace, rests for the night, settles, and is over."""
    state = CampaignState
    stage.ledger.campaigns.steps = [
        (state.APPROVED, "", 86_400),
        (state.RUNNING, "r1", None),
        (state.RUNNING, "r1", None),
        (state.RUNNING, "", 60),
        (state.ENDED, "", None),
    ]
    stage.ledger.campaigns.turns = [(100, False, 36_000), (50, True, None)]
    await change_campaign(stage, state.APPROVED)
    return await _ended_campaign(stage)


async def campaign_paused(stage: Stage) -> Handle:
    """Is paused in the middle, goes on a day later, and is called off."""
    state = CampaignState
    stage.ledger.campaigns.steps = [(state.RUNNING, "r1", None), (state.PAUSED, "", None)]
    stage.ledger.campaigns.turns = [(100, True, None)]
    await change_campaign(stage, state.RUNNING)
    await stage.env.sleep(timedelta(days=1))
    stage.ledger.campaigns.steps = [(state.CANCELLED, "", None)]
    await change_campaign(stage, state.CANCELLED)
    return await _ended_campaign(stage)


async def _ended_campaign(stage: Stage) -> Handle:
    handle = stage.client.get_workflow_handle("campaign/p1")
    await stage.end_of(handle)
    return handle


async def change_campaign(stage: Stage, state: CampaignState) -> None:
    kind = OutboxKind.CAMPAIGN_CHANGED
    body = {"campaign_id": "p1", "state": state.value, "brand": "bank"}
    await stage.say(kind, "campaign/p1", **body)


async def lane_shifts(stage: Stage) -> Handle:
    """A lane works its shifts and begins anew; its first run is what is kept."""
    started = await stage.client.start_workflow(
        "TellalLane",
        LaneInput(lane=Lane.CRITICAL, number=0),
        id="lane/critical/0",
        task_queue=stage.task_queue,
    )
    first = stage.client.get_workflow_handle(started.id, run_id=started.first_execution_run_id)
    with suppress(WorkflowContinuedAsNewError):
        await stage.end_of(first)
    await stage.client.get_workflow_handle(started.id).terminate()
    return first


SCENES: Mapping[str, Callable[[Stage], Awaitable[Handle]]] = {
    scene.__name__: scene
    for scene in (
        nudge_told,
        nudge_unanswered,
        case_through,
        case_attended,
        case_replied,
        case_informed,
        case_surveyed,
        outage_rounds,
        outage_was_none,
        campaign_runs,
        campaign_paused,
        lane_shifts,
    )
}


async def start_nudge(stage: Stage, outcome_id: str = "o1") -> Handle:
    await stage.say(
        OutboxKind.NUDGE_STARTED,
        f"nudge/{outcome_id}",
        outcome_id=outcome_id,
        topic="phishing",
        brand="bank",
        rule="phishing.channels.sms",
    )
    return stage.client.get_workflow_handle(f"nudge/{outcome_id}")


async def start_case(stage: Stage, state: str = "opened") -> None:
    stage.ledger.state = CaseState(state)
    stage.ledger.notices = {
        CaseState.OPENED: {"opening": Cue(wait=timedelta(minutes=5))},
        CaseState.RESOLVED: {"closing": Cue(wait=timedelta(minutes=5))},
    }
    stage.ledger.outcomes = {"opening": [TOLD], "closing": [TOLD]}
    await stage.say(
        OutboxKind.CASE_OPENED,
        "case/c1",
        case_id="c1",
        brand="utility",
        channel="web",
        state=state,
        look_at="",
    )


async def change_case(stage: Stage, state: str, *, look_at: datetime | None = None) -> None:
    """Have an officer change a case; the ledger says when it has something to do in it."""
    stage.ledger.state = CaseState(state)
    if look_at is None and stage.ledger.remind_after and state in stage.ledger.reminded:
        look_at = await stage.env.get_current_time() + stage.ledger.remind_after
    await stage.say(
        OutboxKind.CASE_CHANGED,
        "case/c1",
        case_id="c1",
        state=state,
        look_at=look_at.isoformat() if look_at else "",
    )


async def start_outage(stage: Stage) -> None:
    await stage.say(
        OutboxKind.OUTAGE_DECLARED, "outage/u1", outage_id="u1", brand="bank", topic="outage"
    )


async def change_outage(stage: Stage, state: OutageState, **rounds: int) -> None:
    """Have an operator change an outage, with the rounds that this begins."""
    stage.ledger.outage = state
    stage.ledger.rounds |= rounds
    await stage.say(OutboxKind.OUTAGE_CHANGED, "outage/u1", outage_id="u1", state=state.value)


async def record() -> None:
    """Store the history of every scene."""
    for name, scene in SCENES.items():
        async with a_stage() as stage:
            history = await (await scene(stage)).fetch_history()
        (HISTORIES / f"{name}.json").write_text(history.to_json() + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(record())
