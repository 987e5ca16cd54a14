"""The names that rule files share: topics, facts, events and fields, collected before all else."""

from collections.abc import Mapping
from dataclasses import dataclass

from rules.calendars import WEEKDAYS
from rules.definitions import EventType
from rules.entries import Entry, entries_of
from rules.source import FIELDS, Place, Report
from rules.vocabulary import MOMENTS, Field, FieldType, Vocabulary, canonical, did_you_mean
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.decisions import Value

CUSTOMER = "customer."
EVENT = "event."
TOPIC = "topic"
CLASS = "class"
CONSENT = "consent."
COUNT = "count."
LAST = "last."
SEGMENT = "segment."
BASIS, CONTENT, PRODUCT, PROMOTES = "basis", "content", "product", "promotes"
"""What the law may ask of a topic."""
SENDER = "sender."
EXEMPTION, LICENCE, SECTOR = (f"{SENDER}{name}" for name in ("exemption", "licence", "sector"))

OF_SENDERS = tuple(Field(path=path, type=FieldType.TEXT) for path in (EXEMPTION, LICENCE, SECTOR))
OF_RECIPIENTS = (
    Field(path="customer.kind", type=FieldType.TEXT),
    Field(path="customer.relation", type=FieldType.LIST),
    Field(path="customer.products", type=FieldType.LIST),
)
"""What the law asks of a person; a vocabulary that does not list them has them all the same."""

