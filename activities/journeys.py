"""What a journey asks of the ledger: to bring its outcome forward."""

from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from tellal.domain.journeys import Step


class JourneyDesk(Protocol):
    """The ledger as journeys see it."""

    async def advance(self, outcome_id: str) -> Step:
        """Do what is due for an outcome and say where it stands."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceOutcome:
    """Which outcome to bring forward."""

    outcome_id: str


class JourneyActivities:
    """Journeys' requests, answered by the desk."""

    def __init__(self, desk: JourneyDesk) -> None:
        self._desk = desk

    @activity.defn(name="tellal.advance_outcome")
    async def advance(self, order: AdvanceOutcome) -> Step:
        """Bring an outcome forward; done twice, the second time finds nothing due."""
        return await self._desk.advance(order.outcome_id)
