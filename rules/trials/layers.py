"""Lays what a test file says of somebody over a scene; every mistake is shown at its place."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar
from zoneinfo import available_timezones

from rules.entries import time_span
from rules.names import EVENT
from rules.rulebook import Rulebook
from rules.source import Place, Report
from rules.trials.scenes import Said, Scene, flat
from rules.vocabulary import did_you_mean
from tellal.domain.blocks import BlockOrigin
from tellal.domain.channels import Channel
from tellal.domain.customers import ConsentState
from tellal.domain.errors import InvalidInputError

FACTS = ("customer.", "event.", "case.", "outage.")
_PERSON = frozenset(
    {"customer", "timezone", "country", "locale", "addresses"}
    | {"consents", "blocked", "unroutable", "wishes", "history"}
)
"""What is known of a person; a customer may be written into a test as a whole."""
_CAPS = "history.caps."
_COUNTS = "history.counts."
_LAST = "history.last."

Choice = TypeVar("Choice", bound=StrEnum)


class Layers:
    """Reads layers by the names of one rulebook."""

    def __init__(self, book: Rulebook, file: str, report: Report) -> None:
        self._book = book
        self._file = file
        self._report = report
        self._caps = {cap.id for topic in book.topics for cap in book.caps_of(topic)}
        self._plain: Mapping[str, Callable[[Scene, object, Place], None]] = {
            "topic": self._topic,
            "timezone": self._timezone,
            "country": self._country,
            "locale": self._locale,
            "addresses": self._addresses,
            "wishes.service_only": self._service_only,
            "wishes.topics_off": self._topics_off,
            "wishes.complained": self._complained,
            "history.told_version": self._told_version,
            "history.pending": self._pending,
            "history.attempts": self._attempts,
        }
        self._families: Mapping[str, Callable[[Scene, str, object, Place], None]] = {
            "consents.": self._consent,
            "blocked.": self._block,
            "unroutable.": self._no_route,
            "down.": self._down,
            _CAPS: self._cap,
            _COUNTS: self._count,
            _LAST: self._newest,
        }

    def lay(self, scene: Scene, node: Mapping[object, object], *, but: str = "") -> None:
        """Lay one mapping, `but` for a key, over a scene; null takes away what was below."""
        said = [_of_person(one) for one in flat(node, self._file) if one[0] != but]
        for one in said:
            self._put(scene, *one)
        self._check_event(scene, said)

    def _put(self, scene: Scene, path: str, value: object, place: Place) -> None:
        if path in self._plain:
            self._plain[path](scene, value, place)
            return
        for prefix, put in self._families.items():
            if path.startswith(prefix):
                put(scene, path.removeprefix(prefix), value, place)
                return
        if path.startswith(FACTS):
            self._fact(scene, path, value, place)
            return
        known = [*self._plain, *(f"{prefix}sms" for prefix in ("consents.", "blocked."))]
        near = did_you_mean(path, [*known, *self._book.vocabulary.fields])
        self._report.add(place, f"unknown key '{path}'", near)

    def _fact(self, scene: Scene, path: str, value: object, place: Place) -> None:
        if path not in self._book.vocabulary.fields:
            near = did_you_mean(path, self._book.vocabulary.fields)
            self._report.add(place, f"unknown field '{path}'", near)
            return
        try:
            known = self._book.vocabulary.value(path, value, field=path)
        except InvalidInputError as error:
            self._report.add(place, str(error), error.hint)
            return
        if known is None:
            scene.document.pop(path, None)
        else:
            scene.document[path] = known

    def _check_event(self, scene: Scene, said: list[Said]) -> None:
        event = self._book.events.get(str(scene.document.get("event.type", "")))
        for path, _, place in said:
            if not path.startswith(EVENT) or path not in self._book.vocabulary.fields:
                continue
            if event is None:
                hint = f"one of: {', '.join(sorted(self._book.events))}"
                self._report.add(place, "'event.type' says what happened, and is missing", hint)
            elif path != "event.type" and path not in event.carries:
                near = did_you_mean(path, event.carries)
                self._report.add(place, f"the event '{event.type}' does not carry '{path}'", near)

    def _topic(self, scene: Scene, value: object, place: Place) -> None:
        scene.topic = self._one_of(value, self._book.topics, "topic", place)

    def _timezone(self, scene: Scene, value: object, place: Place) -> None:
        if isinstance(value, str) and value in available_timezones():
            scene.timezone = value
        else:
            self._report.add(place, f"there is no time zone '{value}'", "as in Europe/Istanbul")

    def _country(self, scene: Scene, value: object, place: Place) -> None:
        scene.country = self._text(value, place, "TR")

    def _locale(self, scene: Scene, value: object, place: Place) -> None:
        scene.locale = self._text(value, place, "tr")

    def _addresses(self, scene: Scene, value: object, place: Place) -> None:
        items = value if isinstance(value, list) else [value]
        found = [self._choice(Channel, item, place) for item in items if item is not None]
        scene.addresses = frozenset(one for one in found if one is not None)

    def _told_version(self, scene: Scene, value: object, place: Place) -> None:
        scene.told_version = None if value is None else self._number(value, place)

    def _pending(self, scene: Scene, value: object, place: Place) -> None:
        scene.pending = self._flag(value, place)

    def _service_only(self, scene: Scene, value: object, place: Place) -> None:
        scene.wishes = replace(scene.wishes, service_only=self._flag(value, place))

    def _topics_off(self, scene: Scene, value: object, place: Place) -> None:
        scene.wishes = replace(scene.wishes, topics_off=self._topics(value, place))

    def _complained(self, scene: Scene, value: object, place: Place) -> None:
        scene.wishes = replace(scene.wishes, complained=self._topics(value, place))

    def _topics(self, value: object, place: Place) -> frozenset[str]:
        items = value if isinstance(value, list) else [value]
        known = (self._one_of(i, self._book.topics, "topic", place) for i in items if i is not None)
        return frozenset(known)

    def _flag(self, value: object, place: Place) -> bool:
        if not isinstance(value, bool | None):
            self._report.add(place, f"this is true or false, found {value!r}")
        return value is True

    def _attempts(self, scene: Scene, value: object, place: Place) -> None:
        scene.attempts = self._number(value, place)

    def _consent(self, scene: Scene, name: str, value: object, place: Place) -> None:
        channel = self._choice(Channel, name, place)
        if channel is None:
            return
        scene.consents.pop(channel, None)
        if value is not None:
            state = self._choice(ConsentState, value, place)
            scene.consents[channel] = state is ConsentState.GRANTED

    def _block(self, scene: Scene, name: str, value: object, place: Place) -> None:
        channel = self._choice(Channel, name, place)
        if channel is None:
            return
        scene.blocked.pop(channel, None)
        origin = None if value is None else self._choice(BlockOrigin, value, place)
        if origin is not None:
            scene.blocked[channel] = origin

    def _no_route(self, scene: Scene, name: str, value: object, place: Place) -> None:
        channel = self._choice(Channel, name, place)
        if channel is None:
            return
        scene.unroutable.pop(channel, None)
        if value is not None:
            scene.unroutable[channel] = self._text(value, place, "no route")

    def _down(self, scene: Scene, name: str, value: object, place: Place) -> None:
        """Read which failed component a channel depends on."""
        channel = self._choice(Channel, name, place)
        if channel is None:
            return
        scene.down.pop(channel, None)
        if value is not None:
            scene.down[channel] = self._text(value, place, "app_backend")

    def _cap(self, scene: Scene, name: str, value: object, place: Place) -> None:
        """Read how many slots are taken now, or the instants at which they were."""
        cap = self._one_of(name, self._caps, "cap", place)
        if isinstance(value, list):
            found = [self._instant(item, scene.at, place) for item in value]
            scene.caps[cap] = tuple(sorted(one for one in found if one is not None))
        else:
            scene.caps[cap] = (scene.at,) * (0 if value is None else self._number(value, place))

    def _count(self, scene: Scene, name: str, value: object, place: Place) -> None:
        count = self._one_of(name, self._book.counts, "count", place)
        scene.counts[count] = 0 if value is None else self._number(value, place)

    def _newest(self, scene: Scene, name: str, value: object, place: Place) -> None:
        count = self._one_of(name, self._book.counts, "count", place)
        newest = self._instant(value, scene.at, place)
        if newest is not None:
            scene.newest[count] = newest

    def _one_of(self, value: object, known: Collection[str], what: str, place: Place) -> str:
        if value in known:
            return str(value)
        self._report.add(place, f"unknown {what} '{value}'", did_you_mean(str(value), known))
        return ""

    def _choice(self, kind: type[Choice], value: object, place: Place) -> Choice | None:
        known = [member.value for member in kind]
        if isinstance(value, str) and value in known:
            return kind(value)
        message = f"{value!r} is not one of {', '.join(known)}"
        self._report.add(place, message, did_you_mean(str(value), known))
        return None

    def _number(self, value: object, place: Place) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10_000:  # noqa: PLR2004 - more than anybody counts
            return value
        self._report.add(place, f"this is a whole number from 0 to 10000, found {value!r}")
        return 0

    def _text(self, value: object, place: Place, example: str) -> str:
        if isinstance(value, str):
            return value
        self._report.add(place, f"this is text, found {value!r}", f"as in {example}")
        return ""

    def _instant(self, value: object, at: datetime, place: Place) -> datetime | None:
        """Read an instant, or how long before the test's it was."""
        span = time_span(value)
        if span is not None:
            return at - span
        found = instant(value)
        if found is None:
            message = f"this is how long ago, or an instant with its offset; found {value!r}"
            self._report.add(place, message, "write 2d, or 2026-03-02T12:00+03:00")
        return found


def _of_person(said: Said) -> Said:
    """Take what is said within `customer: {…}` of his addresses and so on for what it is."""
    path, value, place = said
    inner = path.removeprefix("customer.")
    return (inner if inner.partition(".")[0] in _PERSON else path), value, place


def instant(value: object) -> datetime | None:
    """Read an instant with the offset of its zone; None if it is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime) and value.tzinfo is not None:
        # A plain one: what YAML gives remembers how it was written.
        return datetime.fromisoformat(value.isoformat()).astimezone(UTC)
    return None
