"""The way of a customer through the API: told, explained, shown, and a case from end to end."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.api import (
    Served,
    Tenant,
    declare_outage,
    log_in,
    open_case,
    put_customer,
)

AWARENESS = "phishing_awareness"


async def decisions(tenant: Tenant, topic: str = AWARENESS) -> list[dict[str, Any]]:
    answer = await tenant.client.get("/v1/decisions", params={"customer": "ayse", "topic": topic})
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def message(tenant: Tenant, message_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client.get(f"/v1/messages/{message_id}")).json()
    return found


async def do(tenant: Tenant, number: str, command: str, **said: object) -> dict[str, Any]:
    answer = await tenant.client.post(f"/v1/cases/{number}/{command}", json=said)
    assert answer.status_code == 200, answer.text
    case: dict[str, Any] = answer.json()
    return case


async def test_a_login_is_answered_with_what_was_decided(bank: Tenant) -> None:
    await put_customer(bank)

    login = await log_in(bank)

    verdicts = {one["topic"]: (one["verdict"], one["reason"]) for one in login["decisions"]}
    assert verdicts[AWARENESS] == ("send", "")
    assert verdicts["iscep_promo"] == ("suppress", "no_consent")
    assert login["banner"] is None


@pytest.mark.req("A05", "allows")
async def test_a_decision_names_the_rules_and_where_they_stand(bank: Tenant) -> None:
    await put_customer(bank)
    await log_in(bank, method="cep_anahtar")

    (decided,) = await decisions(bank, "iscep_promo")

    assert decided["reason"] == "already_has_iscep"
    assert decided["facts"] == ["uses_cep_anahtar", "uses_iscep"]
    assert len({(rule["file"], rule["line"]) for rule in decided["fired"]}) == len(decided["fired"])
    assert all(rule["file"].endswith(".yaml") and rule["line"] > 0 for rule in decided["fired"])
    alone = await bank.client.get(f"/v1/decisions/{decided['id']}")
    assert alone.json() == decided


async def test_a_banner_counts_once_it_was_shown(bank: Tenant) -> None:
    await put_customer(bank)
    banner = (await log_in(bank, can_show_banner=True))["banner"]
    before = await message(bank, banner["message_id"])

    shown = await bank.client.post(f"/v1/messages/{banner['message_id']}/shown")

    after = await message(bank, banner["message_id"])
    assert shown.status_code == 204
    assert before["message"]["state"] == "accepted"
    assert after["message"]["state"] == "delivered"
    assert before["message"]["text"] == banner["text"]


async def test_a_message_that_is_no_banner_cannot_be_shown(bank: Tenant) -> None:
    await put_customer(bank)
    login = await log_in(bank)
    (message_id,) = (one["message_id"] for one in login["decisions"] if one["message_id"])

    answer = await bank.client.post(f"/v1/messages/{message_id}/shown")

    assert answer.status_code == 404


async def test_messages_are_found_by_customer_topic_and_state(bank: Tenant) -> None:
    await put_customer(bank)
    await put_customer(bank, "mehmet")
    await log_in(bank)
    await log_in(bank, "mehmet")

    async def found(**filters: str) -> int:
        answer = await bank.client.get("/v1/messages", params=filters)
        return len(answer.json()["items"])

    assert await found() == 2
    assert await found(customer="ayse", topic=AWARENESS, state="queued") == 1
    assert await found(customer="nobody") == 0
    assert await found(topic="iscep_promo") == 0
    assert await found(state="delivered") == 0


async def test_an_event_that_happened_earlier_says_when(bank: Tenant, served: Served) -> None:
    await put_customer(bank)
    body = {
        "customer": "ayse",
        "type": "login",
        "occurred_at": (served.clock.now() - timedelta(hours=1)).isoformat(),
        "data": {"method": "password", "surface": "web", "can_show_banner": False},
    }

    aware = await bank.client.post("/v1/events", json=body)
    naive = await bank.client.post(
        "/v1/events", json={**body, "occurred_at": "2026-03-02T07:00:00"}
    )

    assert aware.status_code == 200
    assert naive.status_code == 422
    assert naive.json()["errors"][0]["field"] == "occurred_at"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        pytest.param({"type": "logon"}, "login", id="type"),
        pytest.param({"data": {"metod": "password"}}, "method", id="field"),
        pytest.param({"data": {"method": "cep_anahtari"}}, "cep_anahtar", id="value"),
    ],
)
async def test_an_event_that_rules_do_not_know_is_refused_with_the_nearest(
    bank: Tenant, said: dict[str, object], hint: str
) -> None:
    await put_customer(bank)

    answer = await bank.client.post(
        "/v1/events", json={"customer": "ayse", "type": "login", "data": {}, **said}
    )

    assert answer.status_code == 422
    assert hint in answer.json()["errors"][0]["hint"]


@pytest.mark.req("E38", "allows")
async def test_a_case_goes_its_way(bank: Tenant) -> None:
    await put_customer(bank)
    number = (await open_case(bank))["number"]

    await do(bank, number, "route", team="metering")
    await do(bank, number, "answer", answer="The meter was replaced.")
    await do(bank, number, "call", reached=True, verified_as="applicant")
    resolved = await do(bank, number, "resolve", result="The meter was replaced.")

    read = (await bank.client.get(f"/v1/cases/{number}")).json()
    assert read == resolved
    assert resolved["state"] == "resolved"
    assert [entry["command"] for entry in read["entries"]] == [
        "open",
        "route",
        "answer",
        "call",
        "resolve",
    ]
    assert {entry["by"] for entry in read["entries"]} == {"crm"}


async def test_cases_are_found_by_state_and_customer(bank: Tenant) -> None:
    await put_customer(bank)
    await put_customer(bank, "mehmet")
    await open_case(bank, "mehmet")
    routed = (await open_case(bank))["number"]
    await do(bank, routed, "route", team="metering")

    async def numbers(**filters: str) -> list[str]:
        items = (await bank.client.get("/v1/cases", params=filters)).json()["items"]
        return [case["number"] for case in items]

    assert await numbers(state="routed") == [routed]
    assert await numbers(customer="ayse") == [routed]
    assert await numbers(state="opened", customer="ayse") == []


async def test_an_outage_is_declared_confirmed_and_resolved(bank: Tenant) -> None:
    outage = await declare_outage(bank)
    path = f"/v1/outages/{outage['id']}"

    confirmed = await bank.client.post(f"{path}/confirm")
    resolved = await bank.client.post(f"{path}/resolve")
    again = await bank.client.post(f"{path}/resolve")

    assert outage["state"] == "suspected"
    assert confirmed.json()["state"] == "confirmed"
    assert resolved.json()["state"] == "resolved"
    assert again.status_code == 409
    assert (await bank.client.get(path)).json()["counts"]["audience"] == 0


async def test_a_segment_that_rules_do_not_know_is_refused(bank: Tenant) -> None:
    answer = await bank.client.post(
        "/v1/outages", json={"title": "Failure", "segment": {"customer.distrikt": "tepebasi"}}
    )

    assert answer.status_code == 422
    assert "district" in answer.json()["errors"][0]["hint"]


async def test_the_documented_examples_are_taken(bank: Tenant, served: Served) -> None:
    schemas = served.app.openapi()["components"]["schemas"]
    customer, event, outage = (
        schemas[name]["examples"][0] for name in ("CustomerBody", "EventBody", "DeclareOutage")
    )

    answers = [
        await bank.client.put(f"/v1/customers/{event['customer']}", json=customer),
        await bank.client.post("/v1/events", json=event),
        await bank.client.post("/v1/outages", json=outage),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 201]


async def test_the_rulebook_in_force_can_be_read(bank: Tenant) -> None:
    book = (await bank.client.get("/v1/rulebook")).json()

    assert book["revision"].startswith("sha256:")
    assert AWARENESS in {topic["id"] for topic in book["topics"]}
    assert book["findings"] == []
