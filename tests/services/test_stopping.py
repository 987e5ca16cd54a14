"""A stop goes ahead of all that shares its cause, and what it leaves is cleared away."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from tellal.domain.channels import Lane
from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions, make_engine, make_sessions
from tellal.persistence.tables.ledger import CapUseRow, CauseRow, MessageRow, OutcomeRow
from tellal.services.gate import close_gate, pass_gate, try_gate
from tellal.services.reserving import Taken, take
from tellal.services.stopping import Stopping, stop_cause
from tests.support.builders import a_brand
from tests.support.desk import a_desk
from tests.support.ledger import NOON, SetClock, a_cause, a_message, message, states
from tests.support.postgres import waits_for_a_lock
from tests.support.waiting import until

_caps = table(CapUseRow)
_causes = table(CauseRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)

_SHARERS = 6
_SHARED_S = 0.06


async def a_crowd(sessions: Sessions, number: int) -> tuple[str, list[str]]:
    """Write a cause that speaks to many, with a message to each; return it and their ids."""
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        cause = await a_cause(tx, brand)
        await tx.execute(update(_causes).where(_causes.c.id == cause).values(counted=True))
        return cause, [await a_message(tx, brand, cause_id=cause) for _ in range(number)]


async def stopped(sessions: Sessions, cause: str) -> int:
    async with sessions() as tx, tx.begin():
        return await stop_cause(tx, cause, code="resolved", now=NOON)


async def share(sessions: Sessions, cause: str, over: asyncio.Event, *, gate: bool) -> int:
    """Share a cause again and again, as lanes, chunks and journeys do; return how often."""
    times = 0
    query = select(_causes.c.state).where(_causes.c.id == cause).with_for_update(read=True)
    while not over.is_set():
        async with sessions() as tx, tx.begin():
            if gate:
                await pass_gate(tx)
            if (await tx.execute(query)).scalar_one() != "running":
                return times
            await asyncio.sleep(_SHARED_S)
        times += 1
    return times


@pytest.mark.req("B03", "blocks")
async def test_a_stop_comes_through_shares_that_follow_each_other_without_a_gap(
    sessions: Sessions, database_url: str
) -> None:
    """Without the gate a share is let in beside the one before it, and the row is never free."""
    cause, _ = await a_crowd(sessions, 3)
    engine = make_engine(database_url, pool=_SHARERS)
    crowd = make_sessions(engine)
    over = asyncio.Event()
    gated = []
    for _ in range(_SHARERS):
        gated.append(asyncio.create_task(share(crowd, cause, over, gate=True)))
        await asyncio.sleep(_SHARED_S / _SHARERS)

    await stopped(sessions, cause)
    # They end by themselves: each finds the cause stopped.
    times = await asyncio.gather(*gated)
    await engine.dispose()

    assert not over.is_set()
    assert sum(times) >= 1


async def test_no_lane_claims_while_a_stop_goes_on_and_none_waits_for_it(
    sessions: Sessions,
) -> None:
    await a_crowd(sessions, 2)
    desk = a_desk(sessions, SetClock())

    async with sessions() as tx, tx.begin():
        await close_gate(tx)
        async with asyncio.timeout(5), sessions() as other:
            assert not await try_gate(other)
            assert await desk.claim(Lane.JOURNEYS, 10) == ()

    assert len(await desk.claim(Lane.JOURNEYS, 10)) == 2


async def test_a_stop_waits_for_an_intent_that_is_being_written_and_counts_it(
    sessions: Sessions,
) -> None:
    cause, ids = await a_crowd(sessions, 2)
    async with sessions() as claiming:
        await claiming.begin()
        assert await try_gate(claiming)
        stop = asyncio.create_task(stopped(sessions, cause))
        await until(lambda: waits_for_a_lock(sessions))
        await claiming.execute(
            update(_messages)
            .where(_messages.c.id == ids[0])
            .values(state=MessageState.HANDING_OVER.value)
        )
        await claiming.commit()

    assert await stop == 1
    assert await states(sessions) == {ids[0]: "handing_over", ids[1]: "cancelled"}


@pytest.mark.req("B03", "blocks")
async def test_what_a_stop_leaves_is_never_claimed_and_is_cleared_in_pages(
    sessions: Sessions,
) -> None:
    number = 230
    cause, ids = await a_crowd(sessions, number)
    async with sessions() as tx, tx.begin():
        row = await tx.execute(select(_messages.c.customer_id).where(_messages.c.id == ids[-1]))
        slot = Taken(customer_id=row.scalar_one(), cap="c", message_id=ids[-1], used_at=NOON)
        await take(tx, [slot])
        later = update(_messages).where(_messages.c.id == ids[0])
        await tx.execute(later.values(state=MessageState.DEFERRED.value))

    assert await stopped(sessions, cause) == 0

    left = [state for state in (await states(sessions)).values() if state != "cancelled"]
    assert 0 < len(left) < number
    desk = a_desk(sessions, SetClock(NOON + timedelta(minutes=1)))
    assert await desk.claim(Lane.JOURNEYS, number) == ()
    assert await Stopping(sessions, SetClock()).clear(cause) == len(left)
    async with sessions() as tx:
        codes = await tx.execute(select(_messages.c.state, _messages.c.code).distinct())
        ends = await tx.execute(select(_outcomes.c.state, _outcomes.c.reason).distinct())
        free = await tx.execute(select(func.count()).where(_caps.c.released_at.is_(None)))
        assert codes.all() == [("cancelled", "resolved")]
        assert ends.all() == [("cancelled", "resolved")]
        assert free.scalar_one() == 0


async def test_what_somebody_is_at_holds_up_no_stop_and_is_cleared_when_he_is_done(
    sessions: Sessions,
) -> None:
    cause, ids = await a_crowd(sessions, 3)
    clearing = Stopping(sessions, SetClock())
    async with sessions() as busy:
        await busy.execute(select(_messages).where(_messages.c.id == ids[1]).with_for_update())
        async with asyncio.timeout(5):
            await stopped(sessions, cause)
            assert await clearing.clear_some() == 0
        assert (await message(sessions, ids[1])).state == "queued"
        rest = asyncio.create_task(clearing.clear(cause))
        await asyncio.sleep(0.1)
        assert not rest.done()

    assert await rest == 1
    assert set((await states(sessions)).values()) == {"cancelled"}


async def test_a_worker_clears_away_after_stops_that_it_did_not_make(sessions: Sessions) -> None:
    cause, _ = await a_crowd(sessions, 205)
    await stopped(sessions, cause)
    over = asyncio.Event()
    working = asyncio.create_task(Stopping(sessions, SetClock()).run(over))

    async def cleared() -> bool:
        return set((await states(sessions)).values()) == {"cancelled"}

    await until(cleared)
    over.set()
    await working


async def test_who_was_told_something_stays_open_until_it_is_known_what_became_of_it(
    sessions: Sessions,
) -> None:
    cause, ids = await a_crowd(sessions, 2)
    async with sessions() as tx, tx.begin():
        taken = update(_messages).where(_messages.c.id == ids[0])
        await tx.execute(taken.values(state=MessageState.ACCEPTED.value))

    assert await stopped(sessions, cause) == 0

    async with sessions() as tx:
        found = await tx.execute(select(_outcomes.c.state).order_by(_outcomes.c.state))
    assert found.scalars().all() == ["cancelled", "open"]
    assert await stopped(sessions, cause) == 0
