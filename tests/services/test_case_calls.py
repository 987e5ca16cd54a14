"""Calls that are owed: who takes them, when, and what becomes of somebody who is never reached."""

from datetime import UTC, datetime

import pytest

from tellal.domain.calls import TaskState
from tellal.domain.cases import CallOutcome, CaseState, ReplyWay
from tellal.domain.channels import Channel
from tellal.domain.errors import ConflictError, RefusedTransitionError
from tellal.services.house import House
from tests.support.builders import a_customer
from tests.support.cases import Office, an_office
from tests.support.house import SetClock

FRIDAY_EVENING = datetime(2026, 3, 6, 16, 0, tzinfo=UTC)
"""Seven in the evening in Istanbul."""
SATURDAY = datetime(2026, 3, 7, 8, 0, tzinfo=UTC)
MONDAY_AT_NINE = datetime(2026, 3, 9, 6, 0, tzinfo=UTC)


@pytest.fixture
async def office(house: House, clock: SetClock) -> Office:
    return await an_office(house, clock)


async def commands(office: Office, case: object) -> list[str]:
    return [entry.command for entry in (await office.view(case)).entries]  # type: ignore[arg-type]  # a view


async def test_an_answer_makes_a_task_and_the_call_ends_it(office: Office) -> None:
    case = await office.answered()
    (task,) = await office.tasks(TaskState.OPEN)

    claimed = await office.claim(task)
    await office.call(case)

    assert (claimed.state, claimed.claimed_by) == ("claimed", "desk-1")
    assert [one.state for one in await office.tasks()] == ["done"]


async def test_a_task_has_one_officer_until_his_time_is_over(office: Office) -> None:
    await office.answered()
    (task,) = await office.tasks()
    await office.claim(task, "desk-1")

    with pytest.raises(ConflictError) as refused:
        await office.claim(task, "desk-2")
    again = await office.claim(task, "desk-1")
    office.pass_by(minutes=31)
    lapsed = await office.tasks(TaskState.OPEN)
    taken = await office.claim(task, "desk-2")

    assert refused.value.code == "claimed_by_other"
    assert again.claimed_by == "desk-1"
    assert [one.claimed_by for one in lapsed] == [""]
    assert taken.claimed_by == "desk-2"


@pytest.mark.parametrize("at", [FRIDAY_EVENING, SATURDAY])
async def test_nobody_is_called_at_night_or_on_a_free_day(office: Office, at: datetime) -> None:
    office.clock.at = at
    await office.answered()

    (task,) = await office.tasks()

    assert task.not_before == MONDAY_AT_NINE
    with pytest.raises(ConflictError) as refused:
        await office.claim(task)
    assert refused.value.code == "too_early"


async def test_the_hours_end_while_a_task_waits(office: Office) -> None:
    await office.answered()
    (task,) = await office.tasks()
    office.clock.at = FRIDAY_EVENING

    with pytest.raises(ConflictError) as refused:
        await office.claim(task)

    assert refused.value.code == "outside_call_hours"


@pytest.mark.req("E43")
async def test_after_a_call_in_vain_some_hours_pass(office: Office) -> None:
    case = await office.answered()
    await office.call(case, CallOutcome.BUSY)
    (task,) = await office.tasks()

    with pytest.raises(ConflictError) as refused:
        await office.claim(task)

    assert (task.attempts, task.last_outcome, refused.value.code) == (1, "busy", "too_early")


