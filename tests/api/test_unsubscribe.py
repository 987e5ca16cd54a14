"""Refusing by one click: a POST refuses, a GET only asks, and nobody can make up an address."""

import pytest
from sqlalchemy import select

from tellal.domain.channels import Channel, MessageClass
from tellal.domain.errors import NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ConsentRow
from tellal.services.one_click import OneClick
from tests.support.api import PUBLIC_URL, Served, Tenant
from tests.support.builders import a_customer
from tests.support.ledger import SetClock, a_message, message

_consents = table(ConsentRow)


@pytest.fixture
async def promotion(bank: Tenant, served: Served) -> str:
    """A promotional mail that waits, to somebody who had agreed to it."""
    async with served.sessions() as tx, tx.begin():
        customer_id = await a_customer(
            tx,
            bank.brand,
            contacts={Channel.EMAIL: "cem@example.com"},
            consents={Channel.EMAIL: "granted"},
        )
        return await a_message(
            tx,
            bank.brand,
            customer_id=customer_id,
            channel=Channel.EMAIL,
            message_class=MessageClass.COMMERCIAL,
        )


def path_of(served: Served, message_id: str) -> str:
    return served.desk.one_click.url(message_id).removeprefix(PUBLIC_URL)


async def refusals(served: Served, message_id: str) -> list[tuple[str, str]]:
    whose = (await message(served.sessions, message_id)).customer_id
    query = select(_consents.c.channel, _consents.c.source).where(
        _consents.c.state == "refused", _consents.c.customer_id == whose
    )
    async with served.sessions() as tx:
        return [(channel, source) for channel, source in await tx.execute(query)]


@pytest.mark.req("D49", "allows")
async def test_a_mail_programs_post_refuses_at_once(served: Served, promotion: str) -> None:
    """RFC 8058, section 3.1: a POST with this body, without a cookie or a question."""
    path = path_of(served, promotion)
    async with served.client() as client:
        for _ in range(2):
            answer = await client.post(path, data={"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200

    assert await refusals(served, promotion) == [("email", "one_click")]


@pytest.mark.req("D49", "blocks")
async def test_following_the_link_refuses_nothing_and_shows_a_button(
    bank: Tenant, served: Served, promotion: str
) -> None:
    async with served.client() as client:
        page = await client.get(path_of(served, promotion))

    assert page.status_code == 200
    assert bank.brand.trade_name in page.text
    assert '<form method="post">' in page.text
    assert '<html lang="tr">' in page.text
    assert await refusals(served, promotion) == []


@pytest.mark.req("D49", "blocks")
@pytest.mark.parametrize("end", ["", "0" * 32, "ğ"])
async def test_an_address_that_is_not_ours_is_not_found(
    served: Served, promotion: str, end: str
) -> None:
    async with served.client() as client:
        answer = await client.post(f"/unsubscribe/{promotion}.{end}")

    assert answer.status_code == 404
    assert await refusals(served, promotion) == []


async def test_without_a_secret_there_is_no_address_and_none_is_believed(
    served: Served, promotion: str
) -> None:
    bare = OneClick("", PUBLIC_URL, SetClock())

    assert bare.url(promotion) == ""
    async with served.sessions() as tx:
        with pytest.raises(NotFoundError):
            await bare.find(tx, f"{promotion}.{bare._mac(promotion)}")
