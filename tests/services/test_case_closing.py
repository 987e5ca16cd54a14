"""After the end: the survey, the checklist, and letters."""

from datetime import timedelta
from io import BytesIO

import pytest
from sqlalchemy import update

from tellal.domain.cases import CaseCommand, CaseState, ReplyWay
from tellal.domain.errors import ConflictError, InvalidInputError, RefusedTransitionError
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.services.case_views import CaseView
from tellal.services.house import House
from tests.support.cases import Office, an_office
from tests.support.house import SetClock

OFFICERS = {"no_third_person": True, "answer_complete": True}


@pytest.fixture
async def office(house: House, clock: SetClock) -> Office:
    return await an_office(house, clock)


async def replied(office: Office) -> CaseView:
    case = await office.answered("info_email", reply_by=ReplyWay.EMAIL)
    await office.reply(case, ReplyWay.EMAIL)
    return await office.resolve(case)


@pytest.mark.req("E20", "allows")
@pytest.mark.req("E36", "allows")
async def test_a_survey_is_asked_for_a_day_after_the_end(office: Office) -> None:
    case = await replied(office)

    (item,) = [one for one in await office.outbox() if one["kind"] == "case_surveyed"]
    first = await office.house.case_desk.survey(case.id)
    second = await office.house.case_desk.survey(case.id)

    assert item["workflow_id"] == f"case/{case.id}/survey"
    assert item["due_at"] == office.clock.now() + timedelta(days=1)
    assert [s.topic for s in first.steps] == ["case_survey"]
    assert [s.outcome_id for s in first.steps] == [s.outcome_id for s in second.steps]


@pytest.mark.req("E20", "blocks")
async def test_a_case_that_is_taken_up_again_is_not_asked_about(office: Office) -> None:
    case = await replied(office)
    await office.do(case, CaseCommand.REOPEN, reason="not so")

    assert (await office.house.case_desk.survey(case.id)).steps == ()


@pytest.mark.req("E20")
async def test_what_he_thinks_is_kept_and_may_change(office: Office) -> None:
    case = await replied(office)
    async with office.house.sessions() as tx, tx.begin():
        for score in (2, 4):
            await office.house.case_closing.survey(
                tx, office.brand.id, case.number, score=score, comment="late", by="crm"
            )

    async with office.house.sessions() as tx:
        sheet = await office.house.case_closing.view(tx, office.brand.id, case.number)

    assert sheet.survey is not None
    assert (sheet.survey.score, sheet.survey.comment) == (4, "late")


@pytest.mark.req("E20", "blocks")
async def test_nobody_is_asked_about_a_case_that_runs(office: Office) -> None:
    case = await office.open("web")

    async with office.house.sessions() as tx, tx.begin():
        with pytest.raises(ConflictError):
            await office.house.case_closing.survey(
                tx, office.brand.id, case.number, score=3, comment="", by="crm"
            )


@pytest.mark.req("E20", "allows")
async def test_a_checklist_is_computed_from_the_records(office: Office) -> None:
    case = await replied(office)
    await office.told(case, CaseState.RESOLVED)
    outcomes = table(OutcomeRow)
    async with office.house.sessions() as tx, tx.begin():
        await tx.execute(update(outcomes).values(state="told"))

    assessed = await office.assess(case, **OFFICERS)

    async with office.house.sessions() as tx:
        sheet = await office.house.case_closing.view(tx, office.brand.id, case.number)
    assert assessed.state == CaseState.ASSESSED
    assert {one.id: one.answer for one in sheet.items} == {
        "deadline_kept": True,
        "notices_sent": True,
        "replied": True,
        "privacy_notice": True,
        "consent": None,
        **OFFICERS,
    }
    assert sheet.fulfilled is True


async def test_a_checklist_shows_what_was_not_kept(office: Office) -> None:
    case = await office.answered("written", form_reference="F-1")
    await office.reply(case, ReplyWay.EMAIL)
    office.pass_by(days=60)
    await office.resolve(case)

    assessed = await office.assess(case, no_third_person=False, answer_complete=True)

    failed = assessed.entries[-1].body["failed"]
    # The reply has not been delivered, came by another way than is usual, and too late.
    assert failed == ["deadline_kept", "notices_sent", "replied", "no_third_person"]


async def test_every_question_has_its_answer_and_no_other_has_one(office: Office) -> None:
    case = await replied(office)

    with pytest.raises(InvalidInputError, match="'no_third_person' has no answer"):
        await office.assess(case)
    with pytest.raises(InvalidInputError, match="no officer answers 'deadline_kept'"):
        await office.assess(case, deadline_kept=True, **OFFICERS)


@pytest.mark.req("E20", "blocks")
async def test_a_case_is_assessed_once_and_after_its_end(office: Office) -> None:
    running = await office.open("web")
    with pytest.raises(RefusedTransitionError) as early:
        await office.assess(running, no_third_person=True)
    case = await replied(office)
    await office.assess(case, **OFFICERS)
    with pytest.raises(RefusedTransitionError) as twice:
        await office.assess(case, **OFFICERS)

    assert (early.value.code, twice.value.code) == ("not_resolved", "already_assessed")


@pytest.mark.req("E16")
async def test_a_letter_has_the_letters_of_its_language(office: Office) -> None:
    case = await office.answered("written", form_reference="F-1")
    await office.reply(case, ReplyWay.LETTER)

    async with office.house.sessions() as tx:
        pdf = await office.house.case_letters.print(tx, office.brand, case.number)
        again = await office.house.case_letters.print(tx, office.brand, case.number)

    assert pdf == again
    assert BytesIO(pdf).read(5) == b"%PDF-"
    assert b"/FontFile2" in pdf


async def test_without_a_letter_there_is_nothing_to_print(office: Office) -> None:
    case = await office.open("web")

    async with office.house.sessions() as tx:
        with pytest.raises(ConflictError) as refused:
            await office.house.case_letters.print(tx, office.brand, case.number)

    assert refused.value.code == "no_letter"
