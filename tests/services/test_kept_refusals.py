"""Whoever was erased is left in peace when his address comes back, until he says otherwise."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tellal.domain.channels import Channel
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, ConsentState, Customer
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.privacy import KeptRefusalRow
from tellal.services.consent_files import read_consents
from tellal.services.consent_import import ConsentImport
from tellal.services.consents import ConsentInput, Consents
from tellal.services.customers import Contact, CustomerInput, Customers
from tellal.services.house import House
from tellal.services.person_erasure import Persons
from tests.support.builders import a_brand, a_customer
from tests.support.house import MORNING, SetClock
from tests.support.marked import where_named

NUMBER = "+905320000101"
PROMO = "iscep_promo"
LOGIN = {"method": "password", "surface": "web", "can_show_banner": False}
PROOF = {"text": "Evet", "name": "Ayşe Yılmaz", "preselected": False}


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        contacts = {Channel.SMS: NUMBER, Channel.EMAIL: "ayse@example.com"}
        await a_customer(tx, brand, contacts=contacts, consents={Channel.EMAIL: "granted"})
        return brand


async def erase(house: House, clock: SetClock, brand: Brand, ref: str = "ayse") -> None:
    persons = Persons(Consents(clock), house.progress, clock)
    async with house.sessions() as tx, tx.begin():
        await persons.erase(tx, brand, ref, by="dpo")


async def comes_back(
    house: House, clock: SetClock, brand: Brand, *, address: str = "Ayse@example.com"
) -> Customer:
    """Have the brand tell of her anew, under another name."""
    said = CustomerInput(
        locale="tr-TR",
        contacts=[
            Contact(channel=Channel.EMAIL, address=address),
            Contact(channel=Channel.SMS, address=NUMBER),
        ],
    )
    async with house.sessions() as tx, tx.begin():
        await Customers(house.books, clock).put(tx, brand=brand, ref="new", said=said)
        return await find_customer(tx, brand.id, "new")


async def grant(house: House, clock: SetClock, brand: Brand, **when: object) -> None:
    said = ConsentInput(
        channel=ConsentChannel.EMAIL,
        state=ConsentState.GRANTED,
        source="HS_WEB",
        evidence=PROOF,
        **when,  # type: ignore[arg-type]  # the names are checked at run time
    )
    async with house.sessions() as tx, tx.begin():
        await Consents(clock).record(tx, brand=brand, ref="new", said=said)


async def promoted(house: House, brand: Brand) -> str:
    """Have her log in; return whether she is sent advertising, or why not."""
    async with house.sessions() as tx, tx.begin():
        event = await house.events.record(
            tx, brand=brand, customer_ref="new", type="login", payload=LOGIN
        )
    [verdict] = [one.reason or one.verdict for one in event.decisions if one.topic == PROMO]
    return verdict


async def test_her_address_comes_back_over_the_api_and_nothing_commercial_leaves(
    house: House, clock: SetClock, brand: Brand
) -> None:
    await erase(house, clock, brand)
    clock.pass_by(timedelta(days=1))

    back = await comes_back(house, clock, brand)
    await grant(house, clock, brand, given_at=MORNING - timedelta(days=400))

    assert {c: one.state for c, one in back.consents.items()} == {
        Channel.EMAIL: ConsentState.REFUSED,
        Channel.SMS: ConsentState.REFUSED,
        Channel.CALL: ConsentState.REFUSED,
    }
    assert back.consents[Channel.EMAIL].source == "kept"
    assert await promoted(house, brand) != "send"


async def test_what_she_grants_afterwards_counts(
    house: House, clock: SetClock, brand: Brand
) -> None:
    await erase(house, clock, brand)
    clock.pass_by(timedelta(days=1))
    await comes_back(house, clock, brand)

    await grant(house, clock, brand)

    assert await promoted(house, brand) == "send"


async def test_another_address_is_nobodys_refusal_and_another_brand_does_not_know(
    house: House, clock: SetClock, brand: Brand
) -> None:
    async with house.sessions() as tx, tx.begin():
        other = await a_brand(tx, "other-bank")
    await erase(house, clock, brand)

    stranger = await comes_back(house, clock, brand, address="fatma@example.com")
    elsewhere = await comes_back(house, clock, other)

    assert stranger.consents.keys() == {Channel.SMS, Channel.CALL}
    assert elsewhere.consents == {}


async def test_her_address_comes_back_from_a_file_of_old_consents(
    house: House, clock: SetClock, brand: Brand
) -> None:
    await erase(house, clock, brand)
    clock.pass_by(timedelta(days=1))
    written = (
        "address,channel,state,given_at,source,text,name,preselected,customer\n"
        f"{NUMBER},sms,granted,2025-06-01T10:00:00+03:00,HS_WEB,Evet,Ayşe Yılmaz,false,new\n"
        "+905320000199,sms,granted,2025-06-01T10:00:00+03:00,HS_WEB,Evet,Ali Kaya,false,ali\n"
    )
    read = read_consents(written.encode(), brand, at=clock.now())
    taking = ConsentImport(clock, brand)

    async with house.sessions() as tx, tx.begin():
        settled = await taking.settle(tx, read)
    async with house.sessions() as tx, tx.begin():
        done = await taking.put(tx, settled.lines, by="import")

    async with house.sessions() as tx:
        hers = (await find_customer(tx, brand.id, "new")).consents[Channel.SMS]
        his = (await find_customer(tx, brand.id, "ali")).consents[Channel.SMS]
    assert (done.consents, done.customers) == (2, 2)
    assert (hers.state, his.state) == (ConsentState.REFUSED, ConsentState.GRANTED)


async def test_a_block_of_her_address_is_placed_again(
    house: House, clock: SetClock, brand: Brand
) -> None:
    async with house.sessions() as tx, tx.begin():
        await tx.execute(
            text(
                "INSERT INTO blocks (id, brand_id, address, origin, reason, placed_by, placed_at, "
                "lifted_by) VALUES ('B1', :brand, :at, 'institution', 'court', 'crm', :now, '')"
            ),
            {"brand": brand.id, "at": NUMBER, "now": clock.now()},
        )
    await erase(house, clock, brand)

    async with house.sessions() as tx:
        assert await where_named(tx, [NUMBER, "court"]) == {}
    back = await comes_back(house, clock, brand)
    [number] = [one for one in back.contact_points if one.channel is Channel.SMS]
    assert [block.origin for block in number.blocks] == ["institution"]


async def test_an_address_that_others_have_keeps_its_block_and_their_consents(
    house: House, clock: SetClock, brand: Brand
) -> None:
    async with house.sessions() as tx, tx.begin():
        await a_customer(
            tx, brand, "ali", contacts={Channel.SMS: NUMBER}, consents={Channel.SMS: "granted"}
        )
        await tx.execute(
            text(
                "INSERT INTO blocks (id, brand_id, address, origin, reason, placed_by, placed_at, "
                "lifted_by) VALUES ('B1', :brand, :at, 'customer', '', 'crm', :now, '')"
            ),
            {"brand": brand.id, "at": NUMBER, "now": clock.now()},
        )

    await erase(house, clock, brand)

    async with house.sessions() as tx:
        ali = await find_customer(tx, brand.id, "ali")
    assert ali.consents[Channel.SMS].state is ConsentState.GRANTED
    assert len(ali.contact_points[0].blocks) == 1


async def test_hashes_are_salted_by_brand_and_hold_no_address(
    house: House, clock: SetClock, brand: Brand
) -> None:
    kept = table(KeptRefusalRow)
    async with house.sessions() as tx, tx.begin():
        other = await a_brand(tx, "other-bank")
        await a_customer(tx, other, contacts={Channel.SMS: NUMBER})
    await erase(house, clock, brand)
    await erase(house, clock, other)

    async with house.sessions() as tx:
        assert await where_named(tx, [NUMBER, "ayse@example.com"]) == {}
        query = select(kept.c.brand_id, kept.c.digest).where(kept.c.channel == "sms")
        rows = (await tx.execute(query)).all()
    assert {row.brand_id for row in rows} == {brand.id, other.id}
    assert len({row.digest for row in rows}) == 2
