"""Holds over the API: placed, seen, released, and proved."""

from typing import Any

import pytest
from sqlalchemy import select

from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.hold_marking import Marking
from tellal.services.keys import Scope
from templates.environment import JinjaRenderer
from tests.support.api import Served, Tenant, Tenants, log_in, put_customer

TOPIC = "phishing_awareness"
_messages = table(MessageRow).c


async def place(tenant: Tenant, **said: object) -> dict[str, Any]:
    answer = await tenant.client.post("/v1/holds", json={"reason": "wrong text", **said})
    assert answer.status_code == 201, answer.text
    hold: dict[str, Any] = answer.json()
    return hold


async def read(tenant: Tenant, hold_id: str) -> dict[str, Any]:
    answer = await tenant.client.get(f"/v1/holds/{hold_id}")
    assert answer.status_code == 200, answer.text
    hold: dict[str, Any] = answer.json()
    return hold


async def a_waiting_message(tenant: Tenant, ref: str = "ayse") -> None:
    await put_customer(tenant, ref)
    await log_in(tenant, ref)


async def held_by(served: Served, tenant: Tenant) -> list[str | None]:
    async with served.sessions() as tx:
        query = select(_messages.held_by).where(_messages.brand_id == tenant.brand.id)
        return list((await tx.execute(query)).scalars())


async def test_what_waits_is_seen_before_held_and_let_go(bank: Tenant, served: Served) -> None:
    await a_waiting_message(bank)
    marking = Marking(served.sessions, JinjaRenderer())

    preview = (await bank.client.post("/v1/holds/preview", json={"topic": TOPIC})).json()
    hold = await place(bank, topic=TOPIC, by="Duty officer")
    await marking.mark_due()
    marked = await held_by(served, bank)
    seen = await read(bank, hold["id"])
    released = await bank.client.post(f"/v1/holds/{hold['id']}/release", json={"by": "Ops"})
    await marking.mark_due()

    assert preview["messages"] == seen["messages"] == 1
    assert seen["waiting"] == preview["waiting"]
    assert preview["waiting"] == [
        {"topic": TOPIC, "message_class": "service", "channel": "sms", "messages": 1, "expired": 0}
    ]
    assert (hold["placed_by"], hold["reason"]) == ("crm (Duty officer)", "wrong text")
    assert marked == [hold["id"]]
    assert released.json()["released_by"] == "crm (Ops)"
    assert await held_by(served, bank) == [None]
    assert (await read(bank, hold["id"]))["messages"] == 0


async def test_a_hold_is_released_without_a_body_and_once(bank: Tenant) -> None:
    hold = await place(bank)

    first = await bank.client.post(f"/v1/holds/{hold['id']}/release")
    second = await bank.client.post(f"/v1/holds/{hold['id']}/release")

    assert (first.status_code, first.json()["released_by"]) == (200, "crm")
    assert (second.status_code, second.json()["code"]) == (409, "hold_released")


async def test_a_repeat_places_one_hold(bank: Tenant) -> None:
    body = {"channel": "sms", "reason": "wrong sender"}

    answers = [
        await bank.client.post("/v1/holds", json=body, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]

    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotent-Replay"] == "true"
    assert len((await bank.client.get("/v1/holds")).json()["items"]) == 1


async def test_holds_come_in_pages_and_by_whether_they_are_in_force(bank: Tenant) -> None:
    ids = [(await place(bank, channel="sms"))["id"] for _ in range(3)]
    await bank.client.post(f"/v1/holds/{ids[0]}/release")

    async def listed(**how: Any) -> dict[str, Any]:  # noqa: ANN401 - query parameters
        page: dict[str, Any] = (await bank.client.get("/v1/holds", params=how)).json()
        return page

    first = await listed(limit=2)
    second = await listed(limit=2, after=first["next"])
    assert [one["id"] for page in (first, second) for one in page["items"]] == ids
    assert second["next"] is None
    assert [one["id"] for one in (await listed(in_force=True))["items"]] == ids[1:]
    assert [one["id"] for one in (await listed(in_force=False))["items"]] == ids[:1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"topic": "phishing_awarenes", "reason": "x"}, "topic", id="topic"),
        pytest.param({"template": "nothing", "reason": "x"}, "template", id="text"),
        pytest.param({"channel": "fax", "reason": "x"}, "channel", id="channel"),
        pytest.param({"topics": TOPIC, "reason": "x"}, "topics", id="unknown part"),
        pytest.param({"message_class": "mandatory", "reason": "x"}, "mandatory", id="mandatory"),
        pytest.param({"topic": TOPIC}, "reason", id="no reason"),
    ],
)
async def test_a_hold_that_would_stop_nothing_is_refused_by_name(
    bank: Tenant, body: dict[str, str], field: str
) -> None:
    answer = await bank.client.post("/v1/holds", json=body)

    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert (await bank.client.get("/v1/holds")).json()["items"] == []


async def test_who_may_look_may_not_stop(tenants: Tenants) -> None:
    looker = await tenants.make("bank", [Scope.HOLDS_READ])

    preview = await looker.client.post("/v1/holds/preview", json={"channel": "sms"})
    stop = await looker.client.post("/v1/holds", json={"reason": "x"})

    assert preview.status_code == 200
    assert stop.status_code == 403
    assert "holds:write" in stop.json()["detail"]


async def test_a_hold_is_the_brands_own(bank: Tenant, distributor: Tenant, served: Served) -> None:
    await a_waiting_message(distributor)
    hold = await place(bank)

    await Marking(served.sessions, JinjaRenderer()).mark_due()

    assert (await read(bank, hold["id"]))["messages"] == 0
    assert await held_by(served, distributor) == [None]
    assert (await distributor.client.get(f"/v1/holds/{hold['id']}")).status_code == 404
    foreign = await distributor.client.post(f"/v1/holds/{hold['id']}/release")
    assert foreign.status_code == 404
    assert (await distributor.client.get("/v1/holds")).json()["items"] == []
