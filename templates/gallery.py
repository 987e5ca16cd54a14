"""Ready messages: every text there is, filled in with its example, with what it takes and costs."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from tellal.domain.channels import BY_NUMBER, Channel, MessageClass
from tellal.domain.errors import Finding, InvalidInputError
from tellal.domain.routes import Load, Price, RouteTable, has_link
from tellal.domain.sms.alphabets import EVERYWHERE
from tellal.domain.sms.cost import price_of
from tellal.domain.sms.segments import segmented
from tellal.domain.text_law import TextLaw
from tellal.ports import Rendered
from templates.environment import JinjaRenderer
from templates.lawfulness import Reading, as_it_leaves, senders
from templates.lint import Ways, looked_over
from templates.naming import TemplateName


@dataclass(frozen=True, slots=True, kw_only=True)
class Airtime:
    """What a message takes by the first route that carries it; None if no price is known."""

    segments: int
    cost: Price | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyMessage:
    """A text that is written once and used again and again.

    `version` is that of the topic's content, 0 where no rulebook has the topic. Who lacks a
    variable that it `needs` is not told; what it `spares` it does without.
    """

    topic: str
    channel: Channel
    language: str
    version: int
    message_class: MessageClass | None
    shown: Rendered
    airtime: Airtime
    note: str
    needs: tuple[str, ...]
    spares: tuple[str, ...]
    findings: tuple[Finding, ...]


def ready_messages(
    renderer: JinjaRenderer,
    ways: Ways,
    versions: Mapping[str, int],
    *,
    law: TextLaw,
    country: str,
    topic: str = "",
) -> tuple[ReadyMessage, ...]:
    """Show every text, or those of one topic, by topic, channel and language.

    Commercial ones are shown under a law, and cost what they cost to a country.
    """
    names = [name for name in renderer.list_templates() if topic in ("", name.topic)]
    return tuple(
        _ready(renderer, name, ways, versions=versions, law=law, country=country) for name in names
    )


def as_shown(renderer: JinjaRenderer, name: TemplateName, ways: Ways, law: TextLaw) -> Rendered:
    """Fill a text in with its example; a commercial one as the first of those who may send it.

    Raises:
        InvalidInputError: Its example does not fill it in, or the sender's profile is incomplete.
    """
    reading = Reading(
        renderer=renderer,
        name=name,
        classes=ways.classes_of(name.topic),
        routes=ways.table,
        example=renderer.example(name.topic),
    )
    if not reading.is_commercial:
        return reading.rendered()
    return as_it_leaves(reading, law, next(senders(reading, ways.law)), ways.law.day)


def airtime(
    text: str,
    *,
    channel: Channel,
    routes: RouteTable,
    country: str,
    classes: Collection[MessageClass],
) -> Airtime:
    """Say what a text takes to a country, by the first route that carries it in one of its classes.

    Of what goes by no number, a message is one segment.
    """
    where = country if channel in BY_NUMBER else ""
    loads = [
        Load(channel=channel, country=where, message_class=one, has_link=has_link(text))
        for one in sorted(classes)
    ]
    route = next((found for load in loads for found in routes.carrying(load)), None)
    count = 1
    if channel is Channel.SMS:
        alphabets = EVERYWHERE if route is None else route.alphabets
        reserved = 0 if route is None else route.reserved_in(country)
        count = segmented(text, alphabets=alphabets, reserved=reserved).count
    price = None if route is None else route.price
    if price is None:
        return Airtime(segments=count, cost=None)
    amount: Decimal = price_of(count, price.amount)
    return Airtime(segments=count, cost=Price(amount=amount, currency=price.currency))


def _ready(
    renderer: JinjaRenderer,
    name: TemplateName,
    ways: Ways,
    *,
    versions: Mapping[str, int],
    law: TextLaw,
    country: str,
) -> ReadyMessage:
    checked = looked_over(renderer, name, ways)
    shown = Rendered(subject="", text="")
    # What cannot be filled in, or by nobody who may send it, is among the findings.
    with suppress(InvalidInputError):
        shown = renderer.render(
            topic=name.topic,
            channel=name.channel,
            language=name.language,
            variables=renderer.example(name.topic),
        )
        shown = as_shown(renderer, name, ways, law)
    return ReadyMessage(
        topic=name.topic,
        channel=name.channel,
        language=name.language,
        version=versions.get(name.topic, 0),
        message_class=ways.classes.get(name.topic),
        shown=shown,
        airtime=airtime(
            shown.text,
            channel=name.channel,
            routes=ways.at_hand,
            country=country,
            classes=ways.classes_of(name.topic),
        ),
        note=checked.note,
        needs=checked.needs,
        spares=checked.spares,
        findings=checked.findings,
    )
