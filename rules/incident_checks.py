"""Holds what is said about incidents against the rulebook and the routes that carry it out."""

from collections.abc import Iterator

from rules.incident_files import IncidentFiles
from rules.language import Conditions
from rules.names import COUNT, LAST
from rules.rulebook import Rulebook
from rules.shards import counting_facts
from rules.source import Place, Report
from rules.vocabulary import Vocabulary, did_you_mean
from tellal.domain.channels import Channel
from tellal.domain.errors import Finding
from tellal.domain.incidents import IncidentKind
from tellal.domain.outages import NoticeKind, OutageKind
from tellal.domain.routes import RouteTable

_ONLY_FAILURES = frozenset({NoticeKind.COMPENSATION})
_ONLY_PLANNED = frozenset({NoticeKind.REMINDER, NoticeKind.CANCELLED})


def check_incidents(files: IncidentFiles, book: Rulebook, routes: RouteTable) -> list[Finding]:
    """Return what cannot be carried out: unknown topics, conditions that nobody can ask, and so on.

    Warnings say what will never happen, though nothing is broken: a channel that no rule of the
    topic names, a component that a channel needs and nobody declares, works without a lead time.
    """
    report = Report()
    _ask(files, book, report)
    for kind in files.incidents.kinds.values():
        _topics(files, kind, book, report)
    found = list(report.in_order())
    found += _channels(files, book)
    found += _components(files, routes)
    found += _lead_times(files)
    return found


def _ask(files: IncidentFiles, book: Rulebook, report: Report) -> None:
    """Read every condition as a segment: by the facts of customers, and not by counts."""
    vocabulary = Vocabulary(
        fields={
            path: field
            for path, field in book.vocabulary.fields.items()
            if not path.startswith((COUNT, LAST))
        }
    )
    facts = book.fact_names - counting_facts(book.strata)
    for one in files.conditions:
        reader = Conditions(vocabulary=vocabulary, facts=facts, report=report, file=one.place.file)
        reader.read(one.raw, one.place)


def _topics(files: IncidentFiles, kind: IncidentKind, book: Rulebook, report: Report) -> None:
    never = _ONLY_FAILURES if kind.kind is OutageKind.PLANNED else _ONLY_PLANNED
    for notice, topic in kind.topics.items():
        place = files.places[f"kind {kind.id} topics.{notice}"]
        if topic not in book.topics:
            message = f"the rulebook has no topic '{topic}'"
            report.add(place, message, did_you_mean(topic, book.topics))
        if notice in never:
            report.add(place, f"a {kind.kind} outage has no {notice}", "take it out")
    if kind.compensate_after is not None and NoticeKind.COMPENSATION not in kind.topics:
        place = files.places[f"kind {kind.id} topics"]
        message = "'compensate_after' is told with a text, and none is named"
        report.add(place, message, "add 'compensation' to 'topics'")


def _channels(files: IncidentFiles, book: Rulebook) -> Iterator[Finding]:
    for kind in files.incidents.kinds.values():
        shard = book.shards.get(kind.topics.get(NoticeKind.NOTICE, ""))
        if shard is None:
            continue
        named: set[Channel] = {one for plan in shard.channels for one, _ in plan.rule.steps}
        for channel in kind.channels:
            if channel not in named:
                place = files.places[f"kind {kind.id} channels"]
                message = f"no channels rule of '{shard.topic.id}' names {channel}"
                yield _warning(place, message, "add it to the rule, or take it out here")


def _components(files: IncidentFiles, routes: RouteTable) -> Iterator[Finding]:
    place = Place(file="components.yaml")
    known = files.incidents.components
    for channel, needed in sorted(routes.needs.items()):
        for name in sorted(needed - known.keys()):
            message = f"{channel} needs '{name}', and there is no such component"
            yield _warning(place, message, did_you_mean(name, known))


def _lead_times(files: IncidentFiles) -> Iterator[Finding]:
    sectors = {one.sector for one in files.incidents.lead_times}
    for kind in files.incidents.kinds.values():
        if kind.kind is OutageKind.PLANNED and kind.sector not in sectors:
            place = files.places[f"kind {kind.id} sector"]
            message = f"nothing says how long beforehand works of '{kind.sector}' are announced"
            yield _warning(place, message, "add it to lead_times.yaml")


def _warning(place: Place, message: str, hint: str) -> Finding:
    return Finding(
        file=place.file,
        line=place.line,
        column=place.column,
        message=message,
        hint=hint,
        warns=True,
    )
