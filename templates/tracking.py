"""The page of a case for whoever holds its code, and the one that asks for the code."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from markupsafe import Markup

from templates.marks import tracking_marks
from templates.open_pages import open_page
from templates.status.words import LANGUAGE_NAMES, Words

_NOWHERE = "UTC"
_OVER = frozenset({"resolved", "assessed"})
_ENDS: Mapping[str, str] = {"resolve": "resolved", "withdraw": "withdrawn", "merge": "merged"}
"""How a case that is over has ended, by the last command that ends any."""


class Step(Protocol):
    """Something that was done about a case."""

    @property
    def command(self) -> str:
        """What it was, as histories name it."""
        ...

    @property
    def at(self) -> datetime:
        """When."""
        ...


class Sender(Protocol):
    """Whose case it is."""

    @property
    def timezone(self) -> str:
        """The zone of the brand's clocks."""
        ...


class Followed(Protocol):
    """A case as its code shows it; the page reads no more than it names."""

    @property
    def code(self) -> str:
        """Its tracking code."""
        ...

    @property
    def channel(self) -> str:
        """The intake channel, as its profile is called."""
        ...

    @property
    def state(self) -> str:
        """Where it is."""
        ...

    @property
    def steps(self) -> Sequence[Step]:
        """What was done, in order."""
        ...

    @property
    def brand(self) -> Sender:
        """Whose it is."""
        ...


class TrackingPages:
    """Writes both pages; `channels` names intake channels of which no translation is known."""

    def __init__(self, public_url: str, channels: Mapping[str, str]) -> None:
        self._page, self._words = open_page("tracking")
        self._public_url = public_url
        self._channels = channels

    def form(self, language: str) -> str:
        """Write the page that asks for a code."""
        return self._write(language, case=None, refusal="")

    def not_found(self, language: str) -> str:
        """Write the page of a code for which nothing can be shown, whatever the reason."""
        return self._write(language, case=None, refusal="not_found")

    def busy(self, language: str) -> str:
        """Write the page that asks to come again later."""
        return self._write(language, case=None, refusal="busy")

    def case(self, language: str, case: Followed) -> str:
        """Write the page of a case."""
        words = self._words[language]
        known = words["commands"]
        ends = [_ENDS[step.command] for step in case.steps if step.command in _ENDS]
        over = case.state in _OVER and ends
        return self._write(
            language,
            case=case,
            refusal="",
            zone=case.brand.timezone,
            state=words["states"].get(ends[-1] if over else case.state, words["states"]["other"]),
            channel=words["channels"].get(
                case.channel, self._channels.get(case.channel, case.channel)
            ),
            # What has no plain word is the house's own affair.
            steps=[(known[step.command], step.at) for step in case.steps if step.command in known],
            marks=tracking_marks(case.code, self._public_url),
        )

    def _write(self, language: str, *, zone: str = _NOWHERE, **said: Any) -> str:  # noqa: ANN401 - what a page takes
        spoken = Words(language, zone)

        def time(at: datetime) -> Markup:
            exact = at.isoformat(timespec="seconds")
            return Markup('<time datetime="{}">{}</time>').format(exact, spoken.when(at))

        page = self._page.render(
            language=language,
            language_names=LANGUAGE_NAMES,
            words=self._words[language],
            time=time,
            **said,
        )
        return page.strip() + "\n"
