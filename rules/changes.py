"""Compares what two rulebooks say: of which topics, and whether it can be seen by deciding now."""

from dataclasses import fields, is_dataclass

from rules.definitions import Rule, Suppression
from rules.ir import facts_of, fields_of
from rules.names import CLASS, CUSTOMER, TOPIC
from rules.rulebook import Rulebook

_WORDING = frozenset({"file", "line", "places", "means", "text"})
"""Where a rule stands and how it is worded: it decides the same."""


def changed_topics(old: Rulebook, new: Rulebook) -> list[str]:
    """Return the topics about which two rulebooks may decide differently."""
    return [
        topic
        for topic in sorted(old.topics.keys() | new.topics.keys())
        if _of_topic(old, topic) != _of_topic(new, topic)
    ]


def shows_at_once(old: Rulebook, new: Rulebook) -> bool:
    """Say whether deciding about everybody now shows whom a change concerns.

    It does where nothing but suppressions differs, and these ask only for what is stored of
    customers. Dates, the hour, events, caps and quiet hours, patience and classes have their effect
    at another moment; what events leave behind and what is personal are seen in no decision.
    """
    if _frame(old) != _frame(new):
        return False
    before, after = _suppressions(old), _suppressions(new)
    return all(
        _is_timeless(rule, book)
        for book, mine, other in ((old, before, after), (new, after, before))
        for name, rule in mine.items()
        if name not in other or _plain(rule) != _plain(other[name])
    )


def _of_topic(book: Rulebook, topic: str) -> object:
    shard = book.shards.get(topic)
    if shard is None:
        return None
    rules = [_plain(asked.rule) for asked in shard.order]
    return _plain(shard.topic), rules, [_plain(count) for count in book.counts_of(topic)]


def _frame(book: Rulebook) -> object:
    """Return everything but suppressions, in the order in which it is asked."""
    return (
        book.vocabulary,
        book.events,
        {name: _plain(topic) for name, topic in book.topics.items()},
        {name: _plain(count) for name, count in book.counts.items()},
        [_plain(rule) for rule in book.rules if not isinstance(rule, Suppression)],
    )


def _suppressions(book: Rulebook) -> dict[str, Suppression]:
    return {rule.id: rule for rule in book.rules if isinstance(rule, Suppression)}


def _is_timeless(rule: Rule, book: Rulebook) -> bool:
    if not _reads_stored(rule):
        return False
    timeless: set[str] = set()
    for stratum in book.strata:
        moving = {
            asked.rule.derives
            for asked in stratum
            if not _reads_stored(asked.rule) or not facts_of(asked.when) <= timeless
        }
        timeless |= {asked.rule.derives for asked in stratum} - moving
    return facts_of(rule.when) <= timeless


def _reads_stored(rule: Rule) -> bool:
    return all(path.startswith(CUSTOMER) or path in {TOPIC, CLASS} for path in fields_of(rule.when))


def _plain(thing: object) -> object:
    """Take what a rule says, without where it stands and how it is worded."""
    if not is_dataclass(thing):
        return thing
    return type(thing), {
        part.name: getattr(thing, part.name) for part in fields(thing) if part.name not in _WORDING
    }
