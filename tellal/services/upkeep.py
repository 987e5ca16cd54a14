"""What a worker keeps doing besides its queues."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from tellal.persistence.bell import Bell
from tellal.services.dispatching import Deliver, Dispatcher
from tellal.services.gauges import Gauges
from tellal.services.house import House
from tellal.services.rereading import reread
from tellal.services.sweeping import Sweeper
from tellal.supervision import until_stopped


def upkeep(
    house: House, deliver: Deliver, bell: Bell, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return the loops: outbox, outcomes without a workflow, wake-up calls, rules, gauges."""
    return {
        "dispatcher": partial(Dispatcher(house.sessions, house.clock, deliver).run, stop),
        "sweeper": partial(Sweeper(house.journeys).run, stop),
        "bell": partial(until_stopped, bell.listen, stop),
        "rulebook": partial(reread, house.books, stop),
        "gauges": partial(Gauges(house.sessions, house.clock).run, stop),
    }
