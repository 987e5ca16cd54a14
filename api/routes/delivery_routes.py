"""The routes over which messages leave, and how each is doing now."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.problems import documented
from api.requests import Reading, may_read
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.routes import Carriage
from tellal.domain.sms.alphabets import Alphabet
from tellal.services.keys import Scope
from tellal.services.route_views import RouteView, Standing, view_routes

router = APIRouter(prefix="/routes", tags=["operations"])

Reader = Annotated[Reading, may_read(Scope.MESSAGES_READ)]


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


class DeliveryRouteList(BaseModel):
    """Every route of the table."""

    items: list[DeliveryRouteView]


@router.get("", responses=documented())
async def list_routes(read: Reader) -> DeliveryRouteList:
    """List every route: what it may carry, what it costs, and how it is doing now."""
    desk = read.desk
    async with read.session() as tx:
        views = await view_routes(tx, desk.routes, desk.providers, desk.clock.now())
    return DeliveryRouteList(items=[_shown(view) for view in views])


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
    )


def _carriage(one: Carriage) -> CarriageView:
    return CarriageView(
        countries=sorted(one.countries),
        classes=[kind for kind in MessageClass if kind in one.classes],
        urls=one.urls,
        reserved=one.reserved,
    )
