"""Customers over HTTP: written whole, addresses checked, nothing forgotten that must be kept."""

import httpx
import pytest
from sqlalchemy import select, update

from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ContactPointRow
from tests.support.api import Served, Tenant, log_in, put_customer

_points = table(ContactPointRow)


async def contacts(tenant: Tenant, ref: str = "ayse") -> list[dict[str, object]]:
    answer = await tenant.client.get(f"/v1/customers/{ref}")
    found: list[dict[str, object]] = answer.json()["contacts"]
    return found


async def test_what_is_left_out_comes_from_the_brand_and_the_number(bank: Tenant) -> None:
    await put_customer(bank, contacts=[{"channel": "sms", "address": "+48 512 345 678"}])

    customer = (await bank.client.get("/v1/customers/ayse")).json()

    assert customer["timezone"] == "Europe/Istanbul"
    assert customer["country"] == "PL"
    assert customer["contacts"] == [{"channel": "sms", "address": "+48512345678", "bad_reason": ""}]


async def test_numbers_without_a_country_belong_to_the_brands(bank: Tenant) -> None:
    await put_customer(bank, contacts=[{"channel": "sms", "address": "0532 000 01 01"}])

    assert (await contacts(bank))[0]["address"] == "+905320000101"


@pytest.mark.parametrize(
    ("contact", "reason"),
    [
        pytest.param(("sms", "0212 252 00 00"), "not a mobile number", id="landline"),
        pytest.param(("sms", "+90 532"), "no number like it is in use", id="short"),
        pytest.param(("sms", "call me"), "it is no phone number", id="words"),
        pytest.param(("email", "ayse.example.com"), "has no @", id="no at"),
        pytest.param(("email", "ayşe@example.com"), "a character", id="local part"),
        pytest.param(("email", "ayse@example"), "the domain", id="no dot"),
        pytest.param(("email", "ayse@-a.example"), "the domain", id="hyphen"),
        pytest.param(("push", "a token"), "no push token", id="blank in token"),
        pytest.param(("banner", "home page"), "a banner has no address", id="banner"),
    ],
)
async def test_an_address_that_cannot_be_is_refused_with_its_place_and_a_reason(
    bank: Tenant, contact: tuple[str, str], reason: str
) -> None:
    good = {"channel": "sms", "address": "0532 000 01 01"}
    bad = {"channel": contact[0], "address": contact[1]}

    answer = await bank.client.put(
        "/v1/customers/ayse", json={"locale": "tr", "contacts": [good, bad]}
    )

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"].startswith("contacts.1.")
    assert reason in error["message"]
    assert error["hint"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        pytest.param({"timezone": "Europe/Ankara"}, "timezone", id="zone"),
        pytest.param({"timezone": "../../etc/passwd"}, "timezone", id="path"),
        pytest.param({"country": "Turkey"}, "country", id="country"),
        pytest.param({"kind": "company"}, "kind", id="kind"),
        pytest.param({"colour": "red"}, "colour", id="unknown part"),
    ],
)
async def test_what_cannot_be_is_refused(bank: Tenant, said: dict[str, str], field: str) -> None:
    answer = await bank.client.put("/v1/customers/ayse", json={"locale": "tr", **said})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_an_attribute_that_rules_do_not_know_is_refused_with_the_nearest(
    bank: Tenant,
) -> None:
    answer = await bank.client.put(
        "/v1/customers/ayse", json={"locale": "tr", "attributes": {"distrikt": "tepebasi"}}
    )

    assert answer.status_code == 422
    assert "district" in answer.json()["errors"][0]["hint"]


async def test_a_replacement_keeps_what_is_known_of_an_unchanged_address(
    bank: Tenant, served: Served
) -> None:
    await put_customer(bank)
    await mark_bad(served, bank, "30003")

    await put_customer(bank, first_name="Ayşe")

    assert (await contacts(bank))[0]["bad_reason"] == "30003"


async def test_an_address_that_is_confirmed_is_good_again(bank: Tenant, served: Served) -> None:
    await put_customer(bank)
    await mark_bad(served, bank, "30003")

    await put_customer(
        bank, contacts=[{"channel": "sms", "address": "0532 000 01 01", "confirmed": True}]
    )

    assert (await contacts(bank))[0]["bad_reason"] == ""


async def test_an_address_that_is_left_out_is_forgotten(bank: Tenant, served: Served) -> None:
    await put_customer(bank)

    await put_customer(bank, contacts=[])

    assert await contacts(bank) == []
    assert await stored_addresses(served, bank) == []


async def test_an_address_that_a_message_names_is_kept_out_of_sight(
    bank: Tenant, served: Served
) -> None:
    await put_customer(bank)
    await log_in(bank)

    await put_customer(bank, contacts=[])

    assert await contacts(bank) == []
    assert await stored_addresses(served, bank) == ["+905320000101"]


async def test_an_address_that_comes_back_is_good(bank: Tenant) -> None:
    await put_customer(bank)
    await log_in(bank)
    await put_customer(bank, contacts=[])

    await put_customer(bank)

    assert await contacts(bank) == [
        {"channel": "sms", "address": "+905320000101", "bad_reason": ""}
    ]


async def test_the_first_address_of_a_channel_is_preferred(bank: Tenant) -> None:
    numbers = [f"+9053200001{n:02}" for n in range(10)]

    await put_customer(bank, contacts=[{"channel": "sms", "address": n} for n in numbers])

    assert [contact["address"] for contact in await contacts(bank)] == numbers


async def test_what_events_told_outlives_a_replacement(bank: Tenant) -> None:
    await put_customer(bank, attributes={"segment": "mass", "city": "Bursa"})
    await log_in(bank, method="cep_anahtar")

    await put_customer(bank, attributes={"segment": "affluent"})

    facts = (await bank.client.get("/v1/customers/ayse")).json()["facts"]
    assert facts == {"customer.segment": "affluent", "customer.login.method": "cep_anahtar"}


async def test_the_latest_consent_of_a_channel_is_in_force(bank: Tenant) -> None:
    await put_customer(bank)
    for state in ("granted", "refused"):
        answer = await consent(bank, state=state)
        assert answer.status_code == 201

    shown = (await bank.client.get("/v1/customers/ayse")).json()["consents"]

    assert [(one["channel"], one["state"]) for one in shown] == [("email", "refused")]


@pytest.mark.req("D31", "blocks")
async def test_a_box_ticked_beforehand_is_no_consent(bank: Tenant) -> None:
    await put_customer(bank)

    answer = await consent(bank, evidence={"preselected": True})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "evidence.preselected"
    assert (await bank.client.get("/v1/customers/ayse")).json()["consents"] == []


async def test_nobody_consents_for_a_stranger(bank: Tenant) -> None:
    assert (await consent(bank)).status_code == 404


async def consent(tenant: Tenant, **said: object) -> httpx.Response:
    body = {"channel": "email", "state": "granted", "source": "branch", **said}
    return await tenant.client.post("/v1/customers/ayse/consents", json=body)


async def mark_bad(served: Served, tenant: Tenant, reason: str) -> None:
    async with served.sessions() as tx, tx.begin():
        mark = update(_points).where(_points.c.brand_id == tenant.brand.id)
        await tx.execute(mark.values(bad_reason=reason))


async def stored_addresses(served: Served, tenant: Tenant) -> list[str]:
    async with served.sessions() as tx:
        query = select(_points.c.address).where(_points.c.brand_id == tenant.brand.id)
        return list((await tx.execute(query)).scalars())
