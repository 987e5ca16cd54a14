"""Writes messages into the ledger, where a lane finds them, or the surface that a person is on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel, Receipts
from tellal.domain.customers import Brand, Customer
from tellal.domain.messages import MessageState
from tellal.domain.plans import Plan
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from tellal.ports import Renderer
from tellal.services.reserving import Taken, take

_messages = table(MessageRow)

SURFACE = "surface"
"""The carrier of banners: the page or app that the person is on at this moment."""

LANE_CHANNEL = "tellal_lane"
"""PostgreSQL's notification channel that wakes lanes; the payload is the lane's name."""

_WRITE = insert(_messages)
# The lane is woken by the same statement: a round trip less for every message.
_WRITE_AND_WAKE = _WRITE.returning(func.pg_notify(LANE_CHANNEL, _messages.c.lane))


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What to write: one step of one try of an outcome, and the cap slots that it takes."""

    outcome_id: str
    cause_id: str
    topic: str
    plan: Plan
    step: int
    try_no: int
    not_before: datetime
    caps: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A message as it was written, and from when it may go.

    Banners carry their text, because the caller shows them.
    """

    message_id: str
    channel: Channel
    at: datetime
    expires_at: datetime
    title: str = ""
    text: str = ""


def brand_variables(brand: Brand) -> dict[str, str]:
    """Return what a template may say of the brand."""
    return {
        "name": brand.name,
        "trade_name": brand.trade_name,
        "phone": brand.phone,
        "email": brand.email,
        "mersis": brand.mersis,
    }


def template_variables(
    brand: Brand, customer: Customer, variables: dict[str, object]
) -> dict[str, object]:
    """Return what a template may use: the brand, the customer, and the topic's own variables."""
    return {
        "brand": brand_variables(brand),
        "customer": {"first_name": customer.first_name},
        **variables,
    }


def message_row(
    brand: Brand, customer: Customer, posting: Posting, now: datetime
) -> dict[str, object]:
    """Return the values of a new row of `messages`, which waits in its lane."""
    plan = posting.plan
    channel = plan.steps[posting.step].channel
    # One that is blocked is better than none: the lane ends the message and says why.
    point = customer.open_to(channel, plan.message_class, now) or customer.usable(channel)
    waits = posting.not_before > now
    return {
        "id": new_id(),
        "brand_id": brand.id,
        "cause_id": posting.cause_id,
        "outcome_id": posting.outcome_id,
        "customer_id": customer.id,
        "contact_point_id": point.id if point else None,
        "topic": posting.topic,
        "message_class": plan.message_class.value,
        "channel": channel.value,
        "lane": plan.lane.value,
        "priority": -plan.priority,
        "try_no": posting.try_no,
        "step": posting.step,
        "language": plan.language,
        "variables": dict(plan.variables),
        "simulated": plan.simulated,
        "state": (MessageState.DEFERRED if waits else MessageState.QUEUED).value,
        "state_at": now,
        "not_before": posting.not_before,
        "expires_at": now + plan.expires,
        "attempt": 0,
        "created_at": now,
        "provider": "",
        "reference": "",
        "receipts": "",
        "code": "",
        "subject": "",
        "text": "",
    }


class Posts:
    """Writes messages; the caller decided, and holds the customer's lock."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def post(
        self, tx: AsyncSession, brand: Brand, customer: Customer, posting: Posting, now: datetime
    ) -> Posted:
        """Write one message and the cap slots that it takes, and wake its lane."""
        plan = posting.plan
        channel = plan.steps[posting.step].channel
        row = message_row(brand, customer, posting, now)
        if channel is Channel.BANNER:
            row |= await self._shown_at_once(brand, customer, posting, now)
        await tx.execute(_WRITE if channel is Channel.BANNER else _WRITE_AND_WAKE, row)
        message_id, used_at = str(row["id"]), max(now, posting.not_before)
        await take(
            tx,
            [
                Taken(customer_id=customer.id, cap=cap, message_id=message_id, used_at=used_at)
                for cap in posting.caps
            ],
        )
        return Posted(
            message_id=message_id,
            at=used_at,
            channel=channel,
            expires_at=now + plan.expires,
            title=str(row.get("subject", "")),
            text=str(row.get("text", "")),
        )

    async def _shown_at_once(
        self, brand: Brand, customer: Customer, posting: Posting, now: datetime
    ) -> dict[str, object]:
        plan = posting.plan
        texts = await self._renderer.of(plan.revision)
        rendered = texts.render(
            topic=posting.topic,
            channel=Channel.BANNER,
            language=plan.language,
            variables=template_variables(brand, customer, dict(plan.variables)),
        )
        return {
            "state": MessageState.ACCEPTED.value,
            "provider": SURFACE,
            "receipts": Receipts.DELIVERY.value,
            "silent_until": now + plan.steps[posting.step].patience,
            "handed_at": now,
            "subject": rendered.subject,
            "text": rendered.text,
        }
