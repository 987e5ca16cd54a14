"""How consents stand for what names its purposes, for many customers at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ARRAY, String, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel, RecipientType
from tellal.domain.consents import ConsentRecord, Use, standing
from tellal.domain.customers import ConsentState, Customer
from tellal.persistence.columns import table
from tellal.persistence.consents import to_record
from tellal.persistence.tables.customers import ConsentRow

_consents = table(ConsentRow)
_CHANNELS = {channel.value for channel in Channel}
_OF_CUSTOMERS = (
    select(_consents)
    .where(_consents.c.customer_id == any_(bindparam("whose", type_=ARRAY(String))))
    .order_by(_consents.c.given_at.desc(), _consents.c.id.desc())
)


def agreed(customer: Customer, at: datetime) -> dict[Channel, bool]:
    """Return what the customer granted (True) and refused (False); what has lapsed is left out."""
    said = {channel: consent.granted(at) for channel, consent in customer.consents.items()}
    return {channel: granted for channel, granted in said.items() if granted is not None}


async def agreements(
    tx: AsyncSession, customers: Sequence[Customer], purposes: Sequence[str], at: datetime
) -> Mapping[str, dict[Channel, bool]]:
    """Return by id what each customer granted (True) and refused (False) for all of some purposes.

    Without purposes nothing is read: what settles a whole channel is known with the customer.
    """
    if not purposes:
        return {customer.id: agreed(customer, at) for customer in customers}
    records: dict[tuple[str, str], list[ConsentRecord]] = {}
    found = await tx.execute(_OF_CUSTOMERS, {"whose": [customer.id for customer in customers]})
    for row in found:
        if row.channel in _CHANNELS:
            records.setdefault((row.customer_id, row.channel), []).append(to_record(row))
    said: dict[str, dict[Channel, bool]] = {customer.id: {} for customer in customers}
    for customer in customers:
        for channel in Channel:
            newest_first = records.get((customer.id, channel.value), [])
            granted = agreed_to(newest_first, customer.kind.value, purposes, at)
            if granted is not None:
                said[customer.id][channel] = granted
    return said


def agreed_to(
    newest_first: Sequence[ConsentRecord], kind: str, purposes: Sequence[str], at: datetime
) -> bool | None:
    """Say how a channel stands for several purposes: each must be granted, and none refused."""
    states = [
        standing(newest_first, Use(recipient_type=RecipientType(kind), purpose=purpose), at).state
        for purpose in purposes
    ]
    if ConsentState.REFUSED in states:
        return False
    return True if states and all(state is ConsentState.GRANTED for state in states) else None
