"""Brings forward the outcomes that no workflow follows: a broadcast's, one by one when due."""

import asyncio
import logging
from typing import Protocol

from tellal import metrics
from tellal.domain.journeys import Step
from tellal.supervision import rest
from tellal.telemetry import bind

_log = logging.getLogger(__name__)

_BATCH = 50
_SIDE_BY_SIDE = 4
_LOOK_EVERY_S = 1.0


class DueJourneys(Protocol):
    """Journeys that know what is due."""

    async def due(self, limit: int) -> tuple[str, ...]:
        """Claim outcomes whose time to be looked at has come."""
        ...

    async def advance(self, outcome_id: str) -> Step:
        """Do what is due for an outcome."""
        ...


class Sweeper:
    """Claims what is due and advances it, as a workflow would."""

    def __init__(self, journeys: DueJourneys) -> None:
        self._journeys = journeys
        self._slots = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until told to stop."""
        while not stop.is_set():
            if not await self.sweep():
                await rest(stop, _LOOK_EVERY_S)

    async def sweep(self) -> int:
        """Advance one batch of what is due; return how many it held."""
        due = await self._journeys.due(_BATCH)
        await asyncio.gather(*(self._advance(outcome_id) for outcome_id in due))
        return len(due)

    async def _advance(self, outcome_id: str) -> None:
        async with self._slots:
            bind(outcome_id=outcome_id)
            try:
                await self._journeys.advance(outcome_id)
                metrics.swept(done=True)
            except Exception as error:  # noqa: BLE001 - one outcome must not stop the sweep
                # It was put off when it was claimed, so it comes again.
                metrics.swept(done=False)
                _log.warning(
                    "an outcome could not be advanced", extra={"error": type(error).__name__}
                )
