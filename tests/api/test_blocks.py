"""The black list over the API: nothing reaches unwanted persons or refusers (D63)."""

from typing import Any

import pytest

from tellal.services.keys import Scope
from tests.support.api import Tenant, Tenants, log_in, put_customer

pytestmark = pytest.mark.req("D63")

SAID = {"address": "0532 000 01 01", "origin": "institution", "reason": "New owner"}
KEPT = "+905320000101"


async def block(tenant: Tenant, **said: object) -> dict[str, Any]:
    answer = await tenant.client.post("/v1/blocks", json={**SAID, **said})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def decided(tenant: Tenant) -> str:
    """Have the customer log in; return what was decided, or why she is not told."""
    await log_in(tenant)
    params = {"customer": "ayse", "topic": "phishing_awareness"}
    decision = (await tenant.client.get("/v1/decisions", params=params)).json()["items"][0]
    return str(decision["reason"] or decision["verdict"])


@pytest.mark.req("D63", "blocks")
@pytest.mark.req("D63", "allows")
async def test_nobody_is_told_at_an_address_until_its_last_block_is_lifted(bank: Tenant) -> None:
    await put_customer(bank)
    first = await block(bank, by="Legal")
    second = await block(bank, origin="customer", reason="Asked at a branch")
    answers = [await decided(bank)]

    for one in (first, second):
        lifted = await bank.client.post(f"/v1/blocks/{one['id']}/lift", json={"by": "Desk"})
        assert (lifted.status_code, lifted.json()["lifted_by"]) == (200, "crm (Desk)")
        answers.append(await decided(bank))

    assert (first["address"], first["placed_by"]) == (KEPT, "crm (Legal)")
    assert answers == ["blocked", "blocked", "send"]


async def test_a_block_is_lifted_without_a_body_and_once(bank: Tenant) -> None:
    made = await block(bank)

    first = await bank.client.post(f"/v1/blocks/{made['id']}/lift")
    second = await bank.client.post(f"/v1/blocks/{made['id']}/lift")

    assert (first.status_code, first.json()["lifted_by"]) == (200, "crm")
    assert (second.status_code, second.json()["code"]) == (409, "block_lifted")


async def test_a_repeat_places_one_block(bank: Tenant) -> None:
    answers = [
        await bank.client.post("/v1/blocks", json=SAID, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]

    assert answers[0].json() == answers[1].json()
    assert len((await bank.client.get("/v1/blocks")).json()["items"]) == 1


async def test_blocks_are_found_by_address_and_by_customer(bank: Tenant) -> None:
    contacts = [{"channel": "email", "address": "Ayse@example.com"}]
    await put_customer(bank, contacts=contacts)
    number = await block(bank)
    mail = await block(bank, address="AYSE@example.com")

    found = await bank.client.post("/v1/blocks/find", json={"address": "+90 532 000 01 01"})
    hers = await bank.client.get("/v1/blocks", params={"customer": "ayse"})

    assert [one["id"] for one in found.json()["items"]] == [number["id"]]
    assert [one["id"] for one in hers.json()["items"]] == [mail["id"]]


async def test_blocks_come_in_pages_and_by_whether_they_are_in_force(bank: Tenant) -> None:
    ids = [(await block(bank))["id"] for _ in range(3)]
    await bank.client.post(f"/v1/blocks/{ids[0]}/lift")

    async def listed(**how: Any) -> dict[str, Any]:  # noqa: ANN401 - query parameters
        page: dict[str, Any] = (await bank.client.get("/v1/blocks", params=how)).json()
        return page

    first = await listed(limit=2)
    second = await listed(limit=2, after=first["next"])
    assert [one["id"] for page in (first, second) for one in page["items"]] == ids
    assert [one["id"] for one in (await listed(in_force=True))["items"]] == ids[1:]
    assert [one["id"] for one in (await listed(in_force=False))["items"]] == ids[:1]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        pytest.param({"address": "0212 000 00 00"}, "address", id="no mobile number"),
        pytest.param({"address": "a@b"}, "address", id="no e-mail"),
        pytest.param({"origin": "nobody"}, "origin", id="origin"),
        pytest.param({"reason": ""}, "reason", id="reason"),
        pytest.param({"until": "2020-01-01T00:00:00Z"}, "until", id="over already"),
        pytest.param({"channel": "banner"}, "channel", id="banner"),
    ],
)
async def test_what_cannot_be_blocked_is_refused_by_name(
    bank: Tenant, said: dict[str, str], field: str
) -> None:
    answer = await bank.client.post("/v1/blocks", json={**SAID, **said})

    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]


async def test_who_may_look_may_not_block(tenants: Tenants) -> None:
    looker = await tenants.make("bank", [Scope.BLOCKS_READ])

    find = await looker.client.post("/v1/blocks/find", json={"address": KEPT})
    stop = await looker.client.post("/v1/blocks", json=SAID)

    assert (find.status_code, stop.status_code) == (200, 403)


async def test_a_block_is_the_brands_own(bank: Tenant, distributor: Tenant) -> None:
    await put_customer(distributor)
    made = await block(bank)

    foreign = await distributor.client.post(f"/v1/blocks/{made['id']}/lift")

    assert foreign.status_code == 404
    assert (await distributor.client.get("/v1/blocks")).json()["items"] == []
    assert await decided(distributor) == "send"
