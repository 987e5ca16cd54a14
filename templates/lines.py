"""The lines that public channels show when nobody has written one: by command and language."""

from collections.abc import Mapping
from importlib.resources import files

from templates.environment import make_environment

_FOLDER = files("templates") / "public_lines"
_UNSAID = dict.fromkeys(("reason", "workaround", "starts", "expected_end", "ended", "area"), "")


def _load(name: str) -> str | None:
    path = _FOLDER / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


_ENVIRONMENT = make_environment(_load)
LANGUAGES = tuple(sorted(path.name.removesuffix(".j2") for path in _FOLDER.iterdir()))
"""The languages in which public channels speak."""


def public_lines(command: str, outage: Mapping[str, object]) -> dict[str, str]:
    """Say of a command in every language what the public may know, empty if it is nothing."""
    said = {"command": command, "outage": {**_UNSAID, **outage}}
    lines = {
        language: _ENVIRONMENT.get_template(f"{language}.j2").render(said).strip()
        for language in LANGUAGES
    }
    return {language: line for language, line in lines.items() if line}
