"""The ledger of consents, read as domain objects."""

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import Row

from tellal.domain.channels import RecipientType
from tellal.domain.consents import ConsentChannel, ConsentRecord, Delegation
from tellal.domain.customers import ConsentState


def to_record(row: Row[Any]) -> ConsentRecord:
    """Turn a row of the table of consents into the domain's record."""
    return ConsentRecord(
        id=row.id,
        brand_id=row.brand_id,
        customer_id=row.customer_id,
        channel=ConsentChannel(row.channel),
        state=ConsentState(row.state),
        recipient_type=RecipientType(row.recipient_type),
        source=row.source,
        given_at=row.given_at,
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
        valid_until=row.valid_until,
        purposes=tuple(row.purposes),
        delegation=_delegation(row.delegation),
        address=row.address,
        evidence=row.evidence,
        seq=row.seq,
        salt=row.salt,
        erased_at=row.erased_at,
        erased_by=row.erased_by,
    )


def _delegation(written: Mapping[str, object]) -> Delegation | None:
    if not written:
        return None
    return Delegation(
        retailer=cast(str, written["retailer"]),
        contract=cast(str, written["contract"]),
        goods=tuple(cast(list[str], written["goods"])),
    )
