"""Other systems hear of every change of a case: signed, in order, of nobody in particular."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook as Verifier

from tellal.domain.cases import CallOutcome, CaseCommand, VerifiedAs
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.webhooks import PAUSES, HookKind
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.operations import CaseRow
from tellal.services.calling import Calling
from tellal.services.case_views import CaseView
from tellal.services.cases import CaseInput
from tellal.services.house import House
from tellal.services.retention import Retention
from tellal.services.webhook_replays import Replay, replay
from tellal.services.webhooks import add_webhook, announce, list_calls
from tellal.settings import KeepSettings
from tests.support.answering import Answering
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock, a_house

pytestmark = pytest.mark.req("E32")
_cases = table(CaseRow)

STEPS: Sequence[tuple[CaseCommand, CaseInput]] = (
    (CaseCommand.ROUTE, CaseInput(team="metering-of-ayse")),
    (CaseCommand.ANSWER, CaseInput(answer="ayse's meter was read")),
    (CaseCommand.CALL, CaseInput(outcome=CallOutcome.NO_ANSWER, note="ayse was out")),
    (CaseCommand.CALL, CaseInput(verified_as=VerifiedAs.APPLICANT)),
    (CaseCommand.RESOLVE, CaseInput(result="told ayse")),
)
TOLD = [
    "case.opened",
    "case.routed",
    "case.answered",
    "case.called",
    "case.called",
    "case.resolved",
]


@pytest.fixture
def clock() -> SetClock:
    """The time of now: receivers refuse calls that are minutes old."""
    return SetClock(datetime.now(UTC))


@pytest.fixture
async def house(sessions: Sessions, clock: SetClock) -> House:
    return a_house(sessions, clock)


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        await a_customer(tx, brand, "ayse", contacts={Channel.SMS: "+905320000101"})
        return brand


@pytest.fixture
def calling(house: House, clock: SetClock) -> Calling:
    return Calling(house.sessions, clock, private=True)


async def hook(house: House, brand: Brand, url: str, *kinds: HookKind) -> tuple[str, str]:
    async with house.sessions() as tx, tx.begin():
        made, secret = await add_webhook(
            tx,
            brand.id,
            url=url,
            means="",
            made_by="crm",
            now=house.clock.now(),
            kinds=kinds or (HookKind.CASES,),
            private=True,
        )
    return made.id, secret


async def opened(house: House, brand: Brand, *, simulated: bool = False) -> CaseView:
    async with house.sessions() as tx, tx.begin():
        return await house.cases.open(
            tx,
            brand=brand,
            customer_ref="ayse",
            channel="web",
            subject="ayse's meter",
            by="officer",
            simulated=simulated,
        )


async def given(
    house: House, brand: Brand, case: CaseView, command: CaseCommand, said: CaseInput
) -> None:
    async with house.sessions() as tx, tx.begin():
        await house.cases.command(
            tx, brand_id=brand.id, number=case.number, command=command, body=said, by="officer"
        )


async def lived(house: House, brand: Brand) -> CaseView:
    """Take a case through its whole life."""
    case = await opened(house, brand)
    for command, said in STEPS:
        await given(house, brand, case, command, said)
    return case


def said_by(partner: Answering) -> list[Mapping[str, object]]:
    return [json.loads(request.body) for request in partner.requests]


async def all_called(calling: Calling) -> int:
    made = 0
    while number := await calling.call_due():
        made += number
    return made


async def test_every_change_is_told_signed_and_in_order(
    house: House, brand: Brand, calling: Calling
) -> None:
    async with Answering(204) as crm:
        _, secret = await hook(house, brand, crm.url)
        case = await lived(house, brand)
        made = await all_called(calling)

    for request in crm.requests:
        Verifier(secret).verify(request.body, dict(request.headers))
    told = said_by(crm)
    assert made == len(STEPS) + 1
    assert [one["type"] for one in told] == TOLD
    assert told[0]["data"] == {
        "case_id": case.id,
        "number": case.number,
        "channel": "web",
        "state": "opened",
        "at": house.clock.now().isoformat(),
    }
    assert len({request.headers["webhook-id"] for request in crm.requests}) == made


@pytest.mark.parametrize("simulated", [False, True])
async def test_a_deadline_that_has_passed_is_told_once(
    house: House, brand: Brand, calling: Calling, *, simulated: bool
) -> None:
    async with Answering(204) as crm:
        await hook(house, brand, crm.url)
        case = await opened(house, brand, simulated=simulated)
        await house.case_desk.attend(case.id)
        early = await all_called(calling)
        async with house.sessions() as tx, tx.begin():
            late = update(_cases).where(_cases.c.id == case.id)
            await tx.execute(late.values(due_at=house.clock.now()))
        for _ in range(2):
            await house.case_desk.attend(case.id)
        await all_called(calling)

    told = said_by(crm)[early:]
    assert [one["type"] for one in told] == ([] if simulated else ["case.escalated"])
    assert {one["data"]["number"] for one in told} <= {case.number}  # type: ignore[index]  # as written above


@pytest.mark.req("E19")
async def test_nothing_is_told_of_anybody(house: House, brand: Brand, calling: Calling) -> None:
    async with Answering(204) as crm:
        await hook(house, brand, crm.url)
        await lived(house, brand)
        await all_called(calling)

    said = "".join(request.body for request in crm.requests)
    for word in ("ayse", "meter", "532", "officer"):
        assert word not in said


async def test_an_address_hears_of_what_it_chose(
    house: House, brand: Brand, calling: Calling
) -> None:
    async with Answering() as of_cases, Answering() as of_outages, Answering() as of_both:
        await hook(house, brand, of_cases.url, HookKind.CASES)
        await hook(house, brand, of_outages.url, HookKind.OUTAGES)
        await hook(house, brand, of_both.url, *HookKind)
        await opened(house, brand)
        async with house.sessions() as tx, tx.begin():
            await announce(tx, brand.id, "outage.confirmed", {}, house.clock.now())
        await all_called(calling)

    assert [one["type"] for one in said_by(of_cases)] == ["case.opened"]
    assert [one["type"] for one in said_by(of_outages)] == ["outage.confirmed"]
    assert sorted(str(one["type"]) for one in said_by(of_both)) == [
        "case.opened",
        "outage.confirmed",
    ]


async def test_what_was_refused_or_rolled_back_or_rehearsed_is_not_told(
    house: House, brand: Brand, calling: Calling
) -> None:
    async with Answering() as crm:
        await hook(house, brand, crm.url)
        await opened(house, brand, simulated=True)
        async with house.sessions() as tx:
            await house.cases.open(
                tx, brand=brand, customer_ref="ayse", channel="web", subject="x", by="officer"
            )
            await tx.rollback()

        assert await all_called(calling) == 0


async def test_of_one_case_nothing_overtakes_and_other_cases_do_not_wait(
    house: House, brand: Brand, calling: Calling, clock: SetClock
) -> None:
    async with Answering(500) as crm:
        webhook_id, _ = await hook(house, brand, crm.url)
        first = await lived(house, brand)
        assert await all_called(calling) == 1
        second = await opened(house, brand)
        assert await all_called(calling) == 1
        clock.pass_by(PAUSES[0])
        assert await all_called(calling) == 2
        crm._status = 204
        clock.pass_by(PAUSES[1])
        await all_called(calling)

    told = [(one["data"], one["type"]) for one in said_by(crm)]
    of_first = [kind for data, kind in told if data["number"] == first.number]  # type: ignore[index]  # a document
    of_second = [kind for data, kind in told if data["number"] == second.number]  # type: ignore[index]  # a document
    assert of_first == ["case.opened"] * 2 + TOLD
    assert of_second == ["case.opened"] * 3
    async with house.sessions() as tx:
        calls = await list_calls(tx, brand.id, webhook_id)
    assert {call.state for call in calls} == {"taken"}


async def test_two_workers_keep_the_order_of_a_case(
    house: House, brand: Brand, calling: Calling, clock: SetClock
) -> None:
    other = Calling(house.sessions, clock, private=True)
    async with Answering() as crm:
        await hook(house, brand, crm.url)
        cases = [await lived(house, brand) for _ in range(3)]
        while sum(await asyncio.gather(calling.call_due(), other.call_due())):
            pass

    for case in cases:
        mine = [one for one in said_by(crm) if case.number in json.dumps(one["data"])]
        assert [one["type"] for one in mine] == TOLD


async def test_what_was_given_up_lets_the_next_pass(
    house: House, brand: Brand, calling: Calling, clock: SetClock
) -> None:
    async with Answering(500) as crm:
        webhook_id, _ = await hook(house, brand, crm.url)
        case = await opened(house, brand)
        await given(house, brand, case, *STEPS[0])
        for pause in PAUSES:
            await all_called(calling)
            clock.pass_by(pause)
        crm._status = 200
        crm.requests.clear()
        await calling.call_due()
        crm._status = 500

    async with house.sessions() as tx:
        calls = await list_calls(tx, brand.id, webhook_id)
    assert [call.state for call in calls] == ["taken", "waiting"]


async def again(house: House, brand: Brand, webhook_id: str, wanted: Replay) -> int:
    async with house.sessions() as tx, tx.begin():
        return await replay(tx, brand.id, webhook_id, wanted, now=house.clock.now())


async def test_what_a_receiver_lost_is_told_again_under_its_id_and_in_order(
    house: House, brand: Brand, calling: Calling, clock: SetClock
) -> None:
    began = clock.now()
    async with Answering() as crm:
        webhook_id, _ = await hook(house, brand, crm.url)
        await lived(house, brand)
        await all_called(calling)
        before = [(one.headers["webhook-id"], one.body) for one in crm.requests]
        crm.requests.clear()
        clock.pass_by(timedelta(hours=1))
        later = await opened(house, brand)
        lost = Replay(begins=began, ends=began + timedelta(minutes=1))

        number = await again(house, brand, webhook_id, lost)
        once_more = await again(house, brand, webhook_id, lost)
        await all_called(calling)

    told = [(one.headers["webhook-id"], one.body) for one in crm.requests]
    assert (number, once_more) == (len(TOLD), 0)
    assert [one for one in told if later.number not in one[1]] == before
    assert len(told) == len(TOLD) + 1


async def test_calls_that_are_over_are_purged_and_those_that_wait_stay(
    house: House, brand: Brand, calling: Calling
) -> None:
    async with Answering() as crm:
        webhook_id, _ = await hook(house, brand, crm.url)
        await opened(house, brand)
        await all_called(calling)
    await opened(house, brand)
    keep = KeepSettings(webhook_calls_days=30)

    def retention(days: float) -> Retention:
        at = SetClock(datetime.now(UTC) + timedelta(days=days))
        return Retention(house.sessions, at, keep)

    early = await retention(29.9).forget_calls()
    late = await retention(30.1).forget_calls()

    async with house.sessions() as tx:
        (left,) = await list_calls(tx, brand.id, webhook_id)
    assert (early, late) == (0, 1)
    assert left.state == "waiting"
