"""Builds the question of a test: who is asked about, what just happened, what the ledger holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rules.questions import LedgerView, Question
from rules.rulebook import Rulebook
from rules.situations import Tally
from rules.source import Place, place_of
from tellal.domain.blocks import Block, BlockOrigin
from tellal.domain.channels import Channel
from tellal.domain.customers import NO_WISHES, Wishes
from tellal.domain.decisions import Value

BANNER_FIELD = "event.can_show_banner"
_PUSH_TOKEN = "customer.app.push_token"  # noqa: S105 - the name of a field
_KIND = "customer.kind"
_DEFAULT_KIND = "individual"

DEFAULT_TIMEZONE = "Europe/Istanbul"
DEFAULT_COUNTRY = "TR"
"""Where somebody lives of whom a test does not say it, as with a new brand's customers."""

Said = tuple[str, object, Place]
"""A path as the author wrote it, its value, and where it stands."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """What is known so far; layers are laid over each other, the later ones win."""

    at: datetime
    topic: str = ""
    timezone: str = DEFAULT_TIMEZONE
    country: str = DEFAULT_COUNTRY
    locale: str = ""
    document: dict[str, Value] = field(default_factory=dict)
    consents: dict[Channel, bool] = field(default_factory=dict)
    addresses: frozenset[Channel] = frozenset()
    blocked: dict[Channel, BlockOrigin] = field(default_factory=dict)
    unroutable: dict[Channel, str] = field(default_factory=dict)
    wishes: Wishes = NO_WISHES
    down: dict[Channel, str] = field(default_factory=dict)
    caps: dict[str, tuple[datetime, ...]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    told_version: int | None = None
    pending: bool = False
    attempts: int = 0

    def question(self, book: Rulebook) -> Question:
        """Ask as a server asks, with what it knows of everybody."""
        reachable = set(self.addresses)
        if self.document.get(BANNER_FIELD) is True:
            reachable.add(Channel.BANNER)
        return Question(
            topic=self.topic,
            at=self.at,
            timezone=self.timezone,
            document=self._document(book),
            cap_uses=dict(self.caps),
            consents=dict(self.consents),
            reachable=frozenset(reachable - self.blocked.keys()),
            blocked={channel: _block(origin, self.at) for channel, origin in self.blocked.items()},
            country=self.country,
            unroutable=dict(self.unroutable),
            wishes=self.wishes,
            down=dict(self.down),
            ledger=LedgerView(
                told_version=self.told_version, pending=self.pending, attempts_made=self.attempts
            ),
            tallies={
                name: Tally(self.counts.get(name, 1), self.newest.get(name, self.at))
                for name in self.counts.keys() | self.newest.keys()
                if self.counts.get(name, 1)
            },
        )

    def _document(self, book: Rulebook) -> dict[str, Value]:
        known = {
            "customer.timezone": self.timezone,
            "customer.country": self.country,
            "customer.locale": self.locale,
        }
        facts: dict[str, Value] = {_KIND: _DEFAULT_KIND, **self.document}
        facts |= {path: value for path, value in known.items() if value}
        if Channel.PUSH in self.addresses:
            facts[_PUSH_TOKEN] = True
        event = book.events.get(str(self.document.get("event.type", "")))
        if event is not None:  # an event tells of the customer before anything is decided
            for path, value in event.sets.items():
                if value is None:
                    facts.pop(path, None)
                else:
                    facts[path] = value
            copied = {p: facts[source] for p, source in event.copies.items() if source in facts}
            facts |= copied
        return facts


def flat(node: Mapping[object, object], file: str, prefix: str = "") -> Iterator[Said]:
    """Walk through nested mappings: `{app: {installed: true}}` is `app.installed: true`."""
    for key, value in node.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, file, f"{path}.")
        else:
            yield path, value, place_of(node, key, file)


def _block(origin: BlockOrigin, at: datetime) -> Block:
    return Block(
        id="",
        brand_id="",
        address="",
        origin=origin,
        reason="as the test says",
        until=None,
        placed_by="",
        placed_at=at,
    )
