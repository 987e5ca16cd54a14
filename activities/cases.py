"""What a case asks of the ledger: notices, reminders, and what its profile says."""

from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from tellal.domain.cases import CaseState
from tellal.domain.journeys import CaseBrief, CaseOutlook, Notice


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

    async def attend(self, case_id: str) -> CaseOutlook:
        """Do what is due for a case, and say when to ask again."""
        ...

    async def survey(self, case_id: str) -> Notice:
        """Decide the survey of a case that was concluded, exactly once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutCase:
    """A case, and the state that the request is about."""

    case_id: str
    state: CaseState


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRef:
    """A case."""

    case_id: str


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

    @activity.defn(name="tellal.attend_case")
    async def attend(self, about: CaseRef) -> CaseOutlook:
        """Do what time has made due; done twice, the second time finds it done."""
        return await self._desk.attend(about.case_id)

    @activity.defn(name="tellal.survey_case")
    async def survey(self, about: CaseRef) -> Notice:
        """Decide a case's survey; done twice, the second time finds the same outcomes."""
        return await self._desk.survey(about.case_id)
