"""What the law asks of a sender, as facts of a decision."""

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.names import EXEMPTION, LICENCE, SECTOR, SENDER
from rules.rulebook import Rulebook
from tellal.domain.decisions import Value
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import BrandRow

_brands = table(BrandRow).c
_IN_LAW = select(_brands.exemption, _brands.licence, _brands.sector).where(
    _brands.id == bindparam("of_brand")
)


async def sender_facts(
    tx: AsyncSession, brand_id: str, book: Rulebook, topic: str
) -> dict[str, Value]:
    """Return what a brand's profile says of it in law; looked for only where a topic's law asks."""
    shard = book.shards.get(topic)
    if shard is None or not any(path.startswith(SENDER) for path in shard.fields):
        return {}
    row = (await tx.execute(_IN_LAW, {"of_brand": brand_id})).one_or_none()
    if row is None:
        return {}
    facts = {EXEMPTION: row.exemption, LICENCE: row.licence, SECTOR: row.sector}
    return {path: value for path, value in facts.items() if value}
