"""A commitment that ends, over the API: own customers, with consent, once, and no more after no."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.api import Served, Tenant, Tenants, put_customer

pytestmark = pytest.mark.req("C11")

MAIL = {"channel": "email", "address": "ayse@example.com"}
SMS = {"channel": "sms", "address": "0532 000 01 01"}
TOPIC = "commitment_ending"
IN_A_MONTH = {"ends_on": "2026-03-20"}


@pytest.fixture
async def operator(tenants: Tenants) -> Tenant:
    """A telecom operator with a customer who agreed to e-mails, not to text messages."""
    operator = await tenants.make("operator")
    await put_customer(operator, contacts=[MAIL, SMS])
    await agree(operator, "email")
    return operator


async def agree(tenant: Tenant, channel: str, ref: str = "ayse", state: str = "granted") -> None:
    body = {"channel": channel, "state": state, "source": "branch"}
    answer = await tenant.client.post(f"/v1/customers/{ref}/consents", json=body)
    assert answer.status_code < 300, answer.text


async def happens(tenant: Tenant, type: str, ref: str = "ayse", **data: str) -> list[Any]:
    """Report an event; return what was decided about the commitment."""
    body = {"customer": ref, "type": type, "data": data}
    answer = await tenant.client.post("/v1/events", json=body)
    assert answer.status_code == 200, answer.text
    return [one for one in answer.json()["decisions"] if one["topic"] == TOPIC]


async def messages(tenant: Tenant) -> list[tuple[str, str]]:
    found = (await tenant.client.get("/v1/messages", params={"topic": TOPIC})).json()["items"]
    return [(one["channel"], one["state"]) for one in found]


async def advance(served: Served, decision: dict[str, Any]) -> None:
    """Do what a worker does when a journey is woken."""
    await served.desk.house.journeys.advance(decision["outcome_id"])


@pytest.mark.req("C11", "blocks")
@pytest.mark.req("C11", "allows")
async def test_it_is_spoken_of_once_and_where_he_agreed(operator: Tenant) -> None:
    [first] = await happens(operator, "commitment_ending_soon", **IN_A_MONTH)
    [again] = await happens(operator, "commitment_ending_soon", **IN_A_MONTH)

    whole = (await operator.client.get(f"/v1/decisions/{first['id']}")).json()
    assert first["verdict"] == "send"
    assert [step["channel"] for step in whole["steps"]] == ["email"]
    assert whole["removed"]["sms"]["code"] == "no_consent"
    assert (again["verdict"], again["reason"]) == ("suppress", "already_pending")
    assert await messages(operator) == [("email", "queued")]


@pytest.mark.req("C11", "blocks")
async def test_without_consent_nothing_is_said(operator: Tenant) -> None:
    await put_customer(operator, "murat", contacts=[MAIL, SMS])

    [decision] = await happens(operator, "commitment_ending_soon", "murat", **IN_A_MONTH)

    assert (decision["verdict"], decision["reason"]) == ("suppress", "no_consent")
    assert await messages(operator) == []


@pytest.mark.req("C11", "blocks")
@pytest.mark.parametrize(
    ("type", "data"),
    [
        pytest.param("commitment_renewed", {"ends_on": "2028-03-20"}, id="renewed"),
        pytest.param("renewal_refused", {}, id="refused"),
        pytest.param("contract_ended", {}, id="left"),
    ],
)
async def test_renewal_refusal_and_leaving_end_it(
    operator: Tenant, served: Served, type: str, data: dict[str, str]
) -> None:
    [begun] = await happens(operator, "commitment_ending_soon", **IN_A_MONTH)

    decided = await happens(operator, type, **data)
    await advance(served, begun)

    assert decided == []
    assert await messages(operator) == [("email", "cancelled")]


@pytest.mark.req("C11", "blocks")
@pytest.mark.req("C11", "allows")
async def test_who_has_refused_is_not_asked_again_until_he_has_renewed(
    operator: Tenant, served: Served
) -> None:
    [begun] = await happens(operator, "commitment_ending_soon", **IN_A_MONTH)
    await happens(operator, "renewal_refused")
    await advance(served, begun)

    [after_no] = await happens(operator, "commitment_ending_soon", **IN_A_MONTH)
    await happens(operator, "commitment_renewed", ends_on="2028-03-20")
    served.clock.pass_by(timedelta(days=730))
    [after_years] = await happens(operator, "commitment_ending_soon", ends_on="2028-03-20")

    assert (after_no["verdict"], after_no["reason"]) == ("suppress", "renewal_refused")
    assert after_years["verdict"] == "send"
    assert await messages(operator) == [("email", "cancelled"), ("email", "queued")]


@pytest.mark.req("C11", "blocks")
async def test_a_customer_of_another_brand_is_nobodys(operator: Tenant, bank: Tenant) -> None:
    body = {"customer": "ayse", "type": "commitment_ending_soon", "data": IN_A_MONTH}

    answer = await bank.client.post("/v1/events", json=body)

    assert answer.status_code == 404
    assert await messages(operator) == []
