"""What waits for a second person: revisions of the rulebook, and campaigns."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.console.refusing import HOME, ConsoleRoute
from api.console.staff import Command, Refused, Staff, TheStaff
from api.requests import Writing
from api.routes import campaigns, revisions
from tellal.domain.campaigns import digest_of
from tellal.domain.errors import NotFoundError, TellalError
from tellal.services.keys import Scope
from tellal.services.proposals import proposals

router = APIRouter(prefix=HOME, route_class=ConsoleRoute)

Revision = Annotated[str, Path(max_length=200)]
CampaignId = Annotated[str, Path(max_length=64)]


@router.get("/revisions/{revision}", response_class=Response)
async def show_revision(revision: Revision, staff: TheStaff) -> Response:
    """Show who wants which revision in force, and whom it concerns."""
    return await _revision(staff, revision)


@router.post("/revisions/{revision}/approve", response_class=Response)
async def approve_revision(revision: Revision, staff: TheStaff) -> Response:
    """Agree to a revision."""

    async def command(write: Writing, _: Mapping[str, str]) -> object:
        return await revisions.approve_revision(revision, write)

    return await _judge(staff, revision, command)


@router.post("/revisions/{revision}/refuse", response_class=Response)
async def refuse_revision(revision: Revision, staff: TheStaff) -> Response:
    """Refuse a revision."""

    async def command(write: Writing, _: Mapping[str, str]) -> object:
        return await revisions.refuse_revision(revision, write)

    return await _judge(staff, revision, command)


async def _judge(staff: Staff, revision: str, command: Command) -> Response:
    again = partial(_revision, staff, revision)
    return await staff.do(Scope.RULEBOOK_APPROVE, command, again=again)


async def _revision(staff: Staff, revision: str, refused: Refused | None = None) -> Response:
    staff.needs(Scope.RULEBOOK_APPROVE)  # also after a refusal: its page shows the proposal again
    async with staff.reading.session() as tx:
        found = await proposals(tx, revision=revision, limit=1)
    if not found:
        raise NotFoundError(staff.word("not_found"))
    return staff.shown(
        "revision", refused=refused, proposal=found[0], may_approve=found[0].needs_approval
    )


@router.get("/campaigns/{campaign_id}", response_class=Response)
async def show_campaign(campaign_id: CampaignId, staff: TheStaff) -> Response:
    """Show a campaign with its plan, and how many it would tell."""
    return await _campaign(staff, campaign_id)


@router.post("/campaigns/{campaign_id}/approve", response_class=Response)
async def approve_campaign(campaign_id: CampaignId, staff: TheStaff) -> Response:
    """Agree to the plan that was shown, and to no other."""

    async def command(write: Writing, form: Mapping[str, str]) -> object:
        seen = campaigns.Approval(digest=form.get("digest", "")[:64])
        return await campaigns.approve_campaign(campaign_id, write, seen)

    again = partial(_campaign, staff, campaign_id)
    return await staff.do(Scope.CAMPAIGNS_APPROVE, command, again=again)


@router.post("/campaigns/{campaign_id}/return", response_class=Response)
async def return_campaign(campaign_id: CampaignId, staff: TheStaff) -> Response:
    """Send a campaign back to its author, with the reason."""

    async def command(write: Writing, form: Mapping[str, str]) -> object:
        because = campaigns.Because(reason=form.get("reason", "")[:500])
        return await campaigns.return_campaign(campaign_id, because, write)

    again = partial(_campaign, staff, campaign_id)
    return await staff.do(Scope.CAMPAIGNS_APPROVE, command, again=again)


async def _campaign(staff: Staff, campaign_id: str, refused: Refused | None = None) -> Response:
    staff.needs(Scope.CAMPAIGNS_READ)  # also after a refusal: its page shows the campaign again
    house, brand = staff.desk.house, staff.session.caller.brand
    async with staff.reading.session() as tx:
        campaign = await house.campaigns.view(tx, brand.id, campaign_id)
    return staff.shown(
        "campaign",
        refused=refused,
        campaign=campaign,
        digest=digest_of(campaign.plan),
        plan=[(name, _said(value)) for name, value in campaign.plan.items() if value],
        reach=await _reach(staff, campaign_id),
        may_approve=staff.may(Scope.CAMPAIGNS_APPROVE),
    )


async def _reach(staff: Staff, campaign_id: str) -> str:
    """Say how many it would tell of how many, or why nobody knows."""
    try:
        async with staff.desk.sessions() as tx:
            found = await staff.desk.house.previews.preview(
                tx, staff.session.caller.brand, campaign_id
            )
    except TellalError as error:
        return str(error)
    return f"{found.told} / {found.audience}"


def _said(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
