"""Intake channels: what each asks for and tells, and what must come before the end."""

from typing import Any

import pytest
from sqlalchemy import select

from tellal.domain.cases import CaseCommand, CaseState, Closure, ReplyWay, VerifiedAs
from tellal.domain.channels import Channel
from tellal.domain.errors import ConflictError, InvalidInputError, RefusedTransitionError
from tellal.domain.tracking import grouped
from tellal.persistence.columns import table
from tellal.persistence.tables.privacy import ShownNoticeRow
from tellal.services.house import House
from tests.support.builders import a_customer
from tests.support.cases import HALIL, Office, an_office
from tests.support.house import SetClock

OPENED, RESOLVED = CaseState.OPENED, CaseState.RESOLVED
FORM = {"form_reference": "F-118"}


@pytest.fixture
async def office(house: House, clock: SetClock) -> Office:
    return await an_office(house, clock)


@pytest.mark.req("E05")
@pytest.mark.parametrize(
    ("channel", "system"), [("solution_point", "CRM"), ("web", "CRM"), ("info_email", "EYS")]
)
async def test_a_case_names_the_system_that_it_came_from(
    office: Office, channel: str, system: str
) -> None:
    assert (await office.open(channel)).source_system == system


@pytest.mark.req("E32", "allows")
async def test_the_info_mailbox_is_of_the_document_system(office: Office) -> None:
    assert (await office.open("info_email")).source_system == "EYS"


@pytest.mark.req("E13", "blocks")
@pytest.mark.req("E13", "allows")
async def test_a_written_application_needs_its_form(office: Office) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await office.open("written")

    assert refused.value.field == "form_reference"
    assert (await office.open("written", **FORM)).form_reference == "F-118"


@pytest.mark.req("E14", "allows")
@pytest.mark.req("E33", "allows")
@pytest.mark.parametrize(("channel", "said"), [("written", FORM), ("info_email", {})])
async def test_the_opening_text_carries_the_code(
    office: Office, channel: str, said: dict[str, str]
) -> None:
    case = await office.open(channel, **said)

    assert await office.told(case, OPENED) == [("case_opened_tracked", "sms")]
    (message,) = await office.messages()
    assert message.variables["case"]["tracking_code"] == grouped(case.tracking_code or "")


@pytest.mark.req("E15")
@pytest.mark.req("E34")
@pytest.mark.parametrize(("channel", "said"), [("written", FORM), ("info_email", {})])
async def test_the_privacy_notice_is_always_shown_and_only_special_data_need_a_consent(
    office: Office, channel: str, said: dict[str, str]
) -> None:
    plain = await office.open(channel, **said)
    special = await office.open(channel, special_category="health", **said)

    async with office.house.sessions() as tx:
        shown = (await tx.execute(select(table(ShownNoticeRow)))).all()
    assert [one.details["case"] for one in shown] == [plain.number, special.number]
    assert len(await office.told(special, OPENED)) == 1
    assert (await office.route(plain)).state == CaseState.ROUTED
    with pytest.raises(ConflictError) as refused:
        await office.route(special)
    assert refused.value.code == "explicit_consent_missing"

    await office.consent("health")
    assert (await office.route(special)).state == CaseState.ROUTED


async def test_a_special_category_that_the_law_does_not_know_is_refused(office: Office) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await office.open("web", special_category="shoe_size")

    assert "health" in refused.value.hint


@pytest.mark.req("E16", "blocks")
@pytest.mark.req("E16", "allows")
@pytest.mark.req("E35", "blocks")
@pytest.mark.parametrize("way", [ReplyWay.LETTER, ReplyWay.EMAIL])
async def test_a_reply_goes_by_the_way_that_was_asked_for(office: Office, way: ReplyWay) -> None:
    case = await office.answered("written", reply_by=way, **FORM)
    with pytest.raises(RefusedTransitionError) as refused:
        await office.resolve(case)
    assert refused.value.code == "reply_missing"

    replied = await office.reply(case, way)
    resolved = await office.resolve(case)

    assert (replied.state, resolved.state) == (CaseState.REPLIED, RESOLVED)
    topics = [(one.topic, one.channel) for one in await office.messages()]
    assert topics == ([("case_reply", "email")] if way is ReplyWay.EMAIL else [])


