"""The rows behind Idempotency-Key: claimed before the effect, completed with it, kept a month."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tellal.domain.errors import InvalidInputError
from tellal.persistence.session import Sessions
from tellal.services.idempotency import (
    KEPT,
    Answer,
    Request,
    StillRunningError,
    claim,
    complete,
    purge,
)

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
REQUEST = Request(caller="brand/crm", route="POST /v1/events", key="one", digest="abc")
ANSWER = Answer(status=200, body='{"b": 1, "a": 2.50}')


async def answer(sessions: Sessions, request: Request = REQUEST, at: datetime = NOW) -> None:
    async with sessions() as tx, tx.begin():
        row_id = await claim(tx, request, now=at)
        assert isinstance(row_id, str)
        await complete(tx, row_id, ANSWER)


async def test_the_answer_comes_back_byte_for_byte(sessions: Sessions) -> None:
    await answer(sessions)

    async with sessions() as tx, tx.begin():
        assert await claim(tx, REQUEST, now=NOW) == ANSWER


async def test_an_effect_that_was_rolled_back_leaves_no_key(sessions: Sessions) -> None:
    async with sessions() as tx:
        await tx.begin()
        await claim(tx, REQUEST, now=NOW)
        await tx.rollback()

    async with sessions() as tx, tx.begin():
        assert isinstance(await claim(tx, REQUEST, now=NOW), str)


async def test_another_request_under_the_key_is_refused(sessions: Sessions) -> None:
    await answer(sessions)

    async with sessions() as tx:
        with pytest.raises(InvalidInputError, match="another request"):
            await claim(tx, replace(REQUEST, digest="other"), now=NOW)


async def test_a_repeat_gets_the_answer_of_a_first_that_ends_while_it_waits(
    sessions: Sessions,
) -> None:
    async with sessions() as first, first.begin():
        row_id = await claim(first, REQUEST, now=NOW)
        assert isinstance(row_id, str)

        async def again() -> str | Answer:
            async with sessions() as tx, tx.begin():
                return await claim(tx, REQUEST, now=NOW)

        repeat = asyncio.create_task(again())
        await complete(first, row_id, ANSWER)

    assert await repeat == ANSWER


async def test_a_repeat_does_not_wait_for_long(sessions: Sessions) -> None:
    async with sessions() as first, first.begin():
        await claim(first, REQUEST, now=NOW)

        async with sessions() as tx:
            with pytest.raises(StillRunningError):
                await claim(tx, REQUEST, now=NOW)


async def test_the_effect_itself_waits_for_locks_as_long_as_it_must(sessions: Sessions) -> None:
    async with sessions() as tx, tx.begin():
        usual = (await tx.execute(text("SHOW lock_timeout"))).scalar_one()
        await claim(tx, REQUEST, now=NOW)

        limit = (await tx.execute(text("SHOW lock_timeout"))).scalar_one()

    assert limit == usual


async def test_what_is_older_than_a_month_is_forgotten(sessions: Sessions) -> None:
    await answer(sessions, at=NOW - KEPT - timedelta(seconds=1))
    await answer(sessions, replace(REQUEST, key="two"), at=NOW - KEPT)

    async with sessions() as tx, tx.begin():
        gone = await purge(tx, now=NOW)

    assert gone == 1
    async with sessions() as tx, tx.begin():
        assert isinstance(await claim(tx, REQUEST, now=NOW), str)
        assert await claim(tx, replace(REQUEST, key="two"), now=NOW) == ANSWER


async def test_forgetting_goes_in_portions(sessions: Sessions) -> None:
    for n in range(3):
        await answer(sessions, replace(REQUEST, key=str(n)), at=NOW - KEPT - timedelta(days=1))

    async with sessions() as tx, tx.begin():
        portions = [await purge(tx, now=NOW, limit=2) for _ in range(3)]

    assert portions == [2, 1, 0]
