"""How template files are called, which speaks for a language, and what a wrong name meant."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from tellal.domain.channels import Channel

_TEXT = re.compile(rf"([^/]+)/({'|'.join(Channel)})\.([a-z]+(?:-[a-z]+)*)\.j2")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TemplateName:
    """One text: a topic, over a channel, in a language."""

    topic: str
    channel: Channel
    language: str

    @property
    def path(self) -> str:
        """Where the text lies, from the folder of messages."""
        return f"{self.topic}/{self.channel}.{self.language}.j2"

    @property
    def html_path(self) -> str:
        """Where its HTML lies, if there is one."""
        return f"{self.topic}/{self.channel}.{self.language}.html.j2"


def parse_path(path: str) -> TemplateName | None:
    """Read `<topic>/<channel>.<language>.j2`; None for any other file, HTML among them."""
    match = _TEXT.fullmatch(path)
    if match is None:
        return None
    return TemplateName(topic=match[1], channel=Channel(match[2]), language=match[3])


def fallbacks(language: str, declared: Iterable[str]) -> tuple[str, ...]:
    """Order the languages to try: as asked, without the country, then the topic's own."""
    asked = language.replace("_", "-").lower()
    return tuple(dict.fromkeys((asked, asked.split("-")[0], *declared)))


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """Suggest the nearest of the known names; empty if none is near."""
    near = get_close_matches(wanted, known, n=1)
    return f"did you mean {near[0]!r}?" if near else ""
