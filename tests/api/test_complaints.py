"""Annoyance ends when somebody says so, and can be seen by whoever causes it."""

from datetime import timedelta
from typing import Any

import pytest

from tellal.services.keys import Scope, create_key
from tests.support.api import Served, Tenant, Tenants, log_in, put_customer

TOPIC = "phishing_awareness"
ADDRESSES = {"sms": "0532 000 01 01", "email": "ayse@example.com"}


async def complain(tenant: Tenant, **said: object) -> dict[str, Any]:
    body = {"customer": "ayse", "topic": TOPIC, "source": "call_centre", **said}
    answer = await tenant.client.post("/v1/complaints", json=body)
    assert answer.status_code == 201, answer.text
    filed: dict[str, Any] = answer.json()
    return filed


async def messages(tenant: Tenant) -> list[dict[str, Any]]:
    answer = await tenant.client.get("/v1/messages", params={"customer": "ayse"})
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def decided(tenant: Tenant) -> str:
    """Have the customer log in; return what was decided, or why she is not told."""
    await log_in(tenant)
    params = {"customer": "ayse", "topic": TOPIC}
    decision = (await tenant.client.get("/v1/decisions", params=params)).json()["items"][0]
    return str(decision["reason"] or decision["verdict"])


@pytest.mark.req("A10", "blocks")
async def test_a_complaint_ends_what_waits_and_silences_the_topic(bank: Tenant) -> None:
    await put_customer(bank)
    assert await decided(bank) == "send"
    [waiting] = await messages(bank)

    filed = await complain(bank, topic="", message=waiting["id"], text="I know that by now")

    [ended] = await messages(bank)
    assert (filed["topic"], filed["message_id"]) == (TOPIC, waiting["id"])
    assert (ended["state"], ended["code"]) == ("cancelled", "complained")
    assert await decided(bank) == "complained"
    customer = (await bank.client.get("/v1/customers/ayse")).json()
    assert customer["preferences"]["complained"] == [TOPIC]


@pytest.mark.req("A10", "blocks")
@pytest.mark.req("A10", "allows")
async def test_a_closed_complaint_goes_on_to_silence_until_she_wants_to_hear_again(
    bank: Tenant,
) -> None:
    await put_customer(bank)
    filed = await complain(bank)

    async def close(*, resume: bool) -> tuple[int, dict[str, Any]]:
        answer = await bank.client.post(
            f"/v1/complaints/{filed['id']}/close", json={"resume": resume}
        )
        return answer.status_code, answer.json()

    _, closed = await close(resume=False)
    silent = await decided(bank)
    closed_again = await close(resume=False)
    _, resumed = await close(resume=True)
    resumed_again = await close(resume=True)

    assert (closed["closed_by"], closed["resumed"], silent) == ("crm", False, "complained")
    assert (resumed["closed_at"], resumed["resumed_by"]) == (closed["closed_at"], "crm")
    assert await decided(bank) == "send"
    for status, problem in (closed_again, resumed_again):
        assert (status, problem["code"]) == (409, "complaint_closed")


@pytest.mark.req("A10", "blocks")
async def test_her_words_can_be_erased_and_are_kept_in_no_answer(bank: Tenant) -> None:
    await put_customer(bank)
    body = {"customer": "ayse", "topic": TOPIC, "source": "web", "text": "I am not your Ayşe"}
    key = {"Idempotency-Key": "k"}
    first = await bank.client.post("/v1/complaints", json=body, headers=key)
    repeat = await bank.client.post("/v1/complaints", json=body, headers=key)
    path = f"/v1/complaints/{first.json()['id']}/erase"

    erased = await bank.client.post(path, json={"by": "Ece"})
    again = await bank.client.post(path)

    assert (first.json()["text"], repeat.json()["text"]) == ("I am not your Ayşe", "")
    assert repeat.headers["Idempotent-Replay"] == "true"
    assert (erased.json()["text"], erased.json()["erased_by"]) == ("", "crm (Ece)")
    assert (again.status_code, again.json()) == (200, erased.json())
    [listed] = (await bank.client.get("/v1/complaints")).json()["items"]
    assert listed == erased.json()
    assert await decided(bank) == "complained"


