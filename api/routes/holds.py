"""Holds: stop messages from leaving, look at what waits, let them go again."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.holds import Hold, HoldScope
from tellal.services.hold_reach import Waiting
from tellal.services.holds import HoldPreview, HoldView
from tellal.services.keys import Scope

router = APIRouter(prefix="/holds", tags=["holds"])

HoldId = Annotated[str, Path(max_length=64)]
Reader = Annotated[Reading, may_read(Scope.HOLDS_READ)]
Previewer = Annotated[Writing, may_write(Scope.HOLDS_READ)]
Writer = Annotated[Writing, may_write(Scope.HOLDS_WRITE)]

_WIDE: dict[str, JsonValue] = {"topic": "iscep_promo", "channel": "sms"}
_ONE_TEXT: dict[str, JsonValue] = {"template": "outage_notice/sms.tr"}
_WHY: dict[str, JsonValue] = {"reason": "Wrong rate of interest in the text", "by": "Duty officer"}


class ScopeBody(BaseModel):
    """What is to stop: every part narrows it down, and what is left out means any.

    `mandatory` messages go on unless you say `mandatory: true`. A hold that names nothing else
    stops the whole brand.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_WIDE, _ONE_TEXT]})

    topic: str = Field(default="", max_length=100, description="A topic of the rulebook")
    template: str = Field(
        default="", max_length=200, description="One text: `<topic>/<channel>.<language>`"
    )
    message_class: MessageClass | None = Field(default=None, description="The legal class")
    channel: Channel | None = None
    route: str = Field(
        default="",
        max_length=100,
        description="A route to a provider. It is chosen as a message leaves: others are taken "
        "instead, and without another the message waits. Counts are upper bounds.",
    )
    mandatory: bool = Field(default=False, description="Stop what the law orders to be told, too")

    def scope(self) -> HoldScope:
        """Return what the body says."""
        return HoldScope(
            topic=self.topic,
            template=self.template,
            message_class=self.message_class or "",
            channel=self.channel or "",
            route=self.route,
            mandatory=self.mandatory,
        )


class NewHold(ScopeBody):
    """A hold to place: what is to stop, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{**_WIDE, **_WHY}, {**_ONE_TEXT, **_WHY}]}
    )

    reason: str = Field(min_length=1, max_length=500)
    by: str = Field(default="", max_length=100, description="Who asks for it, besides the key")


class Release(BaseModel):
    """Who releases a hold, besides the key."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(default="", max_length=100, examples=["Duty officer"])


_NOBODY = Release()


class HeldView(BaseModel):
    """A hold with what waits under it; `expired` messages will end when it is released."""

    id: str
    topic: str
    template: str
    message_class: str
    channel: str
    route: str
    mandatory: bool
    reason: str
    placed_by: str
    placed_at: datetime
    released_at: datetime | None
    released_by: str
    messages: int
    expired: int
    waiting: list[Waiting]


@router.post("/preview", responses=documented(409, 422), response_model=HoldPreview)
async def preview_hold(body: ScopeBody, write: Previewer) -> Response:
    """Count by topic, class and channel what a hold would keep back now; nothing is placed."""

    async def effect(tx: AsyncSession) -> HoldPreview:
        return await write.desk.holds.preview(tx, write.brand.id, body.scope())

    return await write.once(200, effect)


@router.post("", status_code=201, responses=documented(409, 422), response_model=Hold)
async def place_hold(body: NewHold, write: Writer) -> Response:
    """Place a hold: once this is answered, nothing that it covers is handed to a provider.

    Messages are kept, not cancelled; a provider may still report on those that it has already.
    """
    write.check_rehearsal("hold", simulated=False)

    async def effect(tx: AsyncSession) -> Hold:
        return await write.desk.holds.place(
            tx, write.brand.id, body.scope(), reason=body.reason, by=write.signed(body.by)
        )

    return await write.once(201, effect)


@router.get("/{hold_id}", responses=documented(404))
async def get_hold(hold_id: HoldId, read: Reader) -> HeldView:
    """Read a hold with what waits under it: what its release would free, and what has expired."""
    async with read.session() as tx:
        return held_view(await read.desk.holds.view(tx, read.brand.id, hold_id))


@router.get("", responses=documented())
async def list_holds(
    read: Reader,
    in_force: Annotated[bool | None, Query(description="Only these, or only released")] = None,
    after: After = "",
    limit: Limit = 50,
) -> Page[Hold]:
    """List holds in the order in which they were placed."""
    async with read.session() as tx:
        found = await read.desk.holds.page(
            tx, read.brand.id, in_force=in_force, after=after, limit=limit + 1
        )
    return page_of(found, limit)


@router.post("/{hold_id}/release", responses=documented(404, 409, 422), response_model=Hold)
async def release_hold(hold_id: HoldId, write: Writer, body: Release = _NOBODY) -> Response:
    """Release a hold: its messages leave within seconds, unless another hold covers them.

    What has expired meanwhile ends as `expired` and does not leave; read the hold beforehand to
    see how many those are.
    """
    write.check_rehearsal("hold", simulated=False)

    async def effect(tx: AsyncSession) -> Hold:
        return await write.desk.holds.release(tx, write.brand.id, hold_id, by=write.signed(body.by))

    return await write.once(200, effect)


def held_view(view: HoldView) -> HeldView:
    """Show a hold and its counts as one thing."""
    hold = view.hold
    return HeldView(
        id=hold.id,
        topic=hold.topic,
        template=hold.template,
        message_class=hold.message_class,
        channel=hold.channel,
        route=hold.route,
        mandatory=hold.mandatory,
        reason=hold.reason,
        placed_by=hold.placed_by,
        placed_at=hold.placed_at,
        released_at=hold.released_at,
        released_by=hold.released_by,
        messages=view.messages,
        expired=view.expired,
        waiting=list(view.waiting),
    )
