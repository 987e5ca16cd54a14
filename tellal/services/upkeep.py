"""What a worker keeps doing besides its queues."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from tellal.persistence.bell import Bell
from tellal.ports import Texts
from tellal.services.dispatching import Deliver, Dispatcher
from tellal.services.hold_marking import Marking
from tellal.services.house import House
from tellal.services.rereading import reread
from tellal.services.sweeping import Sweeper
from tellal.supervision import until_stopped


def upkeep(
    house: House, deliver: Deliver, bell: Bell, texts: Texts, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return the loops: outbox, outcomes without a workflow, holds, wake-up calls, rule files."""
    return {
        "dispatcher": partial(Dispatcher(house.sessions, house.clock, deliver).run, stop),
        "sweeper": partial(Sweeper(house.journeys).run, stop),
        "holds": partial(Marking(house.sessions, texts).run, stop),
        "bell": partial(until_stopped, bell.listen, stop),
        "rulebook": partial(reread, house.books, stop),
    }
