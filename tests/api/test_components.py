"""No channel is chosen that depends on what an outage has taken down."""

from typing import Any

import pytest

from tests.support.api import Served, Tenant, log_in, put_customer

pytestmark = pytest.mark.req("B18")

PUSH = {"channel": "push", "address": "a-token-of-this-app"}
SMS = {"channel": "sms", "address": "0532 000 01 01"}
OUTAGE = {
    "title": "The app does not answer",
    "segment": {"customer.district": "nowhere"},
    "variables": {
        "area": "İşCep", "expected_end": "18:30", "workaround": "186'yı arayın.", "hotline": "186",
    },
}  # fmt: skip


async def declare(tenant: Tenant, *components: str, **more: object) -> str:
    body = {**OUTAGE, "components": list(components), **more}
    answer = await tenant.client.post("/v1/outages", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["components"] == sorted(components)
    return str(answer.json()["id"])


async def command(tenant: Tenant, outage: str, verb: str) -> None:
    answer = await tenant.client.post(f"/v1/outages/{outage}/{verb}", json={})
    assert answer.status_code == 200, answer.text


async def decided(tenant: Tenant, ref: str, **login: object) -> dict[str, Any]:
    """Have a new customer with an app and a phone log in; return what was decided for him."""
    await put_customer(tenant, ref, contacts=[PUSH | {"address": f"token-of-{ref}"}, SMS])
    said = await log_in(tenant, ref, **login)
    [decision] = [one for one in said["decisions"] if one["topic"] == "phishing_awareness"]
    whole = await tenant.client.get(f"/v1/decisions/{decision['id']}")
    found: dict[str, Any] = whole.json()
    return found


def ways(decision: dict[str, Any]) -> list[str]:
    return [step["channel"] for step in decision["steps"]]


@pytest.mark.req("B18", "blocks")
@pytest.mark.req("B18", "allows")
async def test_a_channel_is_left_out_while_what_it_needs_is_down_and_comes_back(
    bank: Tenant,
) -> None:
    before = await decided(bank, "before")
    outage = await declare(bank, "app_backend")
    suspected = await decided(bank, "suspected")
    await command(bank, outage, "confirm")
    during = await decided(bank, "during")
    await command(bank, outage, "resolve")
    after = await decided(bank, "after")

    assert ways(before) == ways(suspected) == ways(after) == ["push", "sms"]
    assert ways(during) == ["sms"]
    assert during["removed"]["push"]["code"] == "channel_down"
    assert during["removed"]["push"]["text"].endswith("has failed: app_backend")


@pytest.mark.req("B18", "blocks")
async def test_a_banner_is_not_chosen_either(bank: Tenant) -> None:
    await command(bank, await declare(bank, "website"), "confirm")

    decision = await decided(bank, "ayse", can_show_banner=True)

    assert ways(decision) == ["push", "sms"]
    assert decision["removed"]["banner"]["code"] == "channel_down"


@pytest.mark.req("B18", "blocks")
async def test_who_has_no_other_channel_is_told_nothing_and_the_reason_says_why(
    bank: Tenant,
) -> None:
    await command(bank, await declare(bank, "app_backend", "payment_switch"), "confirm")
    await put_customer(bank, "ayse", contacts=[PUSH])

    said = await log_in(bank)

    [decision] = [one for one in said["decisions"] if one["topic"] == "phishing_awareness"]
    assert decision["verdict"] == "suppress"
    found = (await bank.client.get(f"/v1/decisions/{decision['id']}")).json()
    assert found["reasons"][0]["code"] == "channel_down"


@pytest.mark.req("B18", "allows")
async def test_components_that_no_channel_needs_change_nothing(bank: Tenant) -> None:
    await command(bank, await declare(bank, "payment_switch"), "confirm")

    assert ways(await decided(bank, "ayse")) == ["push", "sms"]


@pytest.mark.req("B18", "allows")
async def test_another_brands_outage_changes_nothing(bank: Tenant, distributor: Tenant) -> None:
    await command(distributor, await declare(distributor, "app_backend"), "confirm")

    assert ways(await decided(bank, "ayse")) == ["push", "sms"]


@pytest.mark.req("B18", "blocks")
@pytest.mark.req("B18", "allows")
async def test_a_rehearsed_outage_counts_in_rehearsals_only(bank: Tenant, served: Served) -> None:
    made = await bank.client.post("/v1/keys", json={"name": "dry", "rehearses": True, "scopes": [
        "customers:write", "events:write", "outages:write", "decisions:read", "outages:read",
    ]})  # fmt: skip
    assert made.status_code == 201, made.text
    async with served.client(made.json()["token"]) as client:
        rehearsing = Tenant(brand=bank.brand, key=bank.key, token="", client=client)
        await command(rehearsing, await declare(rehearsing, "app_backend"), "confirm")
        in_earnest = await decided(bank, "ayse")
        rehearsed = await decided(rehearsing, "fatma")

    assert ways(in_earnest) == ["push", "sms"]
    assert ways(rehearsed) == ["sms"]


@pytest.mark.parametrize("name", ["App Backend", "", "9lives"])
async def test_a_component_has_a_plain_name(bank: Tenant, name: str) -> None:
    answer = await bank.client.post("/v1/outages", json={**OUTAGE, "components": [name]})

    assert answer.status_code == 422
