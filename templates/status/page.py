"""The status page: server-rendered, without scripts, and readable without its style sheet."""

from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files

from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from tellal.domain.outages import OutageKind, Severity
from tellal.domain.status import ComponentStatus, Mood, PublicOutage, Snapshot
from templates.status.addresses import Addresses
from templates.status.words import LANGUAGE_NAMES, Words, own_language

_PAGE = "status.html.j2"
_MOODS: Mapping[Mood, str] = {
    Mood.FINE: "good",
    Mood.LOOKING: "watch",
    Mood.WORKS: "works",
    Mood.MINOR: "watch",
    Mood.MAJOR: "bad",
    Mood.CRITICAL: "bad",
}
_STATUSES: Mapping[ComponentStatus, str] = {
    ComponentStatus.OPERATIONAL: "good",
    ComponentStatus.UNDER_MAINTENANCE: "works",
    ComponentStatus.DEGRADED: "watch",
    ComponentStatus.PARTIAL_OUTAGE: "bad",
    ComponentStatus.MAJOR_OUTAGE: "bad",
}


class StatusPage:
    """Writes the page; colours only repeat what is said in words."""

    def __init__(self) -> None:
        source = files("templates").joinpath("public", _PAGE).read_text(encoding="utf-8")
        environment = SandboxedEnvironment(
            loader=DictLoader({_PAGE: source}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        self._template = environment.get_template(_PAGE)

    def html(self, snapshot: Snapshot, words: Words, to: Addresses, /, *, stale: bool) -> str:
        """Write the page in one language; `stale` says that it is the last one known."""
        parts = {one.id: words.name(one.names) for one in snapshot.components}

        def time(at: datetime) -> Markup:
            exact = at.isoformat(timespec="seconds")
            return Markup('<time datetime="{}">{}</time>').format(exact, words.when(at))

        def names(one: PublicOutage) -> list[str]:
            return [parts[id_] for id_ in one.components if id_ in parts]

        page = self._template.render(
            snapshot=snapshot,
            w=words,
            to=to,
            stale=stale,
            time=time,
            names=names,
            mark=_mark,
            moods=_MOODS,
            statuses=_STATUSES,
            language_names=LANGUAGE_NAMES,
            own=_marked(own_language(snapshot.brand.country), words.language),
        )
        return page.strip() + "\n"


def _marked(own: str, language: str) -> Markup:
    """Return the attribute of what a brand wrote in its own language, for those who hear the page.

    Titles, places, reasons and advice are written once; only what is said in updates is translated.
    """
    return Markup("") if own == language else Markup(' lang="{}"').format(own)


def _mark(one: PublicOutage) -> str:
    if one.over:
        return "good"
    if one.kind is OutageKind.PLANNED:
        return "works"
    return "bad" if one.confirmed and one.severity is not Severity.MINOR else "watch"
