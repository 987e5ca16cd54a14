"""Columns that read one another, laid out as few subqueries stacked upon each other."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnClause,
    ColumnElement,
    FromClause,
    Select,
    column,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import TypeEngine

Column = ColumnElement[Any]

_DIALECT = postgresql.dialect()


class Layers:
    """What is computed of a row, by name; each column is written over those that are there.

    They are columns without a table until `over` lays them out: each in the lowest layer above
    all that it reads, carried on only as long as somebody reads it, and left out where nobody
    does. A column that is written like another is that other one.
    """

    def __init__(self, ground: Iterable[Column]) -> None:
        self._kinds: dict[str, TypeEngine[Any]] = {one.name: one.type for one in ground}
        self._written: dict[str, Column] = {}
        self._constant: dict[str, Column] = {}
        self._level: dict[str, int] = dict.fromkeys(self._kinds, 0)
        self._same: dict[str, str] = {}
        self._known: dict[tuple[object, ...], str] = {}

    def __getitem__(self, name: str) -> Column:
        """Return a column, or what is the same for everybody."""
        name = self._same.get(name, name)
        return self._constant.get(name, column(name, self._kinds[name]))

    def add(self, columns: Mapping[str, Column]) -> None:
        """Write columns over those that are there."""
        for name, written in columns.items():
            known = self._known.setdefault(_form(written), name)
            if known != name:
                self._same[name] = known
                continue
            self._kinds[name] = written.type
            if below := [self._level[one] for one in self._read(written)]:
                self._written[name], self._level[name] = written, 1 + max(below)
            else:
                self._constant[name] = written

    def same(self, names: Mapping[str, str]) -> None:
        """Make names mean columns that are there already."""
        self._same |= names

    def over(self, ground: FromClause, wanted: Iterable[Column]) -> FromClause:
        """Lay out what some expressions read, over rows that have the columns of the ground."""
        read = {name for one in wanted for name in self._read(one)}
        layers = []
        for level in range(max(map(self._level.__getitem__, read)), 0, -1):
            layers.append(sorted(read))
            new = [name for name in read if self._level[name] == level]
            read -= set(new)
            read |= {name for one in new for name in self._read(self._written[one])}
        rows = fenced(select(*(ground.c[name] for name in sorted(read))))
        for names in reversed(layers):
            # What the layer below has by that name is carried on.
            computed = (
                rows.c[name] if name in rows.c else self._written[name].label(name)
                for name in names
            )
            rows = fenced(select(*computed).select_from(rows))
        return rows

    def _read(self, written: Column) -> Iterator[str]:
        for part in iterate(written):
            if isinstance(part, ColumnClause) and part.table is None and part.name in self._level:
                yield part.name


def fenced(found: Select[Any]) -> FromClause:
    """Make a subquery that PostgreSQL does not dissolve.

    Without OFFSET 0 an expression would be written out, and computed, wherever an outer one reads
    it.
    """
    return found.offset(literal_column("'0'")).subquery()


def number(value: int) -> Column:
    """Write a number of our own into the statement; what rules and people say is bound instead."""
    return literal_column(str(value), BigInteger)


def _form(written: Column) -> tuple[object, ...]:
    """Return what two columns have in common that are written alike."""
    compiled = written.compile(dialect=_DIALECT)
    return compiled.string, *((name, repr(value)) for name, value in compiled.params.items())
