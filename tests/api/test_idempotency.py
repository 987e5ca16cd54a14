"""A write that is repeated with its key happens once."""

import asyncio
import json
from collections.abc import Mapping

import httpx
import pytest
from sqlalchemy import func, select

from tellal.persistence.columns import table
from tellal.persistence.tables.brands import IdempotencyRow
from tellal.persistence.tables.customers import EventRow
from tellal.persistence.tables.operations import CaseRow
from tellal.services.idempotency import Request, claim
from tests.support.api import Served, Tenant, log_in, put_customer

_cases = table(CaseRow).c
_events = table(EventRow).c

LOGIN = {
    "customer": "ayse",
    "type": "login",
    "data": {"method": "password", "surface": "web", "can_show_banner": False},
}
CASE = {"customer": "ayse", "channel": "web", "subject": "The meter shows too much"}


@pytest.fixture(autouse=True)
async def ayse(bank: Tenant) -> None:
    await put_customer(bank)


async def post(
    tenant: Tenant, path: str, body: Mapping[str, object], key: str = "one"
) -> httpx.Response:
    return await tenant.client.post(path, json=body, headers={"Idempotency-Key": key})


async def test_twenty_repeats_at_once_have_one_effect(bank: Tenant, served: Served) -> None:
    answers = await asyncio.gather(*(post(bank, "/v1/cases", CASE) for _ in range(20)))

    done = [answer for answer in answers if answer.status_code != 409]
    waited = [answer for answer in answers if answer.status_code == 409]
    assert {answer.status_code for answer in done} == {201}
    assert len({answer.content for answer in done}) == 1
    assert sum("Idempotent-Replay" not in answer.headers for answer in done) == 1
    assert all(answer.headers["Retry-After"] for answer in waited)
    assert {answer.json()["code"] for answer in waited} <= {"still_running"}
    async with served.sessions() as tx:
        query = select(func.count()).where(_cases.brand_id == bank.brand.id)
        assert (await tx.execute(query)).scalar_one() == 1


async def test_a_repeat_is_answered_byte_for_byte(bank: Tenant, served: Served) -> None:
    first = await post(bank, "/v1/events", LOGIN)

    again = await post(bank, "/v1/events", LOGIN)

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert again.headers["Idempotent-Replay"] == "true"
    async with served.sessions() as tx:
        query = select(func.count()).where(_events.brand_id == bank.brand.id)
        assert (await tx.execute(query)).scalar_one() == 1


async def test_an_answer_without_a_body_is_repeated_too(bank: Tenant) -> None:
    login = await log_in(bank, can_show_banner=True)
    path = f"/v1/messages/{login['banner']['message_id']}/shown"

    answers = [await post(bank, path, {}), await post(bank, path, {})]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert "Idempotent-Replay" in answers[1].headers


async def test_blanks_and_the_order_of_keys_make_no_other_request(bank: Tenant) -> None:
    await post(bank, "/v1/cases", CASE)

    again = await bank.client.post(
        "/v1/cases",
        content=json.dumps(dict(reversed(CASE.items())), indent=2),
        headers={"Idempotency-Key": "one", "Content-Type": "application/json"},
    )

    assert again.status_code == 201
    assert "Idempotent-Replay" in again.headers


async def test_another_body_under_the_same_key_is_refused(bank: Tenant) -> None:
    await post(bank, "/v1/cases", CASE)

    other = await post(bank, "/v1/cases", {**CASE, "subject": "Something else"})

    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_a_key_belongs_to_one_address(bank: Tenant) -> None:
    await put_customer(bank, "mehmet")
    body = {"channel": "email", "state": "granted", "source": "branch"}

    first = await post(bank, "/v1/customers/ayse/consents", body)
    other = await post(bank, "/v1/customers/mehmet/consents", body)

    assert [first.status_code, other.status_code] == [201, 201]
    assert "Idempotent-Replay" not in other.headers


async def test_a_key_belongs_to_one_caller(bank: Tenant, distributor: Tenant) -> None:
    await put_customer(distributor)
    await post(bank, "/v1/cases", CASE)

    other = await post(distributor, "/v1/cases", CASE)

    assert other.status_code == 201
    assert "Idempotent-Replay" not in other.headers


async def test_a_repeat_under_the_rotated_key_is_a_repeat(bank: Tenant, served: Served) -> None:
    first = await post(bank, "/v1/cases", CASE)
    rotated = await bank.client.post(f"/v1/keys/{bank.key.id}/rotate", json={})

    async with served.client(rotated.json()["token"]) as client:
        again = await client.post("/v1/cases", json=CASE, headers={"Idempotency-Key": "one"})

    assert again.content == first.content
    assert "Idempotent-Replay" in again.headers


async def test_a_refused_request_may_be_corrected_under_its_key(bank: Tenant) -> None:
    refused = await post(bank, "/v1/cases", {**CASE, "customer": "nobody"})

    corrected = await post(bank, "/v1/cases", CASE)

    assert refused.status_code == 404
    assert corrected.status_code == 201


async def test_a_repeat_while_the_first_runs_is_told_to_come_back(
    bank: Tenant, served: Served
) -> None:
    caller = f"{bank.brand.id}/{bank.key.name}"
    first = Request(caller=caller, route="POST /v1/cases", key="one", digest="")
    async with served.sessions() as tx, tx.begin():
        await claim(tx, first, now=served.clock.now())

        meanwhile = await post(bank, "/v1/cases", CASE)
        await tx.rollback()

    assert meanwhile.status_code == 409
    assert meanwhile.json()["code"] == "still_running"
    assert int(meanwhile.headers["Retry-After"]) > 0
    assert (await post(bank, "/v1/cases", CASE)).status_code == 201


async def test_without_a_key_every_request_counts(bank: Tenant, served: Served) -> None:
    for _ in range(2):
        await bank.client.post("/v1/events", json=LOGIN)

    async with served.sessions() as tx:
        kept = table(IdempotencyRow).c
        query = select(func.count()).where(kept.caller_id.startswith(bank.brand.id))
        assert (await tx.execute(query)).scalar_one() == 0
        told = select(func.count()).where(_events.brand_id == bank.brand.id)
        assert (await tx.execute(told)).scalar_one() == 2


@pytest.mark.parametrize("key", [pytest.param("", id="empty"), pytest.param("k" * 256, id="long")])
async def test_a_key_that_cannot_be_is_refused(bank: Tenant, key: str) -> None:
    answer = await post(bank, "/v1/cases", CASE, key)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