@pytest.mark.req("E16", "blocks")
@pytest.mark.req("E16", "allows")
async def test_who_asked_for_a_call_is_called(office: Office) -> None:
    case = await office.answered("info_email", reply_by=ReplyWay.PHONE)

    with pytest.raises(RefusedTransitionError) as refused:
        await office.resolve(case)

    assert refused.value.code == "call_missing"
    assert [one.purpose for one in await office.tasks()] == ["inform"]
    await office.call(case)
    assert (await office.resolve(case)).state == RESOLVED


@pytest.mark.req("E35", "allows")
async def test_what_was_asked_for_may_simply_be_done(office: Office) -> None:
    case = await office.answered("info_email")

    resolved = await office.resolve(case, closure=Closure.ACTION_TAKEN)

    assert resolved.closure == "action_taken"


async def test_a_way_is_chosen_only_where_the_channel_leaves_it_open(office: Office) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await office.open("web", reply_by=ReplyWay.LETTER)

    assert refused.value.field == "reply_by"


@pytest.mark.req("E08", "allows")
async def test_who_talks_online_is_told_in_the_same_moment(office: Office) -> None:
    case = await office.open("online")

    assert [(m.topic, m.channel) for m in case.messages] == [("case_instant", "email")]
    assert await office.told(case, OPENED, RESOLVED) == [("case_instant", "email")]


@pytest.mark.req("E22", "allows")
@pytest.mark.req("E23", "allows")
async def test_face_to_face_information_closes_without_a_message(office: Office) -> None:
    case = await office.open("face_to_face", information="Told how to pay", queue_ticket="B017")

    assert (case.state, case.closure, case.queue_ticket) == (
        RESOLVED, "information_given", "B017",
    )  # fmt: skip
    assert await office.told(case, OPENED, RESOLVED) == []


@pytest.mark.req("E28", "blocks")
async def test_information_by_phone_is_told_in_one_message(office: Office) -> None:
    case = await office.open("switchboard", information="Told the opening hours")

    assert await office.told(case, RESOLVED, RESOLVED) == [("case_informed", "sms")]
    assert await office.tasks() == ()


@pytest.mark.req("E22", "blocks")
@pytest.mark.req("E28", "blocks")
async def test_information_alone_is_refused_where_the_channel_does_not_know_it(
    office: Office,
) -> None:
    with pytest.raises(ConflictError) as refused:
        await office.open("web", information="Told")

    assert refused.value.code == "not_informed_at_once"


@pytest.mark.req("E40", "blocks")
@pytest.mark.req("E40", "allows")
async def test_over_social_media_he_is_called_first_and_gets_no_text(office: Office) -> None:
    case = await office.open("social_media")

    assert await office.told(case, OPENED) == []
    assert [(one.purpose, one.case) for one in await office.tasks()] == [
        ("first_contact", case.number)
    ]
    with pytest.raises(RefusedTransitionError) as refused:
        await office.resolve(case)
    assert refused.value.code == "first_contact_missing"

    await office.call(case, told_result=False)
    assert (await office.view(case)).state == OPENED
    assert (await office.resolve(case)).state == RESOLVED


@pytest.mark.req("E40", "blocks")
async def test_a_number_that_nobody_knows_is_asked_for(office: Office) -> None:
    async with office.house.sessions() as tx, tx.begin():
        await a_customer(tx, office.brand, "stranger", contacts={Channel.EMAIL: "s@example.com"})
    await office.open("social_media", "stranger")
    (task,) = await office.tasks()

    with pytest.raises(ConflictError) as refused:
        await office.claim(task)

    assert (task.phone_known, refused.value.code) == (False, "phone_unknown")


@pytest.mark.req("E27", "blocks")
@pytest.mark.req("E41", "blocks")
@pytest.mark.parametrize("channel", ["solution_point", "app", "switchboard", "web", "social_media"])
async def test_a_routed_case_is_called_before_it_is_concluded(office: Office, channel: str) -> None:
    case = await office.answered(channel)

    with pytest.raises(RefusedTransitionError) as refused:
        await office.resolve(case)

    assert refused.value.code == "call_missing"


