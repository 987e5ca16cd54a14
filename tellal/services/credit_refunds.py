"""What was given back of the messages of some causes, for reports."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.credit import EntryKind
from tellal.persistence.columns import table
from tellal.persistence.tables.credit import CreditAccountRow, CreditEntryRow
from tellal.persistence.tables.ledger import MessageRow

_accounts = table(CreditAccountRow)
_entries = table(CreditEntryRow)
_messages = table(MessageRow)


async def refunded(
    tx: AsyncSession, brand_id: str, causes: Sequence[str]
) -> Mapping[str, Decimal | None]:
    """Return by currency what was refunded; a currency without an account of the brand lacks.

    None stands for an account to which nothing came back.
    """
    of_causes = select(_messages.c.id).where(_messages.c.cause_id.in_(causes))
    theirs = and_(
        _entries.c.account_id == _accounts.c.id,
        _entries.c.kind == EntryKind.REFUND.value,
        _entries.c.message_id.in_(of_causes),
    )
    query = (
        select(_accounts.c.currency, func.sum(_entries.c.amount).label("total"))
        .select_from(_accounts.outerjoin(_entries, theirs))
        .where(_accounts.c.brand_id == brand_id)
        .group_by(_accounts.c.currency)
    )
    return {row.currency: row.total for row in await tx.execute(query)}


def to_return(
    lost: Mapping[str, Decimal], back: Mapping[str, Decimal | None]
) -> dict[str, Decimal]:
    """Put what was refunded in place of what is to be claimed, where there is an account."""
    sums = {currency: amount for currency, amount in lost.items() if currency not in back}
    sums |= {currency: amount for currency, amount in back.items() if amount}
    return dict(sorted(sums.items()))
