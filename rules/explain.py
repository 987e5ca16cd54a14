"""Says why a rule held or did not: every test with what was wanted and what was seen."""

from collections.abc import Iterable, Mapping

from rules.definitions import Rule
from rules.ir import Either, Every, FactTest, Ir, Test
from rules.reference import Asked, Document, Facts, compiled
from rules.shards import Shard
from rules.vocabulary import Vocabulary
from tellal.domain.decisions import Value

MASK = "•••"
NEAR_MISSES = 10
"""How many rules that failed by one test are told; more would bury the nearest."""

Tree = dict[str, object]


def tree(ir: Ir, document: Document, facts: Facts, vocabulary: Vocabulary) -> Tree:
    """Explain a condition, test by test."""
    match ir:
        case Every(of=parts):
            of = [tree(part, document, facts, vocabulary) for part in parts]
            return {"all": of, "ok": all(part["ok"] for part in of)}
        case Either(of=parts):
            of = [tree(part, document, facts, vocabulary) for part in parts]
            return {"any": of, "ok": any(part["ok"] for part in of)}
        case FactTest(name=name, holds=wanted):
            seen = name in facts
            return {"fact": name, "wanted": wanted, "seen": seen, "ok": seen is wanted}
        case Test():
            return _leaf(ir, document, facts, vocabulary)


def trace(
    shard: Shard,
    document: Document,
    facts: Facts,
    fired: frozenset[str],
    vocabulary: Vocabulary,
) -> tuple[Mapping[str, object], ...]:
    """Explain every rule that held, and those that failed by a single test."""
    told: list[Mapping[str, object]] = []
    near = 0
    for asked in shard.order:
        if asked.rule.id in fired:
            told.append(_entry(asked, tree(asked.when, document, facts, vocabulary)))
        elif near < NEAR_MISSES and _nearly(asked.when, document, facts):
            near += 1
            told.append(_entry(asked, tree(asked.when, document, facts, vocabulary)))
    return tuple(told)


def read(shard: Shard, document: Document, vocabulary: Vocabulary) -> dict[str, Value | None]:
    """Return what the rules of a shard looked at; None where there was nothing."""
    return {path: _masked(path, document.get(path), vocabulary) for path in shard.fields}


def _entry(asked: Asked[Rule], tests: Tree) -> Mapping[str, object]:
    rule = asked.rule
    return {
        "rule": rule.id,
        "section": rule.section.value,
        "file": rule.file,
        "line": rule.line,
        "ok": tests["ok"],
        "tests": tests,
    }


def _nearly(ir: Ir, document: Document, facts: Facts) -> bool:
    parts: Iterable[Ir] = ir.of if isinstance(ir, Every) else (ir,)
    failed = 0
    for part in parts:
        if not compiled(part)(document, facts):
            failed += 1
            if failed > 1:
                return False
    return failed == 1


def _leaf(test: Test, document: Document, facts: Facts, vocabulary: Vocabulary) -> Tree:
    seen = _masked(test.path, document.get(test.path), vocabulary)
    wanted = test.wanted
    if test.other is None and wanted is not None and _personal(test.path, vocabulary):
        wanted = MASK
    return {
        "field": test.path,
        "test": test.op.value,
        "wanted": wanted,
        "seen": seen,
        "ok": compiled(test)(document, facts),
    }


def _personal(path: str, vocabulary: Vocabulary) -> bool:
    field = vocabulary.fields.get(path)
    return field is not None and field.pii


def _masked(path: str, value: Value | None, vocabulary: Vocabulary) -> Value | None:
    return MASK if value is not None and _personal(path, vocabulary) else value
