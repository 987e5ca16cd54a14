"""Events: one transaction from the login to the message, and nothing said twice."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.people import to_brand
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.ledger import MessageRow, OutboxRow, OutcomeRow
from tellal.services.events import RecordedEvent
from tellal.services.house import House
from tellal.services.moves import Move
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock

_messages = table(MessageRow).c
_outcomes = table(OutcomeRow).c
_outbox = table(OutboxRow).c

AWARENESS = "phishing_awareness"
PROMO = "iscep_promo"

pytestmark = pytest.mark.usefixtures("ayse")


async def login(
    house: House, brand_name: str = "anadolu-bank", ref: str = "ayse", **data: object
) -> RecordedEvent:
    payload = {"method": "password", "surface": "web", "can_show_banner": False, **data}
    async with house.sessions() as tx, tx.begin():
        brand = await _the_brand(house, brand_name)
        return await house.events.record(
            tx, brand=brand, customer_ref=ref, type="login", payload=payload
        )


async def _the_brand(house: House, name: str) -> Brand:
    async with house.sessions() as tx:
        query = select(BrandRow).where(table(BrandRow).c.name == name)
        return to_brand((await tx.execute(query)).scalar_one())


async def settle(house: House, ref_topic: str, state: MessageState) -> None:
    async with house.sessions() as tx, tx.begin():
        query = select(_messages.id).where(_messages.topic == ref_topic)
        ids = (await tx.execute(query)).scalars().all()
        await tx.execute(
            update(table(MessageRow))
            .where(_messages.id.in_(ids), _messages.state == MessageState.QUEUED)
            .values(state=MessageState.HANDING_OVER, receipts="delivery", provider="twilio")
        )
        await house.progress.move(tx, [Move(message_id=i, state=state) for i in ids])


@pytest.fixture
async def ayse(house: House) -> str:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        return await a_customer(
            tx, brand, contacts={Channel.SMS: "+905320000101", Channel.EMAIL: "ayse@example.com"}
        )


def by_topic(event: RecordedEvent, topic: str) -> tuple[str, str]:
    decision = next(d for d in event.decisions if d.topic == topic)
    return decision.verdict, decision.reason


@pytest.mark.req("A01", "blocks")
@pytest.mark.req("A01", "allows")
async def test_parallel_logins_lead_to_one_message(house: House) -> None:
    events = await asyncio.gather(*(login(house) for _ in range(10)))

    verdicts = sorted(by_topic(event, AWARENESS) for event in events)

    assert sum(verdict == "send" for verdict, _ in verdicts) == 1
    assert {reason for verdict, reason in verdicts if verdict == "suppress"} == {"already_pending"}
    async with house.sessions() as tx:
        sent = await tx.execute(select(func.count()).where(_messages.topic == AWARENESS))
        assert sent.scalar_one() == 1


@pytest.mark.req("A01", "blocks")
async def test_once_told_a_login_says_so(house: House) -> None:
    await login(house)
    await settle(house, AWARENESS, MessageState.DELIVERED)

    again = await login(house)

    assert by_topic(again, AWARENESS) == ("suppress", "already_told")


@pytest.mark.req("A05", "allows")
@pytest.mark.req("A06", "allows")
async def test_the_login_of_this_very_session_proves_the_app(house: House) -> None:
    event = await login(house, method="cep_anahtar")

    assert by_topic(event, PROMO) == ("suppress", "already_has_iscep")


@pytest.mark.req("A06", "blocks")
async def test_another_sessions_login_proves_nothing_in_this_one(house: House) -> None:
    async with house.sessions() as tx, tx.begin():
        brand = await _the_brand(house, "anadolu-bank")
        stored = {"customer.login.method": "cep_anahtar"}
        await a_customer(
            tx, brand, "cem", contacts={Channel.EMAIL: "cem@example.com"}, facts=stored,
            consents={Channel.EMAIL: "granted"},
        )  # fmt: skip

    event = await login(house, ref="cem", method="password")

    assert by_topic(event, PROMO) == ("send", "")


@pytest.mark.req("A08", "blocks")
async def test_a_promotion_without_consent_is_suppressed(house: House) -> None:
    event = await login(house)

    assert by_topic(event, PROMO) == ("suppress", "no_consent")


async def test_a_suppressed_login_starts_no_workflow(house: House) -> None:
    await login(house)
    await settle(house, AWARENESS, MessageState.DELIVERED)
    async with house.sessions() as tx:
        before = (await tx.execute(select(func.count(_outbox.id)))).scalar_one()

    await login(house)

    async with house.sessions() as tx:
        assert (await tx.execute(select(func.count(_outbox.id)))).scalar_one() == before


@pytest.mark.req("A12", "allows")
async def test_a_banner_is_offered_where_it_can_be_shown(house: House) -> None:
    event = await login(house, can_show_banner=True)

    assert event.banner is not None
    assert event.banner.text
    async with house.sessions() as tx:
        row = (
            await tx.execute(select(table(MessageRow)).where(_messages.topic == AWARENESS))
        ).one()
        assert (row.channel, row.state) == ("banner", "accepted")


async def test_an_unshown_banner_gives_way_to_the_next_channel(
    house: House, clock: SetClock
) -> None:
    event = await login(house, can_show_banner=True)
    outcome_id = next(d.outcome_id for d in event.decisions if d.topic == AWARENESS)
    assert outcome_id is not None
    clock.pass_by(timedelta(hours=1))

    step = await house.journeys.advance(outcome_id)

    assert step.wait_until is not None
    async with house.sessions() as tx:
        query = select(_messages.channel).where(_messages.outcome_id == outcome_id)
        assert set((await tx.execute(query)).scalars()) == {"banner", "sms"}


async def test_a_failed_journey_is_taken_up_by_the_next_login(house: House) -> None:
    first = await login(house)
    outcome_id = next(d.outcome_id for d in first.decisions if d.topic == AWARENESS)
    assert outcome_id is not None
    await settle(house, AWARENESS, MessageState.FAILED)
    await house.journeys.advance(outcome_id)
    await settle(house, AWARENESS, MessageState.FAILED)
    await house.journeys.advance(outcome_id)

    again = await login(house)

    assert by_topic(again, AWARENESS)[0] == "send"
    async with house.sessions() as tx:
        row = (await tx.execute(select(table(OutcomeRow)).where(_outcomes.id == outcome_id))).one()
        assert (row.state, row.tries) == ("open", 2)


async def test_an_unknown_customer_is_refused(house: House) -> None:
    with pytest.raises(NotFoundError):
        await login(house, ref="nobody")


async def test_an_unknown_field_is_refused_with_a_hint(house: House) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await login(house, metod="password")

    assert "method" in caught.value.hint or "method" in str(caught.value)
