"""Credit over the API: opened, paid into once, read line by line, and nobody else's."""

from typing import Any

import pytest

from tellal.services.keys import Scope
from tests.support.api import Tenant, Tenants

MAIN = {"name": "main", "currency": "TRY", "thresholds": ["100"], "mobile": "0532 000 09 99"}


async def open_main(tenant: Tenant, **more: object) -> dict[str, Any]:
    answer = await tenant.client.post("/v1/credit", json={**MAIN, **more})
    assert answer.status_code == 201, answer.text
    account: dict[str, Any] = answer.json()
    return account


async def test_an_account_is_opened_paid_into_and_shown(bank: Tenant) -> None:
    opened = await open_main(bank, alert_reserve="5.5")
    paid = await bank.client.post(
        "/v1/credit/main/top-up", json={"amount": "250.00", "note": "Invoice 7", "by": "Finance"}
    )
    listed = (await bank.client.get("/v1/credit")).json()["items"]

    assert (opened["balance"], opened["watched"], opened["mobile"]) == ("0", [], "+905320000999")
    assert paid.status_code == 200
    assert listed == [paid.json()]
    assert {name: listed[0][name] for name in ("balance", "reserved", "available", "watched")} == {
        "balance": "250",
        "reserved": "0",
        "available": "250",
        "watched": ["100"],
    }
    assert listed[0]["alert_reserve"] == "5.5"


@pytest.mark.req("D74", "allows")
async def test_a_repeated_top_up_pays_in_once(bank: Tenant) -> None:
    await open_main(bank)
    key = {"Idempotency-Key": "invoice-7"}

    first = await bank.client.post("/v1/credit/main/top-up", json={"amount": "5"}, headers=key)
    again = await bank.client.post("/v1/credit/main/top-up", json={"amount": "5"}, headers=key)

    assert first.json() == again.json()
    assert again.headers["Idempotent-Replay"] == "true"
    assert (await bank.client.get("/v1/credit")).json()["items"][0]["balance"] == "5"


async def test_a_statement_comes_in_pages(bank: Tenant) -> None:
    await open_main(bank)
    for amount in ("1", "2", "3"):
        await bank.client.post("/v1/credit/main/top-up", json={"amount": amount})
    await bank.client.post("/v1/credit/main/adjust", json={"amount": "-0.5", "note": "Twice"})

    first = (await bank.client.get("/v1/credit/main/statement", params={"limit": 3})).json()
    rest = (
        await bank.client.get(
            "/v1/credit/main/statement", params={"limit": 3, "after": first["next"]}
        )
    ).json()

    lines = [(one["kind"], one["amount"]) for one in first["items"] + rest["items"]]
    assert lines == [
        ("terms", "0"),
        ("top_up", "1"),
        ("top_up", "2"),
        ("top_up", "3"),
        ("adjust", "-0.5"),
    ]
    assert rest["next"] is None
    assert rest["items"][-1]["by"] == "crm"


async def test_thresholds_are_changed_as_a_whole_and_noted(bank: Tenant) -> None:
    await open_main(bank)
    await bank.client.post("/v1/credit/main/top-up", json={"amount": "50"})

    answer = await bank.client.put(
        "/v1/credit/main/thresholds",
        json={"thresholds": ["20", "60"], "email": "mali@anadolu.example"},
    )

    account = answer.json()
    assert (account["thresholds"], account["watched"]) == (["20", "60"], ["20"])
    assert (account["mobile"], account["email"]) == ("", "mali@anadolu.example")
    lines = (await bank.client.get("/v1/credit/main/statement")).json()["items"]
    assert "thresholds: 20, 60" in lines[-1]["note"]
    assert "anadolu" not in lines[-1]["note"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("main/top-up", {"amount": "0"}, 422),
        ("main/top-up", {"amount": "-1"}, 422),
        ("main/top-up", {"amount": "0.0000001"}, 422),
        ("main/top-up", {"amount": "NaN"}, 422),
        ("main/adjust", {"amount": "-1", "note": "More than there is"}, 409),
        ("main/adjust", {"amount": "-1", "note": ""}, 422),
        ("other/top-up", {"amount": "1"}, 404),
    ],
)
async def test_what_cannot_be_is_refused(
    bank: Tenant, path: str, body: dict[str, str], status: int
) -> None:
    await open_main(bank)

    answer = await bank.client.post(f"/v1/credit/{path}", json=body)

    assert answer.status_code == status, answer.text
    assert (await bank.client.get("/v1/credit")).json()["items"][0]["balance"] == "0"


async def test_nobody_sees_or_pays_into_the_account_of_another(
    bank: Tenant, distributor: Tenant
) -> None:
    await open_main(bank)

    seen = await distributor.client.get("/v1/credit")
    paid = await distributor.client.post("/v1/credit/main/top-up", json={"amount": "1"})
    read = await distributor.client.get("/v1/credit/main/statement")

    assert seen.json() == {"items": []}
    assert (paid.status_code, read.status_code) == (404, 404)


async def test_who_may_look_may_not_pay_in(tenants: Tenants) -> None:
    reader = await tenants.make("reader", [Scope.CREDIT_READ])

    looked = await reader.client.get("/v1/credit")
    opened = await reader.client.post("/v1/credit", json=MAIN)

    assert (looked.status_code, opened.status_code) == (200, 403)
