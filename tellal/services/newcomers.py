"""Makes many customers known at once, of whom a file tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError
from tellal.persistence.bulk import copy_rows

_LOCALES = {"TR": "tr-TR", "PL": "pl-PL"}
_COLUMNS = ("id", "ref", "kind", "country", "first_name")
_MAKE = text(
    """
CREATE TEMPORARY TABLE given_customers (
    id text, ref text, kind text, country text, first_name text
) ON COMMIT DROP
"""
)
_ADD = text(
    """
INSERT INTO customers (id, brand_id, ref, kind, locale, timezone, country, first_name, facts,
                       created_at, updated_at)
SELECT id, :brand, ref, kind, :locale, :timezone, country, first_name, '{}', :now, :now
FROM given_customers
ON CONFLICT (brand_id, ref) DO NOTHING
RETURNING id
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A customer to be; without a `ref` he is called after our own id."""

    id: str
    ref: str = ""
    kind: str = "individual"
    country: str
    first_name: str = ""


def language_of(brand: Brand) -> str:
    """Return the locale of customers of whom a file does not tell it."""
    return _LOCALES.get(brand.country, "en")


async def make_known(
    tx: AsyncSession,
    brand: Brand,
    people: Sequence[Newcomer],
    *,
    locale: str,
    now: datetime,
) -> None:
    """Write customers who live in their brand's time zone.

    Raises:
        ConflictError: Somebody else made one of them known meanwhile.
    """
    await tx.execute(_MAKE)
    # A name of ours says nothing of him: an address must not live on in it.
    rows = [
        (one.id, one.ref or f"imported-{one.id}", one.kind, one.country, one.first_name)
        for one in people
    ]
    await copy_rows(tx, "given_customers", _COLUMNS, rows)
    said = {"brand": brand.id, "locale": locale, "timezone": brand.timezone, "now": now}
    made = (await tx.execute(_ADD, said)).all()
    if len(made) < len(people):
        raise ConflictError(
            "somebody else made a customer of the file known meanwhile", hint="import it again"
        )
    await tx.execute(text("DROP TABLE given_customers"))
