"""Whom an outage affects at this moment: nothing is promoted to them until it is over."""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.messages import OutcomeState
from tellal.domain.outages import TAKING_DOWN, TELLS_OF_IT
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.persistence.tables.outages import OutageNoticeRow, OutageRow

_outages = table(OutageRow)
_notices = table(OutageNoticeRow)
_outcomes = table(OutcomeRow)

LOOK_AGAIN = timedelta(minutes=10)
"""So long a promotion is put off before it is asked again whether its reader is served."""

_HEARS = [OutcomeState.OPEN.value, OutcomeState.TOLD.value]
_NOT_TOLD = ["channel_not_planned", "told_already"]
"""Why somebody is affected, and not told by this round."""


async def affected_among(
    tx: AsyncSession, brand_ids: Collection[str], customer_ids: Collection[str]
) -> frozenset[str]:
    """Return which of some customers an outage in earnest affects that is not over.

    They are those whom its rounds speak to, have spoken to, or would if the plan let them.
    """
    running = (
        select(_notices.c.cause_id)
        .join(_outages, _outages.c.id == _notices.c.outage_id)
        .where(
            _outages.c.brand_id.in_(sorted(brand_ids)),
            _outages.c.state.in_([state.value for state in sorted(TAKING_DOWN)]),
            _outages.c.simulated.is_(False),
            _notices.c.kind.in_([kind.value for kind in TELLS_OF_IT]),
        )
    )
    causes = (await tx.execute(running)).scalars().all()
    if not causes:
        return frozenset()
    query = select(_outcomes.c.customer_id).where(
        _outcomes.c.cause_id.in_(causes),
        _outcomes.c.customer_id.in_(sorted(customer_ids)),
        or_(_outcomes.c.state.in_(_HEARS), _outcomes.c.reason.in_(_NOT_TOLD)),
    )
    return frozenset((await tx.execute(query)).scalars())
