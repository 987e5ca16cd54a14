"""Who goes first in a worker when somebody rings for a lane."""

import asyncio
from collections import Counter

import pytest

from activities.right_of_way import RightOfWay
from tellal.domain.channels import Lane


class Bell:
    """Rings when a test says so."""

    def __init__(self) -> None:
        self.rung: Counter[Lane] = Counter()

    def rings(self, lane: Lane) -> int:
        return self.rung[lane]


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def way(bell: Bell) -> RightOfWay:
    return RightOfWay(bell)


@pytest.mark.req("D68", "blocks")
@pytest.mark.req("D68", "allows")
def test_lanes_below_wait_from_the_ring_until_the_lane_above_has_looked(
    way: RightOfWay, bell: Bell
) -> None:
    with way.at_work(Lane.JOURNEYS), way.at_work(Lane.BULK):
        before = way.is_free(Lane.BULK)
        bell.rung[Lane.JOURNEYS] += 1
        meanwhile = {lane: way.is_free(lane) for lane in Lane}
        way.looked(Lane.JOURNEYS, 1)
        after = way.is_free(Lane.BULK)

    assert (before, after) == (True, True)
    assert meanwhile == {Lane.CRITICAL: True, Lane.JOURNEYS: True, Lane.BULK: False}


def test_a_ring_during_the_look_counts(way: RightOfWay, bell: Bell) -> None:
    with way.at_work(Lane.CRITICAL):
        bell.rung[Lane.CRITICAL] += 2
        way.looked(Lane.CRITICAL, 1)

        assert not way.is_free(Lane.BULK)


@pytest.mark.req("D68", "allows")
def test_nobody_waits_for_a_lane_that_another_worker_looks_after(
    way: RightOfWay, bell: Bell
) -> None:
    with way.at_work(Lane.CRITICAL):
        pass
    bell.rung[Lane.CRITICAL] += 1

    assert way.is_free(Lane.BULK)


async def test_a_lane_above_that_never_looks_stops_nobody_for_ever(
    way: RightOfWay, bell: Bell
) -> None:
    with way.at_work(Lane.CRITICAL):
        bell.rung[Lane.CRITICAL] += 1
        gave_way = not way.is_free(Lane.BULK)
        await asyncio.wait_for(way.wait(Lane.BULK), 10)

    assert gave_way


async def test_a_lane_may_take_more_when_nobody_has_rung_above_for_a_while(
    way: RightOfWay, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.right_of_way._QUIET_S", 0.05)
    with way.at_work(Lane.CRITICAL), way.at_work(Lane.BULK):
        quiet = {lane: way.is_quiet_above(lane) for lane in Lane}
        bell.rung[Lane.CRITICAL] += 1
        rung = way.is_quiet_above(Lane.BULK)
        way.looked(Lane.CRITICAL, 1)
        just_before = way.is_quiet_above(Lane.BULK)
        await asyncio.sleep(0.06)
        later = way.is_quiet_above(Lane.BULK)

    assert quiet == {Lane.CRITICAL: False, Lane.JOURNEYS: True, Lane.BULK: True}
    assert (rung, just_before, later) == (False, False, True)
