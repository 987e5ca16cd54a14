"""The worker is killed in the middle of stories; they end as expected and nobody hears twice."""

import asyncio

import pytest

from tellal.stack.stack import Stack
from tellal.stories.programme import house_settings, play
from tellal.stories.scene import StoryResult

pytestmark = pytest.mark.e2e

STORIES = ("distributor", "outage")


@pytest.fixture(scope="module")
async def told() -> tuple[dict[str, StoryResult], list[str]]:
    """Play stories on a stack whose worker is killed at every moment that they name."""
    killed: list[str] = []
    with Stack(settings=house_settings(), ui=False) as stack:

        async def kill(moment: str) -> None:
            killed.append(moment)
            await asyncio.to_thread(stack.worker.kill)
            await asyncio.to_thread(stack.worker.start)

        results = await play(stack, STORIES, print, kill)
    return {result.id: result for result in results}, killed


@pytest.mark.parametrize("story", [pytest.param(story, id=story) for story in STORIES])
async def test_a_killed_worker_changes_nothing_for_the_people(
    told: tuple[dict[str, StoryResult], list[str]], story: str
) -> None:
    results, killed = told

    assert {"routed", "resolved", "confirmed", "telling"} <= set(killed)
    assert results[story].observed == results[story].expected
    assert results[story].ok
