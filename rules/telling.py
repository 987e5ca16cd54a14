"""Tells people what a decision was and why, and what rules a topic will meet, line by line."""

from collections.abc import Iterator, Mapping

from rules.definitions import Section
from rules.digests import gathering
from rules.rulebook import Rulebook
from tellal.domain.decisions import Decision, Reason
from tellal.domain.errors import InvalidInputError

_POLICY: Mapping[Section, str] = {
    Section.FACTS: "all that hold",
    Section.TOPICS: "ends the asking",
    Section.SUPPRESS: "any that holds stops the message",
    Section.CHANNELS: "the first that holds",
    Section.LAW: "all that hold take channels away",
    Section.CAPS: "all that are full",
    Section.QUIET_HOURS: "all that hold, the latest end wins",
}


def explain(decision: Decision) -> tuple[str, ...]:
    """Say what was decided and why; personal values are masked already."""
    return tuple(_explained(decision))


def outline(book: Rulebook, topic: str) -> tuple[str, ...]:
    """List the rules that a topic meets, phase by phase, with their places.

    Raises:
        InvalidInputError: The rulebook has no such topic.
    """
    shard = book.shards.get(topic)
    if shard is None:
        raise InvalidInputError(f"the rulebook has no topic '{topic}'", field="topic")
    lines = [f"{topic} ({shard.topic.message_class}): {shard.topic.means}"]
    lines += filter(None, (gathering(shard.topic),))
    for section, policy in _POLICY.items():
        rules = [asked.rule for asked in shard.order if asked.rule.section is section]
        if rules:
            lines.append(f"{section.replace('_', ' ')}: {policy}")
        lines += [
            f"  {rule.id} ({rule.source or f'{rule.file}:{rule.line}'}) {rule.means}"
            for rule in rules
        ]
    return tuple(lines)


def summary(book: Rulebook) -> str:
    """Count what a rulebook holds."""
    return (
        f"{len(book.topics)} topics, {len(book.rules)} rules, {len(book.events)} events, "
        f"{len(book.vocabulary.fields)} fields; {book.revision[:19]}"
    )


def _explained(decision: Decision) -> Iterator[str]:
    yield f"{decision.topic}: {decision.verdict} at {decision.at:%Y-%m-%d %H:%M} UTC"
    for step in decision.steps:
        yield f"  over {step.channel} from {step.not_before:%Y-%m-%d %H:%M} UTC"
    for reason in decision.reasons:
        yield f"  because {reason.code}: {reason.text}{_cited(reason)}"
    for reason in decision.passed:
        yield f"  in spite of {reason.code}: {reason.text}{_cited(reason)}"
    for channel, reason in decision.removed.items():
        yield f"  not over {channel}: {reason.text}"
    for fired in decision.fired:
        source = f" [{fired.source}]" if fired.source else ""
        yield f"  {fired.rule} ({fired.file}:{fired.line}) held: {fired.text}{source}"
    for entry in decision.trace:
        if not entry["ok"]:
            yield f"  {entry['rule']} ({entry['file']}:{entry['line']}) nearly held:"
            yield from _failed(entry["tests"])


def _cited(reason: Reason) -> str:
    """Name the rule behind a reason: of the law by its article, else by where it stands."""
    if reason.source:
        return f" (law: {reason.rule}, {reason.source})"
    return f" ({reason.rule}, {reason.file}:{reason.line})" if reason.rule else ""


def _failed(tests: object) -> Iterator[str]:
    """Name the tests that failed, wherever they stand in the tree."""
    if not isinstance(tests, Mapping) or tests["ok"]:
        return
    for part in tests.get("all", tests.get("any", ())):
        yield from _failed(part)
    if "field" in tests:
        seen = "nothing" if tests["seen"] is None else tests["seen"]
        wanted = "" if tests["wanted"] is None else f" {tests['wanted']}"
        yield f"    {tests['field']} should be {tests['test']}{wanted}, is {seen}"
    if "fact" in tests:
        yield f"    fact.{tests['fact']} should be {tests['wanted']}, is {tests['seen']}"
