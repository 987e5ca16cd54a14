"""What the public sees while the database is slow: the last state, and at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from tellal.domain.customers import Brand
from tellal.persistence.session import Sessions
from tellal.services.status_board import Shown, StatusBoard
from tellal.settings import Settings
from tests.support.builders import a_brand
from tests.support.house import SetClock
from tests.support.public import INCIDENTS, NOON, an_outage
from tests.support.waiting import until

pytestmark = pytest.mark.req("B05")


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


def a_board(sessions: Sessions, fresh_for_s: float = 0) -> StatusBoard:
    settings = Settings(status_fresh_s=fresh_for_s)
    return StatusBoard(sessions, SetClock(NOON), INCIDENTS, settings)


@asynccontextmanager
async def nobody_can_read(sessions: Sessions) -> AsyncIterator[None]:
    async with sessions() as tx:
        await tx.execute(text("LOCK TABLE outages IN ACCESS EXCLUSIVE MODE"))
        yield
        await tx.rollback()


async def test_while_one_waits_for_the_database_all_others_are_answered(
    sessions: Sessions, brand: Brand
) -> None:
    board = a_board(sessions)
    loop = asyncio.get_running_loop()
    answered: list[tuple[float, Shown]] = []

    async def ask() -> None:
        began = loop.time()
        shown = await board.show()
        answered.append((loop.time() - began, shown))

    await board.show()
    async with nobody_can_read(sessions):
        await asyncio.gather(*(ask() for _ in range(20)))
        await ask()

    waited = sorted(took for took, _ in answered)
    assert {shown.snapshot.brand.name for _, shown in answered} == {brand.name}
    assert waited[-1] < 4
    assert waited[-2] < 0.5
    assert answered[-1][1].stale

    async def is_fresh_again() -> bool:
        return not (await board.show()).stale

    await until(is_fresh_again)


async def test_the_database_is_asked_once_in_a_while_however_many_ask(
    sessions: Sessions, brand: Brand
) -> None:
    board = a_board(sessions, fresh_for_s=3600)
    first = await board.show()
    async with sessions() as tx, tx.begin():
        await an_outage(tx, brand, "confirmed")

    again = await asyncio.gather(*(board.show() for _ in range(50)))

    assert {id(shown.snapshot) for shown in again} == {id(first.snapshot)}
    assert (await a_board(sessions).show()).snapshot.outages


async def test_what_is_written_is_written_once(sessions: Sessions, brand: Brand) -> None:
    board = a_board(sessions, fresh_for_s=3600)
    written: list[str] = []

    def write() -> str:
        written.append(brand.name)
        return "text"

    texts = [(await board.show()).text("tag", write) for _ in range(3)]

    assert texts == ["text"] * 3
    assert written == [brand.name]
