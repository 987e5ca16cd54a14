"""Finds what rules send and no route may carry."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from rules.definitions import Topic
from rules.rulebook import Rulebook
from rules.source import Place
from tellal.domain.channels import BY_NUMBER, Channel
from tellal.domain.errors import Finding
from tellal.domain.routes import Load, RouteTable

_ELSEWHERE = ""
"""Any country that no route names."""


def unsendable(
    book: Rulebook, table: RouteTable, providers: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Return what no route carries, by its place in the rule files.

    It is a mistake where no route of the table carries it anywhere; a warning where the providers
    at hand (all, if none is named) do not carry it to a country that the table names.
    """
    at_hand = table.at_hand(providers)
    found: list[Finding] = []
    for topic in book.topics.values():
        for plan in (asked.rule for asked in book.shards[topic.id].channels):
            for (channel, _), place in zip(plan.steps, plan.places, strict=True):
                if channel is not Channel.BANNER:  # the surface shows it; nothing is carried
                    step = _Step(topic=topic, channel=channel, place=place)
                    found += step.findings(table, at_hand)
    return tuple(sorted(found, key=lambda one: (one.file, one.line, one.column)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A channel that a rule names for a topic."""

    topic: Topic
    channel: Channel
    place: Place

    def findings(self, table: RouteTable, at_hand: RouteTable) -> Iterator[Finding]:
        """Yield what speaks against it."""
        named = table.countries if self.channel in BY_NUMBER else ()
        loads = [self._load(country) for country in (*named, _ELSEWHERE)]
        carried = [load for load in loads if table.carrying(load)]
        if not carried:
            hint = "add a route that may carry it, or take another channel"
            yield self._finding("goes nowhere: no route of the table takes it", hint, warns=False)
        elif self.channel not in at_hand.channels:
            why = at_hand.why_not(loads[0])
            yield self._finding(f"goes nowhere now: {why}", _set_up(table, carried), warns=True)
        else:
            for load in loads[: len(named) or 1]:
                if why := at_hand.why_not(load):
                    to = f"to {load.country}: " if load.country else ""
                    yield self._finding(f"{to}{why}", _set_up(table, [load]), warns=True)

    def _load(self, country: str) -> Load:
        return Load(channel=self.channel, country=country, message_class=self.topic.message_class)

    def _finding(self, message: str, hint: str, *, warns: bool) -> Finding:
        return Finding(
            file=self.place.file,
            line=self.place.line,
            column=self.place.column,
            message=f"{self.topic.id}: {self.topic.message_class} {self.channel} {message}",
            hint=hint,
            warns=warns,
        )


def _set_up(table: RouteTable, loads: Iterable[Load]) -> str:
    """Say which providers would carry any of the loads."""
    providers = sorted({route.provider for load in loads for route in table.carrying(load)})
    return f"set up {' or '.join(providers)}" if providers else ""
