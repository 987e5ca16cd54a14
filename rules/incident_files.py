"""Reads what product teams say beforehand about outages: kinds, components, lead times, presets.

A folder holds `components.yaml`, `kinds.yaml`, `lead_times.yaml` and `presets/*.yaml`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from rules.entries import Entry, entries_of
from rules.source import Place, Report, SourceFile, parse, place_of_node, read_file
from rules.vocabulary import did_you_mean
from tellal.addresses import is_country
from tellal.domain.channels import Channel
from tellal.domain.errors import RulebookError
from tellal.domain.incidents import (
    AREAS,
    Component,
    IncidentKind,
    Incidents,
    LeadTime,
    Preset,
    PublicChannel,
    Suspicion,
)
from tellal.domain.outages import NoticeKind, OutageKind, Severity

SHIPPED = Path(__file__).parent / "incidents"

_VERSION = 1
_SHAPE = "a file about incidents is a mapping with 'version' and a list of entries"
_LANGUAGE_LENGTH = 2
_KINDS_AT_LEAST = ("id", "kind", "means", "sector", "severity", "what", "topics", "public")
_MOST_PEOPLE = 100_000_000
_SAID: Mapping[str, Any] = {field.name: field.default for field in fields(IncidentKind)}
"""What holds of a kind that does not say otherwise."""
_UNSAID = timedelta(days=1)
"""Stands for a time span that had to be said, until the mistake is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition as it stands in a file; whether it can be asked is for a rulebook to say."""

    raw: object
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFiles:
    """What was read, with the places that checks against a rulebook need.

    `places` are those of kinds, presets and components by `kind ID`, `preset ID`, `component ID`,
    and of single keys by `kind ID KEY`.
    """

    incidents: Incidents
    places: Mapping[str, Place]
    conditions: tuple[Condition, ...]


def load_incidents(folder: Path | None = None) -> Incidents:
    """Read a folder, by default the one that ships with Tellal.

    Raises:
        RulebookError: Something is wrong; all mistakes are listed with their places.
    """
    return read_incidents(folder).incidents


def read_incidents(folder: Path | None = None) -> IncidentFiles:
    """Read a folder with the places of everything.

    Raises:
        RulebookError: Something is wrong; all mistakes are listed with their places.
    """
    chosen = folder or SHIPPED
    report = Report()
    if not chosen.is_dir():
        report.add(Place(file=str(chosen)), "there is no such folder of incidents")
        raise RulebookError(report.in_order())
    reader = _Reader(chosen, report)
    found = reader.read()
    if report.findings:
        raise RulebookError(report.in_order())
    return found


class _Reader:
    """Reads one folder; names are checked when all files are read."""

    def __init__(self, folder: Path, report: Report) -> None:
        self._folder = folder
        self._report = report
        self._places: dict[str, Place] = {}
        self._conditions: list[Condition] = []
        self._named: list[tuple[Place, str, str]] = []
        """Places where something is named, what sort of thing it is, and its name."""

    def read(self) -> IncidentFiles:
        """Read everything."""
        components = [self._component(one) for one in self._entries("components.yaml")]
        kinds = [self._kind(one) for one in self._entries("kinds.yaml")]
        lead_times = [self._lead_time(one) for one in self._entries("lead_times.yaml")]
        presets = [
            self._preset(entry)
            for path in sorted((self._folder / "presets").glob("*.yaml"))
            for entry in self._entries(f"presets/{path.name}")
        ]
        incidents = Incidents(
            kinds={one.id: one for one in kinds},
            components={one.id: one for one in components},
            lead_times=tuple(lead_times),
            presets={one.id: one for one in presets},
        )
        self._check_names(incidents)
        self._check_circles(incidents)
        return IncidentFiles(
            incidents=incidents, places=self._places, conditions=tuple(self._conditions)
        )

    def _entries(self, name: str) -> Sequence[Entry]:
        """Return the entries of a file; its one section is called as the file, or its folder."""
        section = (name.partition("/")[0] if "/" in name else name).removesuffix(".yaml")
        read = read_file(self._folder / name, f"the file of {section}", self._report)
        root = None
        if read is not None:
            root = parse(SourceFile(name=name, text=read.text), self._report, _SHAPE)
        if root is None:
            return ()
        head = Entry(raw=root, file=name, report=self._report, start=place_of_node(root, name))
        head.only(("version", section), required=("version", section))
        if "version" in root and root["version"] != _VERSION:
            head.wrong("version", f"a file about incidents says 'version: {_VERSION}'")
        return entries_of(root, section, name, self._report)

    def _component(self, entry: Entry) -> Component:
        entry.only(("id", "names", "depends_on", "brands", "hidden"), required=("id", "names"))
        needs = entry.texts("depends_on")
        self._named += [(place, "component", name) for place, name in needs]
        return Component(
            id=self._declared(entry, "component"),
            names=_by_language(entry, "names"),
            depends_on=frozenset(name for _, name in needs),
            brands=_names(entry, "brands"),
            hidden=entry.flag("hidden"),
        )

    def _kind(self, entry: Entry) -> IncidentKind:
        entry.only(
            (
                *_KINDS_AT_LEAST, "channels", "components", "priority", "life_critical",
                "email_from", "useful_until", "margin", "material", "material_share", "suspicion",
                "escalate_after", "approval_above", "compensate_after", "review_within",
                "holding_line", "hotline_text",
            ),
            required=_KINDS_AT_LEAST,
        )  # fmt: skip
        name = self._declared(entry, "kind")
        for key in ("topics", "channels", "priority", "sector"):
            self._places[f"kind {name} {key}"] = entry.at(key)
        return IncidentKind(
            id=name,
            kind=entry.choice("kind", OutageKind, OutageKind.FAILURE),
            means=entry.text("means"),
            sector=entry.id("sector"),
            severity=entry.choice("severity", Severity, Severity.MAJOR),
            topics=self._topics(entry, name),
            channels=entry.choices("channels", Channel),
            public=entry.choices("public", PublicChannel),
            components=self._components(entry),
            priority=self._condition(entry, "priority"),
            life_critical=entry.flag("life_critical"),
            email_from=entry.duration("email_from", _SAID["email_from"]),
            useful_until=_share(entry, "useful_until", _SAID["useful_until"]),
            margin=entry.duration("margin", _SAID["margin"]),
            material=entry.duration("material", _SAID["material"]),
            material_share=_share(entry, "material_share", _SAID["material_share"]),
            suspicion=_suspicion(entry),
            escalate_after=entry.duration("escalate_after", _SAID["escalate_after"]),
            approval_above=entry.number("approval_above", 1, least=0, most=_MOST_PEOPLE)
            if "approval_above" in entry.raw
            else None,
            compensate_after=entry.duration("compensate_after", _UNSAID)
            if "compensate_after" in entry.raw
            else None,
            review_within=entry.duration("review_within", _SAID["review_within"]),
            what=_by_language(entry, "what"),
            holding_line=_by_language(entry, "holding_line"),
            hotline_text=_by_language(entry, "hotline_text"),
        )

    def _topics(self, entry: Entry, kind: str) -> Mapping[NoticeKind, str]:
        part = entry.within("topics")
        part.only(tuple(NoticeKind), required=(NoticeKind.NOTICE,))
        topics = {}
        for notice in NoticeKind:
            if notice in part.raw:
                topics[notice] = part.id(notice)
                self._places[f"kind {kind} topics.{notice}"] = part.at(notice)
        return topics

    def _lead_time(self, entry: Entry) -> LeadTime:
        keys = ("country", "sector", "lead", "remind_before", "work", "source")
        entry.only(keys, required=keys)
        country = entry.text("country")
        if not is_country(country):
            entry.wrong("country", f"{country!r} is no country", "two capital letters, as in TR")
        work_from, work_until = entry.hours("work")
        said = LeadTime(
            country=country,
            sector=entry.id("sector"),
            lead=entry.duration("lead", _UNSAID),
            remind_before=entry.duration("remind_before", _UNSAID),
            work_from=work_from,
            work_until=work_until,
            source=entry.text("source"),
        )
        self._once(f"lead time {said.country} {said.sector}", entry.start)
        if said.remind_before > said.lead:
            message = "a reminder comes after the announcement, not before it"
            entry.wrong("remind_before", message, "make it no longer than 'lead'")
        return said

    def _preset(self, entry: Entry) -> Preset:
        entry.only(
            (
                "id", "incident", "title", "brands", "components", "severity", "areas", "segment",
                "lasts", "reason", "workaround", "no_workaround", "hotline", "variables",
            ),
            required=("id", "incident", "title"),
        )  # fmt: skip
        incident = entry.id("incident")
        self._named.append((entry.at("incident"), "kind", incident))
        workaround, none_known = entry.text("workaround"), entry.flag("no_workaround")
        if bool(workaround.strip()) is none_known:
            message = "a preset says what people can do meanwhile, or that nothing is known"
            entry.wrong("workaround", message, "write 'workaround', or 'no_workaround: true'")
        variables = _plain(entry.within("variables").raw)
        return Preset(
            id=self._declared(entry, "preset"),
            incident=incident,
            title=entry.text("title"),
            brands=_names(entry, "brands"),
            components=self._components(entry),
            severity=entry.choice("severity", Severity, Severity.MAJOR)
            if "severity" in entry.raw
            else None,
            areas=tuple(_area(one) for one in _mappings(entry, "areas")),
            segment=self._condition(entry, "segment"),
            lasts=entry.duration("lasts", _UNSAID) if "lasts" in entry.raw else None,
            reason=entry.text("reason"),
            workaround=workaround,
            no_workaround=none_known,
            hotline=entry.text("hotline"),
            variables=variables if isinstance(variables, dict) else {},
        )

    def _declared(self, entry: Entry, sort: str) -> str:
        name = entry.id()
        self._once(f"{sort} {name}", entry.place)
        return name

    def _once(self, name: str, place: Place) -> None:
        if name in self._places:
            self._report.add(place, f"a second {name}", f"the first is at {self._places[name]}")
        self._places[name] = place

    def _components(self, entry: Entry) -> tuple[str, ...]:
        names = entry.texts("components")
        self._named += [(place, "component", name) for place, name in names]
        return tuple(dict.fromkeys(name for _, name in names))

    def _condition(self, entry: Entry, key: str) -> Mapping[str, object] | None:
        if key not in entry.raw:
            return None
        part = entry.within(key)
        self._conditions.append(Condition(raw=part.raw, place=entry.at(key)))
        plain = _plain(part.raw)
        return plain if isinstance(plain, dict) else None

    def _check_names(self, incidents: Incidents) -> None:
        known = {"component": incidents.components, "kind": incidents.kinds}
        for place, sort, name in self._named:
            if name and name not in known[sort]:
                near = did_you_mean(name, known[sort])
                self._report.add(place, f"there is no {sort} '{name}'", near)

    def _check_circles(self, incidents: Incidents) -> None:
        """Report components that depend on themselves, however far."""
        for one in incidents.components.values():
            above = set(one.depends_on)
            while (
                more := {
                    need
                    for name in above
                    if name in incidents.components
                    for need in incidents.components[name].depends_on
                }
                - above
            ):
                above |= more
            if one.id in above:
                place = self._places[f"component {one.id}"]
                self._report.add(place, f"'{one.id}' depends on itself", "break the circle")


def _suspicion(entry: Entry) -> Suspicion | None:
    if "suspicion" not in entry.raw:
        return None
    part = entry.within("suspicion")
    part.only(("signals", "within"), required=("signals", "within"))
    return Suspicion(signals=part.number("signals", 1), within=part.duration("within", _UNSAID))


def _share(entry: Entry, key: str, default: float) -> float:
    """Read a share of a whole, above none and up to all of it."""
    value = entry.raw.get(key, default)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        return float(value)
    entry.wrong(key, f"'{key}' is a share above 0 and up to 1, found {value!r}", "as in 0.5")
    return default


def _by_language(entry: Entry, key: str) -> Mapping[str, str]:
    """Read words by language; English must be among them, for whoever speaks none of the others."""
    part = entry.within(key)
    words = {}
    for language in part.raw:
        name = str(language)
        if len(name) != _LANGUAGE_LENGTH or not name.islower():
            part.wrong(name, f"{name!r} is no language", "two small letters, as in tr")
        text = part.text(name)
        if not text.strip():
            part.wrong(name, f"'{key}' says nothing in {name}")
        words[name] = text
    if key in entry.raw and "en" not in words:
        entry.wrong(key, f"'{key}' has no English words", "add 'en', which others fall back on")
    return words


def _names(entry: Entry, key: str) -> frozenset[str]:
    return frozenset(name for _, name in entry.texts(key))


def _mappings(entry: Entry, key: str) -> Iterator[Entry]:
    for place, item in entry.items(key):
        if isinstance(item, Mapping):
            yield Entry(raw=item, file=entry.file, report=entry.report, start=place)
        else:
            entry.report.add(place, f"'{key}' is a list of mappings, as in [{{district: NAME}}]")


def _area(entry: Entry) -> Mapping[str, str]:
    entry.only(tuple(AREAS))
    if not entry.raw:
        entry.report.add(entry.start, "an area names a place", f"one of {', '.join(AREAS)}")
    return {str(key): entry.text(str(key)) for key in entry.raw if key in AREAS}


def _plain(node: object) -> object:
    """Return what a node says without where it stands, as JSON has it."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return float(node) if isinstance(node, float) else node
