"""Many rows in one statement: arrays go over the wire once, PostgreSQL unfolds them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, String, any_, bindparam, column, func
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
