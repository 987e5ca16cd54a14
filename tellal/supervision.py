"""Keeps the parts of a process going until it is told to stop."""

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

_log = logging.getLogger(__name__)

_REST_S = 1.0
_LOADED_S = 3.0

Made = TypeVar("Made")


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def supervise(
    parts: Mapping[str, Callable[[], Awaitable[None]]], stop: asyncio.Event
) -> None:
    """Run parts side by side; one that fails is begun again, until it is time to stop.

    A part ends by itself soon after `stop` is set.
    """
    async with asyncio.TaskGroup() as group:
        for name, part in parts.items():
            group.create_task(_keep_going(name, part, stop))


async def _keep_going(name: str, part: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await part()
        except Exception as error:  # noqa: BLE001 - a part's failure must not take the others along
            _log.warning(
                "a part failed and begins again",
                extra={"part": name, "error": type(error).__name__},
            )
        await rest(stop, _REST_S)


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """Wait for a while, or until it is time to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def spare_what_is_loaded(stop: asyncio.Event) -> None:
    """Keep what a process loads in its first seconds out of the garbage collector's rounds, too.

    A full round through all of that makes every lane wait for 150 ms.
    """
    await rest(stop, _LOADED_S)
    gc.collect()
    gc.freeze()
    await stop.wait()


async def until_stopped(work: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Do work that never ends by itself, and cut it off when it is time to stop."""
    working = asyncio.ensure_future(work())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if working.done():
        working.result()
    working.cancel()


async def persist(make: Callable[[], Awaitable[Made]], stop: asyncio.Event) -> Made | None:
    """Make something that may not be possible yet; None when it is time to stop before it is."""
    while not stop.is_set():
        try:
            return await make()
        except Exception as error:  # noqa: BLE001 - whatever is missing may come
            _log.warning("not ready yet", extra={"error": type(error).__name__})
        await rest(stop, _REST_S)
    return None
