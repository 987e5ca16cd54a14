"""Telling an address again over HTTP, and which key may have cases told to an address."""

import httpx
import pytest

from tellal.services.calling import Calling
from tellal.services.keys import Scope
from tests.support.answering import Answering
from tests.support.api import Served, Tenant, Tenants, open_case, put_customer

pytestmark = pytest.mark.req("E32")


async def add(tenant: Tenant, url: str, **said: object) -> httpx.Response:
    return await tenant.client.post("/v1/webhooks", json={"url": url, **said})


async def work(served: Served) -> None:
    calling = Calling(served.sessions, served.clock, private=True)
    while await calling.call_due():
        pass


async def test_a_call_is_told_again_by_its_id_or_by_its_time(
    served: Served, distributor: Tenant
) -> None:
    async with Answering() as crm:
        hook = (await add(distributor, crm.url, kinds=["cases"])).json()["webhook"]
        await put_customer(distributor)
        await open_case(distributor)
        await work(served)
        (call,) = (await distributor.client.get(f"/v1/webhooks/{hook['id']}/calls")).json()["items"]
        path = f"/v1/webhooks/{hook['id']}/replay"
        by_id = await distributor.client.post(path, json={"call": call["id"]})
        waiting = await distributor.client.post(path, json={"call": call["id"]})
        await work(served)
        day = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00+03:00"}
        by_time = await distributor.client.post(path, json=day)
        await work(served)

    assert hook["kinds"] == ["cases"]
    assert [one.json() for one in (by_id, waiting, by_time)] == [
        {"replayed": 1},
        {"replayed": 0},
        {"replayed": 1},
    ]
    assert {one.headers["webhook-id"] for one in crm.requests} == {call["id"]}
    assert len(crm.requests) == 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"from": "2026-03-02T00:00:00Z"},
        {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
        {"from": "2026-03-02T00:00:00", "to": "2026-03-03T00:00:00"},
        {"call": "x", "from": "2026-03-02T00:00:00Z"},
    ],
)
async def test_it_must_be_said_what_to_tell_again(
    distributor: Tenant, body: dict[str, str]
) -> None:
    hook = (await add(distributor, "https://crm.example/")).json()["webhook"]

    answer = await distributor.client.post(f"/v1/webhooks/{hook['id']}/replay", json=body)

    assert answer.status_code == 422


async def test_what_is_not_there_or_has_ended_is_told_nothing(
    bank: Tenant, distributor: Tenant
) -> None:
    hook = (await add(distributor, "https://crm.example/")).json()["webhook"]
    path = f"/v1/webhooks/{hook['id']}/replay"
    day = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}

    no_call = await distributor.client.post(path, json={"call": "01KJNFAA000000000000000001"})
    of_others = await bank.client.post(path, json=day)
    await distributor.client.delete(f"/v1/webhooks/{hook['id']}")
    ended = await distributor.client.post(path, json=day)

    assert [no_call.status_code, of_others.status_code] == [404, 404]
    assert (ended.status_code, ended.json()["code"]) == (409, "webhook_ended")


@pytest.mark.req("E19")
async def test_who_may_not_read_cases_cannot_have_them_told(tenants: Tenants) -> None:
    press = await tenants.make("press", [Scope.WEBHOOKS_WRITE])

    outages = await add(press, "https://press.example/")
    cases = await add(press, "https://press.example/", kinds=["outages", "cases"])

    assert outages.status_code == 201
    assert (cases.status_code, cases.json()["code"]) == (403, "scope_missing")
