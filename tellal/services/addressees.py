"""Finds out whom the lines of a file mean, all at once: by reference, by number, by mail.

The table `given_addressees` stands beside the ledger until the transaction ends.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.persistence.bulk import copy_rows
from tellal.services.block_lists import BadLine

_COLUMNS = ("line", "ref", "phone", "email", "variables")
_MAKE = text(
    """
CREATE TEMPORARY TABLE given_addressees (
    line integer, ref text, phone text, email text, variables jsonb,
    customer_id text, unclear boolean NOT NULL DEFAULT false
) ON COMMIT DROP
"""
)
_BY_REF = text(
    """
UPDATE given_addressees AS given SET customer_id = known.id FROM customers AS known
WHERE known.brand_id = :brand AND known.ref = given.ref AND known.erased_at IS NULL
  AND given.ref <> ''
"""
)
_BY_ADDRESS = """
WITH wanted AS (
    SELECT DISTINCT lower({column}) AS address FROM given_addressees
    WHERE customer_id IS NULL AND ref = '' AND {column} <> ''
), owners AS (
    SELECT wanted.address, min(points.customer_id) AS id, count(DISTINCT points.customer_id) AS n
    FROM wanted JOIN contact_points AS points
      ON points.brand_id = :brand AND lower(points.address) = wanted.address
    WHERE points.bad_reason <> 'removed'
    GROUP BY wanted.address
)
UPDATE given_addressees AS given
SET customer_id = CASE WHEN owners.n = 1 THEN owners.id END, unclear = owners.n > 1
FROM owners
WHERE given.customer_id IS NULL AND given.ref = '' AND lower(given.{column}) = owners.address
"""
_BY_PHONE, _BY_EMAIL = (text(_BY_ADDRESS.format(column=column)) for column in ("phone", "email"))
_UNKNOWN = text(
    "SELECT line, unclear FROM given_addressees WHERE customer_id IS NULL ORDER BY line"
)
_MAKE_FRESH = text("CREATE TEMPORARY TABLE given_fresh (line integer, id text) ON COMMIT DROP")
_NOW_KNOWN = text(
    "UPDATE given_addressees AS given SET customer_id = fresh.id FROM given_fresh AS fresh "
    "WHERE fresh.line = given.line"
)
_REPEATED = text(
    """
SELECT line, first FROM (
    SELECT line, min(line) OVER (PARTITION BY customer_id) AS first FROM given_addressees
    WHERE customer_id IS NOT NULL
) AS lines
WHERE line > first ORDER BY line
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Whom a line means: by the brand's reference, else by his number, else by his mail.

    `variables` are a document, written as JSON, that is kept beside.
    """

    line: int
    ref: str
    phone: str
    email: str
    variables: str = "{}"


async def look_up(tx: AsyncSession, brand_id: str, lines: Iterable[Addressee]) -> None:
    """Write lines beside the ledger, and find out whom they mean."""
    await tx.execute(_MAKE)
    rows = ((one.line, one.ref, one.phone, one.email, one.variables) for one in lines)
    await copy_rows(tx, "given_addressees", _COLUMNS, rows)
    await tx.execute(text("ANALYZE given_addressees"))
    for statement in (_BY_REF, _BY_PHONE, _BY_EMAIL):
        await tx.execute(statement, {"brand": brand_id})


async def unknown(tx: AsyncSession) -> tuple[list[int], list[BadLine]]:
    """Return the lines that mean nobody whom one knows, and those that may mean several."""
    rows = (await tx.execute(_UNKNOWN)).all()
    strangers = [row.line for row in rows if not row.unclear]
    unclear = [
        BadLine(
            line=row.line,
            message="several customers have this address",
            hint="say which by his reference",
        )
        for row in rows
        if row.unclear
    ]
    return strangers, unclear


async def note_known(tx: AsyncSession, ids: Iterable[tuple[int, str]]) -> None:
    """Note of some lines whom they mean, now that he is made known."""
    await tx.execute(_MAKE_FRESH)
    await copy_rows(tx, "given_fresh", ("line", "id"), ids)
    await tx.execute(_NOW_KNOWN)


async def repeated(tx: AsyncSession) -> list[BadLine]:
    """Return the lines that name somebody again, whose first line counts."""
    return [
        BadLine(
            line=row.line,
            message=f"it names the person of line {row.first} again",
            hint=f"what line {row.first} says of him was kept",
        )
        for row in await tx.execute(_REPEATED)
    ]


async def forget(tx: AsyncSession) -> None:
    """Leave nothing beside the ledger."""
    await tx.execute(text("DROP TABLE IF EXISTS given_addressees, given_fresh"))
