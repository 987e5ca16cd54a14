"""Says why a rule held or did not: every test with what was wanted and what was seen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rules.definitions import Rule
from rules.ir import Either, Every, FactTest, Ir, Test, leaves
from rules.reference import Asked, Check, Document, Facts, SomeRule_co, compiled
from tellal.domain.decisions import Fired, Value

MASK = "•••"
NEAR_MISSES = 5
"""How many rules that failed by one test are told; more would bury the nearest."""

Kind = TypeVar("Kind", bound=Rule)
Tree = dict[str, object]
Explain = Callable[[Document, Facts], Tree]


@dataclass(frozen=True, slots=True)
class Explained(Asked[SomeRule_co], Generic[SomeRule_co]):
    """A rule that is asked, with the functions that say why it held or did not.

    It is told that it failed by a single test if `near`, and where it has one, if the document has
    the path `there`: the law of another country is not nearly the customer's.
    """

    parts: tuple[Check, ...]
    explain: Explain
    fired: Fired
    near: bool = True
    there: str = ""


def explained(
    rule: Kind, when: Ir, personal: frozenset[str], *, near: bool = True
) -> Explained[Kind]:
    """Make a rule ready to be asked; values of personal fields are masked."""
    parts = when.of if isinstance(when, Every) else (when,)
    return Explained(
        rule,
        when,
        compiled(when),
        parts=tuple(compiled(part) for part in parts),
        explain=_explainer(when, personal),
        fired=rule.fired,
        near=near,
        there=rule.active if rule.only_in or rule.not_in else "",
    )


def trace(
    order: Sequence[Explained[Rule]], document: Document, facts: Facts, fired: frozenset[str]
) -> tuple[Mapping[str, object], ...]:
    """Explain every rule that held, and those that failed by a single test."""
    told: list[Mapping[str, object]] = []
    near = 0
    for asked in order:
        if asked.fired.rule not in fired:
            if near == NEAR_MISSES or not asked.near:
                continue
            if asked.there and asked.there not in document:
                continue
            if not _nearly(asked.parts, document, facts):
                continue
            near += 1
        tests, rule = asked.explain(document, facts), asked.fired
        told.append(
            {
                "rule": rule.rule,
                "section": rule.section,
                "file": rule.file,
                "line": rule.line,
                "ok": tests["ok"],
                "tests": tests,
            }
        )
    return tuple(told)


def hidden(order: Sequence[Explained[Rule]], personal: frozenset[str]) -> tuple[Check, ...]:
    """Return the tests of which an explanation shows what came of them, but not the value."""
    tests = {
        test: compiled(test)
        for asked in order
        for test in leaves(asked.when)
        if isinstance(test, Test) and {test.path, test.other} & personal
    }
    return tuple(tests.values())


def read(
    fields: Sequence[str], document: Document, personal: frozenset[str]
) -> dict[str, Value | None]:
    """Return what the rules of a topic looked at; None where there was nothing."""
    seen = {path: document.get(path) for path in fields}
    for path in personal & seen.keys():
        if seen[path] is not None:
            seen[path] = MASK
    return seen


def _nearly(parts: Sequence[Check], document: Document, facts: Facts) -> bool:
    failed = 0
    for part in parts:
        if not part(document, facts):
            failed += 1
            if failed > 1:
                return False
    return failed == 1


def _explainer(ir: Ir, personal: frozenset[str]) -> Explain:
    match ir:
        case Every(of=parts):
            return _joined("all", all, [_explainer(part, personal) for part in parts])
        case Either(of=parts):
            return _joined("any", any, [_explainer(part, personal) for part in parts])
        case FactTest(name=name, holds=wanted):
            return lambda _, facts: {
                "fact": name,
                "wanted": wanted,
                "seen": name in facts,
                "ok": (name in facts) is wanted,
            }
        case Test():
            return _test(ir, personal)


def _joined(word: str, hold: Callable[[list[object]], bool], parts: list[Explain]) -> Explain:
    def explain(document: Document, facts: Facts) -> Tree:
        of = [part(document, facts) for part in parts]
        return {word: of, "ok": hold([part["ok"] for part in of])}

    return explain


def _test(test: Test, personal: frozenset[str]) -> Explain:
    path, check, name = test.path, compiled(test), test.op.value
    masked = path in personal
    wanted = MASK if masked and test.other is None and test.wanted is not None else test.wanted

    def explain(document: Document, facts: Facts) -> Tree:
        seen = document.get(path)
        return {
            "field": path,
            "test": name,
            "wanted": wanted,
            "seen": MASK if masked and seen is not None else seen,
            "ok": check(document, facts),
        }

    return explain
