"""The public form by which somebody applies, with what is wrong beside each field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from templates.open_pages import open_page
from templates.status.words import LANGUAGE_NAMES

FIELDS = ("contact", "subject", "text", "notice")
"""What an applicant fills in, in the order of the page."""


class Receiver(Protocol):
    """To whom somebody applies."""

    @property
    def trade_name(self) -> str:
        """What the brand is called in law."""
        ...

    @property
    def phone(self) -> str:
        """Its number, empty if it has none."""
        ...

    @property
    def email(self) -> str:
        """Its address, empty if it has none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledIn:
    """What stands in the form, and what is wrong with it: codes of words, by field."""

    values: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)


_EMPTY = FilledIn()


class ApplyPages:
    """Writes the form, and the pages that say why there is none."""

    def __init__(self) -> None:
        self._page, self._words = open_page("apply")

    def form(
        self,
        language: str,
        brand: Receiver,
        *,
        form_id: str,
        notice: tuple[str, str],
        filled: FilledIn = _EMPTY,
    ) -> str:
        """Write the form; `notice` is the privacy notice's text and its language."""
        return self._write(
            language,
            brand=brand,
            form_id=form_id,
            notice=notice,
            values={name: filled.values.get(name, "") for name in FIELDS},
            wrong={name: filled.wrong[name] for name in FIELDS if name in filled.wrong},
            refusal="",
        )

    def refused(self, language: str, why: str) -> str:
        """Write the page that says why nothing can be sent: `closed`, `busy` or `elsewhere`."""
        return self._write(language, brand=None, refusal=why)

    def _write(self, language: str, **said: Any) -> str:  # noqa: ANN401 - what a page takes
        page = self._page.render(
            language=language,
            language_names=LANGUAGE_NAMES,
            words=self._words[language],
            fields=FIELDS,
            **said,
        )
        return page.strip() + "\n"
