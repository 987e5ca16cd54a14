"""Many rows in one statement: arrays go over the wire once, PostgreSQL unfolds them."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from psycopg import AsyncConnection, sql
from sqlalchemy import (
    ARRAY,
    CTE,
    JSON,
    ColumnElement,
    FromClause,
    Integer,
    String,
    Table,
    any_,
    bindparam,
    cast as sql_cast,
    column,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine


def given(**columns: TypeEngine[Any]) -> TableValuedAlias:
    """Stand for rows that come with the statement, one array per column.

    A statement over it is built once, so that it is compiled once; `arrays` fills it in.
    """
    parameters = [bindparam(f"given_{name}", type_=ARRAY(kind)) for name, kind in columns.items()]
    named = [column(name, kind) for name, kind in columns.items()]
    return func.unnest(*parameters).table_valued(*named, name="given").render_derived()


def among(id_column: ColumnElement[str]) -> ColumnElement[bool]:
    """Ask whether an id is one of those that come with the statement as `among`, a list.

    The statement's text does not depend on how many they are, as that of `in_` does: it is built
    and compiled once, and PostgreSQL plans it once.
    """
    return id_column == any_(bindparam("among", type_=ARRAY(String())))


def arrays(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Turn rows (at least one) into the arrays of the statement that they go with."""
    return {f"given_{name}": [row[name] for row in rows] for name in rows[0]}


async def copy_rows(
    tx: AsyncSession, target: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Write rows into a table by COPY, within the session's transaction.

    It is the fastest way in, and knows nothing of conflicts: for a table of one's own.
    """
    connection = await (await tx.connection()).get_raw_connection()
    driver = cast(AsyncConnection[tuple[object, ...]], connection.driver_connection)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(target), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    async with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)


class Adding:
    """Inserts many rows into a table; the statement is built once.

    The rows go over the wire as one text of JSON: a driver writes a text as it is, and an array of
    documents sign by sign. In the `shared` columns rows hold documents as texts of JSON, or None;
    those that are the same go over the wire, and are read there, once.
    """

    def __init__(self, target: Table, *names: str, shared: Collection[str] = ()) -> None:
        columns = [
            column(name, Integer() if name in shared else target.c[name].type) for name in names
        ]
        rows = func.json_to_recordset(sql_cast(bindparam("rows", type_=String()), JSON))
        new = rows.table_valued(*columns, name="new").render_derived(with_types=True)
        self._names = names
        self._shared = [name for name in names if name in shared]
        found: dict[str, ColumnElement[Any]] = {name: new.c[name] for name in names}
        source: FromClause = new
        if self._shared:
            documents = _documents()
            for name in self._shared:
                mine = documents.alias(f"of_{name}")
                source = source.outerjoin(mine, mine.c.place == new.c[name])
                found[name] = mine.c.document
        self.statement: Insert = insert(target).from_select(
            list(names),
            select(*(found[name] for name in names)).select_from(source),
            include_defaults=False,
        )

    def values(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, object]:
        """Turn rows (at least one) into what the statement takes."""
        named = [{name: row[name] for name in self._names} for row in rows]
        if not self._shared:
            return {"rows": json.dumps(named, default=_written, ensure_ascii=False)}
        places: dict[str, int] = {}
        for row in named:
            for name in self._shared:
                if row[name] is not None:
                    row[name] = places.setdefault(row[name], len(places) + 1)
        return {
            "rows": json.dumps(named, default=_written, ensure_ascii=False),
            "documents": f"[{','.join(places)}]",
        }


def _documents() -> CTE:
    """Stand for documents that come with the statement, with the place of each, from one."""
    given = func.jsonb_array_elements(sql_cast(bindparam("documents", type_=String()), JSONB))
    listed = given.table_valued(
        column("document", JSONB), with_ordinality="place", name="listed"
    ).render_derived()
    return select(listed.c.document, listed.c.place).cte("documents")


def _written(value: object) -> str:
    """Write what JSON has no word for; PostgreSQL reads it by the column's type."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
