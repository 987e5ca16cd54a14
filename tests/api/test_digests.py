"""Digests as callers meet them, with the worker's loop beside the application."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.api import Served, Tenant, put_customer
from tests.support.waiting import until


@pytest.fixture
async def worker(served: Served) -> AsyncIterator[None]:
    """The loop of the worker that decides digests."""
    stop = asyncio.Event()
    loop = asyncio.create_task(served.desk.house.digests.run(stop))
    yield
    stop.set()
    await asyncio.wait_for(loop, timeout=10)


async def moves(tenant: Tenant, amount: str, key: str) -> dict[str, Any]:
    body = {
        "customer": "ayse",
        "type": "account_movement",
        "data": {"amount": amount, "direction": "out"},
    }
    answer = await tenant.client.post("/v1/events", json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def listed(tenant: Tenant, what: str) -> list[dict[str, Any]]:
    answer = await tenant.client.get(f"/v1/{what}", params={"customer": "ayse"})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.usefixtures("worker")
async def test_two_movements_become_one_message_when_the_hour_is_over(
    bank: Tenant, served: Served
) -> None:
    await put_customer(bank)
    first = await moves(bank, "120,00 TRY", "a")
    repeated = await moves(bank, "120,00 TRY", "a")
    second = await moves(bank, "75,00 TRY", "b")
    waiting = await listed(bank, "decisions")
    before = await listed(bank, "messages")

    served.clock.pass_by(timedelta(hours=1))

    async def told() -> bool:
        return len(await listed(bank, "messages")) == 1

    await until(told)
    assert first == repeated
    assert first["decisions"][0]["digest_id"] == second["decisions"][0]["digest_id"]
    assert [(one["verdict"], one["reason"]) for one in waiting] == [("digest", "in_digest")] * 2
    assert before == []
    newest, *earlier = await listed(bank, "decisions")
    assert newest["verdict"] == "send"
    assert {one["digest_id"] for one in (newest, *earlier)} == {first["decisions"][0]["digest_id"]}
    assert earlier == waiting


async def test_whoever_asks_why_hears_that_it_is_a_digest(bank: Tenant) -> None:
    await put_customer(bank)

    answer = await bank.client.get(
        "/v1/decisions/explain", params={"customer": "ayse", "topic": "account_movements"}
    )

    assert answer.json()["told"][-1].startswith("account_movements is a digest (movements.yaml:")
