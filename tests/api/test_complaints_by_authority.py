"""A complaint that came over an authority: silent at once, due by a day, proved by a bundle."""

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tellal.domain.errors import InvalidInputError
from tellal.metrics import LEDGER
from tellal.services.bundles import unpack
from tellal.services.complaint_bundle import bundle_complaint
from tellal.services.consent_evidence import check_evidence
from tellal.services.gauges import Gauges
from tests.support.api import Served, Tenant, log_in, put_customer

KEY = Ed25519PrivateKey.generate()
TOPIC = "phishing_awareness"


async def complain(tenant: Tenant, **said: object) -> tuple[int, dict[str, Any]]:
    body = {"customer": "ayse", "topic": TOPIC, "source": "letter", **said}
    answer = await tenant.client.post("/v1/complaints", json=body)
    return answer.status_code, answer.json()


async def close(tenant: Tenant, complaint: str, **said: object) -> tuple[int, dict[str, Any]]:
    body = {"resume": False, **said}
    answer = await tenant.client.post(f"/v1/complaints/{complaint}/close", json=body)
    return answer.status_code, answer.json()


async def awaited(tenant: Tenant) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await tenant.client.get("/v1/reports/complaints")).json()
    return found


@pytest.mark.req("C08", "blocks")
@pytest.mark.req("D54", "allows")
@pytest.mark.parametrize("authority", ["e_devlet", "ministry", "provincial_directorate", "btk"])
async def test_what_came_over_an_authority_silences_at_once_and_has_a_day(
    bank: Tenant, authority: str
) -> None:
    await put_customer(bank)

    status, filed = await complain(bank, authority=authority, file_number="2026/17")
    decided = (await log_in(bank))["decisions"]

    assert status == 201
    assert (filed["authority"], filed["received_at"][:10]) == (authority, "2026-03-02")
    assert filed["due_at"] == {
        "btk": "2026-03-16T21:00:00Z",
    }.get(authority, "2026-03-17T21:00:00Z")
    assert [one["reason"] for one in decided if one["topic"] == TOPIC] == ["complained"]


@pytest.mark.req("D54", "blocks")
@pytest.mark.req("D54", "allows")
async def test_a_day_that_the_letter_names_is_taken_and_an_unknown_authority_is_not(
    bank: Tenant,
) -> None:
    await put_customer(bank)

    _, named = await complain(bank, authority="e_devlet", due_at="2026-03-09T21:00:00Z")
    unknown, problem = await complain(bank, authority="e_devlt")
    future, _ = await complain(bank, authority="btk", received_at="2099-01-01T00:00:00Z")
    _, plain = await complain(bank)

    assert named["due_at"] == "2026-03-09T21:00:00Z"
    assert (unknown, problem["errors"][0]["field"]) == (422, "authority")
    assert "e_devlet" in problem["errors"][0]["hint"]
    assert future == 422
    assert plain["due_at"] is None


@pytest.mark.req("D54", "blocks")
@pytest.mark.req("D54", "allows")
async def test_it_is_watched_until_it_is_closed_with_an_answer(
    bank: Tenant, served: Served
) -> None:
    await put_customer(bank)
    _, filed = await complain(bank, authority="e_devlet")
    gauges = Gauges(served.sessions, served.clock)
    seen = []

    async def look() -> None:
        await gauges.read()
        [one] = await awaited(bank)
        seen.append((one["stage"], *(sample(stage) for stage in ("close", "late"))))

    def sample(stage: str) -> float | None:
        return LEDGER.get_sample_value("tellal_complaints_to_answer", {"stage": stage})

    await gauges.read()
    before = (sample("close"), sample("late"))
    await look()
    served.clock.pass_by(timedelta(days=11))
    await look()
    served.clock.pass_by(timedelta(days=5))
    await look()
    unanswered, problem = await close(bank, filed["id"])
    closed, answered = await close(bank, filed["id"], answer="Sent on 18 March, no. 4")
    await gauges.read()

    assert [stage for stage, *_ in seen] == ["open", "close", "late"]
    assert seen[0][1:] == before
    assert (seen[1][1] or 0) >= 1
    assert (seen[2][2] or 0) >= 1
    assert (unanswered, problem["errors"][0]["field"]) == (422, "answer")
    assert (closed, answered["answer"]) == (200, "Sent on 18 March, no. 4")
    assert await awaited(bank) == []
    assert sample("late") == (seen[2][2] or 0) - 1


@pytest.mark.req("C08", "allows")
@pytest.mark.req("D54", "allows")
async def test_its_bundle_holds_consents_the_message_and_why_it_was_sent(
    bank: Tenant, served: Served
) -> None:
    await put_customer(bank)
    said = {"channel": "sms", "state": "granted", "source": "branch", "evidence": {"form": "K1"}}
    await bank.client.post("/v1/customers/ayse/consents", json=said)
    await log_in(bank)
    messages = (await bank.client.get("/v1/messages", params={"customer": "ayse"})).json()["items"]
    [message] = [one["id"] for one in messages if one["topic"] == TOPIC]
    _, filed = await complain(bank, topic="", message=message, authority="btk", text="Yeter")

    async with served.sessions() as tx:
        content = await bundle_complaint(
            tx,
            served.desk.complaints,
            bank.brand,
            filed["id"],
            key=KEY,
            clock=served.clock,
        )

    opened = unpack(content, KEY.public_key())
    evidence = check_evidence(content, KEY.public_key())
    complaint = json.loads(opened.files["complaint.json"])
    [told] = json.loads(opened.files["messages.json"])
    with pytest.raises(InvalidInputError, match="it was changed"):
        check_evidence(content.replace(b"Yeter", b"Eyvah"), KEY.public_key())
    assert (opened.faults, evidence.faults, evidence.records) == ((), (), 1)
    assert (complaint["text"], complaint["authority"]) == ("Yeter", "btk")
    assert "filed_by" not in complaint
    assert told["message"]["id"] == message
    assert told["message"]["address"] == "+905320000101"
    assert told["decisions"][0]["body"]["trace"]


async def test_without_a_key_there_is_no_bundle_and_the_answer_says_what_to_do(
    bank: Tenant,
) -> None:
    await put_customer(bank)
    _, filed = await complain(bank, authority="btk")

    answer = await bank.client.get(f"/v1/complaints/{filed['id']}/bundle")

    assert answer.status_code == 422
    assert "openssl" in str(answer.json())
