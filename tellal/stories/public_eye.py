"""What anybody sees of an outage who reads a public channel: no key, and each in its own form."""

import re
from datetime import datetime
from typing import Any, Self
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import httpx

from tellal.stories.client import Json

NOTHING = "nothing"
CHANNELS = ("page", "json", "feed", "banner", "cap")

_ATOM = "{http://www.w3.org/2005/Atom}"
_CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
_ZONE = ZoneInfo("Europe/Istanbul")
_STATES = {
    "Investigating": "investigating",
    "Confirmed": "identified",
    "Resolved": "resolved",
}
"""The words of the English page for the states of the other channels."""
_CLOCK = re.compile(r"\b(\d\d:\d\d)\b")


class PublicEye:
    """Reads the public channels of one brand in English."""

    def __init__(self, api_url: str, brand: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=api_url, params={"brand": brand, "lang": "en"}, timeout=10.0
        )

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def sees(self, outage_id: str) -> dict[str, str]:
        """Say what each channel says of an outage: its state, and until when it is to last."""
        return {
            "page": _on_page(await self._text("/status"), outage_id),
            "json": _in_summary((await self._http.get("/status.json")).json(), outage_id),
            "feed": _in_feed(await self._text("/status.atom"), outage_id),
            "banner": _in_banner((await self._http.get("/banner.json")).json(), outage_id),
            "cap": _in_alert(await self._text(f"/cap/{outage_id}.xml")),
        }

    async def _text(self, path: str) -> str:
        response = await self._http.get(path)
        return "" if response.status_code == httpx.codes.NOT_FOUND else response.text


def says(state: str, until: datetime | None = None) -> str:
    """Write what a channel says, as `PublicEye.sees` does."""
    return state if until is None else f"{state} until {_clock(until)}"


def _clock(at: datetime) -> str:
    return f"{at.astimezone(_ZONE):%H:%M}"


def _at(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


def _on_page(html: str, outage_id: str) -> str:
    article = re.search(rf'<article id="outage-{outage_id}".*?</article>', html, re.DOTALL)
    if article is None:
        return NOTHING
    state = re.search(r'class="state"><strong>([^<]+)<', article[0])
    ends = re.search(r'<dt>Expected end</dt><dd><time datetime="([^"]+)"', article[0])
    return says(
        _STATES.get(state[1], state[1]) if state else NOTHING, _at(ends[1] if ends else None)
    )


def _in_summary(summary: Json, outage_id: str) -> str:
    for one in (*summary["incidents"], *summary["history"]):
        if one["id"] == outage_id:
            over = one["status"] == "resolved"
            return says(one["status"], None if over else _at(one["expected_end"]))
    return NOTHING


def _in_feed(xml: str, outage_id: str) -> str:
    for entry in ET.fromstring(xml).iter(f"{_ATOM}entry"):  # noqa: S314 - our own API wrote it
        if outage_id in entry.findtext(f"{_ATOM}id", ""):
            state = entry.find(f"{_ATOM}category")
            said = entry.findtext(f"{_ATOM}content", "")
            ends = re.search(r"\bend at (.*)", said)
            return _with_clock(
                NOTHING if state is None else state.get("term", NOTHING), ends[1] if ends else ""
            )
    return NOTHING


def _in_banner(banner: Json, outage_id: str) -> str:
    shown: dict[str, Any] | None = banner["banners"]["login"]
    if shown is None or shown["outage"] != outage_id:
        return NOTHING
    _, promises, until = shown["line"].partition("Expected end:")
    return _with_clock(shown["state"], until if promises else "")


def _in_alert(xml: str) -> str:
    if not xml:
        return NOTHING
    info = next(
        one
        for one in ET.fromstring(xml).iter(f"{_CAP}info")  # noqa: S314 - our own API wrote it
        if one.findtext(f"{_CAP}language") == "en"
    )
    if info.findtext(f"{_CAP}responseType") == "AllClear":
        return says("resolved")
    return says("identified", _at(info.findtext(f"{_CAP}expires")))


def _with_clock(state: str, said: str) -> str:
    found = _CLOCK.search(said)
    return f"{state} until {found[1]}" if found else state