Roots = Mapping[str, Mapping[object, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a rule may refer to, in whatever file it was declared; topics with their class."""

    topics: Mapping[str, str]
    facts: frozenset[str]
    event_types: frozenset[str]
    vocabulary: Vocabulary


def read_vocabulary(roots: Roots, report: Report) -> Vocabulary:
    """Read fields.yaml."""
    root = roots.get(FIELDS, {})
    outer = Entry(raw=root, file=FIELDS, report=report, start=Place(file=FIELDS))
    outer.only(("version", "fields"), required=("fields",))
    listing = outer.within("fields")
    fields = {}
    for path in listing.raw:
        entry = listing.within(str(path))
        entry.only(("type", "values", "pii", "column", "means"), required=("type",))
        if not str(path).startswith((CUSTOMER, EVENT, "case.", "outage.")):
            listing.wrong(str(path), "a field begins with customer., event., case. or outage.")
        type = entry.choice("type", FieldType, FieldType.TEXT)
        if type is FieldType.AGO:
            entry.wrong("type", "no stored field is of the type 'ago'", "take 'time'")
        fields[str(path)] = Field(
            path=str(path),
            type=type,
            values=tuple(value for _, value in entry.texts("values")),
            pii=entry.raw.get("pii") is True,
            column=entry.text("column"),
            means=entry.text("means"),
        )
    return Vocabulary(fields=fields)


def collect_names(roots: Roots, vocabulary: Vocabulary, report: Report) -> Names:
    """Collect every name; what is wrong with a declaration is told where it is read in full."""
    silent = Report()

    def entries(section: str) -> list[Entry]:
        return [
            entry
            for file, root in roots.items()
            if file != FIELDS
            for entry in entries_of(root, section, file, silent)
        ]

    topics = {str(e.raw.get("id")): str(e.raw.get("class")) for e in entries("topics")}
    events = frozenset(str(e.raw.get("type")) for e in entries("events"))
    return Names(
        topics=topics,
        facts=frozenset(
            [
                *(str(e.raw.get("derives", e.raw.get("id"))) for e in entries("facts")),
                *(f"{SEGMENT}{e.raw.get('id')}" for e in entries("segments")),
            ]
        ),
        event_types=events,
        vocabulary=vocabulary.with_field(
            Field(path=TOPIC, type=FieldType.TEXT, values=tuple(topics)),
            Field(path=CLASS, type=FieldType.TEXT, values=tuple(c.value for c in MessageClass)),
            Field(path="event.type", type=FieldType.TEXT, values=tuple(sorted(events))),
            *_OWN_FIELDS,
            *_for_the_law(vocabulary, report),
            *(
                field
                for entry in entries("counts")
                for field in (
                    Field(path=f"{COUNT}{entry.raw.get('id')}", type=FieldType.INT),
                    Field(path=f"{LAST}{entry.raw.get('id')}", type=FieldType.AGO),
                )
            ),
        ),
    )


def _for_the_law(vocabulary: Vocabulary, report: Report) -> list[Field]:
    """Return the fields that the law reads besides; of another type it could not read them."""
    missing = list(OF_SENDERS)
    for field in OF_RECIPIENTS:
        own = vocabulary.fields.get(field.path)
        if own is None:
            missing.append(field)
        elif own.type is not field.type:
            report.add(
                Place(file=FIELDS),
                f"the law reads '{field.path}' as {field.type}, not as {own.type}",
                f"write {field.path}: {{type: {field.type}}}",
            )
    return missing


_OWN_FIELDS = (
    *(
        Field(path=f"{CONSENT}{channel}", type=FieldType.TEXT, values=("granted", "refused"))
        for channel in Channel
    ),
    Field(path="calendar.weekday", type=FieldType.TEXT, values=tuple(WEEKDAYS)),
    Field(path="calendar.hour", type=FieldType.INT),
    Field(path="calendar.day", type=FieldType.INT),
    Field(path="calendar.month", type=FieldType.INT),
    Field(path="calendar.holiday", type=FieldType.BOOL),
    Field(path="calendar.half_day", type=FieldType.BOOL),
)
"""What rules may read without a line in fields.yaml: the engine knows it of itself."""


def read_events(roots: Roots, vocabulary: Vocabulary, report: Report) -> Mapping[str, EventType]:
    """Read what events carry and leave behind; several files may speak of one event."""
    events: dict[str, EventType] = {}
    for file, root in roots.items():
        if file == FIELDS:
            continue
        for entry in entries_of(root, "events", file, report):
            new = _event(entry, vocabulary)
            old = events.get(new.type)
            events[new.type] = new if old is None else _joined(old, new, entry)
    return events


def _event(entry: Entry, vocabulary: Vocabulary) -> EventType:
    entry.only(("type", "means", "carries", "sets"), required=("type",))
    sets: dict[str, Value | None] = {}
    copies: dict[str, str] = {}
    carries = []
    for place, path in entry.texts("carries"):
        if not path.startswith(EVENT) or path not in vocabulary.fields:
            near = did_you_mean(path, [p for p in vocabulary.fields if p.startswith(EVENT)])
            entry.report.add(place, f"unknown field '{path}' of an event", near)
        carries.append(path)
    effects = entry.within("sets")
    for name, value in effects.raw.items():
        path = str(name)
        field = vocabulary.fields.get(path)
        if field is None or not field.path.startswith(CUSTOMER):
            near = did_you_mean(path, [p for p in vocabulary.fields if p.startswith(CUSTOMER)])
            effects.wrong(path, f"unknown field '{path}' of a customer", near)
        elif isinstance(value, str) and value.startswith(EVENT):
            copies[field.path] = value
            _check_copy(effects, field, value, vocabulary, carries)
        else:
            sets[field.path] = _constant(effects, field, value)
    return EventType(type=entry.id("type"), carries=frozenset(carries), sets=sets, copies=copies)


def _check_copy(
    effects: Entry, field: Field, source: str, vocabulary: Vocabulary, carries: list[str]
) -> None:
    origin = vocabulary.fields.get(source)
    if origin is None or source not in carries:
        effects.wrong(
            field.path, f"the event does not carry '{source}'", did_you_mean(source, carries)
        )
    elif origin.type is not field.type:
        effects.wrong(field.path, f"'{field.path}' is {field.type}, '{source}' is {origin.type}")


def _constant(effects: Entry, field: Field, value: object) -> Value | None:
    if value is None:
        return None
    items = value if field.type is FieldType.LIST and isinstance(value, list) else [value]
    for item in items:
        message, hint = field.complaint(item)
        if message:
            effects.wrong(field.path, message, hint)
            return None
    if field.type is FieldType.LIST:
        return tuple(str(item) for item in items)
    if field.type in MOMENTS:
        return canonical(field.type, value)
    return value if isinstance(value, str | int) else None


def _joined(old: EventType, new: EventType, entry: Entry) -> EventType:
    for path in new.sets.keys() | new.copies.keys():
        if path in old.sets or path in old.copies:
            entry.wrong("sets", f"another file says already what '{new.type}' does to '{path}'")
    return EventType(
        type=new.type,
        carries=old.carries | new.carries,
        sets={**old.sets, **new.sets},
        copies={**old.copies, **new.copies},
    )
