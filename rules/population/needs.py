"""What a topic's rules need to know of each customer, and how a source of it is laid out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import FromClause

from rules.definitions import Count, Requirement
from rules.rulebook import Rulebook
from rules.shards import Shard
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.decisions import Value

TIMEZONE_OF, COUNTRY_OF = "timezone", "country"
FACTS = "facts"
"""A JSONB object of values by path; what is null, of another type or empty is not there."""
TOLD, PENDING = "told_version", "pending"
"""What the ledger remembers: an integer or null, and a boolean."""
WISH, SERVICE_ONLY = "wish", "service_only"
"""`complained`, `topic_off` or neither; and whether the customer wants service messages only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One decision about everybody: the instant, and what surrounds the question for all alike.

    `banner` says that the surface that people are on can show one now; channels that are `down`
    depend on what an outage has taken from everybody. `unplanned`, `withheld` and `until` are those
    of a question.
    """

    at: datetime
    document: Mapping[str, Value] = field(default_factory=dict)
    banner: bool = False
    down: frozenset[Channel] = frozenset()
    unplanned: frozenset[Channel] = frozenset()
    withheld: str = ""
    until: datetime | None = None


CapSeen = tuple[str, int]
"""A cap as a topic of some priority sees it: lower messages that have not left are not there."""


Agreement = tuple[Channel, tuple[str, ...]]
"""What a consent is asked for: a channel, and purposes if the topic names some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What has to be read of a customer.

    `ways` are the channels that plans name, with the class of the message; `caps` say how far back
    their slots matter at most, as seen from the topic's priority; `counts` what is to be counted;
    `ledger` asks what was told, and `attempts` how far back attempts count (None: for ever).
    """

    ways: frozenset[tuple[Channel, MessageClass]]
    consents: frozenset[Agreement]
    caps: Mapping[CapSeen, timedelta]
    counts: tuple[Count, ...]
    ledger: bool
    attempts: frozenset[timedelta | None] = frozenset()

    def __or__(self, other: "Needs") -> "Needs":
        """Return what both need."""
        reaches = [*self.caps.items(), *other.caps.items()]
        known = {_counted(count): count for count in (*self.counts, *other.counts)}
        return Needs(
            ways=self.ways | other.ways,
            consents=self.consents | other.consents,
            caps={cap: max(far for name, far in reaches if name == cap) for cap, _ in reaches},
            counts=tuple(known.values()),
            ledger=self.ledger or other.ledger,
            attempts=self.attempts | other.attempts,
        )

    def cap_column(self, cap: str, priority: int) -> str:
        """Name the column of the instants of a cap's slots that count, oldest first."""
        return f"cap_{sorted(self.caps).index((cap, priority))}"

    def count_column(self, count: Count) -> str:
        """Name the column of how often something happened: an integer, null for never."""
        return f"count_{self._place(count)}"

    def last_column(self, count: Count) -> str:
        """Name the column of when it happened last."""
        return f"last_{self._place(count)}"

    def _place(self, count: Count) -> int:
        return [_counted(one) for one in self.counts].index(_counted(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One row per customer: `id`, `timezone`, `country`, `facts`, and a column for every need.

    `texts` names columns that stand for a path instead of the facts, never null; `marks` names
    booleans that, where true, make their path true. `parts` are the same rows cut apart: processes
    of PostgreSQL work at several of them at a time, and each needs memory for its part only.
    """

    rows: FromClause
    parts: Sequence[FromClause] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)


def attempts_column(within: timedelta | None) -> str:
    """Name the column of how often it was tried, an integer, within so long."""
    return f"attempts_{'ever' if within is None else int(within.total_seconds())}"


def consent_column(channel: Channel, purposes: tuple[str, ...] = ()) -> str:
    """Name the column of a consent: true for granted, false for refused, null without a record.

    With purposes it is one that covers all of them.
    """
    if not purposes:
        return f"consent_{channel}"
    return f"consent_{channel}_{sha256(repr(purposes).encode()).hexdigest()[:12]}"


def open_column(channel: Channel, message_class: MessageClass) -> str:
    """Name the column that says whether a message of a class can reach the customer."""
    return f"open_{channel}_{message_class}"


def blocked_column(channel: Channel, message_class: MessageClass) -> str:
    """Name the column that says whether a channel is not open because of a block."""
    return f"blocked_{channel}_{message_class}"


def unroutable_column(channel: Channel, message_class: MessageClass) -> str:
    """Name the column that says whether no route may carry a class to the customer's address."""
    return f"unroutable_{channel}_{message_class}"


def needs_of(book: Rulebook, topic: str) -> Needs:
    """Return what a topic's rules need to know."""
    shard = book.shards[topic]
    channels = channels_of(shard)
    rows = [asked.rule for asked in shard.law if asked.rule.requires is not Requirement.NOTHING]
    asked = {channel for row in rows for channel in row.channels} & set(channels)
    return Needs(
        ways=frozenset((channel, shard.topic.message_class) for channel in channels),
        consents=frozenset(
            (channel, shard.topic.purposes) for channel in asked | set(shard.derivable.consents)
        ),
        caps={(one.rule.id, shard.topic.priority): one.rule.reach for one in shard.caps},
        counts=book.counts_of(topic),
        ledger=shard.topic.is_remembered,
        attempts=frozenset({shard.topic.attempts_within} if shard.topic.is_remembered else ()),
    )


def channels_of(shard: Shard) -> tuple[Channel, ...]:
    """Return the channels that plans of a topic name, in the order of the enumeration."""
    named = {channel for asked in shard.channels for channel, _ in asked.rule.steps}
    return tuple(channel for channel in Channel if channel in named)


def _counted(count: Count) -> tuple[object, ...]:
    """Return what makes two counts the same, whatever they are called."""
    return count.of, count.within, count.topics, count.types, count.channel
