"""What tests reach: every rule with its effect and without, every test of a condition both ways."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rules.decide import seen
from rules.definitions import Cap, Law, QuietHours, Rule
from rules.ir import FactTest, Ir, Test, leaves
from rules.names import CLASS, TOPIC
from rules.reference import Document, Facts, compiled
from rules.rulebook import Rulebook
from rules.trials.running import Result, Standing
from tellal.domain.channels import Channel

Leaf = Test | FactTest


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCoverage:
    """One rule: whether it was seen with its effect and without; its tests with what was seen."""

    rule: Rule
    fired: bool
    not_fired: bool
    leaves: tuple[tuple[Leaf, bool, bool], ...]
    """Each test of its condition: whether it was seen true, and whether false."""

    @property
    def reached(self) -> int:
        """How many of its ends are reached."""
        sides = sum(yes + no for _, yes, no in self.leaves)
        return self.fired + self.not_fired + sides

    @property
    def ends(self) -> int:
        """How many ends it has."""
        return 2 + 2 * len(self.leaves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """All rules that can have an effect; `idle` are those that cannot yet."""

    rules: tuple[RuleCoverage, ...]
    idle: tuple[Rule, ...]

    @property
    def of_rules(self) -> float:
        """How much of "fired" and "did not fire" was seen, in per cent."""
        return _share(sum(r.fired + r.not_fired for r in self.rules), 2 * len(self.rules))

    @property
    def total(self) -> float:
        """How much was seen with the tests of conditions counted too, in per cent."""
        return _share(sum(r.reached for r in self.rules), sum(r.ends for r in self.rules))


def cover(book: Rulebook, results: Iterable[Result]) -> Coverage:
    """Measure what tests reach; a test that fails reaches nothing."""
    counted = [one for one in results if one.standing in {Standing.PASSED, Standing.DONE}]
    looks = [_Look.of(book, one) for one in counted]
    rules = every_rule(book)
    return Coverage(
        rules=tuple(_rule(rule, looks) for rule in rules if _at_work(book, rule)),
        idle=tuple(rule for rule in rules if not _at_work(book, rule)),
    )


def every_rule(book: Rulebook) -> tuple[Rule, ...]:
    """Return the rules that authors of a book wrote, and what ends its topics."""
    stops = [asked.rule for shard in book.shards.values() for asked in shard.stop]
    return (*(rule for rule in book.rules if not rule.of_pack), *stops)


def _at_work(book: Rulebook, rule: Rule) -> bool:
    """Say whether a topic goes over a channel that the rule speaks of."""
    match rule:
        case Law(channels=channels) | QuietHours(channels=channels):
            wanted = channels
        case Cap(channel=Channel() as channel):
            wanted = frozenset({channel})
        case _:
            return True
    return any(
        channel in wanted
        for shard in book.shards.values()
        if any(asked.rule.id == rule.id for asked in shard.order)
        for plan in shard.channels
        for channel, _ in plan.rule.steps
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What one test showed: the document, the facts, the rules asked and those that fired."""

    document: Document
    facts: Facts
    asked: Mapping[str, Ir]
    fired: frozenset[str]

    @classmethod
    def of(cls, book: Rulebook, result: Result) -> "_Look":
        question = result.trial.question
        shard = book.shards[question.topic]
        document, answer = seen(book, question)
        decision = result.decision
        return cls(
            document={**document, **shard.constants},
            facts=answer.facts,
            asked={one.rule.id: one.when for one in shard.order},
            fired=frozenset(one.rule for one in (*decision.fired, *decision.shadow)),
        )


def _rule(rule: Rule, looks: list[_Look]) -> RuleCoverage:
    return RuleCoverage(
        rule=rule,
        fired=any(rule.id in look.fired for look in looks),
        not_fired=any(rule.id not in look.fired for look in looks),
        leaves=tuple(_leaf(rule, leaf, looks) for leaf in dict.fromkeys(leaves(rule.when))),
    )


def _leaf(rule: Rule, leaf: Leaf, looks: list[_Look]) -> tuple[Leaf, bool, bool]:
    # Which topic it is, every test shows; anything else only those that ask the rule.
    anywhere = isinstance(leaf, Test) and leaf.path in {TOPIC, CLASS}
    check = compiled(leaf)
    answers = {
        check(look.document, look.facts) for look in looks if anywhere or rule.id in look.asked
    }
    return leaf, True in answers, False in answers


def _share(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0
