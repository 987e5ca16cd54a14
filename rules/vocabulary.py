"""What a rule may read: every field with its type, its values and whether it is personal."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from rules.measures import day_of, instant_of, written
from tellal.domain.decisions import Value
from tellal.domain.errors import InvalidInputError

MAX_TEXT = 500
MAX_LIST = 100
MAX_INT = 2**53
"""Beyond it JSON readers disagree about numbers."""


class FieldType(StrEnum):
    """What a field holds; a list holds texts.

    A date is a day of the calendar, a time an instant; both are text in documents. `ago` counts
    seconds since something happened; only the engine's own fields are of it.
    """

    TEXT = "text"
    INT = "int"
    BOOL = "bool"
    LIST = "list"
    DATE = "date"
    TIME = "time"
    AGO = "ago"


MOMENTS = frozenset({FieldType.DATE, FieldType.TIME})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the vocabulary; with `values`, it holds nothing else."""

    path: str
    type: FieldType
    values: tuple[str, ...] = ()
    pii: bool = False
    column: str = ""
    means: str = ""

    def complaint(self, value: object) -> tuple[str, str]:
        """Say what is wrong with one value (an item, for a list) and how to mend it.

        Both texts are empty when nothing is.
        """
        if self.type in MOMENTS:
            return self._no_moment(value)
        expected = str if self.type is FieldType.LIST else self.kind
        # A file's text may come as a kind of text; True must not come as a kind of number.
        if not (type(value) is expected or (expected is str and isinstance(value, str))):
            return f"'{self.path}' is {self.type}, found {_shown(value)}", _example(self)
        if isinstance(value, str):
            if self.values and value not in self.values:
                known = f"'{value}' is not one of {', '.join(self.values)}"
                return known, did_you_mean(value, self.values)
            if len(value) > MAX_TEXT or not _encodable(value):
                return f"'{self.path}' holds text of at most {MAX_TEXT} characters", ""
        elif isinstance(value, int) and abs(value) > MAX_INT:
            return f"'{self.path}' holds numbers up to {MAX_INT}", ""
        return "", ""

    def _no_moment(self, value: object) -> tuple[str, str]:
        if canonical(self.type, value) is not None:
            return "", ""
        example = "2026-03-01" if self.type is FieldType.DATE else "2026-03-01T12:00:00+03:00"
        return f"'{self.path}' is a {self.type}, found {_shown(value)}", f"as in {example}"

    @property
    def kind(self) -> "PythonType":
        """The Python type of its values."""
        return _KINDS[self.type]

    def fits(self, value: object) -> bool:
        """Say whether a stored value is of this field's type; enough for an answer."""
        # Type, not isinstance: True is an int to Python, and 1 is not a yes to anybody else.
        if type(value) is not self.kind or value == () or not moderate(value):
            return False
        if self.type is FieldType.DATE:
            return day_of(str(value)) is not None
        return self.type is not FieldType.TIME or instant_of(str(value)) is not None


def canonical(type: FieldType, value: object) -> str | None:
    """Write a date or a time as documents hold it; None if the value is none."""
    if isinstance(value, str):
        try:
            value = day_of(value) if type is FieldType.DATE else datetime.fromisoformat(str(value))
        except ValueError:
            return None
    if type is FieldType.TIME:
        return written(value) if isinstance(value, datetime) and value.tzinfo else None
    if isinstance(value, datetime) or not isinstance(value, date):
        return None
    return value.isoformat()


def moderate(value: object) -> bool:
    """Say whether a value is no number, or one that every executor reads alike."""
    return not isinstance(value, int) or -MAX_INT <= value <= MAX_INT


PythonType = type[str] | type[int] | type[bool] | type[tuple[str, ...]]
_KINDS: Mapping[FieldType, PythonType] = {
    FieldType.TEXT: str,
    FieldType.INT: int,
    FieldType.BOOL: bool,
    FieldType.LIST: tuple,
    FieldType.DATE: str,
    FieldType.TIME: str,
    FieldType.AGO: int,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """All fields, by path."""

    fields: Mapping[str, Field]

    def value(self, path: str, raw: object, *, field: str) -> Value | None:
        """Check a value that somebody outside sent; null and the empty list are no value.

        Raises:
            InvalidInputError: There is no such field, or the value is not of its type.
        """
        known = self.fields.get(path)
        if known is None:
            near = did_you_mean(path, self.fields, cut=path.partition(".")[0] + ".")
            raise InvalidInputError(f"unknown field '{field}'", field=field, hint=near)
        if raw is None or raw in ([], ()):
            return None
        if known.type is not FieldType.LIST:
            _accept(known, raw, field)
            if known.type in MOMENTS:
                return canonical(known.type, raw)
            return raw if isinstance(raw, str | int) else None
        if not isinstance(raw, list | tuple) or len(raw) > MAX_LIST:
            message = f"'{path}' is a list of at most {MAX_LIST} texts"
            raise InvalidInputError(message, field=field)
        for item in raw:
            _accept(known, item, field)
        return tuple(raw)

    def known(self, document: Mapping[str, Value]) -> dict[str, Value]:
        """Return what of a document the rules can read: known fields of the right type."""
        return {
            path: value
            for path, value in document.items()
            if (field := self.fields.get(path)) is not None and field.fits(value)
        }

    def with_field(self, *fields: Field) -> "Vocabulary":
        """Return a vocabulary that has these fields besides, or instead."""
        return Vocabulary(fields={**self.fields, **{field.path: field for field in fields}})


def did_you_mean(word: str, among: Collection[str], *, cut: str = "") -> str:
    """Suggest the nearest of the known words; `cut` is left out where the caller did not write it.

    Written as a hint of a finding; empty when nothing is near.
    """
    near = difflib.get_close_matches(word, sorted(among), 1, 0.6)
    return f"did you mean '{near[0].removeprefix(cut)}'?" if near else ""


def _accept(known: Field, raw: object, field: str) -> None:
    message, hint = known.complaint(raw)
    if message:
        if known.pii and known.values == ():
            message = f"'{known.path}' is {known.type}"
        raise InvalidInputError(message, field=field, hint=hint)


def _encodable(text: str) -> bool:
    # A lone surrogate can come in through JSON and cannot go out to anything.
    return not any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in text)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"the text '{value[:40]}'"
    return repr(value) if isinstance(value, int | float) else f"a {type(value).__name__}"


def _example(field: Field) -> str:
    return {
        FieldType.INT: "write a whole number without quotes",
        FieldType.BOOL: "write true or false",
    }.get(field.type, "put quotes around it")
