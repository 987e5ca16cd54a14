"""What waits for whoever is signed in: as much of it as his key may read."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Response

from api.console.refusing import HOME, ConsoleRoute
from api.console.staff import Staff, TheStaff
from tellal.domain.calls import TaskState
from tellal.domain.campaigns import CampaignState
from tellal.domain.publishing import Proposal, ProposalState
from tellal.services import case_views
from tellal.services.campaign_views import CampaignView
from tellal.services.case_calls import CallTask
from tellal.services.case_views import CaseView
from tellal.services.keys import Scope
from tellal.services.outage_views import OutageView
from tellal.services.proposals import proposals

router = APIRouter(prefix=HOME, route_class=ConsoleRoute)

_MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """What waits; None is what the key may not read."""

    overdue: Sequence[CaseView] | None
    more_overdue: bool
    calls: Sequence[CallTask] | None
    more_calls: bool
    revisions: Sequence[Proposal] | None
    campaigns: Sequence[CampaignView] | None
    outages: Sequence[OutageView] | None


@router.get("", response_class=Response)
async def show(staff: TheStaff) -> Response:
    """Show what waits."""
    return staff.shown("inbox", inbox=await _inbox(staff))


async def _inbox(staff: Staff) -> Inbox:
    house, brand_id = staff.desk.house, staff.session.caller.brand.id
    overdue = calls = revisions = campaigns = outages = None
    async with staff.reading.session() as tx:
        if staff.may(Scope.CASES_READ):
            overdue = await case_views.most_overdue(tx, brand_id, limit=_MOST + 1)
            due = await house.case_calls.page(tx, brand_id, due=True, limit=_MOST + 1)
            calls = sorted([*due, *await _mine(staff)], key=lambda one: (one.due_at, one.id))
        if staff.may(Scope.RULEBOOK_APPROVE):
            found = await proposals(tx, state=ProposalState.PROPOSED, limit=_MOST)
            revisions = [one for one in found if one.needs_approval]
        if staff.may(Scope.CAMPAIGNS_READ):
            state = CampaignState.SUBMITTED.value
            campaigns = await house.campaigns.page(tx, brand_id, state=state, after="", limit=_MOST)
        if staff.may(Scope.OUTAGES_READ):
            outages = await house.outages.page(tx, brand_id, running=True, limit=_MOST)
    return Inbox(
        overdue=overdue[:_MOST] if overdue is not None else None,
        more_overdue=overdue is not None and len(overdue) > _MOST,
        calls=calls[:_MOST] if calls is not None else None,
        more_calls=calls is not None and len(calls) > _MOST,
        revisions=revisions,
        campaigns=campaigns,
        outages=outages,
    )


async def _mine(staff: Staff) -> list[CallTask]:
    """Return the tasks that he has taken."""
    async with staff.reading.session() as tx:
        claimed = await staff.desk.house.case_calls.page(
            tx, staff.session.caller.brand.id, state=TaskState.CLAIMED, limit=_MOST
        )
    return [one for one in claimed if one.claimed_by == staff.by]
