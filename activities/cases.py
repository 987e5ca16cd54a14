"""What a case asks of the ledger: notices, reminders, and what its profile says."""

from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from tellal.domain.cases import CaseState
from tellal.domain.journeys import CaseBrief, Notice


class CaseDesk(Protocol):
    """Cases as their workflows see them."""

    async def notice(self, case_id: str, state: CaseState) -> Notice:
        """Decide the notices of a state exactly once, and say where each stands."""
        ...

    async def remind(self, case_id: str, state: CaseState) -> bool:
        """Remind whoever has the case, if it is still in that state."""
        ...

    async def describe(self, case_id: str) -> CaseBrief:
        """Say what the workflow must know of a case."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutCase:
    """A case, and the state that the request is about."""

    case_id: str
    state: CaseState


class CaseActivities:
    """Cases' requests, answered by the desk."""

    def __init__(self, desk: CaseDesk) -> None:
        self._desk = desk

    @activity.defn(name="tellal.case_notice")
    async def notice(self, about: AboutCase) -> Notice:
        """Decide a state's notices; done twice, the second time finds the same outcomes."""
        return await self._desk.notice(about.case_id, about.state)

    @activity.defn(name="tellal.remind_case")
    async def remind(self, about: AboutCase) -> bool:
        """Record a reminder; a retry after a lost answer may record one too many."""
        return await self._desk.remind(about.case_id, about.state)

    @activity.defn(name="tellal.describe_case")
    async def describe(self, about: AboutCase) -> CaseBrief:
        """Read what the profile says of the case as it is now."""
        return await self._desk.describe(about.case_id)
