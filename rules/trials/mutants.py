"""Turns each test of each condition round, one at a time: tests that do not notice are too few."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rules.decide import decide
from rules.definitions import FactRule, Rule, Topic
from rules.ir import NEVER, Either, Every, FactTest, Ir, Test, either, every, given, leaves, negate
from rules.rulebook import Rulebook
from rules.shards import make_shard
from rules.trials.definitions import Trial
from rules.trials.expecting import differences

Leaf = Test | FactTest


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A rulebook with one test of one rule turned round.

    `topics` are those for which it could matter, as they stand in it.
    """

    rule: str
    file: str
    line: int
    leaf: Leaf
    book: Rulebook
    rules: tuple[Rule, ...]
    topics: tuple[Topic, ...]

    def about(self, topic: Topic) -> Rulebook:
        """Return the rulebook as it decides about a topic."""
        before = {asked.rule.id for asked in self.book.shards[topic.id].order} | {self.rule}
        mine = [one for one in self.rules if one.id in before or isinstance(one, FactRule)]
        shard = make_shard(topic, mine, self.book.vocabulary)
        return replace(self.book, rules=self.rules, shards={topic.id: shard})


def mutants(book: Rulebook) -> Iterator[Mutant]:
    """Make every mutant of a rulebook."""
    for index, rule in enumerate(book.rules):
        if rule.of_pack:  # no author's rule, and no author's test
            continue
        for number, leaf in enumerate(leaves(rule.when)):
            changed = replace(rule, when=turned(rule.when, number))
            rules = (*book.rules[:index], changed, *book.rules[index + 1 :])
            touched = [t for t in book.topics.values() if _matters(book, t, rule, changed)]
            # What the rule was written for comes first: there it is noticed, if anywhere.
            touched.sort(key=lambda topic: given(rule.when, book.constants(topic.id)) == NEVER)
            yield _mutant(book, rule, leaf, rules, touched)
    for topic in book.topics.values():
        if topic.stop_when is None:
            continue
        [stop] = [asked.rule for asked in book.shards[topic.id].stop]
        for number, leaf in enumerate(leaves(topic.stop_when)):
            other = replace(topic, stop_when=turned(topic.stop_when, number))
            yield _mutant(book, stop, leaf, book.rules, [other])


def killed(mutant: Mutant, trials: Sequence[Trial]) -> bool:
    """Say whether a test notices."""
    for topic in mutant.topics:
        asked = [trial for trial in trials if trial.question.topic == topic.id]
        if asked and not _all_pass(mutant.about(topic), asked):
            return True
    return False


def _all_pass(book: Rulebook, trials: Sequence[Trial]) -> bool:
    return not any(differences(one.expected, decide(book, one.question)) for one in trials)


def turned(ir: Ir, number: int) -> Ir:
    """Return a condition with its n-th test turned round, counted from 0."""
    return _turned(ir, [number])


def _turned(ir: Ir, left: list[int]) -> Ir:
    match ir:
        case Every(of=parts):
            return every([_turned(part, left) for part in parts])
        case Either(of=parts):
            return either([_turned(part, left) for part in parts])
    left[0] -= 1
    return negate(ir) if left[0] == -1 else ir


def _matters(book: Rulebook, topic: Topic, rule: Rule, changed: Rule) -> bool:
    shard = book.shards[topic.id]
    if isinstance(rule, FactRule) and all(rule.id != asked.rule.id for asked in shard.order):
        return False  # nothing of this topic reads the fact
    return given(rule.when, shard.constants) != given(changed.when, shard.constants)


def _mutant(
    book: Rulebook, rule: Rule, leaf: Leaf, rules: Sequence[Rule], topics: Iterable[Topic]
) -> Mutant:
    return Mutant(
        rule=rule.id,
        file=rule.file,
        line=rule.line,
        leaf=leaf,
        book=book,
        rules=tuple(rules),
        topics=tuple(topics),
    )
