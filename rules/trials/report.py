"""Tells people how tests of rules ended, and what they do not reach."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from rules.telling import explain
from rules.trials.coverage import Coverage, RuleCoverage
from rules.trials.definitions import Trial
from rules.trials.mutants import Mutant
from rules.trials.running import Result, Standing
from rules.trials.words import words_of

_WORDS = {
    Standing.PASSED: "passed",
    Standing.FAILED: "FAILED",
    Standing.TODO: "to do",
    Standing.DONE: "passed, and may lose its 'todo'",
}


def named(trials: Sequence[Trial], pattern: str) -> tuple[Trial, ...]:
    """Return the tests of a name; a part of it will do, and `*` stands for anything."""
    wanted = f"*{pattern.casefold()}*"
    return tuple(one for one in trials if fnmatchcase(one.name.casefold(), wanted))


def told(results: Sequence[Result]) -> Iterator[str]:
    """Say of each test that did not simply pass how it ended, then count them all."""
    for one in results:
        if one.standing is not Standing.PASSED:
            yield from _told(one)
    counts = {kind: sum(one.standing is kind for one in results) for kind in Standing}
    passed = counts[Standing.PASSED] + counts[Standing.DONE]
    known = f", {counts[Standing.TODO]} to do" if counts[Standing.TODO] else ""
    yield f"{len(results)} tests: {passed} passed, {counts[Standing.FAILED]} failed{known}."


def fired_by(results: Sequence[Result]) -> Iterator[str]:
    """Say of each test which rules held in it."""
    for one in results:
        yield f"{one.trial.name}: {', '.join(f.rule for f in one.decision.fired) or 'no rule'}"


def reached(coverage: Coverage) -> Iterator[str]:
    """Say what no test reaches, then how much is reached."""
    for rule in coverage.rules:
        yield from _missing(rule)
    for idle in coverage.idle:
        yield f"{idle.file}:{idle.line}: {idle.id} waits: no topic of its goes over its channels"
    fired = sum(rule.fired for rule in coverage.rules)
    silent = sum(rule.not_fired for rule in coverage.rules)
    whole = len(coverage.rules)
    yield f"Rules that fired at least once: {fired} of {whole}; that did not: {silent} of {whole}."
    yield f"Coverage of rules {coverage.of_rules:.1f} %, with their tests {coverage.total:.1f} %."


def survived(mutant: Mutant) -> str:
    """Say which test of which rule may be turned round unnoticed."""
    place = f"{mutant.file}:{mutant.line}"
    return f"{place}: {mutant.rule}: no test notices if '{words_of(mutant.leaf)}' is turned round"


def _told(one: Result) -> Iterator[str]:
    todo = f" ({one.trial.todo})" if one.trial.todo else ""
    yield f"{one.trial.place}: {_WORDS[one.standing]}: {one.trial.name}{todo}"
    yield from (f"  {line}" for line in one.differences)
    if one.standing is Standing.FAILED:
        yield from (f"  | {line}" for line in explain(one.decision))


def _missing(rule: RuleCoverage) -> Iterator[str]:
    place = f"{rule.rule.file}:{rule.rule.line}: {rule.rule.id}"
    if not rule.fired:
        yield f"{place} never fired"
    if not rule.not_fired:
        yield f"{place} fired in every test"
    for leaf, yes, no in rule.leaves:
        if not (yes and no):
            never = "seen" if not (yes or no) else "true" if not yes else "false"
            yield f"{place}: '{words_of(leaf)}' was never {never}"