@pytest.mark.req("E43")
async def test_who_is_never_reached_is_written_to_and_not_closed_silently(office: Office) -> None:
    case = await office.answered()
    for _ in range(3):
        await office.call(case, CallOutcome.NO_ANSWER)
    early = await office.house.case_desk.attend(case.id)
    assert early.look_at is not None
    with pytest.raises(RefusedTransitionError) as still_to_call:
        await office.reply(case, ReplyWay.EMAIL)

    office.pass_by(days=2)
    late = await office.house.case_desk.attend(case.id)
    again = await office.house.case_desk.attend(case.id)

    assert still_to_call.value.code == "call_missing"
    assert [step.topic for step in late.steps] == ["case_unreachable"]
    assert [s.outcome_id for s in again.steps] == [s.outcome_id for s in late.steps]
    assert [(m.topic, m.channel) for m in await office.messages()] == [
        ("case_unreachable", "email")
    ]
    assert [one.state for one in await office.tasks()] == ["unreachable"]
    with pytest.raises(RefusedTransitionError) as refused:
        await office.resolve(case)
    assert refused.value.code == "reply_missing"
    await office.reply(case, ReplyWay.LETTER)
    assert (await office.resolve(case)).state == CaseState.RESOLVED
    assert (await commands(office, case)).count("unreachable") == 1


@pytest.mark.req("E43")
@pytest.mark.parametrize("outcome", [CallOutcome.WRONG_NUMBER, CallOutcome.REFUSED])
async def test_a_call_that_makes_no_sense_again_is_answered_in_writing_at_once(
    office: Office, outcome: CallOutcome
) -> None:
    case = await office.answered()

    called = await office.call(case, outcome)

    assert called.unreachable_at is not None
    news = [one["body"] for one in await office.outbox() if one["kind"] == "case_changed"]
    assert news[-1]["look_at"] == office.clock.now().isoformat()


@pytest.mark.req("E43")
async def test_who_has_no_address_gets_a_letter(office: Office) -> None:
    async with office.house.sessions() as tx, tx.begin():
        await a_customer(tx, office.brand, "ali", contacts={Channel.SMS: "+905330000299"})
    case = await office.open("web", "ali")
    await office.route(case)
    await office.answer(case)
    await office.call(case, CallOutcome.WRONG_NUMBER)
    await office.house.case_desk.attend(case.id)

    entry = (await office.view(case)).entries[-1]
    async with office.house.sessions() as tx:
        pdf = await office.house.case_letters.print(tx, office.brand, case.number)

    assert (entry.command, entry.body["fallback"]) == ("unreachable", "letter")
    assert pdf.startswith(b"%PDF-")


async def test_who_is_reached_after_all_is_told_by_phone(office: Office) -> None:
    case = await office.answered()
    await office.call(case, CallOutcome.WRONG_NUMBER)

    told = await office.call(case)

    assert (told.state, told.unreachable_at) == (CaseState.CALLED, None)
    assert (await office.resolve(case)).state == CaseState.RESOLVED


async def test_whoever_has_a_case_too_long_is_reminded_when_it_is_due(office: Office) -> None:
    case = await office.open("web")
    await office.route(case)

    office.pass_by(hours=23)
    early = await office.house.case_desk.attend(case.id)
    office.pass_by(hours=1)
    await office.house.case_desk.attend(case.id)
    await office.house.case_desk.attend(case.id)

    assert (early.look_at or office.clock.now()) == office.clock.now()
    assert (await commands(office, case)).count("remind") == 1


async def test_a_deadline_is_in_business_days_warned_of_and_escalated(office: Office) -> None:
    """Fifteen business days of March 2026, with the feast of the 19th to the 22nd between them."""
    case = await office.open("solution_point")
    due = (await office.view(case)).due_at
    assert due == datetime(2026, 3, 24, 21, 0, tzinfo=UTC)

    office.clock.at = datetime(2026, 3, 18, 21, 0, tzinfo=UTC)
    await office.house.case_desk.attend(case.id)
    assert await commands(office, case) == ["open", "warn"]
    office.clock.at = due
    outlook = await office.house.case_desk.attend(case.id)

    seen = await office.view(case)
    assert [one.command for one in seen.entries] == ["open", "warn", "escalate"]
    assert seen.entries[-1].body["to"] == "customer-relations"
    assert outlook.look_at is None
