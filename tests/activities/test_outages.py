"""An audience is decided page by page; a try that died is gone on with where it was."""

import asyncio
from dataclasses import replace

from temporalio.testing import ActivityEnvironment

from activities.outages import AboutOutage, OutageActivities, WatchOutage
from tests.support.waiting import until


class Pages:
    """Four pages; the third is held until the test lets it go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.held: asyncio.Event | None = None
        self.left = [2, 0]

    async def decide_page(self, outage_id: str, after: str, limit: int) -> str | None:
        assert outage_id
        assert limit
        self.asked.append(after)
        if after == "2" and self.held is not None:
            await self.held.wait()
        page = int(after or 0) + 1
        return str(page) if page < 4 else None

    async def open_outcomes(self, outage_id: str) -> int:
        assert outage_id
        return self.left.pop(0)


async def test_a_slow_page_beats_with_where_it_began_and_another_try_begins_there() -> None:
    desk, beats = Pages(), list[str]()
    desk.held = asyncio.Event()
    activities, about = OutageActivities(desk), AboutOutage(outage_id="u1")
    dying = ActivityEnvironment()
    dying.on_heartbeat = beats.append

    async def it_has_beaten() -> bool:
        return "2" in beats

    trying = asyncio.create_task(dying.run(activities.decide_audience, about))
    await until(it_has_beaten)
    trying.cancel()
    desk.held.set()
    retrying = ActivityEnvironment()
    retrying.info = replace(retrying.info, heartbeat_details=[beats[-1]])
    pages = await retrying.run(activities.decide_audience, about)

    assert desk.asked == ["", "1", "2", "2", "3"]
    assert pages == 2


async def test_watching_ends_when_nobody_is_in_the_open() -> None:
    desk = Pages()

    watch = WatchOutage(outage_id="u1", at_most_s=60)
    left = await ActivityEnvironment().run(OutageActivities(desk).watch, watch)

    assert (left, desk.left) == (0, [])


async def test_watching_ends_after_a_while_and_says_how_many_are_left() -> None:
    watch = WatchOutage(outage_id="u1", at_most_s=0)

    assert await ActivityEnvironment().run(OutageActivities(Pages()).watch, watch) == 2
