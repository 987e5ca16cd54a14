"""Webhooks over HTTP: a secret is shown once, and a brand sees its own only."""

import httpx
import pytest
from sqlalchemy import select

from tellal.persistence.columns import table
from tellal.persistence.tables.brands import IdempotencyRow
from tellal.persistence.tables.outages import WebhookRow
from tellal.services.calling import Calling
from tellal.services.keys import Scope
from tellal.services.webhooks import announce
from tests.support.answering import Answering
from tests.support.api import Served, Tenant, Tenants

pytestmark = pytest.mark.req("B05")

URL = "https://partner.example/outages"


async def add(tenant: Tenant, url: str = URL, **headers: str) -> httpx.Response:
    body = {"url": url, "means": "social media"}
    return await tenant.client.post("/v1/webhooks", json=body, headers=headers)


async def test_a_secret_is_shown_once(bank: Tenant, served: Served) -> None:
    made = await add(bank, **{"Idempotency-Key": "one"})
    again = await add(bank, **{"Idempotency-Key": "one"})
    listed = await bank.client.get("/v1/webhooks")

    secret = made.json()["secret"]
    assert made.status_code == again.status_code == 201
    assert secret.startswith("whsec_")
    assert again.json() == {**made.json(), "secret": ""}
    assert listed.json()["items"] == [made.json()["webhook"]]
    assert made.json()["webhook"]["made_by"] == "crm"
    async with served.sessions() as tx:
        answers = (await tx.execute(select(table(IdempotencyRow).c.body))).scalars().all()
    assert not any(secret in (answer or "") for answer in answers)


@pytest.mark.req("B05", "blocks")
@pytest.mark.parametrize("url", ["http://partner.example/", "ftp://x", "nothing", "https://u:p@x/"])
async def test_only_encrypted_addresses_are_taken(bank: Tenant, url: str) -> None:
    refused = await add(bank, url)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "url"


async def test_an_ended_webhook_hears_nothing_and_its_secret_is_forgotten(
    bank: Tenant, served: Served
) -> None:
    webhook_id = (await add(bank)).json()["webhook"]["id"]
    now = served.clock.now()
    async with served.sessions() as tx, tx.begin():
        await announce(tx, bank.brand.id, "outage.confirmed", {}, now)

    ended = [await bank.client.delete(f"/v1/webhooks/{webhook_id}") for _ in range(2)]

    async with served.sessions() as tx, tx.begin():
        heard = await announce(tx, bank.brand.id, "outage.updated", {}, now)
        hooks = table(WebhookRow).c
        secret = await tx.execute(select(hooks.secret).where(hooks.id == webhook_id))
    (call,) = (await bank.client.get(f"/v1/webhooks/{webhook_id}/calls")).json()["items"]
    assert [answer.status_code for answer in ended] == [204, 204]
    assert heard == 0
    assert secret.scalar_one() == ""
    assert (call["state"], call["answer"]) == ("given_up", "ended")
    (listed,) = (await bank.client.get("/v1/webhooks")).json()["items"]
    assert listed["ended_at"] is not None


async def test_what_an_address_was_told_can_be_looked_up(bank: Tenant, served: Served) -> None:
    async with Answering(503) as partner:
        webhook_id = (await add(bank, partner.url)).json()["webhook"]["id"]
        async with served.sessions() as tx, tx.begin():
            for number in range(3):
                await announce(tx, bank.brand.id, f"outage.update{number}", {}, served.clock.now())
        await Calling(served.sessions, served.clock, private=True).call_due()

    path = f"/v1/webhooks/{webhook_id}/calls"
    first = (await bank.client.get(path, params={"limit": 2})).json()
    rest = (await bank.client.get(path, params={"limit": 2, "after": first["next"]})).json()
    waiting = (await bank.client.get(path, params={"state": "waiting"})).json()
    given_up = (await bank.client.get(path, params={"state": "given_up"})).json()

    assert [len(first["items"]), len(rest["items"])] == [2, 1]
    assert {(one["tries"], one["answer"]) for one in waiting["items"]} == {(1, "503")}
    assert len(waiting["items"]) == 3
    assert given_up["items"] == []


async def test_another_brand_s_webhooks_are_not_there(bank: Tenant, distributor: Tenant) -> None:
    webhook_id = (await add(bank)).json()["webhook"]["id"]

    assert (await distributor.client.get("/v1/webhooks")).json() == {"items": []}
    for answer in (
        await distributor.client.get(f"/v1/webhooks/{webhook_id}/calls"),
        await distributor.client.delete(f"/v1/webhooks/{webhook_id}"),
    ):
        assert answer.status_code == 404


async def test_reading_and_writing_are_scopes_of_their_own(tenants: Tenants) -> None:
    reader = await tenants.make("reader", [Scope.WEBHOOKS_READ])

    assert (await reader.client.get("/v1/webhooks")).status_code == 200
    assert (await add(reader)).status_code == 403
