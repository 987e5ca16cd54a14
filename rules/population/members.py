"""Who may belong to a segment, as a condition that a query over stored facts can ask.

It is a sieve, not the definition: whoever belongs passes it. What cannot be asked of a stored value
(derived facts, measures, consents, the calendar) is left out, and `rules.standing.belongs` has the
last word on whoever passes.
"""

from collections.abc import Callable

from sqlalchemy import true

from rules.ir import Either, Every, FactTest, Ir, Test, either, every
from rules.measures import measure_of
from rules.population.conditions import condition
from rules.population.layers import Column
from rules.rulebook import Rulebook
from rules.vocabulary import MOMENTS, PythonType

Read = Callable[[str, PythonType], Column | None]
"""Returns the column of a path's value of a type, None where there is none."""


def sieve(book: Rulebook, segment: Ir, read: Read) -> Column:
    """Write what everybody fulfils who belongs to a segment."""
    value = _values(book, read)

    def known(path: str) -> Column:
        column = value(path)
        if column is None:
            raise KeyError(path)
        return column

    def no_fact(name: str) -> Column:
        raise KeyError(name)

    part = _askable(segment, lambda path: value(path) is not None)
    return true() if part is None else condition(part, known, no_fact)


def is_whole(book: Rulebook, segment: Ir, read: Read) -> bool:
    """Say whether the sieve of a segment is its definition: all of it can be asked of a row."""
    value = _values(book, read)
    return _askable(segment, lambda path: value(path) is not None) == segment


def _values(book: Rulebook, read: Read) -> Callable[[str], Column | None]:
    """Return how to find the column of a path; None where its value is not stored as it is."""

    def value(path: str) -> Column | None:
        field = book.vocabulary.fields.get(path)
        if field is None or field.type in MOMENTS or measure_of(path) is not None:
            return None
        return read(path, field.kind)

    return value


def _askable(segment: Ir, stored: Callable[[str], bool]) -> Ir | None:
    """Return the part of a condition that reads stored values only; None if there is none.

    Conditions hold no negation, so that what is left is never narrower than the whole.
    """
    match segment:
        case Test(path=path, other=other):
            return segment if all(map(stored, filter(None, (path, other)))) else None
        case FactTest():
            return None
        case Every(of=parts):
            found = [one for one in (_askable(part, stored) for part in parts) if one is not None]
            return every(found) if found else None
        case Either(of=parts):
            all_of = [_askable(part, stored) for part in parts]
            whole = [one for one in all_of if one is not None]
            return either(whole) if len(whole) == len(parts) else None
