"""Journeys: asked again before every try, ended by conversion, given up in time."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from tellal.domain.channels import Channel, Lane
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.handover import Answered
from tellal.domain.messages import Answer, HandOver, MessageState, OutcomeState, Remedy
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow
from tellal.persistence.tables.ledger import (
    CapUseRow,
    DecisionRow,
    MessageRow,
    OutboxRow,
    OutcomeRow,
)
from tellal.services.consents import ConsentInput, Consents
from tellal.services.house import House
from tellal.services.moves import Move
from tests.support.builders import a_brand, a_customer
from tests.support.desk import a_desk
from tests.support.house import SetClock

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_decisions = table(DecisionRow)
_outbox = table(OutboxRow)

PROMO = "iscep_promo"
AWARENESS = "phishing_awareness"


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(
            tx,
            brand,
            "cem",
            contacts={Channel.SMS: "+905320000103", Channel.EMAIL: "cem@example.com"},
            consents={Channel.EMAIL: "granted"},
        )
        return brand


async def happens(house: House, brand: Brand, type: str = "login", **data: object) -> str:
    """Record an event and return the promotion's outcome, if it led to one."""
    async with house.sessions() as tx, tx.begin():
        event = await house.events.record(
            tx, brand=brand, customer_ref="cem", type=type, payload=data
        )
    return next((d.outcome_id or "" for d in event.decisions if d.topic == PROMO), "")


async def handed_over(
    house: House, topic: str, state: MessageState, remedy: Remedy | None = None
) -> None:
    """Have a lane take the newest message of a topic, and a provider answer."""
    async with house.sessions() as tx, tx.begin():
        newest = (
            select(_messages.c.id)
            .where(_messages.c.topic == topic)
            .order_by(_messages.c.id.desc())
            .limit(1)
        )
        message_id = (await tx.execute(newest)).scalar_one()
        await tx.execute(
            update(_messages)
            .where(_messages.c.id == message_id)
            .values(state=MessageState.HANDING_OVER, receipts="bounce_only", provider="smtp")
        )
        await house.progress.move(
            tx, [Move(message_id=message_id, state=state, code="550", remedy=remedy)]
        )


async def of_topic(house: House, topic: str) -> list[tuple[int, str, str]]:
    async with house.sessions() as tx:
        query = (
            select(_messages.c.try_no, _messages.c.channel, _messages.c.state)
            .where(_messages.c.topic == topic)
            .order_by(_messages.c.id)
        )
        return [tuple(row) for row in await tx.execute(query)]


