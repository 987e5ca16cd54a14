"""The page of preferences: looking changes nothing, a choice counts at once, nobody says why."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.test_keywords import promotes, state_of
from tests.support.api import PUBLIC_URL, Served, Tenant, put_customer
from tests.support.browser import CHROMIUM, found_by_axe

CONTACTS = [
    {"channel": "sms", "address": "0532 000 01 01"},
    {"channel": "email", "address": "ayse@example.com"},
]
SHOWN: dict[str, Any] = {"shown_channel": ["sms", "email"], "shown_topic": ["tariff_change"]}


@pytest.fixture
async def path(bank: Tenant) -> str:
    """The page of a customer who agreed to text messages."""
    await put_customer(bank, contacts=CONTACTS)
    grant = {"channel": "sms", "state": "granted", "source": "branch"}
    await bank.client.post("/v1/customers/ayse/consents", json=grant)
    link = await bank.client.get("/v1/customers/ayse/preferences/link")
    assert link.status_code == 200, link.text
    return str(link.json()["url"]).removeprefix(PUBLIC_URL)


async def show(served: Served, path: str) -> str:
    async with served.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    return answer.text


async def choose(served: Served, path: str, **form: object) -> str:
    async with served.client() as client:
        answer = await client.post(path, data={**SHOWN, **form})
    assert answer.status_code == 200, answer.text
    return answer.text


async def said(bank: Tenant) -> list[tuple[str, str, str]]:
    items = (await bank.client.get("/v1/customers/ayse/consents")).json()["items"]
    return [(one["channel"], one["state"], one["source"]) for one in items]


async def wishes(bank: Tenant) -> tuple[bool, list[str]]:
    found = (await bank.client.get("/v1/customers/ayse")).json()["preferences"]
    return found["service_only"], found["topics_off"]


@pytest.mark.req("D49", "blocks")
async def test_looking_shows_what_stands_and_changes_nothing(
    bank: Tenant, served: Served, path: str
) -> None:
    page = await show(served, path)

    assert '<html lang="tr">' in page
    assert 'name="channel" value="sms" checked' in page
    assert 'name="channel" value="email">' in page
    assert 'name="topic" value="tariff_change" checked>Tarife değişiklikleri' in page
    assert "security_alert" not in page  # the law orders it
    assert await said(bank) == [("sms", "granted", "branch")]


@pytest.mark.req("D01", "allows")
@pytest.mark.req("D13", "blocks")
async def test_a_channel_that_is_taken_away_stops_at_once(
    bank: Tenant, served: Served, path: str
) -> None:
    promotion = await promotes(served, bank)

    page = await choose(served, path, topic="tariff_change")
    await choose(served, path, topic="tariff_change")

    assert 'role="status"' in page
    assert await said(bank) == [("sms", "granted", "branch"), ("sms", "refused", "preferences")]
    assert await state_of(served, promotion) == ("cancelled", "no_consent")


@pytest.mark.req("D33", "allows")
async def test_a_channel_that_is_chosen_is_a_grant_with_its_words(
    bank: Tenant, served: Served, path: str
) -> None:
    await choose(served, path, channel=["sms", "email"], topic="tariff_change")

    items = (await bank.client.get("/v1/customers/ayse/consents")).json()["items"]
    assert [(one["channel"], one["state"]) for one in items] == [
        ("sms", "granted"),
        ("email", "granted"),
    ]
    assert items[1]["evidence"] == {
        "page": "preferences",
        "text": "E-posta ile ticari ileti almak istiyorum",
        "preselected": False,
    }
    assert items[1]["confirm_by"] == "2026-03-02T21:00:00Z"


async def test_what_he_was_not_shown_stays_as_it_was(
    bank: Tenant, served: Served, path: str
) -> None:
    await bank.client.patch("/v1/customers/ayse/preferences", json={"topics_off": ["iscep_promo"]})

    await choose(served, path, channel="sms")
    assert await wishes(bank) == (False, ["iscep_promo", "tariff_change"])

    await choose(served, path, shown_channel=[], topic="tariff_change")
    assert await wishes(bank) == (False, ["iscep_promo"])
    assert await said(bank) == [("sms", "granted", "branch")]


async def test_what_the_law_orders_is_not_turned_off_by_a_made_up_form(
    bank: Tenant, served: Served, path: str
) -> None:
    await choose(served, path, channel="sms", shown_topic=["keyword_reply", "nothing", "<b>"])

    assert await wishes(bank) == (False, [])


@pytest.mark.req("D48", "allows")
async def test_one_button_leaves_service_messages_only(
    bank: Tenant, served: Served, path: str
) -> None:
    page = await choose(
        served, path, service_only="yes", channel=["sms", "email"], topic="tariff_change"
    )

    assert await wishes(bank) == (True, [])
    assert await said(bank) == [
        ("sms", "granted", "branch"),
        ("sms", "refused", "preferences"),
        ("email", "refused", "preferences"),
    ]
    assert "checked" not in re.findall(r'name="channel"[^>]*', page)[0]


async def test_whoever_wants_service_messages_only_still_does_after_saving(
    bank: Tenant, served: Served, path: str
) -> None:
    await choose(served, path, service_only="yes")
    await choose(served, path, topic="tariff_change")
    kept = await wishes(bank)
    await choose(served, path, topic="tariff_change", channel="sms")

    assert kept == (True, [])
    assert await wishes(bank) == (False, [])


async def test_what_has_lapsed_is_an_empty_box(bank: Tenant, served: Served, path: str) -> None:
    ends = (served.clock.now() + timedelta(hours=1)).isoformat()
    grant = {"channel": "email", "state": "granted", "source": "branch", "valid_until": ends}
    await bank.client.post("/v1/customers/ayse/consents", json=grant)

    before = await show(served, path)
    served.clock.pass_by(timedelta(hours=2))

    assert 'value="email" checked' in before
    assert 'value="email">' in await show(served, path)


@pytest.mark.req("D48", "blocks")
async def test_the_page_asks_for_no_reason(served: Served, path: str) -> None:
    page = await show(served, path)

    assert "<textarea" not in page
    assert set(re.findall(r'<input type="(\w+)"', page)) == {"checkbox", "hidden"}


@pytest.mark.parametrize("end", ["", "0" * 32, "ğ"])
async def test_an_address_that_is_not_ours_is_not_found(
    bank: Tenant, served: Served, path: str, end: str
) -> None:
    made_up = f"{path.rpartition('.')[0]}.{end}"
    async with served.client() as client:
        answers = [await client.get(made_up), await client.post(made_up, data=SHOWN)]

    assert [one.status_code for one in answers] == [404, 404]
    assert await said(bank) == [("sms", "granted", "branch")]


async def test_the_address_of_a_mails_refusal_opens_no_page(served: Served, path: str) -> None:
    customer_id = path.rpartition("/")[2].partition(".")[0]
    token = served.desk.one_click.url(customer_id).rpartition("/")[2]

    async with served.client() as client:
        assert (await client.get(f"/preferences/{token}")).status_code == 404


async def test_nobody_has_a_page_who_is_no_customer(bank: Tenant) -> None:
    answer = await bank.client.get("/v1/customers/nobody/preferences/link")

    assert answer.status_code == 404


@pytest.mark.parametrize(("locale", "language"), [("pl-PL", "pl"), ("en", "en"), ("fr", "en")])
async def test_the_page_speaks_his_language(
    bank: Tenant, served: Served, path: str, locale: str, language: str
) -> None:
    await put_customer(bank, locale=locale, contacts=CONTACTS)

    page = await show(served, path)

    assert f'<html lang="{language}">' in page
    assert "<script" not in page


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1200)])
async def test_a_browser_finds_nothing_that_keeps_people_out(
    served: Served, path: str, tmp_path: Path, scheme: str, width: int
) -> None:
    page = await choose(served, path, topic="tariff_change")

    found = await asyncio.to_thread(found_by_axe, page, tmp_path, scheme, width)

    assert found["violations"] == []
    assert found["passes"] > 15
    assert found["wide"] <= max(found["width"], 500)
