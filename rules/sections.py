"""Reads the sections of one rule file into definitions."""

from collections.abc import Mapping
from datetime import date, time, timedelta
from enum import StrEnum
from typing import TypedDict
from zoneinfo import available_timezones

from rules.calendars import Day
from rules.definitions import (
    ACTIVE,
    Cap,
    ChannelPlan,
    Count,
    Counted,
    Digest,
    FactRule,
    Law,
    OnReach,
    Period,
    QuietAction,
    QuietHours,
    Requirement,
    Rule,
    Section,
    Suppression,
    Topic,
    WaitFor,
)
from rules.entries import Entry, entries_of, time_span
from rules.ir import ALWAYS, Ir, Op, Test, every
from rules.language import Conditions
from rules.names import SEGMENT, Names
from rules.source import Report
from rules.vocabulary import did_you_mean
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.sms.folding import Folding

_PATIENCE = timedelta(hours=1)
_LONGEST_DIGEST = timedelta(days=31)
_ABOUT = frozenset({"id", "means", "when", "owner", "ticket"})
_DATES = frozenset({"from", "until", "mode"})
"""What every rule may carry that has an effect."""
_TOPIC = _ABOUT - {"when", "ticket"} | {
    "class",
    "once",
    "content_version",
    "expires",
    "attempts",
    "attempts_within",
    "every",
    "stop_when",
    "on",
    "lane",
    "priority",
    "fold",
    "basis",
    "content",
    "product",
    "purposes",
    "digest",
}


MOST_EVENTS = 100
"""With so many events a digest is told, whatever its author says."""


