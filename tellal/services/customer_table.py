"""The customers of a brand as a table: what `customer_files` reads, for whoever moves elsewhere."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.vocabulary import Field, FieldType, Vocabulary
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.services.customer_columns import BAD, CHANNELS, FIXED, OTHERS, REF, fact_columns, spaced
from tellal.services.customers import REMOVED
from tellal.services.table_writing import Write

_customers = table(CustomerRow)
_points = table(ContactPointRow)
_PAGE = 2_000


async def write_customers(
    tx: AsyncSession, brand_id: str, vocabulary: Vocabulary, write: Write
) -> int:
    """Write every customer who was not erased, in the order of our ids; return how many.

    A topic of which he complained is among those that he does not want to hear of: the complaint
    itself stays where it was made.
    """
    facts = await _used(tx, brand_id, fact_columns(vocabulary))
    columns = (*FIXED, *facts)
    write(columns)
    query = (
        select(_customers)
        .where(_customers.c.brand_id == brand_id, _customers.c.erased_at.is_(None))
        .order_by(_customers.c.id)
        .limit(_PAGE)
    )
    last, number = "", 0
    while True:
        rows = (await tx.execute(query.where(_customers.c.id > last))).all()
        points = await _points_of(tx, [row.id for row in rows])
        for row in rows:
            said = _cells(row, points.get(row.id, []), facts)
            write([said.get(name, "") for name in columns])
        number += len(rows)
        if len(rows) < _PAGE:
            return number
        last = rows[-1].id


async def _used(tx: AsyncSession, brand_id: str, known: Mapping[str, Field]) -> Mapping[str, Field]:
    """Keep the fields of which something is known of anybody."""
    keys = select(func.jsonb_object_keys(_customers.c.facts).label("path")).where(
        _customers.c.brand_id == brand_id, _customers.c.erased_at.is_(None)
    )
    used = set((await tx.execute(keys.distinct())).scalars())
    return {name: field for name, field in known.items() if field.path in used}


async def _points_of(tx: AsyncSession, ids: list[str]) -> dict[str, list[Row[Any]]]:
    query = (
        select(_points)
        .where(_points.c.customer_id.in_(ids), _points.c.bad_reason != REMOVED)
        .order_by(_points.c.id.desc())
    )
    found: dict[str, list[Row[Any]]] = {}
    for row in await tx.execute(query):
        found.setdefault(row.customer_id, []).append(row)
    return found


def _cells(
    row: Row[Any], points: list[Row[Any]], fields: Mapping[str, Field]
) -> Mapping[str, object]:
    said: dict[str, object] = {
        REF: row.ref,
        "kind": row.kind,
        "locale": row.locale,
        "timezone": row.timezone,
        "country": row.country,
        "first_name": row.first_name,
        "service_only": row.service_only,
        "topics_off": spaced(sorted({*row.topics_off, *row.complained})),
        BAD: spaced(
            f"{one.channel}:{one.address}={one.bad_reason}" for one in points if one.bad_reason
        ),
    }
    for channel in CHANNELS:
        said[channel.value] = spaced(one.address for one in points if one.channel == channel.value)
    left = dict(row.facts)
    for name, field in fields.items():
        value = row.facts.get(field.path)
        if _comes_back(value, field):
            said[name] = _cell(value)
            left.pop(field.path)
    if left:
        said[OTHERS] = json.dumps(left, ensure_ascii=False, sort_keys=True)
    return said


def _comes_back(value: object, field: Field) -> bool:
    """Say whether a cell of its own gives a value back as it was."""
    if field.type is FieldType.LIST:
        return isinstance(value, list) and bool(value)
    if isinstance(value, str):
        return bool(value) and value == value.replace("\u00a0", " ").strip()
    return isinstance(value, bool | int)


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
