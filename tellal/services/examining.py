"""Says of a message that is due whether it may leave now, and by which routes.

Holds, consent, blocks and the address count as they are at this moment, not as they were when the
message was decided. Nothing is written here: what is found is a wish, a hold or an end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from tellal.addresses import country_of
from tellal.domain.channels import BY_NUMBER, Channel, MessageClass
from tellal.domain.customers import Brand, ContactPoint, Customer
from tellal.domain.errors import InvalidInputError
from tellal.domain.footers import IncompleteSenderError
from tellal.domain.holds import Hold
from tellal.domain.messages import MessageState
from tellal.domain.push import kind_of
from tellal.domain.routes import Choice, Load, Route, has_link, is_name
from tellal.domain.senders import SenderProfile
from tellal.domain.simulation import is_magic, simulated_route
from tellal.ports import Rendered, Renderer
from tellal.services.affected import LOOK_AGAIN
from tellal.services.allow_list import AllowList
from tellal.services.moves import Move
from tellal.services.posting import template_variables
from tellal.services.wording import Spoken, rendered as worded

_LONGEST_TEXT = 1600
"""Characters: what Twilio takes, and more than anybody reads in a text message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is known of everybody in a batch, and how routes stand.

    `texts` are by the revisions with which the journeys of the batch began; `only` is who may get
    anything at all (None: everybody), `affected` whom an outage affects. `senders` are the profiles
    of the brands whose promotions are in the batch, `agreements` what their readers granted and
    refused for the purposes of those; `refusal_url` is where a message is refused.
    """

    brands: Mapping[str, Brand]
    customers: Mapping[str, Customer]
    holds: Sequence[Hold]
    choice: Choice
    texts: Mapping[str, Renderer]
    now: datetime
    only: AllowList | None = None
    affected: frozenset[str] = frozenset()
    senders: Mapping[str, SenderProfile] = field(default_factory=dict)
    agreements: Mapping[tuple[str, ...], Mapping[str, Mapping[Channel, bool]]] = field(
        default_factory=dict
    )
    refusal_url: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A message that may leave, and the routes that may carry it."""

    row: Row[Any]
    point: ContactPoint
    country: str
    rendered: Rendered
    routes: Sequence[Route]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A message that a hold keeps back until it is released."""

    message_id: str
    hold_id: str


def examine(row: Row[Any], batch: Batch) -> Wish | Held | Move:
    """Say by which routes a message may leave, what holds it back, or why it ends here."""
    hold = _hold_on(row, batch, "")
    if hold is not None and row.expires_at > batch.now:
        return Held(message_id=row.id, hold_id=hold.id)
    kept = _kept_from_leaving(row, batch)
    if kept is not None:
        return kept
    customer, channel = batch.customers[row.customer_id], Channel(row.channel)
    point = _point(customer, row.contact_point_id)
    code = ""
    simulated = _is_simulated(row, point)
    if channel not in batch.choice.table.channels and not simulated:
        code = "no_carrier"
    elif point is None:
        code = "no_address"
    elif point.bad_reason:
        code = "bad_address"
    if code or point is None:
        return Move(message_id=row.id, state=MessageState.FAILED, code=code)
    code = _forbidden(row, point, batch)
    if code:
        return Move(message_id=row.id, state=MessageState.CANCELLED, code=code)
    return _wish(row, point, batch)


def _kept_from_leaving(row: Row[Any], batch: Batch) -> Move | None:
    """Say whether it is too late, unwanted, or to wait until its reader is served again."""
    customer = batch.customers[row.customer_id]
    if row.expires_at <= batch.now:
        return Move(message_id=row.id, state=MessageState.EXPIRED, code="expired")
    unwanted = customer.wishes.against(row.topic, MessageClass(row.message_class))
    if row.message_class == MessageClass.COMMERCIAL and not _may_promote(row, batch):
        unwanted = "no_consent"
    if unwanted:
        return Move(message_id=row.id, state=MessageState.CANCELLED, code=unwanted)
    if _waits_for_the_end(row, batch):
        later = batch.now + LOOK_AGAIN
        return Move(message_id=row.id, state=MessageState.DEFERRED, code="outage", not_before=later)
    return None


def _waits_for_the_end(row: Row[Any], batch: Batch) -> bool:
    """Say whether it promotes something to somebody who is without; a rehearsal disturbs nobody."""
    promotes = row.message_class == MessageClass.COMMERCIAL and not row.simulated
    return promotes and row.customer_id in batch.affected


def _forbidden(row: Row[Any], point: ContactPoint, batch: Batch) -> str:
    """Say why nothing may go to a good address, empty when something may."""
    if point.block(MessageClass(row.message_class), batch.now) is not None:
        return "blocked"
    listed = batch.only is None or batch.only.admits(Channel(row.channel), point.address)
    return "" if listed or _is_simulated(row, point) else "not_on_allow_list"


def _hold_on(row: Row[Any], batch: Batch, route: str) -> Hold | None:
    """Return a hold that covers the message, if it goes by a route (empty: by any)."""
    if not batch.holds:
        return None
    channel = Channel(row.channel)
    template = batch.texts[row.revision].text_name(
        topic=row.topic, channel=channel, language=row.language
    )
    covering = (
        hold
        for hold in batch.holds
        if hold.covers(
            brand_id=row.brand_id,
            topic=row.topic,
            template=template,
            message_class=row.message_class,
            channel=row.channel,
            route=route,
        )
    )
    return next(covering, None)


def _wish(row: Row[Any], point: ContactPoint, batch: Batch) -> Wish | Held | Move:
    channel = Channel(row.channel)
    customer = batch.customers[row.customer_id]
    try:
        rendered = _worded(row, channel, customer, batch)
    except IncompleteSenderError:
        return Move(message_id=row.id, state=MessageState.FAILED, code="sender_incomplete")
    except InvalidInputError:
        return Move(message_id=row.id, state=MessageState.FAILED, code="template")
    if channel is Channel.SMS and len(rendered.text) > _LONGEST_TEXT:
        return Move(message_id=row.id, state=MessageState.FAILED, code="too_long")
    country = country_of(point.address) if channel in BY_NUMBER else ""
    load = Load(
        channel=channel,
        country=country,
        message_class=MessageClass(row.message_class),
        has_link=has_link(rendered.text),
        named_sender=channel is Channel.SMS and is_name(batch.brands[row.brand_id].sms_sender),
        address_kind=kind_of(point.address) if channel is Channel.PUSH else None,
    )
    out = set(row.routes_out.split(","))
    routes = [route for route in batch.choice.among(load) if route.name not in out]
    if _is_simulated(row, point):
        routes = [simulated_route(channel)]
    if not routes:
        return Move(message_id=row.id, state=MessageState.FAILED, code="no_route")
    holds = {route.name: _hold_on(row, batch, route.name) for route in routes}
    free = [route for route in routes if holds[route.name] is None]
    hold = holds[routes[0].name]
    if not free and hold is not None:
        return Held(message_id=row.id, hold_id=hold.id)
    return Wish(row=row, point=point, country=country, rendered=rendered, routes=free)


def _worded(row: Row[Any], channel: Channel, customer: Customer, batch: Batch) -> Rendered:
    """Fill the message in, with what the law adds to a commercial one."""
    brand, message_class = batch.brands[row.brand_id], MessageClass(row.message_class)
    said = Spoken(
        topic=row.topic,
        channel=channel,
        language=row.language,
        message_class=message_class,
        variables=template_variables(brand, customer, row.variables),
        link=batch.refusal_url(row.id) if channel is Channel.EMAIL else "",
    )
    return worded(batch.texts[row.revision], said, brand, batch.senders.get(brand.id), batch.now)


def _is_simulated(row: Row[Any], point: ContactPoint | None) -> bool:
    """Say whether the message is to end with the simulator: set off by a rehearsal, or magic."""
    magic = point is not None and is_magic(Channel(row.channel), point.address)
    return bool(row.simulated) or magic


def _may_promote(row: Row[Any], batch: Batch) -> bool:
    """Say whether consent stands now; where the law asked for none, whether nobody has refused."""
    said = batch.agreements[purposes_of(row)][row.customer_id].get(Channel(row.channel))
    return said is not False if row.channel in (row.without_consent or ()) else said is True


def purposes_of(row: Row[Any]) -> tuple[str, ...]:
    """Return the purposes for which consent must stand; plans from before them name none."""
    return tuple(row.purposes or ())


def _point(customer: Customer, contact_point_id: str | None) -> ContactPoint | None:
    return next((one for one in customer.contact_points if one.id == contact_point_id), None)
