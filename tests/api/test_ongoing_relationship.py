"""What belongs to a contract that there is needs no consent; an offer beside it does (D24)."""

from typing import Any

import pytest

from tests.support.api import Tenant, put_customer

pytestmark = pytest.mark.req("D24")

CONTACTS = [
    {"channel": "email", "address": "ayse@example.com"},
    {"channel": "sms", "address": "0532 000 01 01"},
]


@pytest.fixture
async def biller(bank: Tenant) -> Tenant:
    """A brand whose customer has refused everything commercial."""
    await put_customer(bank, contacts=CONTACTS)
    for channel in ("sms", "email"):
        body = {"channel": channel, "state": "refused", "source": "branch"}
        answer = await bank.client.post("/v1/customers/ayse/consents", json=body)
        assert answer.status_code == 201, answer.text
    return bank


async def decided(tenant: Tenant, type: str, **data: str) -> dict[str, Any]:
    """Report an event about the customer; return the one decision that it leads to."""
    body = {"customer": "ayse", "type": type, "data": data}
    answer = await tenant.client.post("/v1/events", json=body)
    assert answer.status_code == 200, answer.text
    [decision] = answer.json()["decisions"]
    found: dict[str, Any] = decision
    return found


@pytest.mark.req("D24", "allows")
@pytest.mark.parametrize(
    ("type", "data", "topic"),
    [
        pytest.param("debt_due", {"due_on": "2026-03-05"}, "debt_reminder", id="a debt"),
        pytest.param("tariff_changed", {}, "tariff_change", id="information"),
        pytest.param("card_shipped", {}, "card_delivery", id="a delivery"),
        pytest.param("suspicious_login", {}, "security_alert", id="an alarm"),
    ],
)
async def test_it_is_told_to_whoever_refused_everything_commercial(
    biller: Tenant, type: str, data: dict[str, str], topic: str
) -> None:
    decision = await decided(biller, type, **data)

    found = (await biller.client.get("/v1/messages", params={"topic": topic})).json()["items"]
    assert (decision["topic"], decision["verdict"]) == (topic, "send")
    assert [one["state"] for one in found] == ["queued"]
    assert found[0]["message_class"] != "commercial"


@pytest.mark.req("D24", "blocks")
async def test_an_offer_beside_it_is_not(biller: Tenant) -> None:
    decision = await decided(biller, "commitment_ending_soon", ends_on="2026-03-20")

    assert (decision["verdict"], decision["reason"]) == ("suppress", "refused")


async def facts(tenant: Tenant) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client.get("/v1/customers/ayse")).json()["facts"]
    return found


async def test_who_has_paid_owes_nothing_any_more(biller: Tenant) -> None:
    await decided(biller, "debt_due", due_on="2026-03-05")
    owing = await facts(biller)
    body = {"customer": "ayse", "type": "debt_paid", "data": {}}
    await biller.client.post("/v1/events", json=body)

    assert owing["customer.debt.due"] == "2026-03-05"
    assert "customer.debt.due" not in await facts(biller)
