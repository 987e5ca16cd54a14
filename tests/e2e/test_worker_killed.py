"""The worker is killed in the middle of stories; they end as expected and nobody hears twice."""

import asyncio
from collections.abc import Iterator

import pytest

from tellal.settings import Settings
from tellal.stack.stack import Stack
from tellal.stories.programme import play

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(settings=Settings(rehearsal_speed=200), ui=False) as running:
        yield running


@pytest.mark.parametrize("story", ["distributor", "outage"])
async def test_a_killed_worker_changes_nothing_for_the_people(stack: Stack, story: str) -> None:
    killed: list[str] = []

    async def kill(moment: str) -> None:
        if moment in killed:
            return
        killed.append(moment)
        await asyncio.to_thread(stack.worker.kill)
        await asyncio.to_thread(stack.worker.start)

    results = await play(stack, [story], print, kill)

    assert killed
    assert results[0].observed == results[0].expected