@pytest.mark.req("A10", "allows")
async def test_a_complaint_that_is_taken_back_lets_the_topic_speak(bank: Tenant) -> None:
    await put_customer(bank)
    filed = await complain(bank)

    await bank.client.post(
        f"/v1/complaints/{filed['id']}/close", json={"resume": True, "by": "Ece"}
    )

    assert await decided(bank) == "send"
    listed = (await bank.client.get("/v1/complaints", params={"customer": "ayse"})).json()["items"]
    assert [(one["id"], one["resumed"], one["closed_by"]) for one in listed] == [
        (filed["id"], True, "crm (Ece)")
    ]


@pytest.mark.req("A10", "allows")
async def test_what_the_law_orders_is_told_in_spite_of_a_complaint(bank: Tenant) -> None:
    await put_customer(bank)
    await complain(bank, topic="security_alert")

    answer = await bank.client.post(
        "/v1/events", json={"customer": "ayse", "type": "suspicious_login"}
    )

    [told] = answer.json()["decisions"]
    decision = (await bank.client.get(f"/v1/decisions/{told['id']}")).json()
    assert (told["verdict"], decision["reasons"]) == ("send", [])
    assert [(one["code"], one["text"]) for one in decision["passed"]] == [
        ("complained", "He has complained of messages about this; the law orders it to be told")
    ]


@pytest.mark.parametrize(
    ("said", "status", "field"),
    [
        ({"topic": "phishing_awarenes"}, 422, "topic"),
        ({"topic": ""}, 422, "topic"),
        ({"message": "01M837NRNXEYD9M2SCPHQYZW89"}, 422, "topic"),
        ({"source": None}, 422, "source"),
        ({"customer": "nobody"}, 404, None),
        ({"topic": "", "message": "01M837NRNXEYD9M2SCPHQYZW89"}, 404, None),
    ],
)
async def test_a_complaint_of_nothing_is_refused(
    bank: Tenant, said: dict[str, str], status: int, field: str | None
) -> None:
    await put_customer(bank)
    body = {"customer": "ayse", "topic": TOPIC, "source": "web", **said}

    answer = await bank.client.post("/v1/complaints", json=body)

    assert answer.status_code == status
    assert [one["field"] for one in answer.json().get("errors", [])] == ([field] if field else [])


async def test_another_brands_complaint_is_none_of_yours(bank: Tenant, tenants: Tenants) -> None:
    await put_customer(bank)
    filed = await complain(bank)
    other = await tenants.make("grid")

    path = f"/v1/complaints/{filed['id']}"

    closed = await other.client.post(f"{path}/close", json={"resume": True})
    erased = await other.client.post(f"{path}/erase")
    wished = await other.client.patch("/v1/customers/ayse/preferences", json={"service_only": True})

    assert [one.status_code for one in (closed, erased, wished)] == [404, 404, 404]
    assert (await other.client.get("/v1/complaints")).json()["items"] == []


async def test_a_complaint_is_in_earnest_and_filed_by_no_rehearsal(
    bank: Tenant, served: Served
) -> None:
    await put_customer(bank)
    async with served.sessions() as tx, tx.begin():
        scopes = [Scope.COMPLAINTS_WRITE]
        _, token = await create_key(
            tx, bank.brand.id, "rehearsal", scopes, now=served.clock.now(), rehearses=True
        )
    body = {"customer": "ayse", "topic": TOPIC, "source": "web"}

    async with served.client(token) as rehearsing:
        refused = await rehearsing.post("/v1/complaints", json=body)

    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_rehearsal")
    assert await decided(bank) == "send"


async def test_complaints_need_a_scope(tenants: Tenants) -> None:
    reader = await tenants.make("reader", [Scope.COMPLAINTS_READ])
    body = {"customer": "ayse", "topic": TOPIC, "source": "web"}

    assert (await reader.client.post("/v1/complaints", json=body)).status_code == 403
    params = {"from": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}
    assert (await reader.client.get("/v1/reports/annoyance", params=params)).status_code == 403


@pytest.mark.req("A11", "blocks")
@pytest.mark.req("A11", "allows")
async def test_service_messages_only_is_one_switch(bank: Tenant) -> None:
    """As at the peer bank: of what concerns her she hears, and never "install our app"."""
    contacts = [{"channel": channel, "address": address} for channel, address in ADDRESSES.items()]
    await put_customer(bank, contacts=contacts)
    for channel in ADDRESSES:
        consent = {"channel": channel, "state": "granted", "source": "web"}
        await bank.client.post("/v1/customers/ayse/consents", json=consent)

    async def happens(type: str, **data: object) -> dict[str, str]:
        body = {"customer": "ayse", "type": type, "data": data}
        answer = await bank.client.post("/v1/events", json=body)
        assert answer.status_code == 200, answer.text
        return {one["topic"]: one["reason"] or one["verdict"] for one in answer.json()["decisions"]}

    path = "/v1/customers/ayse/preferences"
    await bank.client.put(path, json={"service_only": True})
    logged_in = await happens("login", method="password")
    warned = await happens("suspicious_login")
    await bank.client.put(path, json={"service_only": False})
    after = await happens("login", method="password")

    assert logged_in == {"iscep_promo": "service_only", TOPIC: "send"}
    assert warned == {"security_alert": "send"}
    assert after == {"iscep_promo": "send", TOPIC: "already_pending"}


