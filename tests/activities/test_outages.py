"""An audience is decided chunk by chunk; the ledger keeps how far that has come."""

import asyncio

from temporalio.testing import ActivityEnvironment

from activities.outages import AboutOutage, AboutRound, OutageActivities, WatchOutage
from tellal.domain.journeys import OutageStep
from tellal.domain.outages import OutageState
from tests.support.waiting import until


class Desk:
    """Two rounds of a few chunks; the one in the middle is held until the test lets it go."""

    def __init__(self) -> None:
        self.chunks = {"first": 4, "second": 1}
        self.asked: list[str] = []
        self.held: asyncio.Event | None = None
        self.left = [2, 0]

    async def look(self, outage_id: str) -> OutageStep:
        assert outage_id
        return OutageStep(
            state=OutageState.CONFIRMED,
            stage="telling",
            undecided=tuple(one for one, left in self.chunks.items() if left),
            wait_until=None,
            open_outcomes=1,
            over=False,
        )

    async def decide_chunk(self, notice_id: str) -> bool:
        self.asked.append(notice_id)
        if len(self.asked) == 3 and self.held is not None:
            await self.held.wait()
        self.chunks[notice_id] -= 1
        return self.chunks[notice_id] > 0

    async def open_outcomes(self, outage_id: str) -> int:
        assert outage_id
        return self.left.pop(0)


async def test_a_slow_chunk_beats_and_another_try_goes_on_where_the_ledger_is() -> None:
    desk, beats = Desk(), list[None]()
    desk.held = asyncio.Event()
    activities, about = OutageActivities(desk), AboutRound(notice_id="first")
    dying = ActivityEnvironment()
    dying.on_heartbeat = lambda *_: beats.append(None)

    async def it_has_beaten() -> bool:
        return len(beats) > 1 and len(desk.asked) == 3

    trying = asyncio.create_task(dying.run(activities.decide_round, about))
    await until(it_has_beaten)
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    desk.held = None
    again = await ActivityEnvironment().run(activities.decide_round, about)

    assert desk.chunks["first"] == 0
    assert again == 1


async def test_runs_from_before_there_were_rounds_have_all_of_them_decided() -> None:
    desk = Desk()

    await ActivityEnvironment().run(
        OutageActivities(desk).decide_audience, AboutOutage(outage_id="u1")
    )

    assert desk.chunks == {"first": 0, "second": 0}


async def test_watching_ends_when_nobody_is_in_the_open() -> None:
    desk = Desk()

    watch = WatchOutage(outage_id="u1", at_most_s=60)
    left = await ActivityEnvironment().run(OutageActivities(desk).watch, watch)

    assert (left, desk.left) == (0, [])


async def test_watching_ends_after_a_while_and_says_how_many_are_left() -> None:
    watch = WatchOutage(outage_id="u1", at_most_s=0)

    assert await ActivityEnvironment().run(OutageActivities(Desk()).watch, watch) == 2
