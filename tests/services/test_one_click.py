"""Refusals by one click, as lanes see them: who carries the address, and what a refusal stops."""

import pytest

from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.persistence.session import Sessions
from tellal.services.one_click import OneClick
from tests.support.builders import a_brand, a_customer
from tests.support.desk import a_desk
from tests.support.ledger import SetClock, a_message, message


async def two_mails(sessions: Sessions) -> tuple[str, str]:
    """Write a promotional mail and one of service to somebody who had agreed to both."""
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        customer_id = await a_customer(
            tx,
            brand,
            contacts={Channel.EMAIL: "cem@example.com"},
            consents={Channel.EMAIL: "granted"},
        )
        promotion = await a_message(
            tx,
            brand,
            customer_id=customer_id,
            channel=Channel.EMAIL,
            message_class=MessageClass.COMMERCIAL,
        )
        service = await a_message(tx, brand, customer_id=customer_id, channel=Channel.EMAIL)
    return promotion, service


async def test_only_promotional_mails_carry_the_address(sessions: Sessions) -> None:
    promotion, service = await two_mails(sessions)
    one_click = OneClick("rehearsal", "https://tellal.example", SetClock())
    desk = a_desk(sessions, SetClock(), refusal_url=one_click.url)

    outgoing = {one.id: one for one in await desk.claim(Lane.JOURNEYS, 10)}

    assert outgoing[promotion].unsubscribe_url == one_click.url(promotion)
    assert outgoing[service].unsubscribe_url == ""


@pytest.mark.req("D49", "blocks")
@pytest.mark.req("D49", "allows")
async def test_a_refusal_stops_promotion_and_nothing_else(sessions: Sessions) -> None:
    promotion, service = await two_mails(sessions)
    one_click = OneClick("rehearsal", "https://tellal.example", SetClock())

    async with sessions() as tx, tx.begin():
        await one_click.refuse(tx, one_click.url(promotion).rpartition("/")[2])
    claimed = await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10)

    assert [one.id for one in claimed] == [service]
    assert (await message(sessions, promotion)).code == "no_consent"
