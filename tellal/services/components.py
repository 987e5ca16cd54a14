"""What outages have taken down, and which channels therefore reach nobody."""

from collections.abc import Mapping

from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel
from tellal.persistence.columns import table
from tellal.persistence.tables.outages import OutageRow

_outages = table(OutageRow).c

# Written as the index is, so that a brand without such an outage costs one look into it.
_DOWN = select(_outages.components).where(
    _outages.brand_id == bindparam("of_brand"),
    text("outages.state IN ('confirmed', 'in_progress')"),
    _outages.components != text("'[]'::jsonb"),
)
_DOWN_IN_EARNEST = _DOWN.where(_outages.simulated.is_(False))


async def channels_down(
    tx: AsyncSession,
    brand_id: str,
    needs: Mapping[Channel, frozenset[str]],
    *,
    simulated: bool = False,
) -> Mapping[Channel, str]:
    """Say of each channel that depends on a failed component which one that is.

    Only confirmed failures and works in progress count, and rehearsed ones only in a rehearsal.
    """
    if not needs:
        return {}
    query = _DOWN if simulated else _DOWN_IN_EARNEST
    lists = (await tx.execute(query, {"of_brand": brand_id})).scalars()
    failed = {component for components in lists for component in components}
    hit = {channel: sorted(needed & failed) for channel, needed in needs.items()}
    return {channel: ", ".join(names) for channel, names in hit.items() if names}
