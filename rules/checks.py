"""What is wrong with rules that are right one by one: doubles, circles, gaps and shadows."""

from collections.abc import Mapping, Sequence

from rules.definitions import ChannelPlan, Count, FactRule, Rule, Topic
from rules.ir import ALWAYS, facts_of, fields_of
from rules.law_rows import ConsentLaw
from rules.names import TOPIC
from rules.shards import Shard, as_asked, circles, counting_facts, reads_counts
from rules.source import Place, Report
from rules.vocabulary import did_you_mean


def check_rules(
    topics: Sequence[Topic], rules: Sequence[Rule], shards: Mapping[str, Shard], report: Report
) -> None:
    """Report everything that only the whole rulebook shows."""
    _check_doubles(topics, rules, report)
    _check_circles(rules, report)
    for topic in topics:
        _check_channels(topic, shards[topic.id], report)
    _check_idle(rules, shards, report)


def check_counts(
    topics: Sequence[Topic], counts: Sequence[Count], shards: Mapping[str, Shard], report: Report
) -> None:
    """Report counts of one name, and topics that would end for want of a count."""
    seen: dict[str, Count] = {}
    for count in counts:
        first = seen.setdefault(count.id, count)
        if first is not count:
            place = Place(file=count.file, line=count.line)
            message = f"the count '{count.id}' is already defined at {first.file}:{first.line}"
            report.add(place, message, "give it another name")
    for topic in topics:
        # An event and a waiting journey ask whether to stop; they do not count again each time.
        counting = counting_facts(shards[topic.id].strata)
        for asked in shards[topic.id].stop:
            if counting & facts_of(asked.when) or reads_counts(asked.when):
                place = Place(file=topic.file, line=topic.line)
                message = f"'stop_when' of '{topic.id}' reads a count"
                report.add(place, message, "let an event set a field, and read that")


def check_claims(topics: Sequence[Topic], law: ConsentLaw, report: Report) -> None:
    """Report what topics say of themselves in words that no country's law knows."""
    for topic in topics:
        for key, said, known in (
            ("basis", topic.basis, law.bases),
            ("content", topic.content, law.contents),
        ):
            if said and law.rules and said not in known:
                place = Place(file=topic.file, line=topic.line)
                near = did_you_mean(said, known) or f"one of {', '.join(sorted(known))}"
                report.add(place, f"no law knows the {key} '{said}' of '{topic.id}'", near)


def _check_doubles(topics: Sequence[Topic], rules: Sequence[Rule], report: Report) -> None:
    seen: dict[str, str] = {}
    named = [(topic.id, Place(file=topic.file, line=topic.line)) for topic in topics]
    named += [(rule.id, Place(file=rule.file, line=rule.line)) for rule in rules]
    for name, place in named:
        here = f"{place.file}:{place.line}"
        first = seen.setdefault(name, here)
        if first != here and name and not name.endswith("."):
            report.add(place, f"'{name}' is already defined at {first}", "give it another name")


def _check_circles(rules: Sequence[Rule], report: Report) -> None:
    facts = [rule for rule in rules if isinstance(rule, FactRule)]
    caught = circles(as_asked(facts))
    for rule in facts:
        if rule.derives in caught:
            names = ", ".join(sorted(caught))
            message = f"'{rule.derives}' waits for itself: these facts read each other in a circle"
            report.add(Place(file=rule.file, line=rule.line), f"{message}: {names}")


def _check_channels(topic: Topic, shard: Shard, report: Report) -> None:
    plans = [asked.rule for asked in shard.channels]
    if not plans:
        message = f"no 'channels' rule is for the topic '{topic.id}'"
        report.add(Place(file=topic.file, line=topic.line), message)
        return
    owner = _package(plans[0])
    always: ChannelPlan | None = None
    for asked in shard.channels:
        rule, place = asked.rule, Place(file=asked.rule.file, line=asked.rule.line)
        if _package(rule) != owner:
            first = f"{plans[0].file}:{plans[0].line}"
            message = f"the channels of '{topic.id}' belong to package '{owner}' ({first})"
            report.add(place, message, "name another topic in 'when'")
        elif always is not None:
            message = f"for '{topic.id}' this rule is never reached: '{always.id}' always holds"
            report.add(place, message, f"put it before line {always.line}")
        if asked.when == ALWAYS and always is None:
            always = rule


def _check_idle(rules: Sequence[Rule], shards: Mapping[str, Shard], report: Report) -> None:
    """Report rules whose condition can hold for no topic at all."""
    at_work = {asked.rule.id for shard in shards.values() for asked in shard.order}
    for rule in rules:
        # A rule for a class waits for topics of that class; one that names a topic has a mistake.
        if rule.id in at_work or isinstance(rule, FactRule) or TOPIC not in fields_of(rule.when):
            continue
        place = Place(file=rule.file, line=rule.line)
        report.add(place, f"'{rule.id}' can hold for no topic", "look at its topic and class")


def _package(rule: Rule) -> str:
    return rule.id.partition(".")[0]