class Mode(StrEnum):
    """Whether a rule has its effect, or is only watched."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class _Common(TypedDict):
    """What every rule begins with."""

    id: str
    section: Section
    when: Ir
    means: str
    file: str
    line: int
    begins: date | None
    ends: date | None
    shadow: bool


class SectionReader:
    """Reads one file; names of other files are known already."""

    def __init__(
        self, root: Mapping[object, object], file: str, names: Names, report: Report
    ) -> None:
        self._root = root
        self._file = file
        self._names = names
        self._report = report
        self._package = str(root.get("package", ""))
        self._conditions = Conditions(
            vocabulary=names.vocabulary, facts=names.facts, report=report, file=file
        )

    def rules(self) -> list[Rule]:
        """Read every rule of the file, in the order of the phases."""
        readers = {
            Section.FACTS: self._fact,
            Section.SUPPRESS: self._suppression,
            Section.CHANNELS: self._channels,
            Section.LAW: self._law,
            Section.CAPS: self._cap,
            Section.QUIET_HOURS: self._quiet_hours,
        }
        segments = entries_of(self._root, "segments", self._file, self._report)
        return [
            *(self._segment(entry) for entry in segments),
            *(
                read(entry)
                for section, read in readers.items()
                for entry in entries_of(self._root, section, self._file, self._report)
            ),
        ]

    def counts(self) -> list[Count]:
        """Read what the file counts."""
        return [
            self._count(entry)
            for entry in entries_of(self._root, "counts", self._file, self._report)
        ]

    def topics(self) -> list[Topic]:
        """Read the topics that the file declares."""
        return [
            self._topic(entry)
            for entry in entries_of(self._root, "topics", self._file, self._report)
        ]

    def _topic(self, entry: Entry) -> Topic:
        entry.only(_TOPIC, required=("id", "means", "class", "expires"))
        attempts = entry.number("attempts", 1, most=100)
        if attempts > 1 and "every" not in entry.raw:
            entry.wrong("attempts", "several attempts need 'every', the time between them")
        once = "once" in entry.raw
        if once and entry.raw["once"] != "content_version":
            entry.wrong("once", "'once' is content_version", "leave it out to allow repetition")
        if once and "content_version" not in entry.raw:
            entry.wrong("once", "'once' needs 'content_version', a number that the author raises")
        stop_when = entry.raw.get("stop_when")
        message_class = entry.choice("class", MessageClass, MessageClass.COMMERCIAL)
        if "basis" in entry.raw and message_class is MessageClass.MANDATORY:
            entry.wrong("basis", "a mandatory message claims no basis", "the law orders it anyway")
        purposes = dict.fromkeys(text for _, text in entry.texts("purposes"))
        if "purposes" in entry.raw and not all(purposes) | bool(not purposes):
            entry.wrong("purposes", "'purposes' names at least one, or is left out")
        return Topic(
            id=entry.id(),
            means=entry.text("means"),
            message_class=message_class,
            lane=entry.choice("lane", Lane, Lane.JOURNEYS),
            priority=entry.number("priority", 50, least=0, most=100),
            on=self._events(entry),
            once=once,
            content_version=entry.number("content_version", 1, most=1_000_000),
            expires=entry.duration("expires", timedelta(days=1)),
            attempts=attempts,
            every=entry.duration("every", timedelta(days=1)),
            stop_when=None
            if stop_when is None
            else self._conditions.read(stop_when, entry.at("stop_when")),
            file=self._file,
            line=entry.place.line,
            fold=entry.choice("fold", Folding, Folding.NEVER),
            attempts_within=entry.duration("attempts_within", timedelta())
            if "attempts_within" in entry.raw
            else None,
            basis=entry.code("basis", ""),
            content=entry.code("content", ""),
            product=entry.text("product"),
            purposes=tuple(sorted(purposes)),
            digest=self._digest(entry, message_class) if "digest" in entry.raw else None,
        )

    def _digest(self, entry: Entry, message_class: MessageClass) -> Digest | None:
        if message_class is MessageClass.MANDATORY:
            hint = "leave it out, or change the class"
            entry.wrong("digest", "a mandatory message does not wait for others", hint)
        if "once" in entry.raw:
            entry.wrong("digest", "'digest' does not go with 'once'", "leave one of them out")
        if not entry.raw.get("on"):
            entry.wrong("digest", "'digest' gathers events, and 'on' names none")
        if not isinstance(entry.raw["digest"], Mapping):
            entry.wrong("digest", "'digest' is a mapping", "as in digest: {for: 1h}")
            return None
        said = entry.within("digest")
        said.only(("for", "at", "most"))
        if ("for" in said.raw) == ("at" in said.raw):
            hint = 'as in digest: {for: 1h} or digest: {at: "18:00"}'
            entry.wrong("digest", "a digest is told after a time, or at a time of day", hint)
        span = said.duration("for", timedelta(hours=1)) if "for" in said.raw else None
        if span is not None and span > _LONGEST_DIGEST:
            said.wrong("for", "nobody waits for a digest longer than 31 days", "write 31d or less")
        return Digest(
            span=span,
            at=said.clock("at") if "at" in said.raw else None,
            most=said.number("most", MOST_EVENTS, least=2, most=MOST_EVENTS),
        )

    def _events(self, entry: Entry) -> tuple[str, ...]:
        types = []
        for place, type in entry.texts("on"):
            if type not in self._names.event_types:
                near = did_you_mean(type, self._names.event_types)
                self._report.add(place, f"no 'events' section declares the event '{type}'", near)
            types.append(type)
        return tuple(dict.fromkeys(types))

    def _common(self, entry: Entry, section: Section) -> _Common:
        when: Ir = ALWAYS
        if "when" in entry.raw:
            when = self._conditions.read(entry.raw["when"], entry.at("when"))
        name = f"{self._package}.{entry.id()}"
        begins, ends = entry.day("from"), entry.day("until")
        if begins or ends:
            when = every([Test(Op.EQ, f"{ACTIVE}{name}", wanted=True), when])
        return _Common(
            id=name,
            section=section,
            when=when,
            means=entry.text("means", entry.text("text")),
            file=self._file,
            line=entry.place.line,
            begins=begins,
            ends=ends,
            shadow=entry.choice("mode", Mode, Mode.ENFORCE) is Mode.SHADOW,
        )

    def _fact(self, entry: Entry) -> FactRule:
        # A fact holds or it does not; what is to change on a day is what follows from it.
        entry.only(_ABOUT | {"derives"}, required=("id", "when"))
        derives = entry.id("derives") if "derives" in entry.raw else entry.id()
        return FactRule(**self._common(entry, Section.FACTS), derives=derives)

    def _segment(self, entry: Entry) -> FactRule:
        """Read a named condition: who belongs to it is a fact like any other."""
        entry.only(_ABOUT, required=("id", "means", "when"))
        return FactRule(**self._common(entry, Section.FACTS), derives=f"{SEGMENT}{entry.id()}")

    def _count(self, entry: Entry) -> Count:
        entry.only(
            {"id", "means", "of", "topics", "class", "types", "channel", "within", "owner"},
            required=("id", "of", "within"),
        )
        of = entry.choice("of", Counted, Counted.MESSAGES)
        events = of is Counted.EVENTS
        for key in ("topics", "class", "channel") if events else ("types",):
            if key in entry.raw:
                entry.wrong(key, f"'{key}' does not go with 'of: {of}'")
        if events and "types" not in entry.raw:
            entry.wrong("of", "'types' says which events are counted")
        types = entry.texts("types")
        for place, type in types:
            if type not in self._names.event_types:
                near = did_you_mean(type, self._names.event_types)
                self._report.add(place, f"no 'events' section declares the event '{type}'", near)
        return Count(
            id=entry.id(),
            of=of,
            within=entry.duration("within", timedelta(days=1)),
            topics=frozenset() if events else self._counted(entry),
            types=frozenset(type for _, type in types),
            channel=self._channel(entry),
            file=self._file,
            line=entry.place.line,
        )

    def _channel(self, entry: Entry) -> Channel | None:
        return entry.choice("channel", Channel, Channel.SMS) if "channel" in entry.raw else None

    def _suppression(self, entry: Entry) -> Suppression:
        entry.only(_ABOUT | _DATES | {"reason", "text"}, required=("id", "when", "reason", "text"))
        return Suppression(
            **self._common(entry, Section.SUPPRESS),
            reason=entry.code("reason", "suppressed"),
            text=entry.text("text"),
        )

    def _channels(self, entry: Entry) -> ChannelPlan:
        entry.only(
            _ABOUT | _DATES | {"send", "patience", "wait_for"}, required=("id", "when", "send")
        )
        patience = entry.durations("patience", Channel)
        channels = entry.choices("send", Channel)
        if "send" in entry.raw and not channels:
            entry.wrong("send", "'send' names at least one channel")
        for channel in patience:
            if channel not in channels:
                entry.wrong("patience", f"'send' does not name {channel}")
        return ChannelPlan(
            **self._common(entry, Section.CHANNELS),
            steps=tuple((channel, patience.get(channel, _PATIENCE)) for channel in channels),
            places=tuple(place for place, _ in entry.items("send")),
            wait_for=entry.choice("wait_for", WaitFor, WaitFor.FIRST),
        )

    def _law(self, entry: Entry) -> Law:
        entry.only(
            _ABOUT | _DATES | {"channels", "requires", "countries", "source"} | {"reason", "text"},
            required=("id", "channels", "requires", "reason", "text"),
        )
        requires = entry.choice("requires", Requirement, Requirement.CONSENT)
        if requires is Requirement.NOTHING:
            entry.wrong("requires", "a rulebook takes nothing back that the law asks for")
        return Law(
            **self._common(entry, Section.LAW),
            channels=frozenset(entry.choices("channels", Channel)),
            countries=frozenset(text for _, text in entry.texts("countries")),
            reason=entry.code("reason", "law"),
            text=entry.text("text"),
            requires=requires,
            source=entry.text("source"),
        )

    def _cap(self, entry: Entry) -> Cap:
        entry.only(
            _ABOUT | _DATES | {"count", "channel", "limit", "per", "on_reach", "reason", "text"},
            required=("id", "count", "limit", "per", "on_reach", "reason", "text"),
        )
        return Cap(
            **self._common(entry, Section.CAPS),
            limit=entry.number("limit", 1, most=1000),
            window=self._window(entry),
            channel=self._channel(entry),
            topics=self._cap_counts(entry),
            on_reach=entry.choice("on_reach", OnReach, OnReach.SUPPRESS),
            reason=entry.code("reason", "cap"),
            text=entry.text("text"),
        )

    def _cap_counts(self, entry: Entry) -> frozenset[str]:
        count = entry.within("count")
        count.only(("topics", "class"))
        return self._counted(count)

    def _window(self, entry: Entry) -> timedelta | Period:
        said = entry.raw.get("per")
        if isinstance(said, str) and said in {period.value for period in Period}:
            return Period(said)
        if "per" in entry.raw and time_span(said) is None:
            hint = f"write 7d for any seven days, or {', '.join(Period)}"
            entry.wrong("per", f"'per' is a window, found {said!r}", hint)
            return timedelta(days=1)
        return entry.duration("per", timedelta(days=1))

    def _counted(self, count: Entry) -> frozenset[str]:
        """Read which topics are meant: by name, or by their class (or several)."""
        if ("topics" in count.raw) == ("class" in count.raw):
            message = "name either 'topics' or a 'class'"
            count.report.add(count.place, message, "as in count: {class: commercial}")
        if isinstance(count.raw.get("class"), list):
            classes = set(count.choices("class", MessageClass))
            return frozenset(t for t, kind in self._names.topics.items() if kind in classes)
        if "class" in count.raw:
            wanted = count.choice("class", MessageClass, MessageClass.COMMERCIAL)
            return frozenset(t for t, kind in self._names.topics.items() if kind == wanted)
        for place, topic in count.texts("topics"):
            if topic not in self._names.topics:
                near = did_you_mean(topic, self._names.topics)
                self._report.add(place, f"unknown topic '{topic}'", near)
        return frozenset(topic for _, topic in count.texts("topics"))

    def _quiet_hours(self, entry: Entry) -> QuietHours:
        entry.only(
            _ABOUT
            | _DATES
            | {"channels", "between", "days", "countries", "timezone", "action", "reason", "text"},
            required=("id", "channels", "action", "text"),
        )
        begin = end = time(0)
        if "between" in entry.raw:
            begin, end = entry.hours("between")
        elif "days" not in entry.raw:
            entry.wrong("between", "'between' says from when to when", "or name the 'days'")
        zone = entry.text("timezone")
        if zone and zone not in available_timezones():
            entry.wrong("timezone", f"there is no time zone '{zone}'", "as in Europe/Istanbul")
        return QuietHours(
            **self._common(entry, Section.QUIET_HOURS),
            channels=frozenset(entry.choices("channels", Channel)),
            begin=begin,
            end=end,
            timezone=zone,
            action=entry.choice("action", QuietAction, QuietAction.DEFER),
            reason=entry.code("reason", "quiet_hours"),
            text=entry.text("text"),
            days=frozenset(entry.choices("days", Day)),
            countries=frozenset(text for _, text in entry.texts("countries")),
        )
