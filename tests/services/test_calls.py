"""Calls that read a text out, in the ledger: consent, refusals, and what the lane hands over."""

import pytest

from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.routes import Route, RouteTable
from tellal.persistence.people import lock_customer_by_id, read_customers
from tellal.persistence.session import Sessions
from tellal.services.consents import ConsentInput, Consents
from tests.support.builders import a_brand, a_customer
from tests.support.desk import EVERYWHERE, ROUTES, a_desk
from tests.support.ledger import SetClock, a_message, message

CALLS = Route(name="calls", provider="fake", channel=Channel.CALL, carries=EVERYWHERE)
NUMBERS = {Channel.CALL: "+903124440000", Channel.SMS: "+905320000101"}


async def who_agreed(
    sessions: Sessions, *channels: Channel, state: str = "granted"
) -> tuple[Brand, str]:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        consents = dict.fromkeys(channels, state)
        return brand, await a_customer(tx, brand, contacts=NUMBERS, consents=consents)


async def promoted(sessions: Sessions, brand: Brand, customer_id: str, channel: Channel) -> str:
    async with sessions() as tx, tx.begin():
        return await a_message(
            tx,
            brand,
            customer_id=customer_id,
            channel=channel,
            message_class=MessageClass.COMMERCIAL,
        )


@pytest.mark.req("C05", "allows")
@pytest.mark.req("C06", "blocks")
async def test_consent_is_looked_at_again_when_a_call_is_about_to_be_made(
    sessions: Sessions,
) -> None:
    brand, agreed = await who_agreed(sessions, Channel.CALL)
    async with sessions() as tx, tx.begin():
        silent = await a_customer(
            tx, brand, "silent", contacts=NUMBERS, consents={Channel.SMS: "granted"}
        )
    called = await promoted(sessions, brand, agreed, Channel.CALL)
    not_called = await promoted(sessions, brand, silent, Channel.CALL)
    desk = a_desk(sessions, SetClock(), routes=RouteTable(routes=(*ROUTES.routes, CALLS)))

    claimed = await desk.claim(Lane.JOURNEYS, 10)

    assert [(one.id, one.address) for one in claimed] == [(called, NUMBERS[Channel.CALL])]
    assert (await message(sessions, not_called)).code == "no_consent"


@pytest.mark.req("C01", "blocks")
@pytest.mark.req("C07", "allows")
async def test_who_refuses_calls_is_called_no_more_and_written_to_as_before(
    sessions: Sessions,
) -> None:
    brand, customer_id = await who_agreed(sessions, Channel.CALL, Channel.SMS)
    call = await promoted(sessions, brand, customer_id, Channel.CALL)
    text = await promoted(sessions, brand, customer_id, Channel.SMS)

    async with sessions() as tx, tx.begin():
        customer = await lock_customer_by_id(tx, customer_id)
        await Consents(SetClock()).record(
            tx,
            brand=brand,
            ref=customer.ref,
            said=ConsentInput(
                channel=ConsentChannel.CALL, state=ConsentState.REFUSED, source="HS_CAGRI_MERKEZI"
            ),
        )

    assert (await message(sessions, call)).code == "no_consent"
    assert (await message(sessions, text)).state == "queued"
    async with sessions() as tx:
        known = (await read_customers(tx, [customer_id]))[customer_id].consents
    assert known[Channel.CALL].state is ConsentState.REFUSED
    assert known[Channel.SMS].state is ConsentState.GRANTED


async def test_a_call_says_in_which_language_it_is_read_out(sessions: Sessions) -> None:
    brand, customer_id = await who_agreed(sessions)
    async with sessions() as tx, tx.begin():
        await a_message(tx, brand, customer_id=customer_id, channel=Channel.CALL)
    desk = a_desk(sessions, SetClock(), routes=RouteTable(routes=(*ROUTES.routes, CALLS)))

    [claimed] = await desk.claim(Lane.JOURNEYS, 10)

    assert (claimed.channel, claimed.language, claimed.sender) == (Channel.CALL, "tr", "")
