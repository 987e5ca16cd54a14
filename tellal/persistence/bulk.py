"""Many rows in one statement: arrays go over the wire once, PostgreSQL unfolds them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from psycopg import AsyncConnection, sql
from sqlalchemy import (
    ARRAY,
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

    JSON goes over the wire as text, which costs less than an array of JSON.
    """

    def __init__(self, target: Table, *names: str) -> None:
        self._documents = {name for name in names if isinstance(target.c[name].type, JSONB)}
        kinds = {
            name: String() if name in self._documents else target.c[name].type for name in names
        }
        new = given(**kinds)
        values = [
            sql_cast(new.c[name], JSONB) if name in self._documents else new.c[name]
            for name in names
        ]
        self._names = names
        self.statement: Insert = insert(target).from_select(
            list(names), select(*values), include_defaults=False
        )

    def values(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, object]:
        """Turn rows (at least one) into what the statement takes."""
        return {f"given_{name}": self._column(name, rows) for name in self._names}

    def _column(self, name: str, rows: Sequence[Mapping[str, Any]]) -> list[object]:
        if name not in self._documents:
            return [row[name] for row in rows]
        return [None if row[name] is None else json.dumps(row[name]) for row in rows]
