"""Customers at the level of the database: races, and whole replacements."""

import asyncio

import pytest
from sqlalchemy import func, select

from rules.holder import RulebookHolder
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand, Customer
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.services.customers import Contact, CustomerInput, Customers
from tests.support.builders import a_brand
from tests.support.house import SetClock

AYSE = CustomerInput(
    locale="tr-TR",
    first_name="Ayşe",
    contacts=[
        Contact(channel=Channel.SMS, address="0532 000 01 01"),
        Contact(channel=Channel.EMAIL, address="ayse@EXAMPLE.com"),
    ],
    attributes={"segment": "mass", "products": ["card", "loan"]},
)


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


@pytest.fixture
def customers(clock: SetClock) -> Customers:
    return Customers(RulebookHolder(None), clock)


async def put(
    sessions: Sessions, customers: Customers, brand: Brand, said: CustomerInput = AYSE
) -> tuple[Customer, bool]:
    async with sessions() as tx, tx.begin():
        return await customers.put(tx, brand=brand, ref="ayse", said=said)


async def test_the_same_customer_told_of_at_once_is_one(
    sessions: Sessions, customers: Customers, brand: Brand
) -> None:
    told = await asyncio.gather(*(put(sessions, customers, brand) for _ in range(8)))

    assert sum(created for _, created in told) == 1
    assert len({customer.id for customer, _ in told}) == 1
    async with sessions() as tx:
        people = await tx.execute(select(func.count()).select_from(table(CustomerRow)))
        points = await tx.execute(select(func.count()).select_from(table(ContactPointRow)))
        assert (people.scalar_one(), points.scalar_one()) == (1, 2)


async def test_a_replacement_that_says_the_same_changes_nothing(
    sessions: Sessions, customers: Customers, brand: Brand
) -> None:
    first, _ = await put(sessions, customers, brand)

    again, created = await put(sessions, customers, brand)

    assert not created
    assert again == first


async def test_what_is_left_out_is_not_so_any_more(
    sessions: Sessions, customers: Customers, brand: Brand
) -> None:
    await put(sessions, customers, brand)

    bare, _ = await put(sessions, customers, brand, CustomerInput(locale="en"))

    assert bare.facts == {}
    assert bare.first_name == ""
    assert bare.contact_points == ()


async def test_lists_are_read_as_they_were_told(
    sessions: Sessions, customers: Customers, brand: Brand
) -> None:
    customer, _ = await put(sessions, customers, brand)

    assert customer.facts["customer.products"] == ("card", "loan")
    assert {point.address for point in customer.contact_points} == {
        "+905320000101",
        "ayse@example.com",
    }


async def test_a_refusal_leaves_the_customer_as_he_was(
    sessions: Sessions, customers: Customers, brand: Brand
) -> None:
    first, _ = await put(sessions, customers, brand)
    wrong = CustomerInput(
        locale="en", contacts=[Contact(channel=Channel.SMS, address="0212 252 00 00")]
    )

    with pytest.raises(InvalidInputError):
        await put(sessions, customers, brand, wrong)

    async with sessions() as tx:
        assert await find_customer(tx, brand.id, "ayse") == first


async def test_a_refused_newcomer_is_not_there(
    sessions: Sessions, customers: Customers, brand: Brand
) -> None:
    wrong = CustomerInput(locale="en", attributes={"colour": "red"})

    with pytest.raises(InvalidInputError):
        await put(sessions, customers, brand, wrong)

    async with sessions() as tx:
        with pytest.raises(NotFoundError):
            await find_customer(tx, brand.id, "ayse")
