"""Every ONAY and RET that came in a period, and what came of each."""

from collections import Counter
from datetime import datetime

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.errors import InvalidInputError
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.refusing import InboundEffectRow, InboundRow

_inbound = table(InboundRow).c
_effects = table(InboundEffectRow).c
_customers = table(CustomerRow).c

MOST = 10_000
"""How many are listed at most; the numbers count no further either."""


class InboundItem(BaseModel):
    """One word of one customer. His number and words are with the record of consent."""

    at: datetime
    customer: str = Field(description="Your own name for him")
    channel: str
    code: str = Field(description="The number to which he wrote")
    keyword: str
    did: str = Field(description="granted, refused, or asked (nothing changed)")
    consent: str | None = Field(description="The record; none if it stood so before")
    cancelled: int = Field(description="Messages that it stopped")
    answer: str = Field(
        description="sent, carrier (which answered itself), capped, none, or why the rules were "
        "against it"
    )


class InboundReport(BaseModel):
    """What people wrote to the numbers of a brand in a period."""

    begins: datetime
    ends: datetime
    did: dict[str, int]
    answers: dict[str, int]
    codes: dict[str, int]
    cancelled: int
    complete: bool = Field(description="Whether these are all of the period")
    items: list[InboundItem]


async def inbound_report(
    tx: AsyncSession, brand_id: str, begins: datetime, ends: datetime
) -> InboundReport:
    """List a brand's period in the order of time.

    Raises:
        InvalidInputError: The period ends before it begins.
    """
    if ends <= begins:
        raise InvalidInputError("the period ends before it begins", field="until")
    query = (
        select(
            _effects.received_at,
            _customers.ref,
            _inbound.channel,
            _inbound.recipient,
            _inbound.keyword,
            _effects.did,
            _effects.consent_id,
            _effects.cancelled,
            _inbound.answer,
        )
        .join(table(InboundRow), _inbound.id == _effects.inbound_id)
        .join(table(CustomerRow), _customers.id == _effects.customer_id)
        .where(
            _effects.brand_id == brand_id,
            _effects.received_at >= begins,
            _effects.received_at < ends,
        )
        .order_by(_effects.received_at, _effects.id)
        .limit(MOST + 1)
    )
    rows = (await tx.execute(query)).all()
    items = [
        InboundItem(
            at=row.received_at,
            customer=row.ref,
            channel=row.channel,
            code=row.recipient,
            keyword=row.keyword,
            did=row.did,
            consent=row.consent_id,
            cancelled=row.cancelled,
            answer=row.answer,
        )
        for row in rows[:MOST]
    ]
    return InboundReport(
        begins=begins,
        ends=ends,
        did=dict(Counter(one.did for one in items)),
        answers=dict(Counter(one.answer for one in items)),
        codes=dict(Counter(one.code for one in items)),
        cancelled=sum(one.cancelled for one in items),
        complete=len(rows) <= MOST,
        items=items,
    )
