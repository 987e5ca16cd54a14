"""The pages of the console, as operators and officers see them; see `templates/console/`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

from jinja2 import FunctionLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from templates.status.words import Words

_FOLDER = files("templates").joinpath("console")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Why something could not be done, and how to mend it."""

    what: str
    hint: str = ""


class ConsolePages:
    """Writes pages; each is one template over the frame, and all share the words."""

    def __init__(self) -> None:
        self._environment = ImmutableSandboxedEnvironment(
            loader=FunctionLoader(_read),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._words: Mapping[str, Any] = json.loads(_read("words.json"))
        self.style = _read("style.css")

    def word(self, language: str, name: str) -> str:
        """Return words of the console itself."""
        return str(self._words[language][name])

    def page(self, name: str, language: str, *, zone: str = "UTC", **said: Any) -> str:  # noqa: ANN401 - what a page takes
        """Write a page; times are those of a zone."""
        words, spoken = self._words[language], Words(language, zone)

        def time(at: datetime) -> Markup:
            exact = at.isoformat(timespec="seconds")
            return Markup('<time datetime="{}">{}</time>').format(exact, spoken.when(at))

        def value(of: str) -> str:
            return str(words["values"].get(of, of))

        frame = {"brand": "", "who": "", "form": "", "rehearses": False, "said": "", "wrong": None}
        page = self._environment.get_template(f"{name}.html.j2")
        return page.render(
            **{**frame, **said}, language=language, words=words, time=time, value=value
        )


def _read(name: str) -> str:
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")
