"""Consents over HTTP: what a body says, the history, how a use stands, and the sender itself."""

import httpx
import pytest
from sqlalchemy import select

from tellal.persistence.columns import table
from tellal.persistence.tables.brands import IdempotencyRow
from tellal.services.keys import Scope
from tests.support.api import Served, Tenant, Tenants, put_customer

PROOF: dict[str, object] = {
    "text": "Kampanyalardan SMS ile haberdar olmak istiyorum.",
    "name": "Ayşe Yılmaz",
    "preselected": False,
    "ip": "198.51.100.7",
}
GRANT: dict[str, object] = {
    "channel": "sms",
    "state": "granted",
    "source": "HS_WEB",
    "evidence": PROOF,
}
COMPANY: dict[str, object] = {
    "trade_name": "Deneme A.Ş.",
    "mersis": "0481 0058 5900 0012",
    "phone": "0850 222 0 724",
}


async def post(tenant: Tenant, body: dict[str, object], key: str = "") -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await tenant.client.post("/v1/customers/ayse/consents", json=body, headers=headers)


async def test_a_body_of_before_is_still_valid(bank: Tenant) -> None:
    await put_customer(bank)
    old: dict[str, object] = {
        "channel": "sms",
        "state": "granted",
        "source": "branch",
        "evidence": {"form": "17"},
    }

    answer = await post(bank, old)

    assert answer.status_code == 201
    said = answer.json()
    assert {k: said[k] for k in ("channel", "state", "source")} == {
        "channel": "sms",
        "state": "granted",
        "source": "branch",
    }
    assert said["given_at"] == said["recorded_at"]
    assert said["address"] == "+905320000101"


@pytest.mark.req("D30", "allows")
async def test_a_record_keeps_what_proves_it(bank: Tenant) -> None:
    await put_customer(bank)

    answer = await post(bank, GRANT | {"given_at": "2026-03-02T09:30:00+03:00"})
    history = (await bank.client.get("/v1/customers/ayse/consents")).json()["items"]

    assert answer.status_code == 201
    (one,) = history
    assert one == answer.json()
    assert one["evidence"] == PROOF
    assert (one["given_at"], one["place"]) == ("2026-03-02T06:30:00Z", None)


