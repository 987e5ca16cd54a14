"""What a brand's own people are told when its credit runs low, in the brand's language."""

from collections.abc import Mapping
from importlib.resources import files

from tellal.domain.channels import Channel
from tellal.ports import Rendered
from templates.environment import make_environment

_FOLDER = files("templates") / "credit_alerts"
_SUBJECT = "Subject:"
_OTHERWISE = "en"


def _load(name: str) -> str | None:
    path = _FOLDER / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


_ENVIRONMENT = make_environment(_load)
LANGUAGES = tuple(sorted({path.name.split(".")[0] for path in _FOLDER.iterdir()}))
"""The languages in which they are told."""


def credit_alert(channel: Channel, language: str, said: Mapping[str, object]) -> Rendered:
    """Write an alert for a text or a mail, in a language or in English.

    Raises:
        jinja2.UndefinedError: What is said lacks something.
    """
    spoken = language if language in LANGUAGES else _OTHERWISE
    written = _ENVIRONMENT.get_template(f"{spoken}.{channel.value}.j2").render(said)
    if channel is Channel.SMS:
        return Rendered(subject="", text=written.strip())
    first, _, rest = written.partition("\n")
    subject = " ".join(first.removeprefix(_SUBJECT).split())
    return Rendered(subject=subject, text=f"{rest.strip()}\n")
