"""Complaints and wishes where messages wait, on a real database: what is unwanted never leaves."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Row, select, update

from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.customers import Brand
from tellal.domain.messages import MessageState, OutcomeState
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import CapUseRow, MessageRow, OutcomeRow
from tellal.services.complaints import Complaint, ComplaintInput, Complaints
from tellal.services.customers import Customers
from tellal.services.house import House
from tellal.services.moves import Move
from tests.support.builders import a_brand, a_customer
from tests.support.desk import a_desk
from tests.support.house import SetClock
from tests.support.ledger import a_message, message
from tests.support.postgres import waits_for_a_lock
from tests.support.waiting import until

_customers = table(CustomerRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_caps = table(CapUseRow)

WARNING = "phishing_awareness"
PROMO = "iscep_promo"
LOGIN = {"method": "password", "surface": "web", "can_show_banner": False}


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(
            tx,
            brand,
            contacts={Channel.SMS: "+905320000101", Channel.EMAIL: "ayse@example.com"},
            consents={Channel.EMAIL: "granted"},
        )
        return brand


@pytest.fixture
def complaints(house: House) -> Complaints:
    return Complaints(house.books, house.progress, house.clock)


async def filed(house: House, complaints: Complaints, brand: Brand, topic: str) -> Complaint:
    said = ComplaintInput(customer="ayse", source="branch", topic=topic, text="Enough")
    async with house.sessions() as tx, tx.begin():
        return await complaints.file(tx, brand.id, said, by="crm")


async def logs_in(house: House, brand: Brand) -> dict[str, str]:
    """Have her log in; return by topic what was decided, or why she is not told."""
    async with house.sessions() as tx, tx.begin():
        event = await house.events.record(
            tx, brand=brand, customer_ref="ayse", type="login", payload=LOGIN
        )
    return {one.topic: one.reason or one.verdict for one in event.decisions}


async def of_topic(house: House, topic: str) -> Row[Any]:
    async with house.sessions() as tx:
        return (await tx.execute(select(_messages).where(_messages.c.topic == topic))).one()


async def prefers(house: House, brand: Brand, **wishes: Any) -> None:  # noqa: ANN401 - as prefer
    customers = Customers(house.books, house.clock)
    async with house.sessions() as tx, tx.begin():
        await customers.prefer(tx, brand=brand, ref="ayse", **wishes)


@pytest.mark.req("A10", "blocks")
@pytest.mark.req("A10", "allows")
async def test_a_message_that_waits_when_she_complains_never_leaves(
    house: House, complaints: Complaints, brand: Brand, clock: SetClock
) -> None:
    decided = await logs_in(house, brand)
    waiting = await of_topic(house, WARNING)

    await filed(house, complaints, brand, WARNING)

    claimed = await a_desk(house.sessions, clock).claim(Lane.JOURNEYS, 10)
    ended = await of_topic(house, WARNING)
    assert decided == {WARNING: "send", PROMO: "send"}
    assert (waiting.state, ended.state, ended.code) == ("queued", "cancelled", "complained")
    assert [one.topic for one in claimed] == [PROMO]
    assert (await logs_in(house, brand))[WARNING] == "complained"


@pytest.mark.req("A10", "blocks")
async def test_its_journey_ends_as_cancelled_and_its_slots_are_free(
    house: House, complaints: Complaints, brand: Brand
) -> None:
    await logs_in(house, brand)
    waiting = await of_topic(house, PROMO)

    await filed(house, complaints, brand, PROMO)
    step = await house.journeys.advance(waiting.outcome_id)

    assert step.state is OutcomeState.CANCELLED
    async with house.sessions() as tx:
        query = select(_outcomes.c.reason).where(_outcomes.c.id == waiting.outcome_id)
        assert (await tx.execute(query)).scalar_one() == "complained"
        held = select(_caps.c.id).where(_caps.c.released_at.is_(None))
        assert (await tx.execute(held)).all() == []


@pytest.mark.req("A10", "blocks")
async def test_what_a_lane_gives_back_after_a_complaint_ends_there(
    house: House, complaints: Complaints, brand: Brand, clock: SetClock
) -> None:
    await logs_in(house, brand)
    desk = a_desk(house.sessions, clock)
    [taken] = [m for m in await desk.claim(Lane.JOURNEYS, 10) if m.topic == WARNING]
    await filed(house, complaints, brand, WARNING)
    in_flight = await of_topic(house, WARNING)
    async with house.sessions() as tx, tx.begin():
        back = Move(message_id=taken.id, state=MessageState.QUEUED, not_before=clock.now())
        await house.progress.move(tx, [back])

    again = await desk.claim(Lane.JOURNEYS, 10)

    ended = await of_topic(house, WARNING)
    assert in_flight.state == "handing_over"
    assert list(again) == []
    assert (ended.state, ended.code) == ("cancelled", "complained")


@pytest.mark.req("A10", "blocks")
@pytest.mark.parametrize(
    "waits",
    [
        pytest.param({"state": MessageState.DEFERRED.value}, id="deferred"),
        pytest.param({"held_by": "a-hold"}, id="held"),
    ],
)
async def test_what_is_put_off_or_held_is_ended_too(
    house: House, complaints: Complaints, brand: Brand, waits: dict[str, str]
) -> None:
    await logs_in(house, brand)
    async with house.sessions() as tx, tx.begin():
        change = update(_messages).where(_messages.c.topic == WARNING)
        await tx.execute(change.values(**waits))

    await filed(house, complaints, brand, WARNING)

    assert (await of_topic(house, WARNING)).code == "complained"


@pytest.mark.req("A10", "blocks")
@pytest.mark.req("A10", "allows")
async def test_an_intent_in_flight_is_waited_for_and_the_next_one_sees_the_complaint(
    house: House, complaints: Complaints, brand: Brand
) -> None:
    share = select(_customers.c.id).with_for_update(read=True)
    async with house.sessions() as claim, claim.begin():
        await claim.execute(share)
        filing = asyncio.create_task(filed(house, complaints, brand, WARNING))
        await until(lambda: waits_for_a_lock(house.sessions))
        before = await find_customer(claim, brand.id, "ayse")
        assert not filing.done()
    await filing

    async with house.sessions() as tx:
        after = await find_customer(tx, brand.id, "ayse")
    wishes = [one.wishes.against(WARNING, MessageClass.SERVICE) for one in (before, after)]
    assert wishes == ["", "complained"]


@pytest.mark.req("A10", "blocks")
@pytest.mark.req("A10", "allows")
async def test_the_last_of_several_complaints_lets_the_topic_speak(
    house: House, complaints: Complaints, brand: Brand
) -> None:
    made = [await filed(house, complaints, brand, WARNING) for _ in range(2)]
    heard = []

    for one in made:
        async with house.sessions() as tx, tx.begin():
            await complaints.close(tx, brand.id, one.id, resume=True, by="desk")
        heard.append((await logs_in(house, brand))[WARNING])

    assert heard == ["complained", "send"]


@pytest.mark.req("A11", "blocks")
@pytest.mark.req("A11", "allows")
@pytest.mark.parametrize(
    ("wishes", "message_class", "end"),
    [
        ({"service_only": True}, MessageClass.COMMERCIAL, "service_only"),
        ({"service_only": True}, MessageClass.SERVICE, ""),
        ({"topics_off": frozenset({PROMO})}, MessageClass.SERVICE, "topic_off"),
        ({"topics_off": frozenset({WARNING})}, MessageClass.COMMERCIAL, ""),
    ],
)
async def test_what_she_wishes_is_looked_at_again_when_an_intent_commits(
    house: House,
    brand: Brand,
    wishes: dict[str, Any],
    message_class: MessageClass,
    end: str,
) -> None:
    async with house.sessions() as tx, tx.begin():
        waiting = await a_message(
            tx,
            brand,
            customer_id=(await find_customer(tx, brand.id, "ayse")).id,
            channel=Channel.EMAIL,
            message_class=message_class,
            not_before=house.clock.now(),
        )
        change = update(_messages).where(_messages.c.id == waiting)
        await tx.execute(change.values(topic=PROMO))

    await prefers(house, brand, **wishes)
    claimed = await a_desk(house.sessions, house.clock).claim(Lane.JOURNEYS, 10)

    found = await message(house.sessions, waiting)
    assert [one.id for one in claimed] == ([] if end else [waiting])
    assert found.code == end


@pytest.mark.req("A11")
async def test_a_topic_that_the_rulebook_has_lost_may_stay_off(house: House, brand: Brand) -> None:
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_customers).values(topics_off=["winter_offer"]))

    await prefers(house, brand, topics_off=frozenset({"winter_offer", WARNING}))

    async with house.sessions() as tx:
        wishes = (await find_customer(tx, brand.id, "ayse")).wishes
    assert wishes.topics_off == {"winter_offer", WARNING}
