"""What a run asks for: customers on three channels, and one message for each customer and topic."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tellal.domain.channels import Channel

SERVICE = "phishing_awareness"
COMMERCIAL = "iscep_promo"
MANDATORY = "outage_notice"

EVENTS: Mapping[str, str] = {SERVICE: "warned", COMMERCIAL: "offered"}
"""The event that raises a topic; the mandatory one is an outage's."""

_CHANNELS = (Channel.SMS, Channel.EMAIL, Channel.PUSH)
_SEGMENTS: Mapping[Channel, str] = {
    Channel.SMS: "mass",
    Channel.EMAIL: "affluent",
    Channel.PUSH: "private",
}
CALM = "calm"
"""Where nothing fails."""

_WITH_OFFERS = (Channel.SMS, Channel.EMAIL)
"""Where the commercial topic has texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A customer of the run; `district` says which outage is his."""

    ref: str
    channel: Channel
    address: str
    district: str

    @property
    def segment(self) -> str:
        """The segment by which the run's rules choose his channel."""
        return _SEGMENTS[self.channel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One message that is asked for: somebody is to hear of something, once."""

    customer: str
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a run asks for."""

    people: Sequence[Person]
    events: Sequence[Errand]
    outages: Mapping[str, Sequence[Errand]]

    @property
    def errands(self) -> Sequence[Errand]:
        """All errands."""
        return [*self.events, *(errand for many in self.outages.values() for errand in many)]


def plan(messages: int, districts: int) -> Plan:
    """Plan so many messages: everybody's service one, and a mandatory one or an offer besides.

    Offers go to people whom no outage affects: to others nothing is promoted until it is over.
    """
    people = list(_people(-(-messages // 2), messages // 4, districts))
    outages: dict[str, list[Errand]] = {}
    offered: list[Errand] = []
    for person in people[: messages - len(people)]:
        if person.district == CALM:
            offered.append(Errand(customer=person.ref, topic=COMMERCIAL))
        else:
            told = Errand(customer=person.ref, topic=MANDATORY)
            outages.setdefault(person.district, []).append(told)
    warned = [Errand(customer=person.ref, topic=SERVICE) for person in people]
    return Plan(people=people, events=_mixed(warned, offered), outages=outages)


def _people(count: int, calm: int, districts: int) -> Iterator[Person]:
    for n in range(count):
        channel = _CHANNELS[n % len(_CHANNELS)]
        is_calm = channel in _WITH_OFFERS and calm > 0
        calm -= is_calm
        yield Person(
            ref=f"chaos-{n}",
            channel=channel,
            address=_address(channel, n),
            district=CALM if is_calm else f"district-{n // len(_CHANNELS) % districts}",
        )


def _address(channel: Channel, n: int) -> str:
    if channel is Channel.SMS:
        # A country to which any carrier may bring any class of text.
        return f"+491512{n:07d}"
    return f"chaos-{n}@example.com" if channel is Channel.EMAIL else f"token-chaos-{n}"


def _mixed(many: Sequence[Errand], few: Sequence[Errand]) -> list[Errand]:
    """Spread the few evenly among the many."""
    places = [(place / max(1, len(many)), errand) for place, errand in enumerate(many)]
    places += [((place + 0.5) / max(1, len(few)), errand) for place, errand in enumerate(few)]
    return [errand for _, errand in sorted(places, key=lambda placed: placed[0])]
