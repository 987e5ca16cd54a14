"""The schema of conditions: what each field may be compared with."""

from collections.abc import Callable, Collection, Iterable, Mapping

from rules.language import COMPARISONS, FACT, MAX_VALUES, SEGMENT
from rules.measures import MAX_LITERAL
from rules.vocabulary import MAX_INT, MAX_TEXT, Field, FieldType, Vocabulary

Schema = dict[str, object]

CONDITION = "condition"
SPAN: Schema = {"type": "string", "pattern": "^[0-9]{1,6}[smhd]$"}
DATE: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
TIME: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]"}
_BOOL: Schema = {"type": "boolean"}
_INT: Schema = {"type": "integer", "minimum": -MAX_INT, "maximum": MAX_INT}
_LITERAL: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_LITERAL}

_PLAIN: Mapping[FieldType, Schema] = {
    FieldType.TEXT: {"type": "string", "maxLength": MAX_TEXT},
    FieldType.LIST: {"type": "string", "maxLength": MAX_TEXT},
    FieldType.INT: _INT,
    FieldType.BOOL: _BOOL,
    FieldType.DATE: DATE,
    FieldType.TIME: TIME,
}
"""What one value of a type is; what is `ago` is compared by spans alone."""
_ONLY_COMPARED = frozenset({FieldType.TIME, FieldType.AGO})


def ref(name: str) -> Schema:
    """Point to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def listed(of: Schema, *, most: int = MAX_VALUES) -> Schema:
    """Make a list of 1 to `most` items."""
    return {"type": "array", "items": of, "minItems": 1, "maxItems": most}


def closed(properties: Mapping[str, Schema], required: Collection[str] = ()) -> Schema:
    """Make a mapping that has these keys and no other."""
    made: Schema = {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }
    return made | ({"required": sorted(required)} if required else {})


def value_of(field: Field) -> Schema:
    """Return what one value of a field is."""
    plain = _PLAIN.get(field.type, {})
    return {"enum": list(field.values)} if field.values else plain


def condition(vocabulary: Vocabulary, facts: Iterable[str]) -> Schema:
    """Return what a condition may be."""
    paths = _Paths(vocabulary)
    flags = [name if name.startswith(SEGMENT) else FACT + name for name in sorted(facts)]
    fields = {path: paths.asked(field) for path, field in vocabulary.fields.items()}
    return closed(
        {
            "any": listed(ref(CONDITION)),
            "all": listed(ref(CONDITION)),
            "not": ref(CONDITION),
            "unless": ref(CONDITION),
            **fields,
            **dict.fromkeys(flags, _BOOL),
        }
    )


class _Paths:
    """Knows how each comparison is written; one that it does not know is a mistake of ours."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._fields = vocabulary.fields
        self._written: Mapping[str, Callable[[Field], Schema]] = {
            "not": self.bare,
            "exists": lambda _: _BOOL,
            "eq_field": lambda field: self._others(field, field.type),
            "in_field": lambda field: self._others(field, FieldType.LIST),
            "has": value_of,
            "has_any": lambda field: listed(value_of(field)),
            "between": lambda field: {
                "type": "array", "items": value_of(field), "minItems": 2, "maxItems": 2,
            },
            "years": lambda field: self.asked(Field(path=field.path, type=FieldType.INT)),
            **dict.fromkeys(("gt", "gte", "lt", "lte"), value_of),
            **dict.fromkeys(("within", "older_than", "due_within"), lambda _: SPAN),
            **dict.fromkeys(("before", "after"), value_of),
            **dict.fromkeys(("starts_with", "ends_with", "contains"), lambda _: _LITERAL),
        }  # fmt: skip

    def asked(self, field: Field) -> Schema:
        """Return what may stand at a field: a value, several, or comparisons."""
        schema = self.bare(field)
        return schema | ({"description": field.means} if field.means else {})

    def bare(self, field: Field) -> Schema:
        compared = closed({op: self._at(field, op) for op in COMPARISONS[field.type]})
        compared["minProperties"] = 1
        if field.type in _ONLY_COMPARED:
            return compared
        value = value_of(field)
        return {"anyOf": [value, listed(value), compared]}

    def _at(self, field: Field, op: str) -> Schema:
        if op == "not":  # one level is what people write, and what an editor can complete
            return {"anyOf": [value_of(field), listed(value_of(field)), {"type": "object"}]}
        return self._written[op](field)

    def _others(self, field: Field, type: FieldType) -> Schema:
        others = [p for p, other in self._fields.items() if other.type is type and p != field.path]
        return {"enum": others} if others else {"not": {}}
