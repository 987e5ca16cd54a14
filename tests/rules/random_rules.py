"""Random conditions and documents, full of what executors might read differently."""

import hypothesis.strategies as st

from rules.ir import NEVER, Either, Every, FactTest, Ir, either, every
from rules.vocabulary import Field, FieldType, Vocabulary

TEXTS = ["gold", "İş", "ışık", 'a"b', "back\\slash", "çift 😀", "1", "true", ""]
LIST = ["card", "loan", "İş"]
FACTS = ("first", "second", "third")

VOCABULARY = Vocabulary(
    fields={
        field.path: field
        for field in (
            Field(path="customer.segment", type=FieldType.TEXT),
            Field(path="müşteri.şehir", type=FieldType.TEXT),
            Field(path="customer.age", type=FieldType.INT),
            Field(path="customer.visits", type=FieldType.INT),
            Field(path="customer.app", type=FieldType.BOOL),
            Field(path="customer.products", type=FieldType.LIST),
            Field(path="event.cities", type=FieldType.LIST),
            Field(path="topic", type=FieldType.TEXT),
        )
    }
)


def _either(*choices: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(*choices)


def _op(name: str, values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return values.map(lambda value: {name: value})


_text = st.sampled_from(TEXTS)
_item = st.sampled_from(LIST)
_number = st.one_of(st.integers(-3, 3), st.sampled_from([2**53, -(2**53), 2**31]))
_exists = _op("exists", st.booleans())
_texts = _either(
    _text,
    st.lists(_text, min_size=1, max_size=4),
    _op("not", _text),
    _exists,
    _op("not", st.lists(_text, min_size=1, max_size=3)),
)
_numbers = _either(
    _number,
    st.lists(_number, min_size=1, max_size=3),
    _op("not", _number),
    _exists,
    *(_op(name, _number) for name in ("lt", "lte", "gt", "gte")),
    _op("between", st.lists(_number, min_size=2, max_size=2).map(sorted)),
)
_products = _either(
    _item,
    _op("not", _item),
    _exists,
    _op("has", _item),
    _op("has_any", st.lists(_item, min_size=1, max_size=3)),
)
_leaves = _either(
    st.builds(
        lambda path, value: {path: value},
        st.sampled_from(["customer.segment", "müşteri.şehir"]),
        _texts,
    ),
    st.builds(
        lambda path, value: {path: value},
        st.sampled_from(["customer.age", "customer.visits"]),
        _numbers,
    ),
    _op("customer.app", _either(st.booleans(), _op("not", st.booleans()), _exists)),
    _op("customer.products", _products),
    st.sampled_from(
        [
            {"customer.segment": {"eq_field": "müşteri.şehir"}},
            {"customer.age": {"eq_field": "customer.visits"}},
            {"müşteri.şehir": {"in_field": "event.cities"}},
            {"not": {"customer.segment": {"eq_field": "müşteri.şehir"}}},
            {"not": {"müşteri.şehir": {"in_field": "event.cities"}}},
            {"topic": "offer"},
            {"topic": {"not": "offer"}},
        ]
    ),
    st.builds(lambda name, value: {f"fact.{name}": value}, st.sampled_from(FACTS), st.booleans()),
)


def conditions(leaves: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Nest such tests in one another."""
    return st.recursive(
        leaves,
        lambda inner: _either(
            _op("any", st.lists(inner, min_size=1, max_size=4)),
            _op("all", st.lists(inner, min_size=1, max_size=3)),
            _op("not", inner),
            _op("unless", inner),
        ),
        max_leaves=9,
    )


CONDITIONS = conditions(_leaves)


def _perhaps(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.none(), values)


DOCUMENTS = st.fixed_dictionaries(
    {
        "customer.segment": _perhaps(_text),
        "müşteri.şehir": _perhaps(_text),
        "customer.age": _perhaps(_number),
        "customer.visits": _perhaps(_number),
        "customer.app": _perhaps(st.booleans()),
        "customer.products": _perhaps(st.lists(_item, max_size=2, unique=True).map(tuple)),
        "event.cities": _perhaps(st.lists(_text, max_size=3, unique=True).map(tuple)),
    }
)


def cut(ir: Ir, allowed: tuple[str, ...]) -> Ir:
    """Let a fact read only facts of lower strata, so that no circle comes up."""
    match ir:
        case Every(of=parts):
            return every(cut(part, allowed) for part in parts)
        case Either(of=parts):
            return either(cut(part, allowed) for part in parts)
        case FactTest(name=name) if name not in allowed:
            return NEVER
    return ir


COMPUTED = Vocabulary(
    fields={
        **VOCABULARY.fields,
        **{
            field.path: field
            for field in (
                Field(path="customer.born", type=FieldType.DATE),
                Field(path="customer.seen", type=FieldType.TIME),
                Field(path="consent.sms", type=FieldType.TEXT),
                Field(path="count.calls", type=FieldType.INT),
                Field(path="last.calls", type=FieldType.AGO),
                Field(path="calendar.weekday", type=FieldType.TEXT),
                Field(path="calendar.hour", type=FieldType.INT),
                Field(path="calendar.holiday", type=FieldType.BOOL),
                Field(path="customer.country", type=FieldType.TEXT),
                Field(path="customer.app.push_token", type=FieldType.BOOL),
            )
        },
    }
)
"""The vocabulary with fields that are computed, or read from elsewhere than the facts."""

_spans = st.sampled_from(["90m", "1d", "30d"])
_whole_days = st.sampled_from(["1d", "14d", "30d"])
_days = st.sampled_from(["2026-03-01", "2026-03-29", "2008-02-29", "2026-10-25"])
_instants = st.sampled_from(["2026-03-02T12:00:00+00:00", "2026-03-29T03:30:00+03:00"])


def _moments(
    spans: st.SearchStrategy[object], bounds: st.SearchStrategy[object]
) -> st.SearchStrategy[object]:
    return _either(
        _exists,
        *(_op(name, spans) for name in ("within", "older_than", "due_within")),
        *(_op(name, bounds) for name in ("before", "after")),
    )


_parts = st.sampled_from(["İ", "ş", "ık", 'a"b', "😀", "gold", "%", "_"])
COMPUTED_CONDITIONS = conditions(
    _either(
        _leaves,
        _op("customer.born", _moments(_whole_days, _days)),
        _op("customer.born", _op("years", _op("lt", st.integers(17, 19)))),
        _op("customer.born", _days),
        _op("customer.seen", _moments(_spans, _instants)),
        _op("consent.sms", st.sampled_from(["granted", "refused"])),
        _op("count.calls", _op("gte", st.integers(0, 3))),
        _op("last.calls", _op("within", _spans)),
        _op("calendar.weekday", st.sampled_from(["mon", "sun"])),
        _op("calendar.hour", _op("between", st.sampled_from([[0, 6], [9, 17], [22, 23]]))),
        _op("calendar.holiday", st.booleans()),
        _op("customer.country", st.sampled_from(["TR", "PL", ""])),
        _op("customer.app.push_token", st.booleans()),
        st.builds(
            lambda path, test, part: {path: {test: part}},
            st.sampled_from(["customer.segment", "müşteri.şehir"]),
            st.sampled_from(["starts_with", "ends_with", "contains"]),
            _parts,
        ),
    )
)
