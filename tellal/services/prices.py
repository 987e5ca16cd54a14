"""What a message costs before anybody has written it: the price of a channel's first route."""

from collections.abc import Mapping
from decimal import Decimal

from rules.holder import RulebookHolder
from tellal.domain.channels import BY_NUMBER, Channel, MessageClass
from tellal.domain.routes import Load, RouteTable


class Prices:
    """Estimates, for one segment, to the first country of the table of routes."""

    def __init__(self, books: RulebookHolder, routes: RouteTable) -> None:
        self._books = books
        self._routes = routes

    def of(self, message_class: MessageClass) -> Mapping[Channel, Decimal]:
        """Return the price of each channel that has one."""
        return prices_of(self._routes, message_class)

    def dearest(self, topic: str) -> Decimal:
        """Return the highest price of a topic's channels; nothing if none has a price."""
        shard = self._books.current.shards.get(topic)
        if shard is None:
            return Decimal(0)
        prices = self.of(shard.topic.message_class)
        asked = {channel for rule in shard.channels for channel, _ in rule.rule.steps}
        return max((prices.get(channel, Decimal(0)) for channel in asked), default=Decimal(0))


def prices_of(routes: RouteTable, message_class: MessageClass) -> Mapping[Channel, Decimal]:
    """Take the price of a channel's first route, for one segment, to the first country."""
    prices = {}
    for channel in Channel:
        country = next(iter(routes.countries), "") if channel in BY_NUMBER else ""
        load = Load(channel=channel, country=country, message_class=message_class)
        found = routes.carrying(load)
        if found and found[0].price is not None:
            prices[channel] = found[0].price.amount
    return prices
