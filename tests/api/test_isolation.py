"""Brands share no person and no data: for another brand's key nothing of it exists."""

import pytest

from tests.support.api import Tenant, declare_outage, log_in, open_case, put_customer


@pytest.fixture
async def belongings(distributor: Tenant) -> dict[str, str]:
    """What the distributor has, by the names that the paths below use."""
    await put_customer(distributor)
    login = await log_in(distributor, can_show_banner=True)
    return {
        "customer": "ayse",
        "number": (await open_case(distributor))["number"],
        "outage": (await declare_outage(distributor))["id"],
        "message": login["banner"]["message_id"],
        "decision": login["decisions"][0]["id"],
    }


READS = [
    pytest.param("/v1/customers/{customer}", id="customer"),
    pytest.param("/v1/cases/{number}", id="case"),
    pytest.param("/v1/outages/{outage}", id="outage"),
    pytest.param("/v1/messages/{message}", id="message"),
    pytest.param("/v1/decisions/{decision}", id="decision"),
]

WRITES = [
    pytest.param(
        "/v1/customers/{customer}/consents",
        {"channel": "sms", "state": "granted", "source": "branch"},
        id="consent",
    ),
    pytest.param("/v1/cases/{number}/route", {"team": "metering"}, id="route"),
    pytest.param("/v1/cases/{number}/answer", {"answer": "yes"}, id="answer"),
    pytest.param("/v1/cases/{number}/call", {"reached": True}, id="call"),
    pytest.param("/v1/cases/{number}/resolve", {"result": "done"}, id="resolve case"),
    pytest.param("/v1/cases/{number}/reroute", {"team": "a", "reason": "b"}, id="reroute"),
    pytest.param("/v1/cases/{number}/reply", {"way": "letter", "text": "x"}, id="reply"),
    pytest.param("/v1/cases/{number}/withdraw", {}, id="withdraw"),
    pytest.param("/v1/cases/{number}/reopen", {"reason": "x"}, id="reopen"),
    pytest.param("/v1/cases/{number}/assess", {}, id="assess"),
    pytest.param("/v1/cases/{number}/survey", {"score": 1}, id="survey"),
    pytest.param("/v1/outages/{outage}/confirm", {}, id="confirm"),
    pytest.param("/v1/outages/{outage}/resolve", {}, id="resolve outage"),
    pytest.param("/v1/outages/{outage}/dismiss", {}, id="dismiss"),
    pytest.param("/v1/messages/{message}/shown", {}, id="shown"),
    pytest.param("/v1/messages/{message}/acknowledged", {}, id="acknowledged"),
]

LISTS = [
    pytest.param("/v1/customers", id="customers"),
    pytest.param("/v1/cases", id="cases"),
    pytest.param("/v1/outages", id="outages"),
    pytest.param("/v1/messages", id="messages"),
    pytest.param("/v1/decisions?customer=ayse", id="decisions"),
]


@pytest.mark.parametrize("path", READS)
async def test_nothing_of_another_brand_can_be_read(
    bank: Tenant, distributor: Tenant, belongings: dict[str, str], path: str
) -> None:
    address = path.format(**belongings)

    own = await distributor.client.get(address)
    foreign = await bank.client.get(address)

    assert own.status_code == 200
    assert foreign.status_code == 404


@pytest.mark.parametrize(("path", "body"), WRITES)
async def test_nothing_of_another_brand_can_be_changed(
    bank: Tenant,
    distributor: Tenant,
    belongings: dict[str, str],
    path: str,
    body: dict[str, object],
) -> None:
    address = path.format(**belongings)

    foreign = await bank.client.post(address, json=body)
    # The owner's own call is let through to the thing itself, whatever its state then says.
    own = await distributor.client.post(address, json=body)

    assert foreign.status_code == 404
    assert own.status_code in {200, 201, 204, 409}


@pytest.mark.parametrize("path", LISTS)
async def test_nothing_of_another_brand_is_listed(
    bank: Tenant, distributor: Tenant, belongings: dict[str, str], path: str
) -> None:
    del belongings

    assert (await distributor.client.get(path)).json()["items"]
    assert (await bank.client.get(path)).json()["items"] == []


async def test_two_brands_may_call_their_customers_alike(bank: Tenant, distributor: Tenant) -> None:
    await put_customer(bank, first_name="Ayşe")

    await put_customer(distributor, first_name="Aylin")

    assert (await bank.client.get("/v1/customers/ayse")).json()["first_name"] == "Ayşe"


async def test_no_event_is_recorded_for_another_brands_customer(
    bank: Tenant, distributor: Tenant
) -> None:
    await put_customer(distributor, "mehmet")

    answer = await bank.client.post(
        "/v1/events",
        json={
            "customer": "mehmet",
            "type": "login",
            "data": {"method": "password", "surface": "web", "can_show_banner": False},
        },
    )

    assert answer.status_code == 404
