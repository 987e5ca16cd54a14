"""Subqueries stacked upon each other: each reads what the one below has computed, once."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, literal_column, select

Column = ColumnElement[Any]


class Layers:
    """A statement that grows upwards.

    OFFSET 0 keeps PostgreSQL from dissolving a subquery: an expression would be written out, and
    computed, wherever an outer one reads it. It drops columns that nobody reads by itself.
    """

    def __init__(self, found: Select[Any]) -> None:
        self.rows: FromClause = _fenced(found)

    def __getitem__(self, name: str) -> Column:
        """Return a column of the uppermost layer."""
        return self.rows.c[name]

    def add(self, columns: Mapping[str, Column]) -> None:
        """Put a layer on top that has these columns besides."""
        if columns:
            new = [column.label(name) for name, column in columns.items()]
            self.rows = _fenced(select(*self.rows.c, *new))


def _fenced(found: Select[Any]) -> FromClause:
    return found.offset(literal_column("0")).subquery()


def number(value: int) -> Column:
    """Write a number of our own into the statement; what rules and people say is bound instead."""
    return literal_column(str(value), BigInteger)
