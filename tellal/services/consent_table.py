"""The ledger of a brand as a table: what `consent_files` reads, for whoever moves elsewhere."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ConsentRow, CustomerRow
from tellal.services.consent_files import OPTIONAL, REQUIRED
from tellal.services.table_writing import Write

_consents = table(ConsentRow)
_customers = table(CustomerRow).c
_PAGE = 5_000


async def write_consents(tx: AsyncSession, brand_id: str, write: Write) -> int:
    """Write every record that was not erased, oldest first; return how many it were."""
    columns = (*REQUIRED, *OPTIONAL)
    write(columns)
    query = (
        select(_consents, _customers.ref.label("customer_ref"), _customers.first_name)
        .join(table(CustomerRow), _customers.id == _consents.c.customer_id)
        .where(_consents.c.brand_id == brand_id, _consents.c.address != "")
        .order_by(_consents.c.id)
        .limit(_PAGE)
    )
    last, number = "", 0
    while True:
        rows = (await tx.execute(query.where(_consents.c.id > last))).all()
        for row in rows:
            said = _cells(row)
            write([said.get(name, "") for name in columns])
        number += len(rows)
        if len(rows) < _PAGE:
            return number
        last = rows[-1].id


def _cells(row: Row[Any]) -> Mapping[str, object]:
    delegation = row.delegation
    proof = {name: value for name, value in row.evidence.items() if name in OPTIONAL}
    return {
        **proof,
        "address": row.address,
        "channel": row.channel,
        "state": row.state,
        "customer": row.customer_ref,
        "first_name": row.first_name,
        "recipient_type": row.recipient_type,
        "source": row.source,
        "given_at": row.given_at.isoformat(),
        "valid_until": row.valid_until.isoformat() if row.valid_until else "",
        "purposes": "|".join(row.purposes),
        "retailer": delegation.get("retailer", ""),
        "retailer_contract": delegation.get("contract", ""),
        "goods": "|".join(delegation.get("goods", ())),
    }
