"""Every public channel by the name under which it is found."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tellal.domain.status import Snapshot
from templates.status import feed, works
from templates.status.addresses import Addresses
from templates.status.lines import banner, hotline
from templates.status.page import StatusPage
from templates.status.summary import summary
from templates.status.words import Words


class Writer(Protocol):
    """Writes a channel."""

    def __call__(self, seen: Snapshot, words: Words, to: Addresses, /, *, stale: bool) -> str:
        """Write a snapshot in one language; `stale` says that it is the last one known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way in which the public hears: `name` and `ending` make its files' names.

    It says of outages only what is shown in its `place`.
    """

    name: str
    ending: str
    media_type: str
    place: str
    writer: Writer

    def write(self, seen: Snapshot, words: Words, to: Addresses, *, stale: bool) -> str:
        """Write a snapshot in one language; `stale` says that it is the last one known."""
        return self.writer(seen.on(self.place), words, to, stale=stale)


def channels() -> Mapping[str, Channel]:
    """Return the channels by name and ending, as in `status.json`."""
    json_ = "application/json"
    all_ = (
        _channel("status", "html", "text/html", "page", StatusPage().html),
        _channel("status", "json", json_, "page", _summary),
        _channel("status", "atom", feed.MEDIA_TYPE, "feed", _feed),
        _channel("status", "ics", works.MEDIA_TYPE, "calendar", _calendar),
        _channel("banner", "json", json_, "banner", _banner),
        _channel("hotline", "txt", "text/plain", "hotline", _hotline),
    )
    return {f"{one.name}.{one.ending}": one for one in all_}


def _channel(name: str, ending: str, media_type: str, place: str, writer: Writer) -> Channel:
    return Channel(name=name, ending=ending, media_type=media_type, place=place, writer=writer)


def _summary(seen: Snapshot, words: Words, to: Addresses, /, *, stale: bool) -> str:
    return _json(summary(seen, words, to, stale=stale))


def _feed(seen: Snapshot, words: Words, to: Addresses, /, *, stale: bool) -> str:
    del stale  # every entry has its time
    return feed.atom(seen, words, to)


def _calendar(seen: Snapshot, words: Words, to: Addresses, /, *, stale: bool) -> str:
    del stale  # every event says when it was last changed
    return works.calendar(seen, words, to)


def _banner(seen: Snapshot, words: Words, to: Addresses, /, *, stale: bool) -> str:
    return _json(banner(seen, words, to, stale=stale))


def _hotline(seen: Snapshot, words: Words, _: Addresses, /, *, stale: bool) -> str:
    return hotline(seen, words, stale=stale)


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
