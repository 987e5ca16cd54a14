"""Finds what is allowed and hardly meant: rules that never get their turn, or contradict others."""

from collections.abc import Iterator
from itertools import combinations

from rules.definitions import Cap, FactRule, QuietHours, Rule, Suppression
from rules.ir import Ir, facts_of, fields_of
from rules.names import COUNT, LAST, SEGMENT
from rules.reasoning import Closed, can_hold, closed_fields, follows
from rules.rulebook import Rulebook
from rules.shards import Shard
from tellal.domain.errors import Finding


def smells(book: Rulebook) -> tuple[Finding, ...]:
    """Return warnings about a rulebook, in reading order."""
    closed = closed_fields(book.vocabulary)
    found = [
        *_impossible(book, closed),
        *_overtaken(book, closed),
        *_at_odds(book),
        *_unread(book),
    ]
    unique = dict.fromkeys(found)
    return tuple(sorted(unique, key=lambda one: (one.file, one.line, one.column)))


def _impossible(book: Rulebook, closed: Closed) -> Iterator[Finding]:
    for rule in book.rules:
        if not rule.of_pack and not can_hold(rule.when, closed):
            hint = "its tests contradict each other"
            yield _warning(rule, f"'{rule.id}' can never hold", hint)


def _overtaken(book: Rulebook, closed: Closed) -> Iterator[Finding]:
    """Find channels rules of which an earlier one holds whenever they do."""
    for topic, shard in book.shards.items():
        for first, second in combinations(shard.channels, 2):
            if first.rule.id == second.rule.id or not can_hold(second.when, closed):
                continue
            if follows(second.when, first.when, closed):
                same = follows(first.when, second.when, closed)
                verb = "asks the same as" if same else "holds only where there holds"
                message = f"for '{topic}' '{second.rule.id}' is never reached: it {verb} "
                yield _warning(second.rule, message + _named(first.rule), "put it before that")


def _at_odds(book: Rulebook) -> Iterator[Finding]:
    """Find rules that ask the same and order something else."""
    for shard in book.shards.values():
        yield from _pairs(shard)


def _pairs(shard: Shard) -> Iterator[Finding]:
    alike: dict[Ir, list[Rule]] = {}
    for asked in (*shard.suppress, *shard.caps, *shard.quiet_hours):
        alike.setdefault(asked.when, []).append(asked.rule)
    for rules in alike.values():
        for first, second in combinations(rules, 2):
            if words := _conflict(first, second):
                message = f"'{second.id}' asks the same as {_named(first)} and {words}"
                yield _warning(second, message, "keep one of them")


def _conflict(first: Rule, second: Rule) -> str:
    """Say in what two rules of one condition differ; empty if both may stand."""
    match first, second:
        case Suppression(), Suppression() if first.reason != second.reason:
            return f"gives another reason: {first.reason}, {second.reason}"
        case Cap(), Cap() if _counts(first) == _counts(second):
            if first.limit != second.limit:
                return f"allows another number: {first.limit}, {second.limit}"
            if first.on_reach is not second.on_reach:
                return f"does another thing: {first.on_reach}, {second.on_reach}"
        case QuietHours(), QuietHours() if _hours(first) == _hours(second):
            both = first.channels & second.channels
            if both and first.action is not second.action:
                return f"does another thing to {min(both)}: {first.action}, {second.action}"
    return ""


def _counts(cap: Cap) -> tuple[object, ...]:
    return cap.topics, cap.channel, cap.window


def _hours(quiet: QuietHours) -> tuple[object, ...]:
    return quiet.begin, quiet.end, quiet.timezone, quiet.days, quiet.countries


def _unread(book: Rulebook) -> Iterator[Finding]:
    """Find facts and counts that no rule reads; segments are read by who declares an outage."""
    stops = [topic.stop_when for topic in book.topics.values() if topic.stop_when is not None]
    conditions = [*(rule.when for rule in book.rules), *stops]
    facts = {name for when in conditions for name in facts_of(when)}
    fields = {path for when in conditions for path in fields_of(when)}
    for rule in book.rules:
        if not isinstance(rule, FactRule) or rule.derives.startswith(SEGMENT):
            continue
        if rule.derives not in facts:
            yield _warning(rule, f"no rule reads the fact '{rule.derives}'", "")
    for count in book.counts.values():
        if not fields & {f"{COUNT}{count.id}", f"{LAST}{count.id}"}:
            message = f"no rule reads the count '{count.id}'"
            yield Finding(file=count.file, line=count.line, column=1, message=message, warns=True)


def _named(rule: Rule) -> str:
    return f"'{rule.id}' ({rule.file}:{rule.line})"


def _warning(rule: Rule, message: str, hint: str) -> Finding:
    return Finding(file=rule.file, line=rule.line, column=1, message=message, hint=hint, warns=True)
