"""The first commercial message to whom the law only takes for one who agreed says so, once."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from rules.keyword_files import keyword_books
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.customers import Brand
from tellal.domain.messages import MessageState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.brands import ShortCodeRow
from tellal.persistence.tables.customers import ConsentRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.refusing import FirstSendRow
from tellal.ports import Rendered
from tellal.services.first_sends import first_send_notice, with_notice
from tests.support.builders import LONG_AGO, a_brand, a_customer
from tests.support.desk import a_desk
from tests.support.ledger import SetClock, a_message

pytestmark = pytest.mark.req("D53")

_messages = table(MessageRow)
CONTACTS = {Channel.SMS: "+905320000101", Channel.EMAIL: "ayse@example.com"}
NOTICE = "Müşterimiz olarak veri tabanımızda kayıtlısınız"


async def agrees(
    sessions: Sessions, brand: Brand, customer_id: str, source: str, at: timedelta = timedelta()
) -> None:
    async with sessions() as tx, tx.begin():
        for channel in CONTACTS:
            await tx.execute(
                insert(table(ConsentRow)).values(
                    id=new_id(),
                    brand_id=brand.id,
                    customer_id=customer_id,
                    channel=channel.value,
                    state="granted",
                    source=source,
                    evidence={},
                    recorded_at=LONG_AGO + at,
                )
            )


@pytest.fixture
async def someone(sessions: Sessions) -> tuple[Brand, str]:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        return brand, await a_customer(tx, brand, contacts=CONTACTS)


async def send(
    sessions: Sessions,
    someone: tuple[Brand, str],
    *,
    channel: Channel = Channel.SMS,
    message_class: MessageClass = MessageClass.COMMERCIAL,
) -> str:
    """Write a message, let a lane claim it, and return the text that leaves."""
    brand, customer_id = someone
    async with sessions() as tx, tx.begin():
        message_id = await a_message(
            tx, brand, customer_id=customer_id, channel=channel, message_class=message_class
        )
    claimed = {one.id: one for one in await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10)}
    return claimed[message_id].text


@pytest.mark.req("D53", "blocks")
@pytest.mark.req("D53", "allows")
async def test_the_first_one_over_each_channel_says_it_and_no_other(
    sessions: Sessions, someone: tuple[Brand, str]
) -> None:
    await agrees(sessions, *someone, "HS_2015")

    service = await send(sessions, someone, message_class=MessageClass.SERVICE)
    texts = [await send(sessions, someone) for _ in range(2)]
    mails = [await send(sessions, someone, channel=Channel.EMAIL) for _ in range(2)]

    assert [NOTICE in text for text in [service, *texts, *mails]] == [
        False, True, False, True, False,
    ]  # fmt: skip
    assert "iletisim@anadolu.example" in texts[0]


async def test_two_that_leave_together_say_it_once(
    sessions: Sessions, someone: tuple[Brand, str]
) -> None:
    await agrees(sessions, *someone, "HS_2015")
    brand, customer_id = someone
    async with sessions() as tx, tx.begin():
        for _ in range(2):
            await a_message(
                tx, brand, customer_id=customer_id, message_class=MessageClass.COMMERCIAL
            )

    claimed = await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10)

    assert sorted(NOTICE in one.text for one in claimed) == [False, True]


async def test_it_is_said_again_if_the_first_was_not_taken(
    sessions: Sessions, someone: tuple[Brand, str]
) -> None:
    await agrees(sessions, *someone, "HS_2015")

    lost = await send(sessions, someone)
    async with sessions() as tx, tx.begin():
        await tx.execute(update(_messages).values(state=MessageState.FAILED.value))
    again = await send(sessions, someone)

    assert NOTICE in lost
    assert NOTICE in again
    async with sessions() as tx:
        rows = (await tx.execute(select(table(FirstSendRow)))).all()
    assert len(rows) == 1


@pytest.mark.req("D53", "blocks")
@pytest.mark.parametrize("source", ["branch", "HS_WEB", "HS_MESAJ"])
async def test_whoever_said_yes_himself_is_told_nothing(
    sessions: Sessions, someone: tuple[Brand, str], source: str
) -> None:
    await agrees(sessions, *someone, "HS_2015")
    await agrees(sessions, *someone, source, timedelta(days=1))

    assert NOTICE not in await send(sessions, someone)


async def test_a_brand_with_a_short_number_names_it(
    sessions: Sessions, someone: tuple[Brand, str]
) -> None:
    await agrees(sessions, *someone, "HS_2015")
    async with sessions() as tx, tx.begin():
        code = {"code": "4605", "keyword": "MARKA", "brand_id": someone[0].id}
        await tx.execute(insert(table(ShortCodeRow)).values(**code))

    assert "4605 numarasına MARKA RET yazın" in await send(sessions, someone)


@pytest.mark.parametrize(
    ("country", "language", "begins"),
    [("TR", "en", "As our customer"), ("PL", "pl-PL", "Jako nasz"), ("DE", "tr", "As our")],
)
async def test_it_is_said_in_a_language_of_the_country(
    someone: tuple[Brand, str], country: str, language: str, begins: str
) -> None:
    book = keyword_books().of(country)

    assert first_send_notice(book, language, someone[0]).startswith(begins)


def test_html_has_it_before_its_end_and_escaped() -> None:
    mail = Rendered(subject="s", text="Merhaba\n", html="<html><body><p>x</p></body></html>")

    told = with_notice(mail, "a < b")

    assert told.text == "Merhaba\na < b"
    assert told.html == "<html><body><p>x</p><p>a &lt; b</p></body></html>"
