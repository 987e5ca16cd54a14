"""The reference: what a condition means, as Python functions made once per condition."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from rules.definitions import FactRule, Rule
from rules.ir import ORDER_OPS, Either, Every, FactTest, Ir, Op, Test
from tellal.domain.decisions import Value

Document = Mapping[str, Value]
Facts = Container[str]
Check = Callable[[Document, Facts], bool]
SomeRule_co = TypeVar("SomeRule_co", bound=Rule, covariant=True)


@dataclass(frozen=True, slots=True)
class Asked(Generic[SomeRule_co]):
    """A rule as a topic asks it: what of its condition is left to ask, and as a function."""

    rule: SomeRule_co
    when: Ir
    check: Check


Strata = tuple[tuple[Asked[FactRule], ...], ...]


def holds(ir: Ir, document: Document, facts: Facts) -> bool:
    """Say whether a condition holds for a document and the facts derived from it."""
    return compiled(ir)(document, facts)


def derived(strata: Strata, document: Document) -> tuple[set[str], list[FactRule]]:
    """Return the facts that hold, and the rules that say so, stratum by stratum."""
    facts: set[str] = set()
    held: list[FactRule] = []
    for stratum in strata:
        # Rules of one stratum do not read each other's facts, so their order cannot matter.
        new = [asked.rule for asked in stratum if asked.check(document, facts)]
        facts.update([rule.derives for rule in new])
        held += new
    return facts, held


@lru_cache(maxsize=50_000)
def compiled(ir: Ir) -> Check:
    """Turn a condition into a function."""
    match ir:
        case Every(of=parts):
            return _every(tuple(compiled(part) for part in parts))
        case Either(of=parts):
            return _either(tuple(compiled(part) for part in parts))
        case FactTest(name=name, holds=True):
            return lambda _, facts: name in facts
        case FactTest(name=name):
            return lambda _, facts: name not in facts
        case Test():
            return _test(ir)


def _every(checks: tuple[Check, ...]) -> Check:
    if len(checks) == len("ab"):  # the commonest shape, without a loop
        first, second = checks
        return lambda document, facts: first(document, facts) and second(document, facts)

    def check(document: Document, facts: Facts) -> bool:
        for one in checks:  # noqa: SIM110 - half the time of all() with a generator
            if not one(document, facts):
                return False
        return True

    return check


def _either(checks: tuple[Check, ...]) -> Check:
    def check(document: Document, facts: Facts) -> bool:
        for one in checks:  # noqa: SIM110 - half the time of any() with a generator
            if one(document, facts):
                return True
        return False

    return check


def _test(test: Test) -> Check:  # noqa: PLR0911 - one return per test
    if test.other is not None:
        return _two_fields(test.op, test.path, test.other)
    if test.op in ORDER_OPS:
        return _order(test)
    path, wanted = test.path, test.wanted
    several = frozenset(wanted) if isinstance(wanted, tuple) else frozenset()
    match test.op:
        case Op.EXISTS:
            return lambda document, _: document.get(path) not in _ABSENT
        case Op.MISSING:
            return lambda document, _: document.get(path) in _ABSENT
        case Op.EQ:
            return lambda document, _: document.get(path) == wanted
        case Op.NE:
            return lambda document, _: document.get(path, wanted) not in (wanted, *_ABSENT)
        case Op.IN:
            return lambda document, _: document.get(path) in several
        case Op.NOT_IN:
            return lambda document, _: (v := document.get(path)) not in _ABSENT and v not in several
        case Op.HAS:
            return lambda document, _: wanted in _items(document, path)
        case _:
            return lambda document, _: bool(i := _items(document, path)) and wanted not in i


_ABSENT: tuple[None, tuple[()]] = (None, ())


def _items(document: Document, path: str) -> tuple[str, ...]:
    value = document.get(path)
    return value if isinstance(value, tuple) else ()


def _order(test: Test) -> Check:
    path, bound = test.path, test.wanted
    if not isinstance(bound, int):
        raise TypeError(f"{test.op} compares numbers, not {bound!r}")
    match test.op:
        case Op.LT:
            return lambda document, _: isinstance(v := document.get(path), int) and v < bound
        case Op.LTE:
            return lambda document, _: isinstance(v := document.get(path), int) and v <= bound
        case Op.GT:
            return lambda document, _: isinstance(v := document.get(path), int) and v > bound
        case _:
            return lambda document, _: isinstance(v := document.get(path), int) and v >= bound


def _two_fields(op: Op, path: str, other: str) -> Check:
    def both(document: Document) -> tuple[Value, Value] | None:
        left, right = document.get(path), document.get(other)
        if left is None or right is None or () in (left, right):
            return None
        return left, right

    match op:
        case Op.EQ_FIELD:
            return lambda document, _: (p := both(document)) is not None and p[0] == p[1]
        case Op.NE_FIELD:
            return lambda document, _: (p := both(document)) is not None and p[0] != p[1]
        case Op.IN_FIELD:
            return lambda document, _: (
                both(document) is not None and document[path] in _items(document, other)
            )
        case _:
            return lambda document, _: (
                both(document) is not None and document[path] not in _items(document, other)
            )
