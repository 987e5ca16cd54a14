"""Who goes first in a worker when somebody rings for a lane."""

import asyncio
from collections import Counter

import pytest

from activities.right_of_way import RightOfWay
from tellal.domain.channels import Lane


@pytest.fixture
def rings() -> Counter[Lane]:
    return Counter()


@pytest.fixture
def way(rings: Counter[Lane]) -> RightOfWay:
    return RightOfWay(lambda lane: rings[lane])


def test_lanes_below_wait_from_the_ring_until_the_lane_above_has_looked(
    way: RightOfWay, rings: Counter[Lane]
) -> None:
    with way.at_work(Lane.JOURNEYS), way.at_work(Lane.BULK):
        before = way.is_free(Lane.BULK)
        rings[Lane.JOURNEYS] += 1
        meanwhile = {lane: way.is_free(lane) for lane in Lane}
        way.looked(Lane.JOURNEYS, 1)
        after = way.is_free(Lane.BULK)

    assert (before, after) == (True, True)
    assert meanwhile == {Lane.CRITICAL: True, Lane.JOURNEYS: True, Lane.BULK: False}


def test_a_ring_during_the_look_counts(way: RightOfWay, rings: Counter[Lane]) -> None:
    with way.at_work(Lane.CRITICAL):
        rings[Lane.CRITICAL] += 2
        way.looked(Lane.CRITICAL, 1)

        assert not way.is_free(Lane.BULK)


def test_nobody_waits_for_a_lane_that_another_worker_looks_after(
    way: RightOfWay, rings: Counter[Lane]
) -> None:
    with way.at_work(Lane.CRITICAL):
        pass
    rings[Lane.CRITICAL] += 1

    assert way.is_free(Lane.BULK)


async def test_a_lane_above_that_never_looks_stops_nobody_for_ever(
    way: RightOfWay, rings: Counter[Lane]
) -> None:
    with way.at_work(Lane.CRITICAL):
        rings[Lane.CRITICAL] += 1
        gave_way = not way.is_free(Lane.BULK)
        await asyncio.wait_for(way.wait(Lane.BULK), 10)

    assert gave_way
