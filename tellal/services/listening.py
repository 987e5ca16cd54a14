"""Keeps a line open on which a provider speaks to us, in one worker of a deployment.

Providers limit how often an account is connected. Where the worker with the line falls silent,
another takes it up.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from tellal.ids import new_id
from tellal.services.leases import Leases

_log = logging.getLogger(__name__)

_HELD_FOR = timedelta(seconds=15)
_KEPT_EVERY_S = 5.0
_AGAIN_AFTER_S = 1.0
_LONGEST_WAIT_S = 60.0
"""Whoever refuses a password locks the account of those who ask too often."""


class Listening:
    """Listens while it holds the lease; a line that ends is taken up again, ever more seldom."""

    def __init__(self, line: str, listen: Callable[[], Awaitable[None]], leases: Leases) -> None:
        self._lease = f"line/{line}"
        self._line = line
        self._listen = listen
        self._leases = leases
        self._holder = new_id()

    async def run(self) -> None:
        """Listen for ever."""
        failed = 0
        while True:
            failed = await self._turn(failed)
            await asyncio.sleep(min(_AGAIN_AFTER_S * (1 << min(failed, 6)), _LONGEST_WAIT_S))

    async def _turn(self, failed: int) -> int:
        """Listen as long as the line and the lease last; return how often that failed in a row."""
        try:
            if not await self._is_ours():
                return 0
            await self._until_it_ends()
        except Exception as error:  # noqa: BLE001 - whatever is missing may come
            _log.warning(
                "nobody listens to a provider",
                extra={"line": self._line, "error": type(error).__name__},
            )
            return failed + 1
        return 0

    async def _until_it_ends(self) -> None:
        listening = asyncio.ensure_future(self._listen())
        try:
            while True:
                done, _ = await asyncio.wait({listening}, timeout=_KEPT_EVERY_S)
                if done:
                    listening.result()
                    return
                if not await self._is_ours():
                    return
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(listening, return_exceptions=True)

    async def _is_ours(self) -> bool:
        return await self._leases.take(self._lease, self._holder, _HELD_FOR)