@pytest.mark.req("A11")
async def test_one_preference_is_changed_and_the_other_stays(bank: Tenant) -> None:
    await put_customer(bank)
    path = "/v1/customers/ayse/preferences"
    await bank.client.put(path, json={"topics_off": [TOPIC]})

    async def change(**said: object) -> dict[str, Any]:
        answer = await bank.client.patch(path, json=said)
        assert answer.status_code == 200, answer.text
        preferences: dict[str, Any] = answer.json()["preferences"]
        return preferences

    assert await change(service_only=True) == {
        "service_only": True,
        "topics_off": [TOPIC],
        "complained": [],
    }
    # What the brand says of her anew leaves what she said herself.
    await put_customer(bank, first_name="Ayşe")
    assert (await change(topics_off=[]))["service_only"] is True


@pytest.mark.req("A11")
async def test_what_the_law_orders_cannot_be_turned_off(bank: Tenant) -> None:
    await put_customer(bank)

    answer = await bank.client.patch(
        "/v1/customers/ayse/preferences", json={"topics_off": ["security_alert"]}
    )

    assert answer.status_code == 422
    assert "the law orders" in answer.json()["errors"][0]["message"]


@pytest.mark.req("A14", "blocks")
@pytest.mark.req("A14", "allows")
async def test_whoever_is_under_age_when_it_is_decided_gets_no_promotion(
    bank: Tenant, served: Served
) -> None:
    contacts = [{"channel": "email", "address": "ayse@example.com"}]
    born = {"birth_date": "2008-03-03", "age": 19}
    await put_customer(bank, contacts=contacts, attributes=born)
    agreed = {"channel": "email", "state": "granted", "source": "branch"}
    await bank.client.post("/v1/customers/ayse/consents", json=agreed)

    async def promoted() -> str:
        told = await log_in(bank)
        [one] = [d for d in told["decisions"] if d["topic"] == "iscep_promo"]
        return str(one["reason"] or one["verdict"])

    on_the_eve = await promoted()
    served.clock.at = served.clock.at.replace(hour=21, minute=30)  # past midnight in Istanbul

    assert on_the_eve == "minor"
    assert await promoted() == "send"


@pytest.mark.req("A11", "blocks")
async def test_a_topic_can_be_turned_off(bank: Tenant) -> None:
    await put_customer(bank)

    answer = await bank.client.put("/v1/customers/ayse/preferences", json={"topics_off": [TOPIC]})
    wrong = await bank.client.put(
        "/v1/customers/ayse/preferences", json={"topics_off": ["fishing"]}
    )

    assert answer.json()["preferences"] == {
        "service_only": False,
        "topics_off": [TOPIC],
        "complained": [],
    }
    assert await decided(bank) == "topic_off"
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "topics_off")


@pytest.mark.req("A10", "allows")
async def test_the_report_shows_who_gets_how_much_and_what_annoys(
    bank: Tenant, served: Served
) -> None:
    await put_customer(bank)
    await put_customer(bank, "bora")
    await complain(bank)
    await decided(bank)
    now = served.clock.now()
    period = {
        "from": (now - timedelta(days=1)).isoformat(),
        "until": (now + timedelta(days=1)).isoformat(),
    }

    report = (await bank.client.get("/v1/reports/annoyance", params=period)).json()

    assert report["customers"] == {"0": 2, "1": 0, "2": 0, "3-5": 0, "6-10": 0, "11+": 0}
    assert report["suppressed"]["complained"] == 1
    [topic] = [one for one in report["topics"] if one["topic"] == TOPIC]
    assert (topic["messages"], topic["complaints"]) == (0, 1)
    backwards = {"from": period["until"], "until": period["from"]}
    refused = await bank.client.get("/v1/reports/annoyance", params=backwards)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "from")
