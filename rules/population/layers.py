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

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


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
            kept = self._written if any(self._read(written)) else self._constant
            kept[name] = written

    def same(self, names: Mapping[str, str]) -> None:
        """Make names mean columns that are there already."""
        self._same |= names

    def varying(self, names: Iterable[str]) -> list[Column]:
        """Return those of some columns that are not the same for everybody, each once."""
        once = dict.fromkeys(self._same.get(name, name) for name in names)
        return [self[name] for name in once if name not in self._constant]

    def over(self, ground: FromClause, wanted: Iterable[Column]) -> FromClause:
        """Lay out what some expressions read, over rows that have columns to begin with."""
        read = {name for one in wanted for name in self._read(one)}
        levels = dict.fromkeys(ground.c.keys(), 0)
        top = max(self._level(name, levels) for name in read)
        layers = []
        for level in range(top, 0, -1):
            layers.append(sorted(read))
            new = [name for name in read if levels[name] == level]
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

    def _level(self, name: str, levels: dict[str, int]) -> int:
        if name not in levels:
            below = {self._level(one, levels) for one in self._read(self._written[name])}
            levels[name] = 1 + max(below)
        return levels[name]

    def _read(self, written: Column) -> Iterator[str]:
        for part in iterate(written):
            if isinstance(part, ColumnClause) and part.table is None and part.name in self._kinds:
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
