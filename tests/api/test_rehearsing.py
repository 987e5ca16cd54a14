"""Rehearsal keys and magic addresses, as a caller meets them."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from tellal.services.keys import Scope
from tests.support.api import (
    Served,
    Tenant,
    declare_outage,
    log_in,
    open_case,
    put_customer,
)

SCOPES = [scope.value for scope in Scope if scope is not Scope.KEYS_ADMIN]


async def make_key(tenant: Tenant, name: str = "rehearsal", **said: object) -> httpx.Response:
    body = {"name": name, "scopes": SCOPES, "rehearses": True, **said}
    return await tenant.client.post("/v1/keys", json=body)


@pytest.fixture
async def rehearsing(bank: Tenant, served: Served) -> AsyncIterator[Tenant]:
    """Give the bank a second caller, whose key rehearses."""
    token = (await make_key(bank)).json()["token"]
    async with served.client(token) as client:
        yield replace(bank, token=token, client=client)


async def shown(tenant: Tenant, what: str) -> list[dict[str, object]]:
    answer = await tenant.client.get(f"/v1/{what}", params={"customer": "ayse"})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, object]] = answer.json()["items"]
    return items


async def test_a_key_says_whether_it_rehearses_and_keeps_to_it(bank: Tenant) -> None:
    made = (await make_key(bank)).json()["key"]
    rotated = await bank.client.post(f"/v1/keys/{made['id']}/rotate", json={})

    listed = (await bank.client.get("/v1/keys")).json()["items"]

    assert made["rehearses"]
    assert rotated.json()["key"]["rehearses"]
    assert [(key["name"], key["rehearses"]) for key in listed] == [
        ("rehearsal", True),
        ("rehearsal", True),
        ("crm", False),
    ]


async def test_a_rehearsal_key_makes_no_key_that_is_in_earnest(
    bank: Tenant, rehearsing: Tenant
) -> None:
    refused = await make_key(bank, "other", scopes=["keys:admin"])
    forbidden = await make_key(rehearsing, "other", rehearses=False)

    assert (refused.status_code, forbidden.status_code) == (422, 403)
    assert refused.json()["errors"][0]["field"] == "scopes"


async def test_it_neither_holds_nor_blocks_what_is_in_earnest_nor_lets_it_go(
    bank: Tenant, rehearsing: Tenant
) -> None:
    hold = {"topic": "phishing_awareness", "reason": "r"}
    block = {"address": "0532 000 01 01", "origin": "institution", "reason": "r"}
    held = (await bank.client.post("/v1/holds", json=hold)).json()["id"]
    blocked = (await bank.client.post("/v1/blocks", json=block)).json()["id"]

    refused = [
        await rehearsing.client.post("/v1/holds", json=hold),
        await rehearsing.client.post(f"/v1/holds/{held}/release"),
        await rehearsing.client.post("/v1/blocks", json=block),
        await rehearsing.client.post(f"/v1/blocks/{blocked}/lift"),
    ]

    assert [one.status_code for one in refused] == [409] * 4
    assert {one.json()["code"] for one in refused} == {"not_a_rehearsal"}
    assert (await bank.client.get(f"/v1/holds/{held}")).json()["released_at"] is None


async def test_what_it_sets_off_shows_as_simulated(bank: Tenant, rehearsing: Tenant) -> None:
    await put_customer(bank)

    rehearsed = await log_in(rehearsing)

    assert rehearsed["simulated"] is True
    assert {one["simulated"] for one in await shown(bank, "messages")} == {True}
    assert {one["simulated"] for one in await shown(bank, "decisions")} == {True}


async def test_the_same_person_is_told_in_earnest_afterwards(
    bank: Tenant, rehearsing: Tenant
) -> None:
    await put_customer(bank)
    await log_in(rehearsing)

    told = await log_in(bank)

    assert told["simulated"] is False
    assert "send" in {one["verdict"] for one in told["decisions"]}
    assert [one["simulated"] for one in await shown(bank, "messages")] == [True, False]


async def test_it_leaves_cases_alone_that_are_in_earnest(bank: Tenant, rehearsing: Tenant) -> None:
    await put_customer(bank)
    real, own = await open_case(bank), await open_case(rehearsing)

    refused = await rehearsing.client.post(
        f"/v1/cases/{real['number']}/route", json={"team": "metering"}
    )
    taken = await rehearsing.client.post(
        f"/v1/cases/{own['number']}/route", json={"team": "metering"}
    )

    assert (real["simulated"], own["simulated"]) == (False, True)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_rehearsal")
    assert taken.status_code == 200
    assert (await bank.client.get(f"/v1/cases/{real['number']}")).json()["state"] == "opened"


@pytest.mark.parametrize("command", ["confirm", "dismiss"])
async def test_it_leaves_outages_alone_that_are_in_earnest(
    bank: Tenant, rehearsing: Tenant, command: str
) -> None:
    real, own = await declare_outage(bank), await declare_outage(rehearsing)

    refused = await rehearsing.client.post(f"/v1/outages/{real['id']}/{command}")
    taken = await rehearsing.client.post(f"/v1/outages/{own['id']}/{command}")

    assert (real["simulated"], own["simulated"]) == (False, True)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_rehearsal")
    assert taken.status_code == 200
    assert (await bank.client.get(f"/v1/outages/{real['id']}")).json()["state"] == "suspected"


async def test_it_reports_no_banner_that_is_in_earnest(bank: Tenant, rehearsing: Tenant) -> None:
    await put_customer(bank)
    own = (await log_in(rehearsing, can_show_banner=True))["banner"]["message_id"]
    real = (await log_in(bank, can_show_banner=True))["banner"]["message_id"]

    refused = await rehearsing.client.post(f"/v1/messages/{real}/shown")
    taken = await rehearsing.client.post(f"/v1/messages/{own}/shown")

    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_rehearsal")
    assert taken.status_code == 204
    states = {one["id"]: one["state"] for one in await shown(bank, "messages")}
    assert (states[real], states[own]) == ("accepted", "delivered")


async def test_a_rehearsal_is_no_repeat_of_what_its_name_did_in_earnest(
    bank: Tenant, served: Served
) -> None:
    """A spent key's name may be given again; its answers may not."""
    await put_customer(bank)
    body = {
        "customer": "ayse",
        "type": "login",
        "data": {"method": "password", "surface": "web", "can_show_banner": False},
    }
    first = (await make_key(bank, rehearses=False)).json()
    said = {"Idempotency-Key": "the-same"}
    async with served.client(first["token"]) as client:
        real = await client.post("/v1/events", json=body, headers=said)
    await bank.client.delete(f"/v1/keys/{first['key']['id']}")
    async with served.client((await make_key(bank)).json()["token"]) as client:
        rehearsed = await client.post("/v1/events", json=body, headers=said)

    assert "Idempotent-Replay" not in rehearsed.headers
    assert (real.json()["simulated"], rehearsed.json()["simulated"]) == (False, True)


@pytest.mark.parametrize("number", ["+90 599 000 01 04", "+48 999 000 104", "+44 7700 900104"])
async def test_a_message_to_a_magic_address_shows_as_simulated_whoever_asks(
    bank: Tenant, number: str
) -> None:
    await put_customer(bank, contacts=[{"channel": "sms", "address": number}])

    told = await log_in(bank)

    assert told["simulated"] is False
    [sent] = await shown(bank, "messages")
    assert (sent["address"], sent["simulated"]) == (number.replace(" ", ""), True)
