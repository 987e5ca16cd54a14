"""Reads the entries of a section by key and type; what is wrong goes into the report."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from rules.source import Place, Report, parse, place_of, place_of_node, read_file
from rules.vocabulary import did_you_mean

_DURATION = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=3660)
_ID = re.compile(r"[a-z][a-z0-9_]{0,79}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,59}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a section, and how to read it."""

    raw: Mapping[object, object]
    file: str
    report: Report
    start: Place

    @property
    def place(self) -> Place:
        """Where the entry's name stands."""
        return self.at("id") if "id" in self.raw else self.start

    def at(self, key: str) -> Place:
        """Return the place of a key, or of the entry if it has none."""
        return place_of(self.raw, key, self.file) if key in self.raw else self.start

    def only(self, allowed: Collection[str], *, required: Collection[str] = ()) -> None:
        """Report unknown and missing keys."""
        for key in self.raw:
            if key not in allowed:
                near = did_you_mean(str(key), allowed)
                self.report.add(place_of(self.raw, key, self.file), f"unknown key '{key}'", near)
        for key in required:
            if key not in self.raw:
                self.report.add(self.place, f"'{key}' is missing")

    def wrong(self, key: str, message: str, hint: str = "") -> None:
        """Report a mistake at a key."""
        self.report.add(self.at(key), message, hint)

    def id(self, key: str = "id") -> str:
        """Read a name: small letters, digits and underscores."""
        return self._matching(key, _ID)

    def code(self, key: str, default: str) -> str:
        """Read a reason code, which programs and reports know."""
        return self._matching(key, _CODE) if key in self.raw else default

    def text(self, key: str, default: str = "") -> str:
        """Read words."""
        value = self.raw.get(key, default)
        if isinstance(value, str):
            return str(value)
        self.wrong(key, f"'{key}' is text, found {value!r}", "put quotes around it")
        return default

    def number(self, key: str, default: int, *, least: int = 1, most: int = 10_000) -> int:
        """Read a whole number within bounds."""
        value = self.raw.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return int(value)
        self.wrong(key, f"'{key}' is a whole number from {least} to {most}, found {value!r}")
        return default

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Read yes or no."""
        value = self.raw.get(key, default)
        if isinstance(value, bool):
            return value
        self.wrong(key, f"'{key}' is true or false, found {value!r}")
        return default

    def choice(self, key: str, kind: type[Choice], default: Choice) -> Choice:
        """Read one of a closed set."""
        value = self.raw.get(key, default)
        return self._one(key, self.at(key), kind, value) or default

    def choices(self, key: str, kind: type[Choice]) -> tuple[Choice, ...]:
        """Read several of a closed set, in their order, each once."""
        found = [self._one(key, place, kind, value) for place, value in self.items(key)]
        good = [one for one in found if one is not None]
        if len(set(good)) != len(good):
            self.wrong(key, f"'{key}' names something twice")
        return tuple(dict.fromkeys(good))

    def texts(self, key: str) -> tuple[tuple[Place, str], ...]:
        """Read a list of texts, with their places."""
        good = []
        for place, value in self.items(key):
            if isinstance(value, str):
                good.append((place, str(value)))
            else:
                self.report.add(place, f"'{key}' is a list of texts, found {value!r}")
        return tuple(good)

    def items(self, key: str) -> tuple[tuple[Place, object], ...]:
        """Read a list with the places of its items."""
        value = self.raw.get(key, [])
        if not isinstance(value, list):
            self.wrong(key, f"'{key}' is a list, as in [{value}]")
            return ()
        return tuple((place_of(value, n, self.file), item) for n, item in enumerate(value))

    def duration(self, key: str, default: timedelta) -> timedelta:
        """Read a time span such as 30m, 8h or 7d."""
        if key not in self.raw:
            return default
        return self._duration(key, self.raw[key], self.at(key)) or default

    def durations(self, key: str, kind: type[Choice]) -> Mapping[Choice, timedelta]:
        """Read time spans per member of a closed set."""
        node = self.raw.get(key, {})
        if not isinstance(node, Mapping):
            self.wrong(key, f"'{key}' is a mapping, as in {{push: 2m}}")
            return {}
        spans: dict[Choice, timedelta] = {}
        for name, value in node.items():
            place = place_of(node, name, self.file)
            one, span = self._one(key, place, kind, name), self._duration(key, value, place)
            if one is not None and span is not None:
                spans[one] = span
        return spans

    def hours(self, key: str) -> tuple[time, time]:
        """Read two times of day such as [21:00, 09:00]."""
        texts = [text for _, text in self.texts(key)]
        try:
            begin, end = (time.fromisoformat(text) for text in texts)
        except ValueError:
            self.wrong(key, f"'{key}' is two times of day, as in [21:00, 09:00]")
            return time(0), time(1)
        if begin == end or begin.tzinfo or end.tzinfo:
            self.wrong(key, f"'{key}' is two different times of day without a zone")
        return begin, end

    def clock(self, key: str) -> time | None:
        """Read one time of day such as 18:00."""
        value = self.raw.get(key)
        if isinstance(value, str) and _CLOCK.fullmatch(value):
            return time.fromisoformat(value)
        self.wrong(key, f"'{key}' is a time of day, found {value!r}", 'write "18:00"')
        return None

    def day(self, key: str) -> date | None:
        """Read a calendar day such as 2026-03-01."""
        value = self.raw.get(key)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        self.wrong(key, f"'{key}' is a day, as in 2026-03-01, found {str(value)!r}")
        return None

    def entries(self, section: str) -> "list[Entry]":
        """Return the entries of a section that stands at a key."""
        return entries_of(self.raw, section, self.file, self.report)

    def within(self, key: str) -> "Entry":
        """Read a mapping that stands at a key as an entry of its own."""
        node = self.raw.get(key, {})
        if not isinstance(node, Mapping):
            self.wrong(key, f"'{key}' is a mapping")
            node = {}
        return Entry(raw=node, file=self.file, report=self.report, start=self.at(key))

    def _matching(self, key: str, pattern: re.Pattern[str]) -> str:
        value = self.raw.get(key, "")
        if isinstance(value, str) and pattern.fullmatch(value):
            return str(value)
        if key in self.raw:
            message = f"'{key}' is a name of small letters, digits and _, found {value!r}"
            self.wrong(key, message)
        return ""

    def _one(self, key: str, place: Place, kind: type[Choice], value: object) -> Choice | None:
        known = [member.value for member in kind]
        if isinstance(value, str) and value in known:
            return kind(value)
        message = f"'{key}': {value!r} is not one of {', '.join(known)}"
        self.report.add(place, message, did_you_mean(str(value), known))
        return None

    def _duration(self, key: str, value: object, place: Place) -> timedelta | None:
        span = time_span(value)
        if span is None:
            message = f"'{key}' is a time span, found {value!r}"
            self.report.add(place, message, "write 30m, 8h or 7d")
        return span


def read_entry(path: Path, what: str, shape: str, report: Report) -> Entry | None:
    """Read a file as one entry; None if it cannot be read or is no mapping, which is reported."""
    file = read_file(path, what, report)
    root = parse(file, report, shape) if file else None
    if file is None or root is None:
        return None
    return Entry(raw=root, file=file.name, report=report, start=place_of_node(root, file.name))


def time_span(value: object) -> timedelta | None:
    """Read a time span such as 30m, 8h or 7d; None if it is none."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    span = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    return span if timedelta() < span <= _LONGEST else None


def entries_of(
    root: Mapping[object, object], section: str, file: str, report: Report
) -> list[Entry]:
    """Return the entries of a section; anything but a list of mappings is reported."""
    node = root.get(section)
    if node is None:
        return []
    if not isinstance(node, list):
        report.add(place_of(root, section, file), f"'{section}' is a list of entries")
        return []
    found = []
    for number, item in enumerate(node):
        start = place_of(node, number, file)
        if isinstance(item, Mapping):
            start = place_of_node(item, file)
            found.append(Entry(raw=item, file=file, report=report, start=start))
        else:
            report.add(start, f"an entry of '{section}' is a mapping")
    return found
