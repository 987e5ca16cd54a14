"""Campaigns over HTTP: who may do what, what is refused, and that a repeat changes nothing."""

from typing import Any

import pytest

from tests.support.api import Served, Tenant

PLAN: dict[str, Any] = {
    "name": "spring",
    "topic": "tariff_change",
    "when": {"at": "2030-03-01T10:00", "zone": "local"},
}


@pytest.mark.req("D66", "allows")
async def test_a_campaign_is_made_once_however_often_it_is_said(
    served: Served, bank: Tenant
) -> None:
    async with served.client(bank.token) as client:
        said = {"Idempotency-Key": "one"}
        first = await client.post("/v1/campaigns", json=PLAN, headers=said)
        again = await client.post("/v1/campaigns", json=PLAN, headers=said)
        listed = await client.get("/v1/campaigns")
        found = await client.get(f"/v1/campaigns/{first.json()['id']}")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert [one["name"] for one in listed.json()["items"]] == ["spring"]
    assert found.json()["may"] == ["change", "submit", "cancel"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"topic": "nothing"}, "topic"),
        ({"when": {"at": "2030-03-01T10:00+03:00"}}, "at"),
        ({"when": {"at": "2030-03-01T10:00", "zone": "Mars/Base"}}, "timezone"),
        ({"variants": [{"name": "a", "share": 30}]}, "variants.share"),
        ({"pace": {"per_second": 0}}, "per_second"),
        ({"audience": {"segment": {"customer.nothing": 1}}}, "customer.nothing"),
        ({"no_such_key": 1}, "no_such_key"),
    ],
)
async def test_a_plan_that_does_not_fit_is_refused_with_its_field(
    served: Served, bank: Tenant, change: dict[str, Any], field: str
) -> None:
    async with served.client(bank.token) as client:
        answer = await client.post("/v1/campaigns", json={**PLAN, **change})

    assert answer.status_code == 422
    assert field in answer.text


async def test_a_key_that_is_nobodys_own_approves_nothing(served: Served, bank: Tenant) -> None:
    async with served.client(bank.token) as client:
        made = await client.post("/v1/campaigns", json=PLAN)
        path = f"/v1/campaigns/{made.json()['id']}"
        early = await client.post(f"{path}/approve")
        submitted = await client.post(f"{path}/submit")
        answer = await client.post(f"{path}/approve")
        back = await client.post(f"{path}/return", json={"reason": "Too late in the year"})
        history = await client.get(f"{path}/history")

    assert early.status_code == 409
    assert submitted.json()["state"] == "submitted"
    assert (answer.status_code, answer.json()["code"]) == (403, "personal_key_needed")
    assert back.json()["state"] == "draft"
    assert [one["command"] for one in history.json()] == ["make", "submit", "return"]


async def test_what_does_not_run_is_not_paused_and_a_cancelled_one_stays_so(
    served: Served, bank: Tenant
) -> None:
    async with served.client(bank.token) as client:
        made = await client.post("/v1/campaigns", json=PLAN)
        path = f"/v1/campaigns/{made.json()['id']}"
        paused = await client.post(f"{path}/pause")
        ended = await client.post(f"{path}/cancel", json={"reason": "no need"})
        again = await client.post(f"{path}/submit")

    assert paused.status_code == 409
    assert "already_draft" in paused.text
    assert (ended.json()["state"], ended.json()["left"]) == ("cancelled", 0)
    assert again.status_code == 409


async def test_a_preview_of_nobody_is_empty_and_adds_up(served: Served, bank: Tenant) -> None:
    async with served.client(bank.token) as client:
        made = await client.post(
            "/v1/campaigns",
            json={**PLAN, "when": {"at": "2030-03-01T10:00", "zone": "Europe/Istanbul"}},
        )
        said = (await client.get(f"/v1/campaigns/{made.json()['id']}/preview")).json()

    assert (said["audience"], said["told"], said["samples"]) == (0, 0, [])


@pytest.mark.req("D66", "blocks")
async def test_another_brand_sees_nothing_of_it(
    served: Served, bank: Tenant, distributor: Tenant
) -> None:
    async with served.client(bank.token) as client:
        made = await client.post("/v1/campaigns", json=PLAN)
    path = f"/v1/campaigns/{made.json()['id']}"
    async with served.client(distributor.token) as client:
        answers = [
            await client.get(path),
            await client.get(f"{path}/preview"),
            await client.get(f"{path}/history"),
            await client.post(f"{path}/cancel"),
        ]
        listed = await client.get("/v1/campaigns")

    assert {answer.status_code for answer in answers} == {404}
    assert listed.json()["items"] == []
