"""Public pages, which need no key; what people say of themselves is escaped."""

from importlib.resources import files

from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

_LANGUAGES = ("tr", "pl", "en")
_UNSUBSCRIBE = "unsubscribe.html.j2"


class Pages:
    """Fills in the public pages, in the reader's language or in English."""

    def __init__(self) -> None:
        source = files("templates").joinpath("public", _UNSUBSCRIBE).read_text(encoding="utf-8")
        self._environment = SandboxedEnvironment(
            loader=DictLoader({_UNSUBSCRIBE: source}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )

    def unsubscribe(self, *, brand: str, language: str, done: bool) -> str:
        """Return the page that asks for the click, or that says that it was heard."""
        spoken = language.partition("-")[0].lower()
        known = spoken if spoken in _LANGUAGES else "en"
        page = self._environment.get_template(_UNSUBSCRIBE)
        return page.render(brand=brand, language=known, done=done).strip()
