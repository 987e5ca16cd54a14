"""Asking the API why, of somebody of whom nobody asked."""

from tests.support.api import Tenant, log_in, put_customer


async def test_a_customer_who_was_never_in_an_audience_is_explained(bank: Tenant) -> None:
    await put_customer(bank)

    answer = await bank.client.get(
        "/v1/decisions/explain", params={"customer": "ayse", "topic": "iscep_promo"}
    )

    said = answer.json()
    assert answer.status_code == 200
    assert (said["rules"], said["facts"], said["decision_id"]) == ("now", "now", None)
    assert said["decision"]["verdict"] == "suppress"
    assert said["decision"]["reasons"][0]["code"] == "no_consent"
    assert said["told"][0].startswith("iscep_promo: suppress at ")
    listed = await bank.client.get("/v1/decisions", params={"customer": "ayse"})
    assert listed.json()["items"] == []


async def test_a_moment_has_an_offset_and_a_topic_is_known(bank: Tenant) -> None:
    await put_customer(bank)
    asked = {"customer": "ayse", "topic": "iscep_promo"}

    async def status(**other: str) -> int:
        answer = await bank.client.get("/v1/decisions/explain", params={**asked, **other})
        return answer.status_code

    assert await status(at="2026-03-01T12:00:00+03:00") == 200
    assert await status(at="2026-03-01T12:00:00") == 422
    assert await status(topic="weather") == 422
    assert await status(customer="nobody") == 404


async def test_what_was_known_of_a_person_is_not_shown_with_a_decision(bank: Tenant) -> None:
    await put_customer(bank, attributes={"age": 34})
    await log_in(bank)

    listed = await bank.client.get("/v1/decisions", params={"customer": "ayse"})

    assert listed.json()["items"]
    assert all("asked" not in one for one in listed.json()["items"])
