"""Narrows a rulebook to whom an outage concerns, so that one statement counts them by the rules.

Whoever is elsewhere is suppressed before any other rule can speak, and whoever belongs to the
priority part takes a copy of the plan that he would have taken: so the sums tell them apart.
"""

from collections.abc import Iterator
from dataclasses import replace

from rules.definitions import ChannelPlan, Rule, Section, Suppression
from rules.ir import Ir, every, negate
from rules.rulebook import Rulebook
from rules.shards import make_shard
from tellal.domain.errors import InvalidInputError

ELSEWHERE = "elsewhere"
"""The code of the reason why somebody hears nothing: it does not concern him."""

_PRIORITY = "#priority"  # no name in a rule file ends so


def scoped(book: Rulebook, topic: str, within: Ir | None, priority: Ir | None) -> Rulebook:
    """Return a rulebook whose answers about a topic are for those within a segment only.

    It is for counting in SQL; the engine's programs are those of the whole rulebook.

    Raises:
        InvalidInputError: The rulebook has no such topic.
    """
    if topic not in book.topics:
        raise InvalidInputError(f"the rulebook has no topic '{topic}'", field="topic")
    rules = [*_elsewhere(within), *_with_priority(book.rules, priority)]
    shard = make_shard(book.topics[topic], rules, book.vocabulary)
    return replace(book, shards={**book.shards, topic: shard})


def is_priority(plan: str) -> bool:
    """Say whether a plan was taken as one of the priority part."""
    return plan.endswith(_PRIORITY)


def _elsewhere(within: Ir | None) -> Iterator[Rule]:
    if within is not None:
        yield Suppression(
            id=f"outage.{ELSEWHERE}",
            section=Section.SUPPRESS,
            when=negate(within),
            means="The outage does not concern him",
            file="",
            line=0,
            reason=ELSEWHERE,
            text="The outage does not concern him",
        )


def _with_priority(rules: tuple[Rule, ...], priority: Ir | None) -> Iterator[Rule]:
    for rule in rules:
        if isinstance(rule, ChannelPlan) and priority is not None:
            when = every([rule.when, priority])
            yield replace(rule, id=f"{rule.id}{_PRIORITY}", when=when)
        yield rule
