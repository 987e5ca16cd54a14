"""`GET /v1/routes`: what each route carries, and how it is doing now."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import delete, insert

from tellal.persistence.columns import table
from tellal.persistence.tables.delivery import RouteStateRow
from tellal.services.keys import Scope
from tests.support.api import Served, Tenant, Tenants
from tests.support.house import MORNING

_states = table(RouteStateRow)


@pytest.fixture
async def bank(tenants: Tenants, served: Served) -> AsyncIterator[Tenant]:
    """A brand; what is known of routes is forgotten afterwards, for they belong to all brands."""
    yield await tenants.make("bank")
    async with served.sessions() as tx, tx.begin():
        await tx.execute(delete(_states))


async def known(served: Served, route: str, **values: object) -> None:
    row = {
        "route": route,
        "tokens": 0.0,
        "refilled_at": MORNING,
        "failures": 0,
        "opened_times": 0,
        "reason": "",
        **values,
    }
    async with served.sessions() as tx, tx.begin():
        await tx.execute(insert(_states).values(**row))


async def shown(tenant: Tenant) -> dict[str, dict[str, Any]]:
    answer = await tenant.client.get("/v1/routes")
    assert answer.status_code == 200, answer.text
    return {item["id"]: item for item in answer.json()["items"]}


async def test_a_route_says_what_it_carries_and_costs(bank: Tenant) -> None:
    twilio = (await shown(bank))["twilio"]

    assert twilio["carries"][0] == {
        "countries": ["TR"],
        "classes": ["service", "mandatory"],
        "urls": False,
        "reserved": 5,
    }
    assert twilio["price"] == {"amount": "0.0500", "currency": "USD"}
    assert (twilio["rate"], twilio["longest_validity_s"]) == (2000, 36000)
    assert twilio["alphabets"] == ["gsm7", "ucs2"]
    assert (twilio["standing"], twilio["rests_until"], twilio["reason"]) == ("works", None, "")


async def test_a_route_whose_provider_has_no_settings_is_shown_as_such(bank: Tenant) -> None:
    routes = await shown(bank)

    assert routes["netgsm"]["standing"] == "not_set_up"
    assert {routes[name]["standing"] for name in ("twilio", "mail", "push")} == {"works"}


async def test_routes_say_why_they_rest_and_until_when(bank: Tenant, served: Served) -> None:
    later = MORNING + timedelta(seconds=30)
    await known(served, "twilio", open_until=later, opened_times=3, reason="timeout")
    await known(served, "mail", paused_until=later, failures=4, reason="asked_for_a_pause")
    await known(served, "push", open_until=MORNING, opened_times=1, reason="503")

    routes = await shown(bank)

    said = {
        name: (one["standing"], one["rests_until"], one["reason"], one["failures"])
        for name, one in routes.items()
    }
    assert said["twilio"] == ("open", "2026-03-02T07:00:30Z", "timeout", 0)
    assert said["mail"] == ("paused", "2026-03-02T07:00:30Z", "asked_for_a_pause", 4)
    assert said["push"] == ("on_probation", None, "503", 0)
    assert routes["twilio"]["opened_times"] == 3


async def test_a_pause_that_is_over_is_no_reason_any_more(bank: Tenant, served: Served) -> None:
    await known(served, "mail", paused_until=MORNING, reason="asked_for_a_pause")

    mail = (await shown(bank))["mail"]

    assert (mail["standing"], mail["rests_until"], mail["reason"]) == ("works", None, "")


async def test_tokens_are_what_has_come_in_until_now(bank: Tenant, served: Served) -> None:
    await known(served, "twilio", tokens=5.0)
    served.clock.pass_by(timedelta(seconds=0.1))
    soon = (await shown(bank))["twilio"]["tokens"]
    served.clock.pass_by(timedelta(hours=1))

    routes = await shown(bank)

    assert soon == 205
    assert routes["twilio"]["tokens"] == 401
    assert routes["mail"]["tokens"] is None


async def test_a_key_needs_the_scope(tenants: Tenants) -> None:
    stranger = await tenants.make("shop", [Scope.EVENTS_WRITE])

    answer = await stranger.client.get("/v1/routes")

    assert answer.status_code == 403
    assert "messages:read" in answer.json()["detail"]


async def steer(tenant: Tenant, route: str, what: str, key: str = "", **body: str) -> Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await tenant.client.post(
        f"/v1/routes/{route}/{what}", json={"reason": "Works", **body}, headers=headers
    )


async def test_a_route_is_drained_pinned_and_released_and_its_history_says_by_whom(
    bank: Tenant,
) -> None:
    drained = await steer(bank, "netgsm", "drain", "k1", by="Night shift")
    again = await steer(bank, "netgsm", "drain", "k1", by="Night shift")
    shown_drained = (await shown(bank))["netgsm"]
    pinned = await steer(bank, "netgsm", "pin", reason="Price")
    released = await steer(bank, "netgsm", "release")
    history = (await bank.client.get("/v1/routes/netgsm/movements")).json()
    first = (await bank.client.get("/v1/routes/netgsm/movements", params={"limit": 1})).json()
    rest = await bank.client.get("/v1/routes/netgsm/movements", params={"after": first["next"]})

    assert drained.json() == {"id": "netgsm", "mode": "drained", "share": 1.0} == again.json()
    assert (shown_drained["mode"], shown_drained["share"]) == ("drained", 1.0)
    assert (pinned.json()["mode"], released.json()["mode"]) == ("pinned", "auto")
    said = [(one["reason"], one["before"], one["after"], one["note"]) for one in history["items"]]
    assert said == [
        ("released", 1.0, 1.0, "Works"),
        ("pinned", 0.0, 1.0, "Price"),
        ("drained", 1.0, 0.0, "Works"),
    ]
    assert "Night shift" in history["items"][2]["by"]
    assert [one["reason"] for one in rest.json()["items"]] == ["pinned", "drained"]


async def test_what_cannot_be_steered_is_said(bank: Tenant, tenants: Tenants) -> None:
    nowhere = await steer(bank, "nowhere", "drain")
    no_change = await steer(bank, "netgsm", "release")
    no_reason = await steer(bank, "netgsm", "drain", reason="")
    reader = await tenants.make("reader", scopes=[Scope.MESSAGES_READ])
    forbidden = await steer(reader, "netgsm", "drain")

    assert nowhere.status_code == 404
    assert "mail, netgsm, push" in nowhere.json()["detail"]
    assert (no_change.status_code, no_change.json()["code"]) == (409, "no_change")
    assert no_reason.status_code == 422
    assert forbidden.status_code == 403