@pytest.mark.req("D33", "blocks")
@pytest.mark.req("D33", "allows")
async def test_an_electronic_consent_says_until_when_it_is_to_be_confirmed(bank: Tenant) -> None:
    await put_customer(bank)
    by_web = (await post(bank, GRANT)).json()
    on_paper = (await post(bank, GRANT | {"source": "branch"})).json()

    assert (by_web["confirm_by"], on_paper["confirm_by"]) == ("2026-03-02T21:00:00Z", None)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        pytest.param(
            {"evidence": PROOF | {"preselected": True}},
            "evidence.preselected",
            id="ticked",
            marks=pytest.mark.req("D31", "blocks"),
        ),
        pytest.param(
            {"source": "HS_ISLAK_IMZA"},
            "evidence.signature",
            id="not signed",
            marks=pytest.mark.req("D32", "blocks"),
        ),
        pytest.param(
            {"source": "HS_FAKS"}, "source", id="no source", marks=pytest.mark.req("D29", "blocks")
        ),
        pytest.param({"given_at": "2030-01-01T00:00:00Z"}, "given_at", id="to come"),
        pytest.param({"address": "0532"}, "address", id="no address"),
        pytest.param({"channel": "banner"}, "channel", id="banner"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_field(
    bank: Tenant, said: dict[str, object], field: str
) -> None:
    await put_customer(bank)

    answer = await post(bank, GRANT | said)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert (await bank.client.get("/v1/customers/ayse/consents")).json()["items"] == []


async def standing(tenant: Tenant, channel: str = "sms", **use: str) -> dict[str, object]:
    answer = await tenant.client.get(f"/v1/customers/ayse/consents/{channel}", params=use)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


@pytest.mark.req("C05", "blocks")
@pytest.mark.req("C05", "allows")
@pytest.mark.req("C06", "blocks")
@pytest.mark.req("C06", "allows")
async def test_how_a_use_stands_is_asked_per_purpose(bank: Tenant) -> None:
    await put_customer(bank)
    nothing = await standing(bank)
    await post(bank, GRANT | {"purposes": ["campaigns"]})

    limited = await standing(bank, purpose="campaigns")
    other = await standing(bank, purpose="terms")

    assert (nothing["allowed"], nothing["settled_by"]) == (False, None)
    assert (limited["allowed"], limited["state"]) == (True, "granted")
    assert (other["allowed"], other["state"]) == (False, None)


@pytest.mark.req("D38", "blocks")
@pytest.mark.req("D38", "allows")
async def test_a_dealers_consent_is_taken_and_asked_for(bank: Tenant) -> None:
    await put_customer(bank)
    dealer = {"retailer": "66438915", "contract": "D-17", "goods": ["fridges"]}

    answer = await post(bank, GRANT | {"delegation": dealer})

    assert answer.json()["delegation"] == dealer
    assert (await standing(bank, contract="D-17", goods="fridges"))["allowed"]
    assert not (await standing(bank, contract="D-17", goods="loans"))["allowed"]


async def test_evidence_lies_in_one_place_and_can_be_erased(bank: Tenant, served: Served) -> None:
    await put_customer(bank)
    await post(bank, GRANT, key="once")
    repeated = await post(bank, GRANT, key="once")

    erased = await bank.client.post("/v1/customers/ayse/consents/erase", json={"by": "Legal"})
    (one,) = (await bank.client.get("/v1/customers/ayse/consents")).json()["items"]

    assert repeated.json()["evidence"] == {}
    assert erased.json() == {"erased": 1}
    assert (one["evidence"], one["address"], one["state"]) == ({}, "", "granted")
    assert one["erased_at"]
    async with served.sessions() as tx:
        kept = (await tx.execute(select(table(IdempotencyRow).c.body))).scalars()
        assert "Yılmaz" not in str(list(kept))


async def test_reading_what_proves_a_consent_needs_its_own_scope(tenants: Tenants) -> None:
    reader = await tenants.make("reader", [Scope.CUSTOMERS_READ, Scope.CUSTOMERS_WRITE])
    await put_customer(reader)

    answer = await reader.client.get("/v1/customers/ayse/consents")

    assert answer.status_code == 403


@pytest.mark.req("D41", "blocks")
@pytest.mark.req("D41", "allows")
async def test_a_brand_says_who_it_is(bank: Tenant) -> None:
    refused = await bank.client.put("/v1/sender", json=COMPANY | {"mersis": "123"})
    set_ = await bank.client.put("/v1/sender", json=COMPANY)
    read = (await bank.client.get("/v1/sender")).json()

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "mersis"
    assert set_.status_code == 200
    assert set_.json() == read
    assert (read["mersis"], read["doubts"]) == ("0481005859000012", [])


@pytest.mark.req("D14")
@pytest.mark.req("D28")
@pytest.mark.req("C10")
async def test_a_brand_says_what_the_law_knows_it_as(bank: Tenant) -> None:
    said = {"exemption": "telecom_operator", "licence": "capital_market_intermediary"}

    refused = await bank.client.put("/v1/sender", json=COMPANY | {"exemption": "telecom_operater"})
    set_ = await bank.client.put("/v1/sender", json=COMPANY | said | {"sector": "internet"})

    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert (error["field"], error["hint"]) == ("exemption", "did you mean 'telecom_operator'?")
    assert {name: set_.json()[name] for name in said} == said
    assert set_.json()["sector"] == "internet"


async def test_short_codes_are_one_brands_or_shared_by_keywords(
    bank: Tenant, distributor: Tenant
) -> None:
    own, shared = str(bank.brand.id[-4:].translate(_DIGITS)), "4605"
    mine = [{"code": own}, {"code": shared, "keyword": f"a{own}"}]
    await bank.client.put("/v1/sender", json=COMPANY | {"short_codes": mine})

    async def theirs(code: str, keyword: str) -> int:
        said = COMPANY | {"short_codes": [{"code": code, "keyword": keyword}]}
        return (await distributor.client.put("/v1/sender", json=said)).status_code

    assert await theirs(own, "") == 409
    assert await theirs(own, "EGE") == 409
    assert await theirs(shared, "") == 409
    assert await theirs(shared, f"A{own}") == 409
    assert await theirs(shared, f"B{own}") == 200
    kept = (await bank.client.get("/v1/sender")).json()["short_codes"]
    assert {"code": shared, "keyword": f"A{own}"} in kept


_DIGITS = {ord(letter): str(number % 10) for number, letter in enumerate("ABCDEFGHJKMNPQRSTVWXYZ")}
