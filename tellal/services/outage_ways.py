"""How fast and for how much each channel carries a notice, by the routes that work just now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from rules.definitions import Topic
from tellal.domain.channels import BY_NUMBER, Channel
from tellal.domain.customers import Brand
from tellal.domain.outage_plan import Way
from tellal.domain.routes import Choice, Load, Price, Route, RouteTable, has_link, is_name
from tellal.domain.sms.segments import segmented
from tellal.ports import Renderer
from tellal.services.posting import brand_variables
from tellal.services.routes import how_routes_stand

OWN_RATE = 1_000.0
"""Messages per second that a worker hands over, whatever its routes could take: what one on two
cores was measured to do, less something to spare (docs/benchmarks.md)."""

UNSAID_RATES: Mapping[Channel, float] = {
    Channel.SMS: 100.0,
    Channel.WHATSAPP: 80.0,
    Channel.CALL: 1.0,
    Channel.EMAIL: 100.0,
    Channel.PUSH: 5_000.0,
}
"""What a route is taken to carry in a second if nobody has set its rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told: the topic, the channels that its rules name, and `outage` of its texts."""

    topic: Topic
    channels: Collection[Channel]
    variables: Mapping[str, object]


class Ways:
    """Asks the routes; the text is taken to be in the language of the brand's country."""

    def __init__(self, renderer: Renderer, routes: RouteTable, own_rate: float = OWN_RATE) -> None:
        self._renderer = renderer
        self._routes = routes
        self._own_rate = own_rate

    async def now(
        self, tx: AsyncSession, brand: Brand, notice: Notice, at: datetime
    ) -> tuple[dict[Channel, Way], tuple[str, ...]]:
        """Return the channels that some route carries, and in words what of it is guessed.

        Raises:
            InvalidInputError: A text needs a variable that is missing, or there is no such text.
        """
        healths, shares = await how_routes_stand(tx)
        health = Choice(table=self._routes, health=healths, now=at, shares=shares)
        ways: dict[Channel, Way] = {}
        notes: list[str] = []
        for channel in notice.channels:
            if channel is Channel.BANNER:  # the surface shows it; nothing is carried
                continue
            text = self._text(brand, notice, channel)
            load = Load(
                channel=channel,
                country=brand.country if channel in BY_NUMBER else "",
                message_class=notice.topic.message_class,
                has_link=has_link(text),
                named_sender=channel is Channel.SMS and is_name(brand.sms_sender),
            )
            carrying = health.among(load)
            awake = [one for one in carrying if health.rests_until(one.name) is None]
            # All of them rest: they come back before most outages end, and messages wait for that.
            routes = awake or carrying
            if routes and not awake:
                notes.append(f"{channel}: every route rests now, and is taken to come back")
            if routes:
                counts = {one.name: _segments(text, one, brand, notice.topic) for one in routes}
                ways[channel] = self._way(channel, routes, counts, notes)
        return ways, tuple(notes)

    def _way(
        self, channel: Channel, routes: Sequence[Route], counts: Mapping[str, int], notes: list[str]
    ) -> Way:
        """Add the routes of a channel up; the longest text counts, the heaviest route's price."""
        segments = max(counts.values())
        if len(set(counts.values())) > 1:
            notes.append(f"a text takes {segments} segments on some routes, and fewer on others")
        rate = 0.0
        for one in routes:
            if one.rate is None:
                guessed = f"{UNSAID_RATES[channel]:g}/s"
                notes.append(f"{one.name} has no rate of its own: it is taken to carry {guessed}")
            rate += UNSAID_RATES[channel] if one.rate is None else one.rate
        own = self._own_rate * segments
        if rate > own:
            notes.append(f"{channel}: a worker hands over {self._own_rate:g} a second at most")
        heaviest = max(routes, key=lambda one: one.weight)
        if len(routes) > 1 and heaviest.price is not None:
            notes.append(f"{channel} is reckoned at the price of {heaviest.name}, which gets most")
        return Way(
            rate=min(rate, own),
            segments=segments,
            price=_of_one(heaviest, counts[heaviest.name]),
        )

    def _text(self, brand: Brand, notice: Notice, channel: Channel) -> str:
        return self._renderer.render(
            topic=notice.topic.id,
            channel=channel,
            language=brand.country.lower(),
            variables={
                "brand": brand_variables(brand),
                "customer": {"first_name": ""},
                "outage": notice.variables,
            },
        ).text


def _segments(text: str, route: Route, brand: Brand, topic: Topic) -> int:
    if route.channel is not Channel.SMS:
        return 1
    reserved = route.reserved_in(brand.country)
    return segmented(text, alphabets=route.alphabets, reserved=reserved, folding=topic.fold).count


def _of_one(route: Route, segments: int) -> Price | None:
    if route.price is None:
        return None
    return Price(amount=route.price.amount * segments, currency=route.price.currency)
