"""A hand-over desk on a real database, with a renderer and a sender that a test controls."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from tellal.clock import Clock
from tellal.domain.channels import Channel, MessageClass, Receipts
from tellal.domain.errors import InvalidInputError
from tellal.domain.handover import Carrier
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.domain.routes import Carriage, Route, RouteTable
from tellal.persistence.bell import Bell
from tellal.persistence.session import Sessions
from tellal.ports import Rendered, Renderer
from tellal.services.allow_list import AllowList
from tellal.services.handover import HandOvers
from tellal.services.posting import LANE_CHANNEL
from tellal.services.progress import Progress
from tellal.services.routes import Routes

CARRIERS: Mapping[str, Carrier] = {
    "fake": Carrier(provider="fake", receipts=Receipts.DELIVERY, looks_up=True),
    "fake-mail": Carrier(provider="fake-mail", receipts=Receipts.BOUNCE_ONLY, looks_up=False),
    "twilio": Carrier(provider="twilio", receipts=Receipts.DELIVERY, looks_up=True),
    "netgsm": Carrier(provider="netgsm", receipts=Receipts.DELIVERY, looks_up=True),
}
EVERYWHERE = (Carriage(countries=frozenset(), classes=frozenset(MessageClass), urls=True),)
ROUTES = RouteTable(
    routes=(
        Route(name="text", provider="fake", channel=Channel.SMS, carries=EVERYWHERE),
        Route(name="letter", provider="fake-mail", channel=Channel.EMAIL, carries=EVERYWHERE),
    )
)
_SERVICE = frozenset({MessageClass.SERVICE, MessageClass.MANDATORY})
ABROAD = Route(
    name="abroad",
    provider="twilio",
    channel=Channel.SMS,
    carries=(
        Carriage(countries=frozenset({"TR"}), classes=_SERVICE, urls=False),
        *EVERYWHERE,
    ),
)
TURKISH = Route(
    name="turkish",
    provider="netgsm",
    channel=Channel.SMS,
    carries=(Carriage(countries=frozenset({"TR"}), classes=frozenset(MessageClass), urls=True),),
)
TWO_WAYS = RouteTable(routes=(ABROAD, TURKISH))
"""A text to Turkey can go by either; a promotion or a link there only by the Turkish one."""
ACCEPTED = HandOver(answer=Answer.ACCEPTED, provider="fake", reference="ref")
NOT_THERE = HandOver(answer=Answer.REJECTED, provider="fake", code="not_there", remedy=Remedy.RETRY)
UNANSWERED = HandOver(
    answer=Answer.AMBIGUOUS, provider="fake", code="timeout", remedy=Remedy.RECONCILE
)


class PlainRenderer:
    """Writes the topic's name, or the variable `text`; `broken` stands for a broken template."""

    async def of(self, _: str, /) -> "PlainRenderer":
        return self

    def text_name(self, *, topic: str, channel: Channel, language: str) -> str:
        return f"{topic}/{channel}.{language}"

    def required_variables(self, *, topic: str, channel: Channel, language: str) -> tuple[str, ...]:
        assert all((topic, channel, language))
        return ()

    def example(self, topic: str) -> Mapping[str, object]:
        assert topic
        return {}

    def render(
        self, *, topic: str, channel: Channel, language: str, variables: Mapping[str, object]
    ) -> Rendered:
        if "broken" in variables:
            raise InvalidInputError("a variable is missing", field="variables")
        text = variables.get("text", f"{topic}/{channel}/{language}")
        return Rendered(subject=topic, text=str(text))


class FakeSender:
    """A provider that keeps what it took, and answers as the test says."""

    def __init__(self, *answers: HandOver, channel: Channel = Channel.SMS) -> None:
        self.provider = "fake"
        self.channel = channel
        self.receipts = Receipts.DELIVERY
        self.looks_up = True
        self.requests: list[OutgoingMessage] = []
        self.held: asyncio.Event | None = None
        self._answers = list(answers)

    async def send(self, message: OutgoingMessage) -> HandOver:
        self.requests.append(message)
        if self.held is not None:
            await self.held.wait()
        return self._answers.pop(0) if self._answers else ACCEPTED

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        assert since.tzinfo is not None
        known = any(request.id == message.id for request in self.requests)
        return ACCEPTED if known else NOT_THERE

    async def close(self) -> None:
        """Keep nothing open."""


def a_desk(
    sessions: Sessions,
    clock: Clock,
    *,
    lease: timedelta = timedelta(seconds=10),
    reconcile_after: timedelta = timedelta(seconds=5),
    carriers: Mapping[str, Carrier] = CARRIERS,
    routes: RouteTable = ROUTES,
    bell: Bell | None = None,
    renderer: Renderer | None = None,
    refusal_url: Callable[[str], str] = str,
    only: AllowList | None = None,
) -> HandOvers:
    return HandOvers(
        sessions,
        clock,
        progress=Progress(clock),
        renderer=renderer or PlainRenderer(),
        carriers=carriers,
        routes=Routes(sessions, clock, routes),
        bell=bell or Bell(sessions, LANE_CHANNEL),
        lease=lease,
        reconcile_after=reconcile_after,
        refusal_url=refusal_url,
        only=only,
    )
