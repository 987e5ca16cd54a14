"""Campaigns: planned, approved by a second person, run, paused, resumed, cancelled."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.campaigns import CampaignState, Every, Holidays, Only
from tellal.services.campaign_preview import Preview
from tellal.services.campaign_views import CampaignView, EntryView, RunView
from tellal.services.campaigns import Staff
from tellal.services.keys import Scope

router = APIRouter(prefix="/campaigns", tags=["campaigns"])

CampaignId = Annotated[str, Path(max_length=64)]
Reader = Annotated[Reading, may_read(Scope.CAMPAIGNS_READ)]
Writer = Annotated[Writing, may_write(Scope.CAMPAIGNS_WRITE)]
Approver = Annotated[Writing, may_write(Scope.CAMPAIGNS_APPROVE)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Topic = Annotated[str, Field(min_length=1, max_length=100)]
Names = Annotated[list[Name], Field(max_length=100)]
Span = Annotated[str, Field(pattern=r"^\d{1,6}[smhdw]$", examples=["6h"])]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["10:00"])]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$", examples=["2027-12-31"])]
Variables = Annotated[dict[str, object], Field(description="What texts say as `campaign.…`")]

_EXAMPLE: dict[str, JsonValue] = {
    "name": "iscep-spring",
    "topic": "iscep_promo",
    "audience": {"segment": {"customer.app.installed": False}, "without": ["staff"]},
    "when": {"at": "2027-03-01T10:00", "zone": "local", "holidays": "next"},
    "pace": {"per_second": 50},
    "hold_out": 10,
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AudienceBody(_Body):
    """Who is meant: members of the groups (without any, everybody) who meet the segment."""

    segment: Annotated[
        dict[str, object] | None, Field(description="A condition, as in rule files")
    ] = None
    groups: Names = []
    without: Names = []


class RepeatBody(_Body):
    """How often it runs."""

    every: Every
    on: Annotated[
        list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(max_length=7)
    ] = []


class WindowBody(BaseModel):
    """Between which hours of a day it speaks."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    begin: Annotated[Clock, Field(alias="from")]
    end: Annotated[Clock, Field(alias="to")]


class WhenBody(_Body):
    """When it runs: a time on the wall, of each customer's own zone or of one."""

    at: Annotated[
        str,
        Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$", examples=["2027-03-01T10:00"]),
    ]
    zone: Annotated[str, Field(max_length=64, description="`local`, or as in Europe/Istanbul")] = (
        "local"
    )
    repeat: RepeatBody | None = None
    skip: Annotated[list[Day], Field(max_length=366)] = []
    holidays: Holidays = Holidays.SEND
    until: Day | None = None
    window: WindowBody | None = None
    jitter_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    catch_up_s: Annotated[
        int, Field(ge=1, le=604_800, description="Later than this a missed run is left out")
    ] = 3600


class VariantBody(_Body):
    """One way of saying it, to a share of the audience in percent."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
    share: Annotated[float, Field(gt=0, le=100)]
    topic: Topic | None = None
    variables: Variables = {}


class StepBody(_Body):
    """A later word of the series, counted from the first.

    Two may come at the same time if nobody can be meant by both: by an opposite `only`, or by a
    segment and the same in `unless`.
    """

    after: Span
    topic: Topic
    variables: Variables = {}
    only: Only = Only.ALL
    segment: Annotated[
        dict[str, object] | None,
        Field(description="A condition, as in rule files, asked when the step comes"),
    ] = None


class PaceBody(_Body):
    """How fast it speaks at most; what is said per hour is spread over the hour."""

    per_second: Annotated[float | None, Field(gt=0, le=100_000)] = None
    per_hour: Annotated[float | None, Field(gt=0, le=100_000_000)] = None


class BudgetBody(_Body):
    """What its messages may cost; then it pauses."""

    amount: Annotated[str, Field(pattern=r"^\d{1,9}(\.\d{1,6})?$", examples=["500.00"])]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "TRY"


class GoalBody(_Body):
    """The event that it wants, and how long after a message that still counts."""

    event: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,79}$")]
    within: Span


class PlanBody(_Body):
    """What is said to whom, when, at which speed and price."""

    topic: Topic
    variables: Variables = {}
    audience: AudienceBody = AudienceBody()
    when: WhenBody
    variants: Annotated[list[VariantBody], Field(max_length=8)] = []
    hold_out: Annotated[
        float, Field(ge=0, le=50, description="Percent who are told nothing, to compare with")
    ] = 0
    pace: PaceBody | None = None
    budget: BudgetBody | None = None
    expires_after: Span | None = None
    goal: GoalBody | None = None
    steps: Annotated[list[StepBody], Field(max_length=20)] = []
    tell_when_done: Annotated[
        list[Annotated[str, Field(max_length=254)]], Field(max_length=20)
    ] = []

    def plan(self) -> dict[str, object]:
        """Return it as it is kept."""
        return self.model_dump(mode="json", by_alias=True, exclude={"name"}, exclude_none=True)


class MakeCampaign(PlanBody):
    """A campaign to make: its name and its plan."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    name: Name


