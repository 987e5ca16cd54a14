"""What is asked of the rules, and what an executor answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from rules.rulebook import Rulebook
from rules.situations import Tally
from tellal.domain.blocks import Block
from tellal.domain.channels import Channel
from tellal.domain.customers import NO_WISHES, Wishes
from tellal.domain.decisions import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """What the ledger remembers of a customer and a topic."""

    told_version: int | None
    pending: bool
    attempts_made: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether to speak to a customer about a topic, with all that an answer depends on.

    `document` maps the vocabulary's paths to values, absent means unknown; `cap_uses` maps a cap
    to the instants at which its slots were taken; `consents` holds True for granted and False for
    refused, and nothing where there is no record; `unroutable` says why no route may carry a
    channel to him; `down` names the failed components that a channel needs; `blocked` names the
    channels that are not reachable because of a block; `tallies` holds what the rulebook's counts
    came to, nothing for one that never happened; `cap_holders` names the topics that hold the slots
    of `cap_uses`, in the same order, where that is known. Of a broadcast, `unplanned` are channels
    that are not meant for him this time, `withheld` is the code of why he is not told at all, empty
    if he may be, and `until` says when what it tells of is over.
    """

    topic: str
    at: datetime
    timezone: str
    document: Mapping[str, Value]
    cap_uses: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    cap_holders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    consents: Mapping[Channel, bool] = field(default_factory=dict)
    reachable: frozenset[Channel] = frozenset()
    blocked: Mapping[Channel, Block] = field(default_factory=dict)
    country: str = ""
    unroutable: Mapping[Channel, str] = field(default_factory=dict)
    down: Mapping[Channel, str] = field(default_factory=dict)
    ledger: LedgerView = LedgerView(told_version=None, pending=False, attempts_made=0)
    wishes: Wishes = NO_WISHES
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    unplanned: frozenset[Channel] = frozenset()
    withheld: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAnswer:
    """Which facts were derived from a document, and which rules held (fact rules included)."""

    facts: frozenset[str]
    fired: frozenset[str]


class Engine(Protocol):
    """Answers beside the reference; None when it cannot, in time or at all."""

    def prepare(self, book: Rulebook) -> None:
        """Make ready for a rulebook; answers to it come as soon as they can."""
        ...

    async def evaluate(
        self, book_revision: str, topic: str, document: Mapping[str, Value]
    ) -> EngineAnswer | None:
        """Say which rules of a topic hold for a document."""
        ...

    def note_difference(self, topic: str) -> None:
        """Count and log that the answer was not the reference's."""
        ...
