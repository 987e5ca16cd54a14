"""Electronic consents are confirmed on the same day, over their channel, unless taken back."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from tellal.domain.channels import Channel
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, ConsentState
from tellal.metrics import LEDGER
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.refusing import ConfirmationRow
from tellal.services.confirmations import Confirmations
from tellal.services.consents import ConsentInput, Consents
from tellal.services.gauges import Gauges
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock

pytestmark = pytest.mark.req("D33")

_messages = table(MessageRow)
_confirmations = table(ConfirmationRow)
PROOF: dict[str, object] = {
    "text": "Kampanyalardan haberdar olmak istiyorum.",
    "name": "Ayşe Yılmaz",
    "preselected": False,
}
BOTH = {Channel.SMS: "+905320000101", Channel.EMAIL: "ayse@example.com"}


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, contacts=BOTH)
        return brand


async def says(
    house: House,
    brand: Brand,
    *,
    channel: str = "sms",
    state: str = "granted",
    source: str = "HS_WEB",
    given_at: datetime | None = None,
    purposes: tuple[str, ...] = (),
) -> str:
    said = ConsentInput(
        channel=ConsentChannel(channel),
        state=ConsentState(state),
        source=source,
        given_at=given_at,
        purposes=purposes,
        evidence=PROOF,
    )
    async with house.sessions() as tx, tx.begin():
        return (await Consents(house.clock).record(tx, brand=brand, ref="ayse", said=said)).id


async def posted(house: House) -> list[tuple[str, str]]:
    query = select(_messages.c.topic, _messages.c.channel).order_by(_messages.c.id)
    async with house.sessions() as tx:
        return [(row.topic, row.channel) for row in await tx.execute(query)]


async def states(house: House) -> list[str]:
    query = select(_confirmations.c.state).order_by(_confirmations.c.consent_id)
    async with house.sessions() as tx:
        return list((await tx.execute(query)).scalars())


async def hand_over(house: House) -> None:
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_messages).values(state="accepted", handed_at=house.clock.now()))


async def late(house: House) -> float | None:
    await Gauges(house.sessions, house.clock).read()
    return LEDGER.get_sample_value("tellal_consent_confirmations_late")


@pytest.mark.req("D33", "allows")
@pytest.mark.parametrize("channel", ["sms", "email"])
async def test_a_consent_is_confirmed_over_its_channel_at_once(
    house: House, brand: Brand, channel: str
) -> None:
    await says(house, brand, channel=channel)

    assert await Confirmations(house.sessions, house.deciding).work() == 1
    assert await Confirmations(house.sessions, house.deciding).work() == 0

    assert await posted(house) == [("consent_confirmation", channel)]
    assert await states(house) == ["posted"]


async def test_what_has_left_is_confirmed(house: House, brand: Brand) -> None:
    await says(house, brand)
    worker = Confirmations(house.sessions, house.deciding)
    await worker.work()
    await hand_over(house)

    await worker.work()

    assert await states(house) == ["confirmed"]


async def test_a_grant_for_a_purpose_is_confirmed_too(house: House, brand: Brand) -> None:
    await says(house, brand, purposes=("campaigns",))

    await Confirmations(house.sessions, house.deciding).work()

    assert await posted(house) == [("consent_confirmation", "sms")]


@pytest.mark.req("D33", "blocks")
async def test_what_was_taken_back_meanwhile_is_not_confirmed(house: House, brand: Brand) -> None:
    await says(house, brand)
    await says(house, brand, state="refused", source="agent")

    await Confirmations(house.sessions, house.deciding).work()

    assert await posted(house) == []
    assert await states(house) == ["taken_back"]


@pytest.mark.req("D33", "blocks")
@pytest.mark.parametrize("source", ["branch", "call_centre", "agent"])
async def test_what_was_not_given_electronically_needs_no_confirmation(
    house: House, brand: Brand, source: str
) -> None:
    await says(house, brand, source=source)

    assert await states(house) == []


async def test_history_that_comes_late_is_not_confirmed_any_more(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await says(house, brand, given_at=clock.now() - timedelta(days=2))

    assert await states(house) == []


async def test_until_when_is_midnight_where_the_brand_is_or_a_day(
    house: House, brand: Brand
) -> None:
    await says(house, brand)

    async with house.sessions() as tx:
        until = (await tx.execute(select(_confirmations.c.confirm_by))).scalar_one()
    assert until == datetime.fromisoformat("2026-03-03T00:00+03:00")


async def test_an_alarm_tells_of_those_that_are_late(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await says(house, brand)
    in_time = await late(house)
    clock.pass_by(timedelta(hours=15))

    assert (in_time, await late(house)) == (0.0, 1.0)

    worker = Confirmations(house.sessions, house.deciding)
    await worker.work()
    assert await late(house) == 1.0
    await hand_over(house)
    clock.pass_by(timedelta(minutes=1))
    await worker.work()
    assert await late(house) == 0.0


async def test_whoever_cannot_be_reached_stays_due_and_is_not_asked_about_again(
    house: House, brand: Brand, clock: SetClock
) -> None:
    async with house.sessions() as tx, tx.begin():
        await a_customer(tx, brand, "cem", contacts={Channel.PUSH: "token-of-cem-0123456789"})
        said = ConsentInput(
            channel=ConsentChannel.PUSH, state=ConsentState.GRANTED, source="app", evidence={}
        )
        await Consents(house.clock).record(tx, brand=brand, ref="cem", said=said)
    worker = Confirmations(house.sessions, house.deciding)

    assert await worker.work() == 1
    assert await worker.work() == 0

    assert await states(house) == ["due"]
    clock.pass_by(timedelta(days=1))
    assert await late(house) == 1.0


async def test_what_is_refused_before_it_has_left_needs_no_confirmation(
    house: House, brand: Brand
) -> None:
    await says(house, brand)
    worker = Confirmations(house.sessions, house.deciding)
    await worker.work()

    await says(house, brand, state="refused", source="agent")
    await worker.work()

    assert await states(house) == ["taken_back"]


async def test_consent_to_push_is_confirmed_by_a_text(house: House, brand: Brand) -> None:
    await says(house, brand, channel="push", source="app")

    await Confirmations(house.sessions, house.deciding).work()

    assert await posted(house) == [("consent_confirmation", "sms")]
