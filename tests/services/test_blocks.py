"""The black list on a real database: whom it stops, from when on, and until when."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from tellal.domain.blocks import Block, BlockOrigin
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer, lock_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.persistence.tables.ledger import DecisionRow, MessageRow
from tellal.services.blocks import BlockInput, Blocks, block_address, blocking
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer
from tests.support.house import MORNING, SetClock
from tests.support.postgres import waits_for_a_lock
from tests.support.waiting import until

pytestmark = pytest.mark.req("D63")

_customers = table(CustomerRow).c
_messages = table(MessageRow).c
_decisions = table(DecisionRow)

NUMBER = "+905320000101"
MAIL = "Ayse@example.com"
BOTH = {Channel.SMS: NUMBER, Channel.EMAIL: MAIL}
ALL_CLASSES = set(MessageClass)


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, contacts=BOTH)
        return brand


@pytest.fixture
def blocks(clock: SetClock) -> Blocks:
    return Blocks(clock)


async def placed(
    sessions: Sessions,
    blocks: Blocks,
    brand: Brand,
    address: str = NUMBER,
    origin: BlockOrigin = BlockOrigin.INSTITUTION,
    *,
    until: datetime | None = None,
) -> Block:
    said = BlockInput(
        address=block_address(brand, address), origin=origin, reason="new owner", until=until
    )
    async with sessions() as tx, tx.begin():
        [block] = await blocks.place(tx, brand.id, [said], by="crm")
    return block


async def lifted(sessions: Sessions, blocks: Blocks, block: Block) -> Block:
    async with sessions() as tx, tx.begin():
        return await blocks.lift(tx, block.brand_id, block.id, by="complaints")


async def stopped(
    sessions: Sessions, brand: Brand, address: str = NUMBER, at: datetime = MORNING
) -> set[MessageClass]:
    async with sessions() as tx:
        found = await blocking(tx, [brand.id], [address, "+905320000999"], at)
    block = found.get((brand.id, address))
    return set() if block is None else {one for one in MessageClass if block.stops(one)}


@pytest.mark.req("D63", "blocks")
@pytest.mark.req("D63", "allows")
async def test_an_institutions_block_stops_every_class_and_a_customers_all_but_mandatory(
    sessions: Sessions, blocks: Blocks, brand: Brand
) -> None:
    await placed(sessions, blocks, brand, origin=BlockOrigin.CUSTOMER)
    refused = await stopped(sessions, brand)
    await placed(sessions, blocks, brand, origin=BlockOrigin.INSTITUTION)

    assert refused == {MessageClass.COMMERCIAL, MessageClass.SERVICE}
    assert await stopped(sessions, brand) == ALL_CLASSES


@pytest.mark.req("D63", "blocks")
@pytest.mark.req("D63", "allows")
async def test_several_blocks_on_an_address_are_lifted_one_by_one(
    sessions: Sessions, blocks: Blocks, brand: Brand
) -> None:
    first = await placed(sessions, blocks, brand)
    second = await placed(sessions, blocks, brand, origin=BlockOrigin.CUSTOMER)

    gone = await lifted(sessions, blocks, first)

    assert (gone.lifted_by, gone.lifted_at) == ("complaints", MORNING)
    assert await stopped(sessions, brand) == {MessageClass.COMMERCIAL, MessageClass.SERVICE}
    await lifted(sessions, blocks, second)
    assert await stopped(sessions, brand) == set()


@pytest.mark.req("D63", "blocks")
@pytest.mark.req("D63", "allows")
async def test_a_block_is_over_at_its_instant(
    sessions: Sessions, blocks: Blocks, brand: Brand
) -> None:
    end = MORNING + timedelta(days=1)

    await placed(sessions, blocks, brand, until=end)

    assert await stopped(sessions, brand, at=end - timedelta(seconds=1)) == ALL_CLASSES
    assert await stopped(sessions, brand, at=end) == set()


@pytest.mark.req("D63", "blocks")
@pytest.mark.req("D63", "allows")
async def test_a_block_is_the_brands_own(sessions: Sessions, blocks: Blocks, brand: Brand) -> None:
    async with sessions() as tx, tx.begin():
        other = await a_brand(tx, "another-bank")

    block = await placed(sessions, blocks, brand)

    assert await stopped(sessions, other) == set()
    async with sessions() as tx, tx.begin():
        with pytest.raises(NotFoundError):
            await blocks.lift(tx, other.id, block.id, by="x")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        pytest.param("0532 000 01 01", NUMBER, id="number"),
        pytest.param("ayse@EXAMPLE.com", MAIL, id="e-mail, whatever its letters"),
        pytest.param("AYSE@example.com", "ayse@example.com", id="e-mail in small letters"),
        pytest.param("aToken:Of-An_App", "aToken:Of-An_App", id="push token"),
    ],
)
async def test_an_address_is_blocked_however_it_is_written(
    sessions: Sessions, blocks: Blocks, brand: Brand, written: str, address: str
) -> None:
    await placed(sessions, blocks, brand, written)

    assert await stopped(sessions, brand, address) == ALL_CLASSES


@pytest.mark.parametrize("address", [NUMBER, MAIL])
async def test_an_intent_in_flight_is_waited_for_and_the_next_one_sees_the_block(
    sessions: Sessions, blocks: Blocks, brand: Brand, address: str
) -> None:
    share = select(_customers.id).with_for_update(read=True)
    async with sessions() as claim, claim.begin():
        await claim.execute(share)
        placing = asyncio.create_task(placed(sessions, blocks, brand, address))
        await until(lambda: waits_for_a_lock(sessions))
        in_flight = await blocking(claim, [brand.id], [address], MORNING)
        assert not placing.done()
    await placing

    assert in_flight == {}
    assert await stopped(sessions, brand, address) == ALL_CLASSES


async def test_placing_a_block_and_a_decision_about_the_customer_take_turns(
    sessions: Sessions, blocks: Blocks, brand: Brand
) -> None:
    async with sessions() as deciding, deciding.begin():
        await lock_customer(deciding, brand.id, "ayse")
        placing = asyncio.create_task(placed(sessions, blocks, brand))
        await until(lambda: waits_for_a_lock(sessions))
    await placing

    async with sessions() as tx:
        customer = await find_customer(tx, brand.id, "ayse")
    assert set(customer.blocked(MessageClass.SERVICE, MORNING)) == {Channel.SMS}


async def test_the_list_that_comes_again_does_not_double(
    sessions: Sessions, blocks: Blocks, brand: Brand
) -> None:
    said = [
        BlockInput(address=NUMBER, origin=origin, reason="he asked for it")
        for origin in (BlockOrigin.CUSTOMER, BlockOrigin.CUSTOMER, BlockOrigin.INSTITUTION)
    ]

    async with sessions() as tx, tx.begin():
        first = await blocks.place_new(tx, brand.id, said, by="list")
    async with sessions() as tx, tx.begin():
        again = await blocks.place_new(tx, brand.id, said, by="list")
    await lifted(sessions, blocks, first[0])
    async with sessions() as tx, tx.begin():
        after_lifting = await blocks.place_new(tx, brand.id, said, by="list")

    assert (len(first), len(again), len(after_lifting)) == (2, 0, 1)


@pytest.mark.parametrize(
    ("how", "field"),
    [
        pytest.param({"reason": " "}, "reason", id="no reason"),
        pytest.param({"reason": "x", "until": MORNING}, "until", id="over already"),
    ],
)
async def test_a_block_that_says_nothing_or_would_be_over_is_refused(
    sessions: Sessions, blocks: Blocks, brand: Brand, how: dict[str, Any], field: str
) -> None:
    said = BlockInput(address=NUMBER, origin=BlockOrigin.INSTITUTION, **how)

    async with sessions() as tx:
        with pytest.raises(InvalidInputError) as refused:
            await blocks.place(tx, brand.id, [said], by="crm")

    assert refused.value.field == field


async def test_a_block_is_lifted_once(sessions: Sessions, blocks: Blocks, brand: Brand) -> None:
    block = await placed(sessions, blocks, brand)
    await lifted(sessions, blocks, block)

    with pytest.raises(ConflictError, match="complaints lifted"):
        await lifted(sessions, blocks, block)


async def logged_in(house: House, brand: Brand) -> dict[str, Any]:
    """Have her log in; return what was decided about the awareness campaign."""
    async with house.sessions() as tx, tx.begin():
        await house.events.record(
            tx,
            brand=brand,
            customer_ref="ayse",
            type="login",
            payload={"method": "password", "surface": "web", "can_show_banner": False},
        )
        query = select(_decisions.c.body).where(_decisions.c.topic == "phishing_awareness")
        body: dict[str, Any] = (await tx.execute(query)).scalar_one()
    return body


@pytest.mark.req("D63", "blocks")
async def test_a_decision_says_that_and_why_an_address_is_blocked(
    sessions: Sessions, blocks: Blocks, brand: Brand, house: House
) -> None:
    await placed(sessions, blocks, brand, NUMBER)
    await placed(sessions, blocks, brand, MAIL, BlockOrigin.CUSTOMER)

    decision = await logged_in(house, brand)

    assert decision["verdict"] == "suppress"
    assert [(one["code"], one["text"]) for one in decision["reasons"]] == [
        ("blocked", "The institution has blocked the address: new owner")
    ]
    assert {channel: one["code"] for channel, one in decision["removed"].items()} == {
        "sms": "blocked",
        "email": "blocked",
    }
    async with sessions() as tx:
        assert (await tx.execute(select(_messages.id))).all() == []


@pytest.mark.req("D63", "blocks")
@pytest.mark.req("D63", "allows")
async def test_a_message_takes_the_address_that_is_not_blocked(
    sessions: Sessions, blocks: Blocks, brand: Brand, house: House
) -> None:
    async with sessions() as tx, tx.begin():
        customer = await find_customer(tx, brand.id, "ayse")
        newer = {"id": new_id(), "address": "+905320000102", "channel": "sms", "bad_reason": ""}
        owner = {"brand_id": brand.id, "customer_id": customer.id, "created_at": MORNING}
        await tx.execute(insert(table(ContactPointRow)).values(**newer, **owner))
    await placed(sessions, blocks, brand, "+905320000102")

    await logged_in(house, brand)

    older = customer.usable(Channel.SMS)
    async with sessions() as tx:
        query = select(_messages.contact_point_id).where(_messages.topic == "phishing_awareness")
        assert older is not None
        assert (await tx.execute(query)).scalars().all() == [older.id]
