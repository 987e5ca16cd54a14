"""Reads which brands have a public form, and which privacy notice is shown on it.

A file for a brand opens its form: without a notice of its own none may be opened.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rules.entries import Entry, read_entry
from rules.source import Report
from tellal.domain.errors import RulebookError
from tellal.domain.status import spoken

_BRAND = re.compile(r"[a-z][a-z0-9-]{1,39}")
_SHAPE = "a form is a mapping with 'notice', 'version' and 'texts'"
_KEYS = ("notice", "version", "texts")
_LANGUAGES = ("tr", "en", "pl")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebForm:
    """A brand's form: the privacy notice by its name, its version and its texts by language."""

    notice: str
    version: str
    texts: Mapping[str, str]

    def text(self, language: str) -> tuple[str, str]:
        """Return the notice in a language, else in English, else in any; and in which it is."""
        return spoken(self.texts, language, "en")


class WebForms:
    """The forms of a folder, `<brand>.yaml`; a file that changes counts at once."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[tuple[int, int], WebForm]] = {}

    def of(self, brand: str) -> WebForm | None:
        """Return a brand's form, None if it has none.

        Raises:
            RulebookError: Its file is broken.
        """
        if self._folder is None or _BRAND.fullmatch(brand) is None:
            return None
        path = self._folder / f"{brand}.yaml"
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        stamp = (found.st_mtime_ns, found.st_size)
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = self._read[path] = (stamp, read_form(path))
        return known[1]

    def check(self) -> None:
        """Read every file, so that a broken one is said at the start.

        Raises:
            RulebookError: One is broken.
        """
        if self._folder is not None:
            for path in sorted(self._folder.glob("*.yaml")):
                read_form(path)


def read_form(path: Path) -> WebForm:
    """Read the file of a form.

    Raises:
        RulebookError: It is none; all mistakes are listed with their places.
    """
    report = Report()
    entry = read_entry(path, "the form", _SHAPE, report)
    form = None if entry is None else _form(entry)
    if form is None or report.findings:
        raise RulebookError(report.in_order())
    return form


def _form(entry: Entry) -> WebForm:
    entry.only(_KEYS, required=_KEYS)
    texts = entry.within("texts")
    texts.only(_LANGUAGES)
    said = {one: texts.text(one) for one in _LANGUAGES if one in texts.raw}
    if not said or not all(text.strip() for text in said.values()):
        entry.wrong("texts", "say the notice in at least one language", "as in tr: …")
    return WebForm(notice=entry.text("notice"), version=entry.text("version"), texts=said)
