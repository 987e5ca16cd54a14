"""Column types shared by the tables, and typed access to a table's columns.

SQLModel types a column as the value that it holds, so a type checker refuses `Row.id == x` in a
`where`. Queries therefore go through `table(Row).c`.
"""

from typing import cast

from sqlalchemy import DateTime, Table, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel


class Instant(TypeDecorator[object]):
    """A moment with its zone; PostgreSQL keeps it in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True


FALSE = {"server_default": text("false")}
"""Column arguments of a flag that rows have unless they say otherwise."""

EMPTY = {"server_default": text("''")}
"""Column arguments of a text that rows leave empty unless they say otherwise."""

EMPTY_LIST = {"server_default": text("'[]'")}
"""Column arguments of a list that rows leave empty unless they say otherwise."""


NOTHING = {"server_default": text("'[]'::jsonb")}
"""Column arguments of a list that rows leave empty unless they say otherwise."""

NOBODY = {"server_default": text("'{}'::jsonb")}
"""Column arguments of an object that rows leave empty unless they say otherwise."""


def table(row: type[SQLModel]) -> Table:
    """Return the Core table of a row class."""
    return cast(Table, row.__table__)  # type: ignore[attr-defined]  # SQLModel sets it unseen
