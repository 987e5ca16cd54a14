"""Where the public finds each channel: served by the API, or as files of a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from tellal.domain.status import Snapshot
from templates.status.words import LANGUAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Addresses of one brand's channels; `home` is the page's whole address, the rest is beside it.

    `authority` is a host name of ours, from which ids are made that nobody else gives.
    """

    home: str
    authority: str
    pages: Mapping[str, str]
    feed: str
    calendar: str
    summary: str
    hotline: str

    def tag(self, *path: str) -> str:
        """Return an id that stays (a tag URI, RFC 4151)."""
        return f"tag:{self.authority},2026:{'/'.join(path)}"

    def outage(self, outage_id: str) -> str:
        """Return where an outage is read."""
        return f"{self.home}#outage-{outage_id}"


def served(public_url: str, snapshot: Snapshot, language: str) -> Addresses:
    """Return addresses as the API serves them."""
    asked = {"brand": snapshot.brand.name} | ({"exercise": "1"} if snapshot.exercise else {})

    def path(name: str, spoken: str = "") -> str:
        return f"/{name}?{urlencode(asked | ({'lang': spoken} if spoken else {}))}"

    return Addresses(
        home=public_url.rstrip("/") + path("status"),
        authority=authority(public_url),
        pages={one: path("status", one) for one in LANGUAGES},
        feed=path("status.atom", language),
        calendar=path("status.ics", language),
        summary=path("status.json", language),
        hotline=path("hotline.txt", language),
    )


def in_folder(public_url: str, snapshot: Snapshot, language: str) -> Addresses:
    """Return addresses as the files of a folder know each other, wherever it is served."""
    return Addresses(
        home=f"{public_url.rstrip('/')}/status?{urlencode({'brand': snapshot.brand.name})}",
        authority=authority(public_url),
        pages={one: f"status.{one}.html" for one in LANGUAGES},
        feed=f"status.{language}.atom",
        calendar=f"status.{language}.ics",
        summary=f"status.{language}.json",
        hotline=f"hotline.{language}.txt",
    )


def authority(public_url: str) -> str:
    """Return the host name of our public address."""
    return urlsplit(public_url).hostname or "localhost"
