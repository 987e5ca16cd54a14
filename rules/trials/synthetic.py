"""Replaces what is personal in a question by made-up values to which every rule answers the same.

What no rule needs is left out; a number is taken beside the bounds of the rules that read it, a
date beside theirs. So a test that is kept with the rules tells of nobody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from rules.decide import seen
from rules.ir import Op, Test, leaves
from rules.measures import TEXT_TESTS, MeasureKind, instant_of, measure_of, written
from rules.questions import Question
from rules.reference import compiled
from rules.rulebook import Rulebook
from rules.situations import zone_of
from rules.vocabulary import Field, FieldType
from tellal.domain.decisions import Value
from tellal.domain.errors import InvalidInputError

_NAMES = frozenset(
    {"no", "number", "name", "first_name", "last_name", "full_name", "surname"}
    | {"email", "phone", "address"}
)
"""What a field is called at its end that names somebody, whether or not it says `pii`."""
_EPOCH = date(1970, 1, 1)
_SOME_DAY = "2000-01-01"
_SOME_TIME = "2000-01-01T00:00:00Z"
_BESIDE = (-1, 0, 1, -2, 2, -10, 10)
"""How far from a bound of a rule a number is looked for, the nearest first."""
_WORD = "synthetic"
_BLOCKED = "recorded"


def depersonalised(book: Rulebook, question: Question) -> Question:
    """Return a question about nobody that all rules of its topic answer as they did this one.

    Raises:
        InvalidInputError: A personal value cannot be replaced without another answer.
    """
    wanted = _answers(book, question)
    for path in sorted(question.document):
        field = book.vocabulary.fields.get(path)
        if field is None or is_personal(field):
            question = _replaced(book, question, path, field, wanted)
    return replace(
        question,
        blocked={c: replace(block, reason=_BLOCKED) for c, block in question.blocked.items()},
    )


def is_personal(field: Field) -> bool:
    """Say whether a field's values tell who somebody is."""
    return field.pii or field.path.rpartition(".")[2] in _NAMES


def _replaced(
    book: Rulebook, question: Question, path: str, field: Field | None, wanted: Sequence[bool]
) -> Question:
    original = question.document[path]
    bare = _with(question, path, None)
    if field is None or _answers(book, bare) == wanted:
        return bare
    tests = [
        leaf
        for asked in book.shards[question.topic].order
        for leaf in leaves(asked.when)
        if isinstance(leaf, Test) and _reads(leaf, path)
    ]
    for value in _candidates(field, tests, question, original):
        other = _with(question, path, value)
        if value != original and _answers(book, other) == wanted:
            return other
    if field.type is FieldType.BOOL or original in field.values or _said_by_rules(original, tests):
        return question  # there is nothing of his own in it: a rule names it
    message = f"'{path}' cannot be replaced by a made-up value without another decision"
    raise InvalidInputError(message, field=path, hint="write this test by hand")


def _answers(book: Rulebook, question: Question) -> tuple[bool, ...]:
    """Answer every test of every condition that the topic asks."""
    document, answer = seen(book, question)
    return tuple(
        compiled(leaf)(document, answer.facts)
        for asked in book.shards[question.topic].order
        for leaf in leaves(asked.when)
    )


def _with(question: Question, path: str, value: Value | None) -> Question:
    document = {known: held for known, held in question.document.items() if known != path}
    if value is not None:
        document[path] = value
    return replace(question, document=document)


def _reads(test: Test, path: str) -> bool:
    measure = measure_of(test.path)
    return path in {test.path if measure is None else measure.of, test.other}


def _said_by_rules(value: Value, tests: Sequence[Test]) -> bool:
    return any(value == one.wanted or value in _several(one) for one in tests)


def _several(test: Test) -> tuple[str | int | bool, ...]:
    wanted = test.wanted
    if isinstance(wanted, tuple):
        return wanted
    return () if wanted is None or test.other is not None else (wanted,)


def _candidates(
    field: Field, tests: Sequence[Test], question: Question, original: Value
) -> Iterator[Value]:
    numbers = [n for one in tests for n in _several(one) if type(n) is int]
    match field.type:
        case FieldType.INT:
            yield from (n + beside for beside in _BESIDE for n in numbers)
            yield 0
        case FieldType.BOOL:
            yield from (True, False)
        case FieldType.DATE:
            yield from (day.isoformat() for day in _days(tests, question))
            yield _SOME_DAY
        case FieldType.TIME:
            yield from (written(one) for one in _instants(tests, question.at))
            yield _SOME_TIME
        case FieldType.LIST:
            named = {str(n) for one in tests for n in _several(one) if isinstance(n, str)}
            held = original if isinstance(original, tuple) else ()
            kept = tuple(item for item in held if item in named)
            yield from (one for one in (kept, (*kept, _WORD)) if one)
        case _:
            yield from field.values
            yield from (str(n) for one in tests for n in _several(one) if isinstance(n, str))
            yield _WORD
            yield from _phrases(tests, str(original))


def _days(tests: Sequence[Test], question: Question) -> Iterator[date]:
    today = question.at.astimezone(zone_of(question.timezone)).date()
    for test in tests:
        measure = measure_of(test.path)
        for bound in _several(test):
            if measure is None or not isinstance(bound, int):
                continue
            for near in (bound + beside for beside in _BESIDE):
                if measure.kind is MeasureKind.DAYS:
                    yield today - timedelta(days=near)
                elif measure.kind is MeasureKind.DAY:
                    yield _EPOCH + timedelta(days=near)
                elif today.year > near:
                    # The first day of a month: it comes every year, and tells of nobody.
                    yield date(today.year - near, today.month, 1)


def _instants(tests: Sequence[Test], at: datetime) -> Iterator[datetime]:
    for test in tests:
        measure = measure_of(test.path)
        for bound in _several(test):
            if measure is None or not isinstance(bound, int):
                continue
            for near in (bound + beside for beside in _BESIDE):
                if measure.kind is MeasureKind.AGO:
                    yield at - timedelta(seconds=near)
                elif (epoch := instant_of("1970-01-01T00:00:00Z")) is not None:
                    yield epoch + timedelta(seconds=near)


def _phrases(tests: Sequence[Test], original: str) -> Iterator[str]:
    """Make a text that begins, ends and contains as the original does, and no more of it."""
    begin, middle, end = "", "", ""
    for test in tests:
        measure = measure_of(test.path)
        if measure is None or measure.kind not in TEXT_TESTS or test.op is not Op.EQ:
            continue
        if measure.kind is MeasureKind.STARTS_WITH and original.startswith(measure.literal):
            begin = max(begin, measure.literal, key=len)
        elif measure.kind is MeasureKind.ENDS_WITH and original.endswith(measure.literal):
            end = max(end, measure.literal, key=len)
        elif measure.kind is MeasureKind.CONTAINS and measure.literal in original:
            middle += f" {measure.literal}"
    yield f"{begin}{middle}{end}"
    yield f"{begin}{middle} {_WORD} {end}".rstrip()