class ChangeCampaign(PlanBody):
    """Another plan, whole."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{key: value for key, value in _EXAMPLE.items() if key != "name"}]
        },
    )


class Because(_Body):
    """Why."""

    reason: Annotated[str, Field(max_length=500, examples=["The rate changes tomorrow"])] = ""


class Approval(_Body):
    """What is approved: the plan as it stands, or only the one that was looked at."""

    digest: Annotated[
        str, Field(max_length=64, description="Of the plan that was looked at, from its history")
    ] = ""


class Resume(_Body):
    """What becomes of what has run out while it was paused."""

    expired: Annotated[
        Literal["drop", "send"],
        Field(description="`send`: whoever waits has as much longer as the pause took"),
    ] = "drop"


Made = Callable[[AsyncSession], Awaitable[CampaignView]]


@router.post("", status_code=201, responses=documented(404, 409, 422), response_model=CampaignView)
async def make_campaign(body: MakeCampaign, write: Writer) -> Response:
    """Make a campaign; it is a draft, and nothing is said before a second person agrees."""

    async def effect(tx: AsyncSession) -> CampaignView:
        return await write.desk.house.campaigns.make(
            tx,
            brand=write.brand,
            name=body.name,
            plan=body.plan(),
            who=_staff(write),
            simulated=write.rehearses,
        )

    return await write.once(201, effect)


@router.get("", responses=documented())
async def list_campaigns(
    read: Reader,
    *,
    state: Annotated[CampaignState | None, Query(description="Only those in this state")] = None,
    after: After = "",
    limit: Limit = 50,
) -> Page[CampaignView]:
    """List campaigns in the order in which they were made."""
    async with read.session() as tx:
        found = await read.desk.house.campaigns.page(
            tx, read.brand.id, state=state or "", after=after, limit=limit + 1
        )
    return page_of(found, limit)


@router.get("/{campaign_id}", responses=documented(404))
async def get_campaign(campaign_id: CampaignId, read: Reader) -> CampaignView:
    """Read a campaign with its latest run: an audience is the sum of all its outcomes."""
    async with read.session() as tx:
        return await read.desk.house.campaigns.view(tx, read.brand.id, campaign_id)


@router.get("/{campaign_id}/preview", responses=documented(404, 422))
async def preview_campaign(campaign_id: CampaignId, read: Reader) -> Preview:
    """Show what it would do: who is told, who is not and why, when, for how much, in which words.

    The rules decide about everybody as they would when it runs; nothing is written.
    """
    async with read.desk.sessions() as tx:
        return await read.desk.house.previews.preview(tx, read.brand, campaign_id)


@router.put("/{campaign_id}", responses=documented(404, 409, 422), response_model=CampaignView)
async def change_campaign(campaign_id: CampaignId, body: ChangeCampaign, write: Writer) -> Response:
    """Give a campaign another plan; whoever had approved it has to look at it again."""
    campaigns = write.desk.house.campaigns
    return await _command(
        write,
        campaign_id,
        lambda tx: campaigns.change(
            tx, brand=write.brand, campaign_id=campaign_id, plan=body.plan(), who=_staff(write)
        ),
    )


@router.get("/{campaign_id}/runs", responses=documented(404))
async def list_runs(campaign_id: CampaignId, read: Reader) -> list[RunView]:
    """List every time that it ran, or was missed."""
    async with read.session() as tx:
        return await read.desk.house.campaigns.runs(tx, read.brand.id, campaign_id)


@router.get("/{campaign_id}/history", responses=documented(404))
async def get_campaign_history(campaign_id: CampaignId, read: Reader) -> list[EntryView]:
    """Read everything that was done to a campaign, oldest first."""
    async with read.session() as tx:
        return list(await read.desk.house.campaigns.history(tx, read.brand.id, campaign_id))


@router.post(
    "/{campaign_id}/submit", responses=documented(404, 409, 422), response_model=CampaignView
)
async def submit_campaign(campaign_id: CampaignId, write: Writer) -> Response:
    """Ask for a second person's approval."""
    campaigns = write.desk.house.campaigns
    return await _command(
        write,
        campaign_id,
        lambda tx: campaigns.submit(
            tx, brand=write.brand, campaign_id=campaign_id, who=_staff(write)
        ),
    )


