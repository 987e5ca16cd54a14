"""Lanes at work on a real database: bounded, woken, and safe to kill at any moment."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from temporalio.testing import ActivityEnvironment

from activities.lanes import HandOverDesk, LaneActivities, WorkLane
from tellal.clock import SystemClock
from tellal.domain.channels import Lane
from tellal.domain.messages import NOT_CALLED, Answer, HandOver, OutgoingMessage, Remedy
from tellal.persistence.bell import Bell
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import AttemptRow
from tellal.services.posting import LANE_CHANNEL
from tests.support.builders import a_brand
from tests.support.carrier import CarrierProbe
from tests.support.desk import ACCEPTED, FakeSender, a_desk
from tests.support.lane_process import lanes_over_twilio
from tests.support.ledger import (
    NOON,
    a_cause,
    a_message,
    attempts,
    messages_of_a_brand,
    set_cause,
    states,
)
from tests.support.waiting import until

FOR_EVER = datetime(2100, 1, 1, tzinfo=UTC)
SLOTS = 4


@asynccontextmanager
async def at_work(lanes: LaneActivities) -> AsyncIterator[ActivityEnvironment]:
    """Keep a lane at work until the block ends, then let its worker shut down."""
    environment = ActivityEnvironment()
    order = WorkLane(lane=Lane.JOURNEYS, shift_s=60)
    working = asyncio.create_task(environment.run(lanes.work, order))
    try:
        yield environment
    finally:
        environment.worker_shutdown()
        await asyncio.wait_for(working, 20)


def lanes_of(desk: HandOverDesk, sender: FakeSender) -> LaneActivities:
    return LaneActivities(desk, {sender.provider: sender}, {Lane.JOURNEYS: SLOTS})


async def all_are(sessions: Sessions, state: str) -> bool:
    return set((await states(sessions)).values()) == {state}


async def test_every_message_is_handed_over_once(sessions: Sessions) -> None:
    ids = await messages_of_a_brand(sessions, 25, expires_at=FOR_EVER)
    sender = FakeSender()

    async with at_work(lanes_of(a_desk(sessions, SystemClock()), sender)):
        await until(lambda: all_are(sessions, "accepted"))

    assert sorted(one.id for one in sender.requests) == sorted(ids)


async def test_no_intent_is_committed_that_cannot_be_called_at_once(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 3 * SLOTS, expires_at=FOR_EVER)
    sender = FakeSender()
    sender.held = asyncio.Event()

    async def slots_are_full() -> bool:
        return len(sender.requests) == SLOTS

    async with at_work(lanes_of(a_desk(sessions, SystemClock()), sender)):
        await until(slots_are_full)
        in_hand = list((await states(sessions)).values()).count("handing_over")
        sender.held.set()
        await until(lambda: all_are(sessions, "accepted"))

    assert in_hand == SLOTS


async def test_when_a_provider_stalls_what_waits_for_it_is_given_back_once(
    sessions: Sessions,
) -> None:
    """What is claimed ahead goes by the speed of before the stall; that must not go on."""

    class StallsAfterAWhile(FakeSender):
        async def send(self, message: OutgoingMessage) -> HandOver:
            if len(self.requests) < 40 * SLOTS:
                await asyncio.sleep(0.005)
            else:
                await release.wait()
            return await super().send(message)

    release = asyncio.Event()
    await messages_of_a_brand(sessions, 80 * SLOTS, expires_at=FOR_EVER)
    sender = StallsAfterAWhile()

    async with at_work(lanes_of(a_desk(sessions, SystemClock()), sender)):
        await until(lambda: _given_back(sessions))
        await asyncio.sleep(6)
        release.set()
        await until(lambda: all_are(sessions, "accepted"))

    async with sessions() as tx:
        given_back = select(func.count()).where(table(AttemptRow).c.code == NOT_CALLED)
        per_message = given_back.group_by(table(AttemptRow).c.message_id)
        most = max((await tx.execute(per_message)).scalars())
    assert most == 1


async def _given_back(sessions: Sessions) -> bool:
    async with sessions() as tx:
        query = select(func.count()).where(table(AttemptRow).c.code == NOT_CALLED)
        return bool((await tx.execute(query)).scalar_one())


async def test_a_slow_hand_over_does_not_hold_up_the_others(sessions: Sessions) -> None:
    class SlowForTheFirst(FakeSender):
        async def send(self, message: OutgoingMessage) -> HandOver:
            if not self.requests:
                self.requests.append(message)
                await release.wait()
                return ACCEPTED
            return await super().send(message)

    release = asyncio.Event()
    await messages_of_a_brand(sessions, 20, expires_at=FOR_EVER)

    async def only_one_is_left() -> bool:
        return list((await states(sessions)).values()).count("accepted") == 19

    async with at_work(lanes_of(a_desk(sessions, SystemClock()), SlowForTheFirst())):
        await until(only_one_is_left)
        release.set()

    assert await all_are(sessions, "accepted")


async def test_a_lane_is_woken_when_a_message_is_written(sessions: Sessions) -> None:
    bell = Bell(sessions, LANE_CHANNEL)
    listening = asyncio.create_task(bell.listen())
    desk = a_desk(sessions, SystemClock(), bell=bell)

    async def listens() -> bool:
        return desk.rings(Lane.JOURNEYS) > 0

    await until(listens)
    seen = desk.rings(Lane.JOURNEYS)
    async with sessions() as tx, tx.begin():
        await tx.execute(select(func.pg_notify(LANE_CHANNEL, Lane.BULK.value)))
        await tx.execute(select(func.pg_notify(LANE_CHANNEL, Lane.JOURNEYS.value)))
    rang = await bell.wait(Lane.JOURNEYS.value, seen, 10)
    listening.cancel()

    assert rang
    assert desk.rings(Lane.JOURNEYS) == seen + 1


async def test_after_a_stop_nobody_is_called(sessions: Sessions) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        cause = await a_cause(tx, brand)
        for _ in range(60):
            await a_message(tx, brand, cause_id=cause, expires_at=FOR_EVER)
    sender = FakeSender()

    async def some_are_told() -> bool:
        return len(sender.requests) >= SLOTS

    async with at_work(lanes_of(a_desk(sessions, SystemClock()), sender)):
        await until(some_are_told)
        async with sessions() as tx, tx.begin():
            await set_cause(tx, cause, "stopped")
        committed = [state for state in (await states(sessions)).values() if state != "queued"]
        async with sessions() as tx, tx.begin():
            other = await a_message(tx, brand, expires_at=FOR_EVER)
            await tx.execute(select(func.pg_notify(LANE_CHANNEL, Lane.JOURNEYS.value)))

        async def the_other_is_told() -> bool:
            return (await states(sessions))[other] == "accepted"

        await until(the_other_is_told)

    assert len(sender.requests) == len(committed) + 1
    assert len(committed) < 60


async def test_a_sender_that_raises_leaves_a_doubt_and_a_lane_at_work(sessions: Sessions) -> None:
    class Broken(FakeSender):
        async def send(self, message: OutgoingMessage) -> HandOver:
            self.requests.append(message)
            raise RuntimeError("a bug")

    [message_id] = await messages_of_a_brand(sessions, 1, expires_at=FOR_EVER)
    sender = Broken()

    async with at_work(lanes_of(a_desk(sessions, SystemClock()), sender)):
        await until(lambda: all_are(sessions, "unknown"))

    [attempt] = await attempts(sessions, message_id)
    assert (attempt.answer, attempt.code) == ("ambiguous", "RuntimeError")
    assert len(sender.requests) == 1


async def test_an_unanswered_call_is_settled_by_the_lane_itself(sessions: Sessions) -> None:
    unanswered = HandOver(
        answer=Answer.AMBIGUOUS, provider="fake", code="timeout", remedy=Remedy.RECONCILE
    )
    await messages_of_a_brand(sessions, 1, expires_at=FOR_EVER)
    sender = FakeSender(unanswered)
    desk = a_desk(sessions, SystemClock(), reconcile_after=timedelta(milliseconds=50))

    async with at_work(lanes_of(desk, sender)):
        await until(lambda: all_are(sessions, "accepted"))

    assert len(sender.requests) == 1


async def test_answers_outlive_an_error_of_the_database(sessions: Sessions) -> None:
    class Stumbling:
        """A desk whose first two records fail, as they do while a server restarts."""

        def __init__(self) -> None:
            self._desk = a_desk(sessions, SystemClock())
            self.stumbles = 2

        def __getattr__(self, name: str) -> object:
            if name == "record" and self.stumbles:
                self.stumbles -= 1
                raise ConnectionError("the database is away")
            return getattr(self._desk, name)

    await messages_of_a_brand(sessions, 1, expires_at=FOR_EVER)
    sender, desk = FakeSender(), Stumbling()

    async with at_work(lanes_of(desk, sender)):  # type: ignore[arg-type]  # it passes on what it is asked
        await until(lambda: all_are(sessions, "accepted"))

    assert (len(sender.requests), desk.stumbles) == (1, 0)


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        pytest.param("hang", 2, id="before the provider took it"),
        pytest.param("hang_after_accept", 1, id="after the provider took it"),
    ],
)
async def test_a_killed_lane_leaves_nobody_untold_and_nobody_told_twice(
    sessions: Sessions, database_url: str, carrier: CarrierProbe, fault: str, requests: int
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1, expires_at=FOR_EVER)
    carrier.fault(fault, times=1)
    token = carrier.account.auth_token
    account = (carrier.url, carrier.account.account_sid, token)
    command = [sys.executable, "-m", "tests.support.lane_process", database_url, *account]

    async def the_provider_has_heard() -> bool:
        return carrier.requests() == 1

    with subprocess.Popen(command) as process:  # noqa: ASYNC220 - starting it takes a moment only
        try:
            await until(the_provider_has_heard)
        finally:
            process.kill()
    left_behind = await states(sessions)
    async with lanes_over_twilio(sessions, carrier.twilio()) as lanes, at_work(lanes):
        await until(lambda: all_are(sessions, "accepted"))

    assert left_behind == {message_id: "handing_over"}
    assert carrier.taken() == 1
    assert carrier.requests() == requests
    assert len(await attempts(sessions, message_id)) == requests


async def test_what_must_not_leave_any_more_does_not_hold_up_what_may(sessions: Sessions) -> None:
    """A night without a worker leaves thousands that have expired before the first that has not."""
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        for _ in range(30 * SLOTS):
            await a_message(tx, brand, priority=-1, expires_at=NOON)
        live = await a_message(tx, brand, expires_at=FOR_EVER)

    async def it_is_told() -> bool:
        return (await states(sessions))[live] == "accepted"

    # A second for each claim that finds nothing to call would make it half a minute.
    async with at_work(lanes_of(a_desk(sessions, SystemClock()), FakeSender())):
        await until(it_is_told, timeout_s=15)
