"""What pages need to let browsers subscribe, and what their subscriptions become."""

import json
from dataclasses import replace

from activities.providers.web_push import public_key_of
from tellal.domain.push import octets_of
from tests.support.api import Served, Tenant, put_customer

AUTH = "AAAAAAAAAAAAAAAAAAAAAA"


async def test_a_page_gets_the_key_and_its_browsers_subscription_is_an_address(
    bank: Tenant, served: Served
) -> None:
    key = (await bank.client.get("/v1/push/web-key")).json()["key"]
    assert key == public_key_of(served.settings.web_push)
    assert len(octets_of(key)) == 65
    browser = {"endpoint": "https://push.example/x", "keys": {"p256dh": key, "auth": AUTH}}

    await put_customer(bank, contacts=[{"channel": "push", "address": json.dumps(browser)}])

    customer = (await bank.client.get("/v1/customers/ayse")).json()
    [contact] = customer["contacts"]
    assert contact["address"] == f"web:https://push.example/x#{key}.{AUTH}"


async def test_a_subscription_that_is_none_is_refused_with_a_reason(bank: Tenant) -> None:
    said = {"endpoint": "https://push.example/x", "keys": {"p256dh": "AAAA", "auth": AUTH}}
    contact = {"channel": "push", "address": json.dumps(said)}

    answer = await bank.client.put(
        "/v1/customers/ayse", json={"locale": "tr", "contacts": [contact]}
    )

    assert answer.status_code == 422
    assert "P-256" in answer.text
    assert "JSON.stringify" in answer.text


async def test_without_a_key_there_is_none_to_give(bank: Tenant, served: Served) -> None:
    desk = served.app.state.desk
    served.app.state.desk = replace(desk, web_key="")
    try:
        answer = await bank.client.get("/v1/push/web-key")
    finally:
        served.app.state.desk = desk

    assert answer.status_code == 404
    assert "TELLAL_WEB_PUSH__KEY_FILE" in answer.text