@router.post(
    "/{campaign_id}/return", responses=documented(404, 409, 422), response_model=CampaignView
)
async def return_campaign(campaign_id: CampaignId, body: Because, write: Approver) -> Response:
    """Give a submitted campaign back to its author."""
    campaigns = write.desk.house.campaigns
    return await _command(
        write,
        campaign_id,
        lambda tx: campaigns.send_back(
            tx,
            brand=write.brand,
            campaign_id=campaign_id,
            who=_staff(write),
            reason=body.reason,
        ),
    )


@router.post(
    "/{campaign_id}/approve", responses=documented(404, 409, 422), response_model=CampaignView
)
async def approve_campaign(
    campaign_id: CampaignId, write: Approver, body: Approval | None = None
) -> Response:
    """Agree to what somebody else has submitted; from now on it runs when its time comes."""
    campaigns = write.desk.house.campaigns
    digest = (body or Approval()).digest
    return await _command(
        write,
        campaign_id,
        lambda tx: campaigns.approve(
            tx, brand=write.brand, campaign_id=campaign_id, who=_staff(write), digest=digest
        ),
    )


@router.post(
    "/{campaign_id}/pause", responses=documented(404, 409, 422), response_model=CampaignView
)
async def pause_campaign(
    campaign_id: CampaignId, write: Writer, body: Because | None = None
) -> Response:
    """Pause a run: once this is answered nothing of it is handed over, and nothing is lost."""
    campaigns = write.desk.house.campaigns
    reason = (body or Because()).reason or "operator"
    return await _command(
        write,
        campaign_id,
        lambda tx: campaigns.pause(
            tx, brand=write.brand, campaign_id=campaign_id, who=_staff(write), reason=reason
        ),
    )


@router.post(
    "/{campaign_id}/resume", responses=documented(404, 409, 422), response_model=CampaignView
)
async def resume_campaign(
    campaign_id: CampaignId, write: Writer, body: Resume | None = None
) -> Response:
    """Let a paused run go on; read it beforehand to see how many are held and have expired."""
    campaigns = write.desk.house.campaigns
    expired = (body or Resume()).expired == "send"
    return await _command(
        write,
        campaign_id,
        lambda tx: campaigns.resume(
            tx, brand=write.brand, campaign_id=campaign_id, who=_staff(write), expired=expired
        ),
    )


@router.post(
    "/{campaign_id}/cancel", responses=documented(404, 409, 422), response_model=CampaignView
)
async def cancel_campaign(
    campaign_id: CampaignId, write: Writer, body: Because | None = None
) -> Response:
    """End a campaign for good; the answer says exactly how many messages had left."""
    campaigns = write.desk.house.campaigns
    reason = (body or Because()).reason
    return await _command(
        write,
        campaign_id,
        lambda tx: campaigns.cancel(
            tx, brand=write.brand, campaign_id=campaign_id, who=_staff(write), reason=reason
        ),
    )


def _staff(write: Writing) -> Staff:
    """Return who acts: the person whom the key belongs to, else the key."""
    key = write.caller.key
    return Staff(by=key.person or write.by, personal=bool(key.person), made_by=key.made_by)


async def _command(write: Writing, campaign_id: str, made: Made) -> Response:
    async def effect(tx: AsyncSession) -> CampaignView:
        if write.rehearses:
            view = await write.desk.house.campaigns.view(tx, write.brand.id, campaign_id)
            write.check_rehearsal("campaign", simulated=view.simulated)
        return await made(tx)

    return await write.once(200, effect)
