"""Public pages, which need no key; what people say of themselves is escaped."""

import json
from importlib.resources import files
from typing import Protocol

from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

_LANGUAGES = ("tr", "pl", "en")
_UNSUBSCRIBE = "unsubscribe.html.j2"
_PREFERENCES = "preferences.html.j2"


class Topic(Protocol):
    """A topic that may be turned off; `means` is what the rulebook calls it."""

    @property
    def id(self) -> str:
        """Its name among rules."""
        ...

    @property
    def means(self) -> str:
        """What it is about."""
        ...

    @property
    def wanted(self) -> bool:
        """Whether the reader has not turned it off."""
        ...


class Pages:
    """Fills in the public pages, in the reader's language or in English."""

    def __init__(self) -> None:
        public = files("templates").joinpath("public")
        sources = {
            name: public.joinpath(name).read_text(encoding="utf-8")
            for name in (_UNSUBSCRIBE, _PREFERENCES)
        }
        self._words = json.loads(public.joinpath("preferences.json").read_text(encoding="utf-8"))
        self._topics = json.loads(public.joinpath("topics.json").read_text(encoding="utf-8"))
        self._environment = SandboxedEnvironment(
            loader=DictLoader(sources),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )

    def unsubscribe(self, *, brand: str, language: str, done: bool) -> str:
        """Return the page that asks for the click, or that says that it was heard."""
        page = self._environment.get_template(_UNSUBSCRIBE)
        return page.render(brand=brand, language=spoken_here(language), done=done).strip()

    def preferences(
        self,
        *,
        brand: str,
        language: str,
        channels: tuple[object, ...],
        topics: tuple[Topic, ...],
        service_only: bool,
        done: bool,
    ) -> str:
        """Return the page on which a customer chooses; `done` says that he just did."""
        known = spoken_here(language)
        names = self._topics.get(known, {})
        sheet = {
            "brand": brand,
            "channels": channels,
            "topics": [
                {"id": one.id, "words": names.get(one.id, one.means), "wanted": one.wanted}
                for one in topics
            ],
            "service_only": service_only,
        }
        page = self._environment.get_template(_PREFERENCES)
        return page.render(sheet=sheet, language=known, words=self._words[known], done=done).strip()

    def words_beside(self, channel: str, language: str) -> str:
        """Return what stands beside the box of a channel: it proves what was agreed to."""
        words: dict[str, str] = self._words[spoken_here(language)]
        return words.get(channel, "")


def spoken_here(language: str) -> str:
    """Return the language in which a page is shown to a reader."""
    spoken = language.partition("-")[0].lower()
    return spoken if spoken in _LANGUAGES else "en"
