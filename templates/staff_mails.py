"""Plain mails to a brand's own people: what came of a campaign, in the brand's language."""

from collections.abc import Mapping
from importlib.resources import files

from tellal.ports import Rendered
from templates.environment import make_environment

_FOLDER = files("templates") / "campaign_mails"
_SUBJECT = "Subject:"
_OTHERWISE = "en"


def _load(name: str) -> str | None:
    path = _FOLDER / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


_ENVIRONMENT = make_environment(_load)
LANGUAGES = tuple(sorted(path.name.removesuffix(".j2") for path in _FOLDER.iterdir()))
"""The languages in which staff is written to."""


def campaign_mail(language: str, said: Mapping[str, object]) -> Rendered:
    """Write what came of a run, in a language or in English; a mail's subject is one line.

    Raises:
        jinja2.UndefinedError: What is said lacks something.
    """
    spoken = language if language in LANGUAGES else _OTHERWISE
    written = _ENVIRONMENT.get_template(f"{spoken}.j2").render(said)
    first, _, rest = written.partition("\n")
    subject = " ".join(first.removeprefix(_SUBJECT).split())
    return Rendered(subject=subject, text=f"{rest.strip()}\n")
