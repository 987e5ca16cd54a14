"""A rulebook, compiled: every topic, every rule, and what may be asked of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rules.checks import check_claims, check_counts, check_rules
from rules.definitions import Cap, Count, EventType, FactRule, Rule, Section, Topic
from rules.entries import Entry
from rules.fence import Program, check_hashes, program_of
from rules.ir import fields_of
from rules.language import FACT
from rules.law_rows import ConsentLaw, read_law
from rules.limits import check_size
from rules.names import (
    CUSTOMER,
    EVENT,
    Names,
    collect_names,
    read_events,
    read_vocabulary,
)
from rules.reference import Strata
from rules.sections import SectionReader
from rules.shards import Shard, as_asked, make_shard, stratify
from rules.source import (
    FIELDS,
    LAW,
    Place,
    Report,
    SourceFile,
    parse,
    place_of_node,
    read_folder,
    revision_of,
)
from rules.tables import expand_tables
from rules.vocabulary import Vocabulary, did_you_mean
from tellal.domain.decisions import Value
from tellal.domain.errors import InvalidInputError, RulebookError

__all__ = ["Cap", "Rulebook", "Topic", "compile_rulebook", "load_rulebook"]

_VERSION = 1
_HEAD = ("version", "package", "owner", "means")
SECTIONS = ("events", "counts", "segments", "tables", *(section.value for section in Section))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """What all rule files of a folder say together; it never changes once loaded."""

    revision: str
    topics: Mapping[str, Topic]
    vocabulary: Vocabulary
    fact_names: frozenset[str]
    events: Mapping[str, EventType]
    rules: tuple[Rule, ...]
    counts: Mapping[str, Count]
    strata: Strata
    fact_fields: frozenset[str]
    shards: Mapping[str, Shard]
    programs: Mapping[str, Program]

    def topics_on(self, event_type: str) -> tuple[Topic, ...]:
        """Return the topics that an event raises, in the order of the files."""
        return tuple(topic for topic in self.topics.values() if event_type in topic.on)

    def caps_of(self, topic: str) -> tuple[Cap, ...]:
        """Return the caps in which a message of the topic takes a slot."""
        shard = self.shards.get(topic)
        return () if shard is None else tuple(asked.rule for asked in shard.caps)

    def counts_of(self, topic: str) -> tuple[Count, ...]:
        """Return what has to be counted before a topic is decided."""
        shard = self.shards.get(topic)
        names = () if shard is None else sorted(shard.derivable.tallies)
        return tuple(self.counts[name] for name in names)

    def constants(self, topic: str) -> Mapping[str, str]:
        """Return the fields that are fixed by the topic."""
        shard = self.shards.get(topic)
        return {} if shard is None else shard.constants

    def event_facts(
        self, event_type: str, payload: Mapping[str, object]
    ) -> tuple[dict[str, Value], dict[str, Value | None]]:
        """Check an event, and say what it tells: of itself, and of the customer for later.

        The first part is what rules may read as `event.*`; the second maps customer's facts to
        their new values, None where a fact is no longer so.

        Raises:
            InvalidInputError: Nothing declares such an event, or it carries something else.
        """
        known = self.events.get(event_type)
        if known is None:
            near = did_you_mean(event_type, self.events)
            raise InvalidInputError(f"unknown event '{event_type}'", field="type", hint=near)
        event: dict[str, Value] = {"event.type": event_type}
        for path, said, value in _flat(payload, EVENT):
            if path not in known.carries:
                near = did_you_mean(path, known.carries, cut=EVENT)
                message = f"the event '{event_type}' does not carry '{said}'"
                raise InvalidInputError(message, field=said, hint=near)
            checked = self.vocabulary.value(path, value, field=said)
            if checked is not None:
                event[path] = checked
        updates: dict[str, Value | None] = dict(known.sets)
        updates |= {path: event[source] for path, source in known.copies.items() if source in event}
        return event, updates

    def attribute_facts(self, attributes: Mapping[str, object]) -> dict[str, Value]:
        """Check a customer's attributes and return them as facts.

        Raises:
            InvalidInputError: The vocabulary has no such field, or it holds something else.
        """
        facts: dict[str, Value] = {}
        for path, said, value in _flat(attributes, CUSTOMER):
            checked = self.vocabulary.value(path, value, field=said)
            if checked is not None:
                facts[path] = checked
        return facts


def load_rulebook(folder: Path | None = None) -> Rulebook:
    """Read and compile a folder of rule files, by default those that ship with Tellal.

    Raises:
        RulebookError: Something is wrong; every mistake is listed.
    """
    report = Report()
    if folder is not None and not folder.is_dir():
        report.add(Place(file=str(folder)), "there is no such folder of rule files")
        raise RulebookError(report.in_order())
    return compile_rulebook(read_folder(folder))


def compile_rulebook(
    files: Sequence[SourceFile], revision: str = "", *, promoting: Collection[str] = ()
) -> Rulebook:
    """Compile rule files; `revision` names them where they are part of something larger.

    `promoting` are the topics whose texts were found to promote something.

    Raises:
        RulebookError: Something is wrong; every mistake is listed.
    """
    report = Report()
    roots: dict[str, Mapping[object, object]] = {}
    law = read_law([file for file in files if file.name.startswith(LAW)], report)
    for file in files:
        root = None if file.name.startswith(LAW) else parse(file, report)
        if root is not None:
            expand_tables(root, file.name, report)
            roots[file.name] = root
    vocabulary = read_vocabulary(roots, report)
    names = collect_names(roots, vocabulary, report)
    _check_heads(roots, report)
    readers = [
        SectionReader(root, name, names, report) for name, root in roots.items() if name != FIELDS
    ]
    book = _assemble(
        revision=revision or revision_of(files),
        names=names,
        events=read_events(roots, vocabulary, report),
        topics=[
            replace(topic, promotes=topic.id in promoting)
            for reader in readers
            for topic in reader.topics()
        ],
        law=law,
        rules=[rule for reader in readers for rule in reader.rules()],
        counts=[count for reader in readers for count in reader.counts()],
        report=report,
    )
    if report.findings:
        raise RulebookError(report.in_order())
    return book


def _assemble(
    *,
    revision: str,
    names: Names,
    events: Mapping[str, EventType],
    topics: Sequence[Topic],
    law: ConsentLaw,
    rules: Sequence[Rule],
    counts: Sequence[Count],
    report: Report,
) -> Rulebook:
    check_claims(topics, law, report)
    own = rules
    # The law's reason comes first where an author's row says the same.
    exempt = [rule for rule in law.rules if isinstance(rule, FactRule)]
    rules = [*(rule for rule in law.rules if not isinstance(rule, FactRule)), *own, *exempt]
    shards = {topic.id: make_shard(topic, rules, names.vocabulary) for topic in topics}
    check_rules(topics, rules, shards, report)
    check_counts(topics, counts, shards, report)
    for shard in shards.values():
        check_size(shard, report)
    check_hashes(
        {
            *names.vocabulary.fields,
            *(FACT + fact for fact in names.facts),
            *(path for rule in rules for path in fields_of(rule.when)),
        },
        report,
        Place(file=FIELDS),
    )
    return Rulebook(
        revision=revision,
        topics={topic.id: topic for topic in topics},
        vocabulary=names.vocabulary,
        fact_names=names.facts,
        events=events,
        rules=tuple(rules),
        counts={count.id: count for count in counts},
        strata=stratify(as_asked(rule for rule in own if isinstance(rule, FactRule))),
        fact_fields=frozenset(
            path for rule in own if isinstance(rule, FactRule) for path in fields_of(rule.when)
        ),
        shards=shards,
        programs={topic: program_of(shard, report) for topic, shard in shards.items()},
    )


def _check_heads(roots: Mapping[str, Mapping[object, object]], report: Report) -> None:
    for file, root in roots.items():
        head = Entry(raw=root, file=file, report=report, start=place_of_node(root, file))
        if root.get("version") != _VERSION:
            head.wrong("version", f"a rule file says 'version: {_VERSION}'")
        if file == FIELDS:
            continue
        head.id("package")
        if "package" not in root:
            head.wrong("package", "'package' is missing", "it is the first part of rules' names")
        for key in root:
            if key not in _HEAD and key not in SECTIONS:
                near = did_you_mean(str(key), [*SECTIONS, *_HEAD])
                head.wrong(str(key), f"unknown section '{key}'", near)


def _flat(
    nested: Mapping[str, object], prefix: str, said: str = ""
) -> Iterable[tuple[str, str, object]]:
    """Walk through nested attributes: the field's path, the caller's words for it, the value."""
    for key, value in nested.items():
        words = f"{said}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.", f"{words}.")
        else:
            yield f"{prefix}{key}", words, value
