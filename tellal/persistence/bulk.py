"""Many rows in one statement: arrays go over the wire once, PostgreSQL unfolds them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from psycopg import AsyncConnection, sql
from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
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
    documents sign by sign.
    """

    def __init__(self, target: Table, *names: str) -> None:
        columns = [column(name, target.c[name].type) for name in names]
        rows = func.json_to_recordset(sql_cast(bindparam("rows", type_=String()), JSON))
        new = rows.table_valued(*columns, name="new").render_derived(with_types=True)
        self._names = names
        self.statement: Insert = insert(target).from_select(
            list(names), select(*(new.c[name] for name in names)), include_defaults=False
        )

    def values(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, object]:
        """Turn rows (at least one) into what the statement takes."""
        named = [{name: row[name] for name in self._names} for row in rows]
        return {"rows": json.dumps(named, default=_written, ensure_ascii=False)}


def _written(value: object) -> str:
    """Write what JSON has no word for; PostgreSQL reads it by the column's type."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
