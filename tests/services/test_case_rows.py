"""Rows of the intake channels that the matrix does not hold, each from both of its sides."""

from pathlib import Path

import pytest
from sqlalchemy import update

from rules.profiles import SHIPPED
from tellal.domain.cases import CallOutcome, CaseState, Closure, ReplyWay, VerifiedAs
from tellal.domain.channels import Channel
from tellal.domain.errors import ConflictError, RefusedTransitionError
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ContactPointRow
from tellal.services.house import House
from tests.support.builders import a_customer
from tests.support.cases import Office, an_office
from tests.support.house import SetClock, a_house

OPENED, RESOLVED = CaseState.OPENED, CaseState.RESOLVED


@pytest.fixture
async def office(house: House, clock: SetClock) -> Office:
    return await an_office(house, clock)


async def without(office: Office, ref: str, contacts: dict[Channel, str] | None = None) -> str:
    """Have a customer who has no more addresses than those."""
    async with office.house.sessions() as tx, tx.begin():
        await a_customer(tx, office.brand, ref, contacts=contacts or {})
    return ref


@pytest.mark.req("E31", "blocks")
@pytest.mark.req("E31", "allows")
async def test_whatsapp_takes_cases_when_its_file_says_so_and_no_sooner(
    sessions: Sessions, clock: SetClock, tmp_path: Path
) -> None:
    for shipped in SHIPPED.glob("*.yaml"):
        said = shipped.read_text(encoding="utf-8").replace("enabled: false", "enabled: true")
        (tmp_path / shipped.name).write_text(said, encoding="utf-8")
    closed = await an_office(a_house(sessions, clock), clock)
    opened = Office(
        house=a_house(sessions, clock, intake=tmp_path), clock=clock, brand=closed.brand
    )

    with pytest.raises(ConflictError, match="WhatsApp is not open yet") as refused:
        await closed.open("whatsapp")
    assert (refused.value.code, await closed.messages()) == ("channel_disabled", [])
    assert "web" in refused.value.hint
    assert "whatsapp" not in refused.value.hint

    case = await opened.answered("whatsapp")
    first = await opened.told(case, OPENED)
    await opened.call(case)
    await opened.resolve(case)
    assert first == [("case_opened", "sms")]
    assert await opened.told(case, RESOLVED) == [*first, ("case_resolved", "sms")]


@pytest.mark.req("E23", "allows")
@pytest.mark.parametrize("ticket", ["B017", ""])
async def test_a_ticket_of_the_queue_is_on_the_case_if_there_is_one(
    office: Office, ticket: str
) -> None:
    assert (await office.open("face_to_face", queue_ticket=ticket)).queue_ticket == ticket


@pytest.mark.req("E24", "blocks")
@pytest.mark.req("E24", "allows")
async def test_face_to_face_third_persons_learn_nothing_and_every_case_is_assessed(
    office: Office,
) -> None:
    case = await office.answered("face_to_face")

    with pytest.raises(RefusedTransitionError) as told:
        await office.call(case, verified_as=VerifiedAs.UNVERIFIED, told_result=True)
    with pytest.raises(RefusedTransitionError) as early:
        await office.assess(case, no_third_person=True)
    await office.call(case)
    await office.resolve(case)
    assessed = await office.assess(case, no_third_person=True)

    assert (told.value.code, early.value.code) == ("not_verified", "not_resolved")
    assert assessed.state == CaseState.ASSESSED
    assert assessed.entries[-1].body["failed"] == []
    assert await office.told(case, RESOLVED) == []


@pytest.mark.req("E35", "blocks")
@pytest.mark.parametrize("closure", [Closure.RESOLVED, Closure.INFORMATION_GIVEN])
async def test_what_was_not_done_is_answered(office: Office, closure: Closure) -> None:
    case = await office.answered("info_email", reply_by=ReplyWay.EMAIL)

    with pytest.raises(RefusedTransitionError) as refused:
        await office.resolve(case, closure=closure)

    assert refused.value.code == "reply_missing"


@pytest.mark.req("E35", "blocks")
async def test_where_he_is_called_it_is_not_enough_that_something_was_done(office: Office) -> None:
    case = await office.answered("web")

    with pytest.raises(RefusedTransitionError) as refused:
        await office.resolve(case, closure=Closure.ACTION_TAKEN)

    assert refused.value.code == "call_missing"


@pytest.mark.req("E16", "allows")
@pytest.mark.req("E43", "allows")
async def test_a_letter_stands_in_for_a_mail_whose_address_is_no_good(office: Office) -> None:
    case = await office.answered("written", form_reference="F-1", reply_by=ReplyWay.EMAIL)
    with pytest.raises(ConflictError) as refused:
        await office.reply(case, ReplyWay.LETTER)
    points = table(ContactPointRow)
    async with office.house.sessions() as tx, tx.begin():
        bad = update(points).where(points.c.channel == Channel.EMAIL.value)
        await tx.execute(bad.values(bad_reason="bounced"))

    replied = await office.reply(case, ReplyWay.LETTER)

    assert refused.value.code == "other_way_asked"
    assert (replied.state, await office.messages()) == (CaseState.REPLIED, [])


@pytest.mark.req("E43", "blocks")
@pytest.mark.req("E43", "allows")
@pytest.mark.parametrize("channel", ["solution_point", "info_email", "app"])
async def test_whom_nothing_that_is_sent_reaches_gets_a_letter_before_the_end(
    office: Office, channel: str
) -> None:
    case = await office.open(channel, await without(office, "nobody"))

    with pytest.raises(RefusedTransitionError, match="reply by letter first") as refused:
        await office.resolve(case, closure=Closure.ACTION_TAKEN)
    await office.reply(case, ReplyWay.LETTER)

    assert refused.value.code == "reply_missing"
    assert (await office.resolve(case, closure=Closure.ACTION_TAKEN)).state == RESOLVED


@pytest.mark.req("E43", "allows")
@pytest.mark.parametrize(
    ("channel", "contacts"),
    [
        ("solution_point", {Channel.EMAIL: "nobody@example.com"}),
        ("app", {Channel.PUSH: "token"}),
        ("face_to_face", {}),
    ],
)
async def test_no_letter_is_owed_where_another_way_is_left_or_nobody_is_told(
    office: Office, channel: str, contacts: dict[Channel, str]
) -> None:
    case = await office.open(channel, await without(office, "nobody", contacts))

    assert (await office.resolve(case)).state == RESOLVED


@pytest.mark.req("E40", "allows")
@pytest.mark.req("E43", "blocks")
async def test_whom_the_first_call_does_not_reach_is_answered_in_writing(office: Office) -> None:
    case = await office.open("social_media")
    with pytest.raises(RefusedTransitionError) as too_early:
        await office.reply(case, ReplyWay.EMAIL)

    await office.call(case, CallOutcome.WRONG_NUMBER)
    with pytest.raises(RefusedTransitionError) as silently:
        await office.resolve(case)
    await office.reply(case, ReplyWay.EMAIL)

    assert (too_early.value.code, silently.value.code) == ("first_contact_missing", "reply_missing")
    assert (await office.resolve(case)).state == RESOLVED
    assert [one.topic for one in await office.messages()] == ["case_reply"]