@pytest.mark.req("A07", "blocks")
@pytest.mark.req("A07", "allows")
async def test_a_promotion_is_tried_again_after_a_week_and_given_up_after_three(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outcome_id = await happens(house, brand, method="password")
    for _ in range(3):
        await handed_over(house, PROMO, MessageState.ACCEPTED)
        early = await house.journeys.advance(outcome_id)
        assert early.wait_until is None or early.wait_until > clock.now() + timedelta(days=6)
        clock.pass_by(timedelta(days=7, minutes=1))
        await house.journeys.advance(outcome_id)

    last = await house.journeys.advance(outcome_id)
    assert last.state is OutcomeState.TOLD
    assert [row[:2] for row in await of_topic(house, PROMO)] == [
        (1, "email"),
        (2, "email"),
        (3, "email"),
    ]
    assert await happens(house, brand, method="password") == ""


@pytest.mark.req("A07", "blocks")
async def test_who_installs_the_app_is_not_asked_a_second_time(house: House, brand: Brand) -> None:
    outcome_id = await happens(house, brand, method="password")
    await handed_over(house, PROMO, MessageState.ACCEPTED)
    await happens(house, brand, "app_installed")
    async with house.sessions() as tx:
        woken = select(func.count()).where(_outbox.c.kind == "progressed")
        assert (await tx.execute(woken)).scalar_one() > 0

    step = await house.journeys.advance(outcome_id)

    assert step.state is OutcomeState.TOLD
    async with house.sessions() as tx:
        reason = select(_outcomes.c.reason).where(_outcomes.c.id == outcome_id)
        assert (await tx.execute(reason)).scalar_one() == "converted"


@pytest.mark.req("A07", "blocks")
async def test_a_refusal_between_two_tries_ends_the_journey(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outcome_id = await happens(house, brand, method="password")
    await handed_over(house, PROMO, MessageState.ACCEPTED)
    await house.journeys.advance(outcome_id)
    async with house.sessions() as tx, tx.begin():
        no = ConsentInput(channel=ConsentChannel.EMAIL, state=ConsentState.REFUSED, source="branch")
        await Consents(clock).record(tx, brand=brand, ref="cem", said=no)
    clock.pass_by(timedelta(days=8))

    step = await house.journeys.advance(outcome_id)

    assert step.state is OutcomeState.TOLD
    assert len(await of_topic(house, PROMO)) == 1
    async with house.sessions() as tx:
        newest = select(_decisions.c.verdict).order_by(_decisions.c.id.desc()).limit(1)
        assert (await tx.execute(newest)).scalar_one() == "suppress"


@pytest.mark.req("A02", "allows")
async def test_what_a_provider_rejects_gives_its_cap_slots_back(house: House, brand: Brand) -> None:
    await happens(house, brand, method="password")
    taken = select(func.count()).where(table(CapUseRow).c.released_at.is_(None))
    async with house.sessions() as tx:
        assert (await tx.execute(taken)).scalar_one() == 2

    await handed_over(house, PROMO, MessageState.FAILED, Remedy.BAD_ADDRESS)

    async with house.sessions() as tx:
        assert (await tx.execute(taken)).scalar_one() == 0


@pytest.mark.req("A02", "blocks")
async def test_a_cap_stops_a_second_journey_within_the_week(house: House, brand: Brand) -> None:
    outcome_id = await happens(house, brand, method="password")
    await handed_over(house, PROMO, MessageState.ACCEPTED)
    async with house.sessions() as tx, tx.begin():
        await tx.execute(
            update(_outcomes).where(_outcomes.c.id == outcome_id).values(state="told", tries=1)
        )

    await happens(house, brand, method="password")

    async with house.sessions() as tx:
        query = (
            select(_decisions.c.reason)
            .where(_decisions.c.topic == PROMO)
            .order_by(_decisions.c.id.desc())
            .limit(1)
        )
        assert (await tx.execute(query)).scalar_one() == "promo_cap"


async def test_a_bad_address_is_marked_with_its_reason(house: House, brand: Brand) -> None:
    await happens(house, brand, method="password")

    await handed_over(house, PROMO, MessageState.FAILED, Remedy.BAD_ADDRESS)

    async with house.sessions() as tx:
        marked = select(table(ContactPointRow).c.bad_reason).where(
            table(ContactPointRow).c.channel == "email"
        )
        assert (await tx.execute(marked)).scalar_one() == "smtp:550"


async def test_an_opt_out_at_the_carrier_becomes_a_refusal(house: House, brand: Brand) -> None:
    await happens(house, brand, method="password")

    await handed_over(house, PROMO, MessageState.FAILED, Remedy.OPTED_OUT)

    async with house.sessions() as tx:
        newest = (
            select(table(ConsentRow).c.state, table(ConsentRow).c.source)
            .order_by(table(ConsentRow).c.id.desc())
            .limit(1)
        )
        assert tuple((await tx.execute(newest)).one()) == ("refused", "carrier:smtp")


@pytest.mark.parametrize(
    "remedy",
    [
        pytest.param(Remedy.HALT, id="our settings are wrong"),
        pytest.param(Remedy.NEXT_ROUTE, id="this route does not reach him"),
    ],
)
async def test_without_another_route_a_refused_message_goes_on_along_the_plan(
    house: House, brand: Brand, clock: SetClock, remedy: Remedy
) -> None:
    await happens(house, brand, method="password")
    desk = a_desk(house.sessions, clock)
    refusal = HandOver(answer=Answer.REJECTED, provider="fake", code="refused", remedy=remedy)

    claimed = await desk.claim(Lane.JOURNEYS, 10)
    [text] = [one for one in claimed if one.topic == AWARENESS]
    await desk.record([Answered(message=text, answer=refusal)])
    async with house.sessions() as tx:
        query = select(_outcomes.c.id).where(_outcomes.c.topic == AWARENESS)
        outcome_id = (await tx.execute(query)).scalar_one()
    step = await house.journeys.advance(outcome_id)

    assert (step.state, step.stage) == (OutcomeState.OPEN, "trying email")
    assert await of_topic(house, AWARENESS) == [(1, "sms", "failed"), (1, "email", "queued")]


@pytest.mark.parametrize("by_lane", [True, False], ids=["the lane sees it", "the journey sees it"])
async def test_what_has_expired_is_not_said_over_the_next_channel_either(
    house: House, brand: Brand, clock: SetClock, by_lane: bool
) -> None:
    """Whoever notices it first: late is late, and the outcome says so."""
    await happens(house, brand, method="password")
    async with house.sessions() as tx:
        query = select(_messages).where(_messages.c.topic == AWARENESS)
        message = (await tx.execute(query)).one()
    clock.pass_by(timedelta(days=30))
    if by_lane:
        async with house.sessions() as tx, tx.begin():
            expired = Move(message_id=message.id, state=MessageState.EXPIRED, code="expired")
            await house.progress.move(tx, [expired])

    step = await house.journeys.advance(message.outcome_id)

    assert step.state is OutcomeState.EXPIRED
    assert await of_topic(house, AWARENESS) == [(1, "sms", "expired")]


async def test_a_status_never_goes_backwards(house: House, brand: Brand) -> None:
    await happens(house, brand, method="password")
    await handed_over(house, AWARENESS, MessageState.DELIVERED)
    async with house.sessions() as tx:
        query = select(_messages.c.id).where(_messages.c.topic == AWARENESS)
        message_id = (await tx.execute(query)).scalar_one()

    for late in (MessageState.SENT, MessageState.FAILED, MessageState.ACCEPTED):
        async with house.sessions() as tx, tx.begin():
            await house.progress.move(tx, [Move(message_id=message_id, state=late)])

    assert [row[2] for row in await of_topic(house, AWARENESS)] == ["delivered"]
