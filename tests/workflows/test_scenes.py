"""Workflows as they are played: who is asked what, how often, and after how long."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tellal.domain.cases import CaseState
from tellal.domain.messages import OutcomeState
from tellal.domain.outages import OutageState
from tellal.domain.outbox import OutboxKind
from tests.support.scenes import (
    TOLD,
    case_attended,
    case_informed,
    case_replied,
    case_surveyed,
    case_through,
    change_case,
    change_outage,
    lane_shifts,
    nudge_told,
    nudge_unanswered,
    outage_rounds,
    outage_was_none,
    start_case,
    start_nudge,
    start_outage,
)
from tests.support.stage import Cue, Stage, a_stage, duration, events
from workflows import policies
from workflows.contracts import OutageResult, Progressed
from workflows.delivery import Ear


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as opened:
        yield opened


async def test_final_news_ends_a_nudge_without_another_look(stage: Stage) -> None:
    handle = await nudge_told(stage)

    assert await handle.result() == OutcomeState.TOLD
    assert stage.ledger.asked == [("advance", "o1")]


@pytest.mark.req("A07", "blocks")
async def test_silence_is_answered_by_the_ledger_until_it_gives_up(stage: Stage) -> None:
    handle = await nudge_unanswered(stage)

    assert await handle.result() == OutcomeState.FAILED
    assert stage.ledger.asked == [("advance", "o1")] * 4
    assert timedelta(days=10) < await duration(handle) < timedelta(days=11)


async def test_news_that_is_not_final_has_the_ledger_read_again(stage: Stage) -> None:
    stage.ledger.outcomes["o1"] = [Cue(wait=timedelta(days=30)), TOLD]

    handle = await start_nudge(stage)
    await stage.say(OutboxKind.PROGRESSED, "nudge/o1", outcome_id="o1", state="open")
    state = await stage.end_of(handle)

    assert state == OutcomeState.TOLD
    assert len(stage.ledger.asked) == 2
    assert await duration(handle) < timedelta(days=1)


async def test_a_ledger_that_is_late_is_not_pestered(stage: Stage) -> None:
    """A lane that stands still for a day leaves waits that are over; each look waits longer."""
    stage.ledger.outcomes["o1"] = [*[Cue(wait=timedelta(0))] * 20, TOLD]

    handle = await start_nudge(stage)
    await stage.end_of(handle)

    assert await duration(handle) > timedelta(hours=1)


def test_older_news_does_not_hide_that_it_is_final() -> None:
    ear = Ear()

    for state in (OutcomeState.OPEN, OutcomeState.TOLD, OutcomeState.OPEN):
        ear.hear(Progressed(outcome_id="o1", state=state))

    assert ear._news == {"o1": OutcomeState.TOLD}


@pytest.mark.req("E01")
async def test_a_plain_case_takes_two_activities_and_six_signals(stage: Stage) -> None:
    handle = await case_through(stage)

    kinds = Counter(await events(handle))
    assert await handle.result() == CaseState.RESOLVED
    assert stage.ledger.asked == [("notice", "opened"), ("notice", "resolved")]
    assert kinds["activity_task_scheduled"] == 2
    assert kinds["workflow_execution_signaled"] == 6


async def test_a_notice_without_a_receipt_is_followed_along_its_plan(stage: Stage) -> None:
    await start_case(stage)
    stage.ledger.outcomes["opening"] = [Cue(stage="trying email", wait=timedelta(hours=4)), TOLD]
    # Not to the day: the test server loses a task that a timer and a signal begin together.
    await stage.env.sleep(timedelta(hours=20))
    for state in ("routed", "answered", "called", "resolved"):
        await change_case(stage, state)
    await stage.say(OutboxKind.PROGRESSED, "case/c1", outcome_id="closing", state="told")

    await stage.end_of(stage.client.get_workflow_handle("case/c1"))

    assert stage.ledger.asked.count(("advance", "opening")) == 2
    assert stage.ledger.asked.count(("advance", "closing")) == 0


async def test_a_case_ends_only_when_its_notices_are_settled(stage: Stage) -> None:
    await start_case(stage)
    stage.ledger.outcomes["closing"] = [Cue(wait=timedelta(days=2)), TOLD]

    await change_case(stage, "resolved")
    handle = stage.client.get_workflow_handle("case/c1")
    await stage.end_of(handle)

    assert await duration(handle) > timedelta(days=2)


async def test_whoever_has_a_case_too_long_is_reminded_each_time(stage: Stage) -> None:
    await case_attended(stage)

    assert stage.ledger.asked.count(("attend", "routed")) == 2
    assert stage.ledger.asked.count(("attend", "answered")) == 0


async def test_a_profile_without_reminders_reminds_nobody(stage: Stage) -> None:
    stage.ledger.remind_after = None
    await start_case(stage)
    await change_case(stage, "routed")
    await stage.env.sleep(timedelta(days=30))
    await change_case(stage, "resolved")

    await stage.end_of(stage.client.get_workflow_handle("case/c1"))

    assert stage.ledger.asked.count(("attend", "routed")) == 30 // policies.LONGEST_QUIET.days


async def test_a_case_whose_news_was_lost_finds_its_state_in_the_ledger(stage: Stage) -> None:
    await start_case(stage)
    stage.ledger.state = CaseState.RESOLVED

    handle = stage.client.get_workflow_handle("case/c1")

    assert await stage.end_of(handle) == CaseState.RESOLVED
    assert ("notice", "resolved") in stage.ledger.asked


async def test_a_reply_by_mail_is_followed_beside_the_case(stage: Stage) -> None:
    await case_replied(stage)

    assert ("attend", "replied") in stage.ledger.asked
    assert stage.ledger.asked.count(("advance", "reply")) == 1


@pytest.mark.req("E28")
async def test_a_case_that_was_only_information_is_told_once(stage: Stage) -> None:
    handle = await case_informed(stage)

    assert await handle.result() == CaseState.RESOLVED
    assert [asked for asked in stage.ledger.asked if asked[0] == "notice"] == [
        ("notice", "resolved")
    ]


@pytest.mark.req("E20")
async def test_a_survey_is_decided_once_and_followed(stage: Stage) -> None:
    handle = await case_surveyed(stage)

    assert await handle.result() == 1
    assert stage.ledger.asked.count(("survey", "c1")) == 1


PLAIN, MORE = 60, 15


async def test_the_history_of_a_plain_case_stays_short(stage: Stage) -> None:
    """Also where each state lasts for days: only what is due makes it longer."""
    await start_case(stage)
    await stage.say(OutboxKind.PROGRESSED, "case/c1", outcome_id="opening", state="told")
    for state in ("routed", "answered", "called", "resolved"):
        await stage.env.sleep(timedelta(days=2))
        await change_case(stage, state)
    await stage.say(OutboxKind.PROGRESSED, "case/c1", outcome_id="closing", state="told")
    handle = stage.client.get_workflow_handle("case/c1")
    await stage.end_of(handle)

    assert len(await events(handle)) <= PLAIN


async def test_a_reminder_and_a_survey_add_little_to_a_history(stage: Stage) -> None:
    stage.ledger.remind_after = timedelta(days=2)
    reminded = await case_attended(stage)
    reminders = stage.ledger.asked.count(("attend", "routed"))
    plain = len(await events(await case_surveyed(stage)))

    assert len(await events(reminded)) <= PLAIN + MORE * reminders
    assert plain <= MORE


async def test_a_suspected_outage_tells_nobody(stage: Stage) -> None:
    await start_outage(stage)

    handle = stage.client.get_workflow_handle("outage/u1")
    await change_outage(stage, OutageState.DISMISSED)
    await stage.end_of(handle)

    assert "chunk" not in {asked for asked, _ in stage.ledger.asked}


async def test_the_clock_has_a_suspicion_looked_at_again(stage: Stage) -> None:
    handle = await outage_was_none(stage)

    looks = [state for asked, state in stage.ledger.asked if asked == "look"]
    assert looks[:2] == ["suspected", "suspected"]
    assert looks[-1] == "dismissed"
    assert (await handle.result()).state is OutageState.DISMISSED


async def test_an_outage_has_each_round_decided_chunk_by_chunk(stage: Stage) -> None:
    handle = await outage_rounds(stage)

    chunks = [notice for asked, notice in stage.ledger.asked if asked == "chunk"]
    assert Counter(chunks) == {"notice": 3, "update": 1, "all-clear": 1}
    assert chunks == sorted(chunks, key=["notice", "update", "all-clear"].index)
    assert await handle.result() == OutageResult(state=OutageState.RESOLVED, open_outcomes=0)


async def test_news_during_a_chunk_are_not_lost(stage: Stage) -> None:
    """What an operator says while an audience is decided is looked at right after it."""
    await start_outage(stage)
    await change_outage(stage, OutageState.CONFIRMED, notice=2)
    await change_outage(stage, OutageState.RESOLVED)
    handle = stage.client.get_workflow_handle("outage/u1", result_type=OutageResult)

    result = await stage.end_of(handle)

    assert result.state is OutageState.RESOLVED
    assert await duration(handle) < timedelta(minutes=1)


async def test_a_lane_begins_anew_before_its_history_grows_long(stage: Stage) -> None:
    first = await lane_shifts(stage)

    kinds = Counter(await events(first))
    assert kinds["activity_task_completed"] == policies.SHIFTS_PER_RUN
    assert kinds["workflow_execution_continued_as_new"] == 1