@pytest.mark.req("E19", "blocks")
async def test_who_was_not_verified_is_told_nothing(office: Office) -> None:
    case = await office.answered()
    unverified: dict[str, Any] = {"verified_as": VerifiedAs.UNVERIFIED}

    with pytest.raises(RefusedTransitionError) as told:
        await office.call(case, told_result=True, **unverified)
    await office.call(case, **unverified)
    with pytest.raises(RefusedTransitionError) as resolved:
        await office.resolve(case)

    assert (told.value.code, resolved.value.code) == ("not_verified", "not_verified")
    assert (await office.view(case)).state == CaseState.ANSWERED
    await office.call(case, verified_as=VerifiedAs.REPRESENTATIVE)
    assert (await office.resolve(case)).verified_as == "representative"


@pytest.mark.req("E19")
async def test_a_text_to_a_number_of_two_customers_tells_no_result(office: Office) -> None:
    alone = await office.concluded("web")
    await office.told(alone, RESOLVED)
    async with office.house.sessions() as tx, tx.begin():
        await a_customer(tx, office.brand, "inci", contacts={Channel.SMS: HALIL})
    shared = await office.concluded("web")
    await office.told(shared, RESOLVED)

    first, second = await office.messages()
    assert first.variables["case"]["result"] == "The meter was replaced"
    assert second.variables["case"]["result"] == ""


@pytest.mark.req("E39", "blocks")
@pytest.mark.parametrize("number", ["10000000146", "TR330006100519786457841326"])
async def test_a_result_that_holds_a_number_of_a_person_is_refused(
    office: Office, number: str
) -> None:
    case = await office.answered()
    await office.call(case)

    with pytest.raises(InvalidInputError) as refused:
        await office.resolve(case, f"Paid back to {number}")

    assert refused.value.field == "result"


async def test_a_team_that_is_changed_answers_anew(office: Office) -> None:
    case = await office.answered()

    moved = await office.do(case, CaseCommand.REROUTE, team="billing", reason="tariff")

    assert (moved.state, moved.team, moved.answer) == (CaseState.ROUTED, "billing", "")
    assert [one.state for one in await office.tasks()] == ["cancelled"]
    with pytest.raises(InvalidInputError):
        await office.do(case, CaseCommand.REROUTE, team="billing", reason="again")


async def test_who_takes_his_case_back_is_told_so_and_called_no_more(office: Office) -> None:
    case = await office.answered()

    withdrawn = await office.do(case, CaseCommand.WITHDRAW)

    assert (withdrawn.state, withdrawn.closure) == (RESOLVED, "withdrawn")
    assert await office.told(case, RESOLVED) == [("case_withdrawn", "sms")]
    assert [one.state for one in await office.tasks()] == ["cancelled"]


async def test_of_duplicates_one_goes_on(office: Office) -> None:
    first, second = await office.open("web"), await office.open("app")

    merged = await office.merge(second, first)

    assert (merged.state, merged.closure) == (RESOLVED, "merged")
    assert ("case_merged", "sms") in await office.told(second, RESOLVED)
    assert (await office.messages())[-1].variables["case"]["into"] == first.number
    with pytest.raises(RefusedTransitionError):
        await office.do(second, CaseCommand.REOPEN, reason="mistake")


@pytest.mark.req("E19")
async def test_cases_of_two_people_are_not_merged(office: Office) -> None:
    async with office.house.sessions() as tx, tx.begin():
        await a_customer(tx, office.brand, "inci", contacts={Channel.SMS: HALIL})
    mine, hers = await office.open("web"), await office.open("web", "inci")

    with pytest.raises(ConflictError) as refused:
        await office.merge(mine, hers)

    assert refused.value.code == "other_applicant"


async def test_a_case_taken_up_again_is_told_and_concluded_again(office: Office) -> None:
    case = await office.concluded("web")
    await office.told(case, OPENED, RESOLVED)
    await office.do(case, CaseCommand.REOPEN, reason="it flickers")
    starts = [one for one in await office.outbox() if one["kind"] == "case_opened"]
    await office.resolve(case, "The lamp was changed")

    told = await office.told(case, OPENED, RESOLVED, RESOLVED)

    assert [one["workflow_id"] for one in starts] == [f"case/{case.id}", f"case/{case.id}/1"]
    assert [topic for topic, _ in told] == [
        "case_opened", "case_resolved_with_result", "case_reopened", "case_resolved_with_result",
    ]  # fmt: skip
    assert (await office.view(case)).reopened == 1
