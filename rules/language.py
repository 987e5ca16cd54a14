"""The conditions of the rule language: a mapping is AND, a list is "one of", and little else.

No regular expressions and no arithmetic: executors, SQL and people disagree about them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from rules.entries import time_span
from rules.ir import NEVER, ORDER_OPS, FactTest, Ir, Op, Test, either, every, negate
from rules.measures import MAX_LITERAL, TEXT_TESTS, Measure, MeasureKind, day_of, instant_of
from rules.source import Place, Report, place_of, place_of_node
from rules.vocabulary import MOMENTS, Field, FieldType, Vocabulary, canonical, did_you_mean
from tellal.domain.errors import InvalidInputError

MAX_DEPTH = 12
MAX_VALUES = 200
FACT = "fact."
SEGMENT = "segment."
_WORDS = ("any", "all", "not", "unless")
_EPOCH = date(1970, 1, 1).toordinal()

COMPARISONS: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.TEXT: ("not", "exists", "eq_field", "in_field", *TEXT_TESTS),
    FieldType.INT: ("not", "exists", "gt", "gte", "lt", "lte", "between", "eq_field"),
    FieldType.BOOL: ("not", "exists"),
    FieldType.LIST: ("not", "exists", "has", "has_any"),
    FieldType.DATE: (
        "not", "exists", "within", "older_than", "due_within", "before", "after", "years",
    ),
    FieldType.TIME: ("exists", "within", "older_than", "due_within", "before", "after"),
    FieldType.AGO: ("exists", "within", "older_than"),
}  # fmt: skip


def parse_condition(raw: object, vocabulary: Vocabulary, facts: Collection[str]) -> Ir:
    """Read a condition that somebody sent, a segment for instance.

    Raises:
        InvalidInputError: It is no condition, or reads what the vocabulary does not have.
    """
    report = Report()
    ir = Conditions(vocabulary=vocabulary, facts=facts, report=report, file="").read(raw)
    if report.findings:
        first = report.findings[0]
        raise InvalidInputError(first.message, field="segment", hint=first.hint)
    return ir


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Reads the conditions of one file; every mistake goes into the report."""

    vocabulary: Vocabulary
    facts: Collection[str]
    report: Report
    file: str

    def read(self, raw: object, where: Place | None = None, depth: int = 0) -> Ir:
        """Read a condition; a mistake is reported and stands for a test that never holds."""
        where = where or place_of_node(raw, self.file)
        if not isinstance(raw, Mapping):
            self.report.add(where, "a condition is a mapping of fields to values")
            return NEVER
        if depth > MAX_DEPTH:
            self.report.add(where, f"conditions nest at most {MAX_DEPTH} deep")
            return NEVER
        return every([self._entry(raw, key, depth) for key in raw])

    def _entry(self, node: Mapping[object, object], key: object, depth: int) -> Ir:
        wanted, where = node[key], place_of(node, key, self.file)
        if not isinstance(key, str):
            self.report.add(where, f"a field has a name, found {key!r}")
            return NEVER
        if key in {"any", "all"}:
            return self._several(key, wanted, where, depth)
        if key in {"not", "unless"}:
            return negate(self.read(wanted, where, depth + 1))
        if key.startswith((FACT, SEGMENT)):
            return self._fact(key.removeprefix(FACT), wanted, where)
        field = self.vocabulary.fields.get(key)
        if field is None:
            near = did_you_mean(key, [*self.vocabulary.fields, *_WORDS])
            self.report.add(where, f"unknown field '{key}'", near)
            return NEVER
        return self._field(field, wanted, where, depth)

    def _several(self, key: str, wanted: object, where: Place, depth: int) -> Ir:
        if not isinstance(wanted, list) or not wanted:
            self.report.add(where, f"'{key}' takes a list of conditions")
            return NEVER
        parts = [
            self.read(part, place_of(wanted, number, self.file), depth + 1)
            for number, part in enumerate(wanted)
        ]
        return either(parts) if key == "any" else every(parts)

    def _fact(self, name: str, wanted: object, where: Place) -> Ir:
        if name not in self.facts:
            what = "segment" if name.startswith(SEGMENT) else "fact"
            said = name.removeprefix(SEGMENT)
            near = did_you_mean(name, self.facts, cut=SEGMENT)
            self.report.add(where, f"unknown {what} '{said}'", near)
            return NEVER
        if not isinstance(wanted, bool):
            said = name if name.startswith(SEGMENT) else FACT + name
            self.report.add(where, f"'{said}' is true or false, found {wanted!r}")
            return NEVER
        return FactTest(name, wanted)

    def _field(self, field: Field, wanted: object, where: Place, depth: int) -> Ir:
        if isinstance(wanted, Mapping):
            if not wanted:
                self.report.add(where, f"'{field.path}' is compared with nothing")
            if depth > MAX_DEPTH:
                self.report.add(where, f"conditions nest at most {MAX_DEPTH} deep")
                return NEVER
            return every([self._comparison(field, wanted, op, depth) for op in wanted])
        if field.type in {FieldType.TIME, FieldType.AGO}:
            words = ", ".join(COMPARISONS[field.type])
            self.report.add(where, f"'{field.path}' is a {field.type}; compare it by {words}")
            return NEVER
        values = self._values(field, wanted, where)
        if field.type is FieldType.LIST:
            return either(Test(Op.HAS, field.path, value) for value in values)
        if isinstance(wanted, list):
            return _one_of(field, values)
        return Test(Op.EQ, field.path, values[0]) if values else NEVER

    def _comparison(  # noqa: PLR0911 - one return per family of comparisons
        self, field: Field, node: Mapping[object, object], op: object, depth: int
    ) -> Ir:
        wanted, where = node[op], place_of(node, op, self.file)
        allowed = COMPARISONS[field.type]
        if not isinstance(op, str) or op not in allowed:
            known = any(op in words for words in COMPARISONS.values())
            verb = "does not apply to" if known else "is no comparison for"
            message = f"'{op}' {verb} '{field.path}' ({field.type}); use {', '.join(allowed)}"
            self.report.add(where, message, "" if known else did_you_mean(str(op), allowed))
            return NEVER
        if op == "not":
            return negate(self._field(field, wanted, where, depth + 1))
        if op == "exists":
            return self._exists(field, wanted, where)
        if op in {"eq_field", "in_field"}:
            return self._two_fields(field, Op(op), wanted, where)
        if op in TEXT_TESTS:
            return self._text_test(field, MeasureKind(op), wanted, where)
        if op in {"within", "older_than", "due_within"}:
            return self._passed(field, op, wanted, where)
        if op in {"before", "after"}:
            return self._before_or_after(field, op, wanted, where)
        if op == "years":
            years = Field(path=Measure(MeasureKind.YEARS, field.path).path, type=FieldType.INT)
            return self._field(years, wanted, where, depth + 1)
        return self._with_values(field, op, wanted, where)

    def _with_values(self, field: Field, op: str, wanted: object, where: Place) -> Ir:
        if op in {"between", "has_any"}:
            if not isinstance(wanted, list) or (op == "between" and len(wanted) != len("ab")):
                shape = "two numbers, as in [1, 5]" if op == "between" else "a list of values"
                self.report.add(where, f"'{op}' takes {shape}")
                return NEVER
        elif isinstance(wanted, list):
            self.report.add(where, f"'{op}' takes one value")
            return NEVER
        values = self._values(field, wanted, where)
        if not values:
            return NEVER
        if op == "between":
            low, high = values[0], values[-1]
            return every([Test(Op.GTE, field.path, low), Test(Op.LTE, field.path, high)])
        if op in {"has", "has_any"}:
            return either(Test(Op.HAS, field.path, value) for value in values)
        assert Op(op) in ORDER_OPS  # noqa: S101 - the table of comparisons has no other left
        return Test(Op(op), field.path, values[0])

    def _text_test(self, field: Field, kind: MeasureKind, wanted: object, where: Place) -> Ir:
        if not isinstance(wanted, str) or not 1 <= len(wanted) <= MAX_LITERAL:
            message = f"'{kind}' takes a text of 1 to {MAX_LITERAL} characters, found {wanted!r}"
            self.report.add(where, message)
            return NEVER
        return Test(Op.EQ, Measure(kind, field.path, str(wanted)).path, wanted=True)

    def _passed(self, field: Field, op: str, wanted: object, where: Place) -> Ir:
        """Read how long ago, or how soon, something is."""
        span = time_span(wanted)
        if span is None or (field.type is FieldType.DATE and span % timedelta(days=1)):
            hint = "write 30d" if field.type is FieldType.DATE else "write 30m, 8h or 7d"
            self.report.add(where, f"'{op}' takes a time span, found {wanted!r}", hint)
            return NEVER
        path, unit = field.path, timedelta(seconds=1)
        if field.type is FieldType.DATE:
            path, unit = Measure(MeasureKind.DAYS, field.path).path, timedelta(days=1)
        elif field.type is FieldType.TIME:
            path = Measure(MeasureKind.AGO, field.path).path
        number = span // unit
        if op == "older_than":
            return Test(Op.GT, path, number)
        low, high = (0, number) if op == "within" else (-number, 0)
        return every([Test(Op.GTE, path, low), Test(Op.LTE, path, high)])

    def _before_or_after(self, field: Field, op: str, wanted: object, where: Place) -> Ir:
        text = canonical(field.type, wanted)
        if text is None:
            message, hint = field.complaint(wanted)
            self.report.add(where, message, hint)
            return NEVER
        order = Op.LT if op == "before" else Op.GT
        instant, day = instant_of(text), day_of(text)
        if instant is not None:
            path = Measure(MeasureKind.EPOCH, field.path).path
            return Test(order, path, int(instant.timestamp()))
        if day is None:
            raise ValueError(f"{text!r} is neither a day nor an instant")
        path = Measure(MeasureKind.DAY, field.path).path
        return Test(order, path, day.toordinal() - _EPOCH)

    def _exists(self, field: Field, wanted: object, where: Place) -> Ir:
        if not isinstance(wanted, bool):
            self.report.add(where, f"'exists' is true or false, found {wanted!r}")
            return NEVER
        return Test(Op.EXISTS if wanted else Op.MISSING, field.path)

    def _two_fields(self, field: Field, op: Op, wanted: object, where: Place) -> Ir:
        other = self.vocabulary.fields.get(wanted) if isinstance(wanted, str) else None
        if other is None:
            near = did_you_mean(str(wanted), self.vocabulary.fields)
            self.report.add(where, f"unknown field '{wanted}'", near)
            return NEVER
        needed = FieldType.LIST if op is Op.IN_FIELD else field.type
        if other.type is not needed or other == field:
            message = f"'{op}' needs another field of type {needed}; '{other.path}' is {other.type}"
            self.report.add(where, message)
            return NEVER
        return Test(op, field.path, other.path)

    def _values(self, field: Field, wanted: object, where: Place) -> list[str | int | bool]:
        """Check what a field is compared with; only good values are returned."""
        items = wanted if isinstance(wanted, list) else [wanted]
        if not items or len(items) > MAX_VALUES:
            self.report.add(where, f"a list has 1 to {MAX_VALUES} values, found {len(items)}")
            return []
        good: list[str | int | bool] = []
        for number, item in enumerate(items):
            message, hint = field.complaint(item)
            if message:
                place = place_of(wanted, number, self.file) if items is wanted else where
                self.report.add(place if place.file else where, message, hint)
            elif field.type in MOMENTS:
                good.append(canonical(field.type, item) or "")
            elif isinstance(item, str):
                good.append(str(item))
            elif isinstance(item, bool | int):
                good.append(item)
        return good


def _one_of(field: Field, values: list[str | int | bool]) -> Ir:
    unique = tuple(dict.fromkeys(values))
    if len(unique) == 1:
        return Test(Op.EQ, field.path, unique[0])
    texts = tuple(value for value in unique if isinstance(value, str))
    if texts:
        return Test(Op.IN, field.path, texts)
    numbers = tuple(value for value in unique if isinstance(value, int))
    return Test(Op.IN, field.path, numbers) if numbers else NEVER
