"""The parts of a process: kept going, and ended together."""

import asyncio

from tellal.supervision import persist, rest, supervise, until_stopped

_PATIENCE_S = 10.0


async def test_a_part_that_fails_begins_again_and_the_others_go_on() -> None:
    stop, begun = asyncio.Event(), 0

    async def failing() -> None:
        nonlocal begun
        begun += 1
        if begun == 2:
            stop.set()
        raise ConnectionError("away")

    async def steady() -> None:
        await stop.wait()

    await asyncio.wait_for(supervise({"failing": failing, "steady": steady}, stop), _PATIENCE_S)

    assert begun == 2


async def test_what_never_ends_is_cut_off() -> None:
    stop, cut = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    working = asyncio.create_task(until_stopped(endless, stop))
    await rest(stop, 0)
    stop.set()
    await asyncio.wait_for(working, _PATIENCE_S)

    await asyncio.wait_for(cut.wait(), _PATIENCE_S)


async def test_what_is_not_possible_yet_is_tried_until_it_is() -> None:
    tries = 0

    async def making() -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ConnectionError("away")
        return "made"

    assert await asyncio.wait_for(persist(making, asyncio.Event()), _PATIENCE_S) == "made"


async def test_waiting_for_it_ends_when_it_is_time_to_stop() -> None:
    stop = asyncio.Event()

    async def never() -> str:
        stop.set()
        raise ConnectionError("away")

    assert await asyncio.wait_for(persist(never, stop), _PATIENCE_S) is None
