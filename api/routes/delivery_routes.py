"""The routes over which messages leave: how each is doing, and who decides on its share."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.route_learning import Mode
from tellal.domain.routes import Carriage
from tellal.domain.sms.alphabets import Alphabet
from tellal.services.keys import Scope
from tellal.services.route_steering import Movement
from tellal.services.route_views import RouteView, Standing, view_routes

router = APIRouter(prefix="/routes", tags=["operations"])

Reader = Annotated[Reading, may_read(Scope.MESSAGES_READ)]
Writer = Annotated[Writing, may_write(Scope.HOLDS_WRITE)]
Name = Annotated[str, Path(max_length=100, description="The route's name in the table")]


class CarriageView(BaseModel):
    """What a route carries to some countries; no countries means all others."""

    countries: list[str]
    classes: list[MessageClass]
    urls: bool
    reserved: int = Field(description="Characters that carriers there add to a text")


class PriceView(BaseModel):
    """What a segment, a mail or a push costs."""

    amount: str = Field(examples=["0.0500"])
    currency: str


class DeliveryRouteView(BaseModel):
    """A route. All workers share how it is doing."""

    id: str
    provider: str
    channel: Channel
    carries: list[CarriageView]
    weight: int
    rate: float | None = Field(description="Messages per second over all workers")
    alphabets: list[Alphabet]
    two_way: bool
    price: PriceView | None
    longest_validity_s: float | None
    standing: Standing
    rests_until: datetime | None = Field(description="Nothing leaves by it before")
    reason: str = Field(description="Code of what made it rest")
    failures: int = Field(description="How full its breaker is; it opens at 20")
    opened_times: int = Field(description="How often it opened without a success between")
    tokens: int | None = Field(description="How many messages its rate would let go now")
    mode: Mode = Field(description="Who decides on its share: what is learned, or somebody did")
    share: float = Field(description="Which part of its weight is left to it by what is learned")
    share_moved_at: datetime | None
    usual_receipt_s: float | None = Field(description="How long its final receipts usually take")


class DeliveryRouteList(BaseModel):
    """Every route of the table."""

    items: list[DeliveryRouteView]


class Steering(BaseModel):
    """Why somebody decides on a route's share."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reason": "Works at the operator", "by": "Night shift"}]},
    )

    reason: str = Field(min_length=1, max_length=500)
    by: str = Field(default="", max_length=100, description="Who asks for it, besides the key")


class SteeredRoute(BaseModel):
    """A route after somebody decided on its share."""

    id: str
    mode: Mode
    share: float


@router.get("", responses=documented())
async def list_routes(read: Reader) -> DeliveryRouteList:
    """List every route: what it may carry, what it costs, and how it is doing now."""
    desk = read.desk
    async with read.session() as tx:
        views = await view_routes(tx, desk.routes, desk.providers, desk.clock.now())
    return DeliveryRouteList(items=[_shown(view) for view in views])


@router.get("/{name}/movements", responses=documented(404))
async def list_movements(
    name: Name, read: Reader, after: After = "", limit: Limit = 50
) -> Page[Movement]:
    """List how a route's share moved, the latest first, with the figures that it rests on."""
    async with read.session() as tx:
        found = await read.desk.steering.movements(tx, name, before=after, limit=limit + 1)
    return page_of(found, limit)


@router.post("/{name}/drain", responses=documented(404, 409, 422), response_model=SteeredRoute)
async def drain_route(name: Name, body: Steering, write: Writer) -> Response:
    """Let nothing new go by a route, of any brand; what it alone may carry waits."""
    return await _steer(name, Mode.DRAINED, body, write)


@router.post("/{name}/pin", responses=documented(404, 409, 422), response_model=SteeredRoute)
async def pin_route(name: Name, body: Steering, write: Writer) -> Response:
    """Let all go by a route that it may carry, of any brand, as long as it works."""
    return await _steer(name, Mode.PINNED, body, write)


@router.post("/{name}/release", responses=documented(404, 409, 422), response_model=SteeredRoute)
async def release_route(name: Name, body: Steering, write: Writer) -> Response:
    """Leave a route's share to what is learned again."""
    return await _steer(name, Mode.AUTO, body, write)


async def _steer(name: str, mode: Mode, body: Steering, write: Writing) -> Response:
    write.check_rehearsal("route", simulated=False)

    async def effect(tx: AsyncSession) -> SteeredRoute:
        share = await write.desk.steering.steer(
            tx, name, mode, reason=body.reason, by=write.signed(body.by)
        )
        return SteeredRoute(id=name, mode=share.mode, share=share.factor)

    return await write.once(200, effect)


def _shown(view: RouteView) -> DeliveryRouteView:
    route, price, longest = view.route, view.route.price, view.route.longest_validity
    return DeliveryRouteView(
        id=route.name,
        provider=route.provider,
        channel=route.channel,
        carries=[_carriage(one) for one in route.carries],
        weight=route.weight,
        rate=route.rate,
        alphabets=[one for one in Alphabet if one in route.alphabets],
        two_way=route.two_way,
        price=PriceView(amount=str(price.amount), currency=price.currency) if price else None,
        longest_validity_s=longest / timedelta(seconds=1) if longest else None,
        standing=view.standing,
        rests_until=view.rests_until,
        reason=view.reason,
        failures=view.failures,
        opened_times=view.opened_times,
        tokens=view.tokens,
        mode=view.share.mode,
        share=view.share.factor,
        share_moved_at=view.share.moved_at,
        usual_receipt_s=view.share.usual_s,
    )


def _carriage(one: Carriage) -> CarriageView:
    return CarriageView(
        countries=sorted(one.countries),
        classes=[kind for kind in MessageClass if kind in one.classes],
        urls=one.urls,
        reserved=one.reserved,
    )
