"""The book: every hand-over that the simulator saw, in order, and what it answered."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol

from pydantic import TypeAdapter

from tellal.carrier.journal import Journal, Kept
from tellal.domain.channels import Channel

ACCEPTED = "accepted"
"""The answer of an entry whose message was taken, whatever the client was told."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """One hand-over request.

    `answer` is `accepted` or what was refused with; `told` is the HTTP status that the client got,
    0 when it got none. `status` follows the message on its way. `number` counts all entries.
    """

    at: datetime
    channel: Channel
    to: str
    answer: str
    told: int
    sender: str = ""
    title: str = ""
    text: str = ""
    reference: str = ""
    message_id: str = ""
    attempt: str = ""
    status: str = ""
    error_code: str = ""
    validity_s: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    number: int = 0

    def as_json(self) -> dict[str, object]:
        """Write it for the control interface."""
        return asdict(self) | {"at": self.at.astimezone(UTC).isoformat()}


class Resource(Protocol):
    """What a carrier keeps about a message that it took: its entry, and more."""

    @property
    def entry(self) -> Entry:
        """Its line in the book."""
        ...

    @property
    def kind(self) -> str:
        """Which carrier's it is, in the journal."""
        ...

    def as_line(self) -> bytes:
        """Write all of it as JSON, the entry under `entry`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alone:
    """An entry without anything else: refused, or taken by a carrier that tells nothing later."""

    entry: Entry

    @property
    def kind(self) -> str:
        return "entry"

    def as_line(self) -> bytes:
        return _ALONE.dump_json(self)


_ALONE = TypeAdapter(_Alone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which entries are wanted; an empty field asks for all."""

    to: str = ""
    channel: str = ""
    since: datetime | None = None
    message_id: str = ""
    refused_too: bool = False

    def fits(self, entry: Entry) -> bool:
        """Say whether the entry is asked for."""
        return (
            (not self.to or entry.to == self.to)
            and (not self.channel or entry.channel == self.channel)
            and (self.since is None or entry.at >= self.since)
            and (not self.message_id or entry.message_id == self.message_id)
            and (self.refused_too or entry.answer == ACCEPTED)
        )


class Book:
    """Entries in the order of their coming, bounded, with an index by recipient.

    With a journal, whatever is written in the book is in the journal when the call returns.
    """

    def __init__(self, cap: int, journal: Journal | None = None) -> None:
        self._cap = cap
        self._journal = journal or Journal(None)
        self._entries: deque[Entry] = deque()
        self._by_recipient: dict[str, deque[Entry]] = {}
        self._requests: Counter[str] = Counter()
        self._accepted: Counter[str] = Counter()
        self._taken: Counter[str] = Counter()

    def add(self, entry: Entry, resource: Resource | None = None) -> None:
        """Write an entry; beyond the cap the oldest is forgotten, the counts are not.

        With a `resource` all of it is written, so that its carrier can go on with it after a crash.
        """
        entry.number = self._journal.next_number()
        thing = resource or _Alone(entry=entry)
        self._journal.began(entry.number, thing.kind, thing.as_line)
        self._remember(entry)

    def note(self, entry: Entry, **resource: object) -> None:
        """Write down that an entry has a new status, and what of its resource is new."""
        status = {"status": entry.status, "error_code": entry.error_code}
        self._journal.changed(entry.number, {**resource, "entry": status})

    def restore(self, kept: Kept, resource: Resource | None = None) -> None:
        """Take an entry back that an earlier process wrote."""
        thing = resource or _ALONE.validate_python(kept.fields)
        thing.entry.number = kept.number
        self._remember(thing.entry)

    def _remember(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._by_recipient.setdefault(entry.to, deque()).append(entry)
        self._requests[entry.channel] += 1
        if entry.answer == ACCEPTED:
            self._accepted[entry.channel] += 1
            if entry.message_id:
                self._taken[entry.message_id] += 1
        if len(self._entries) > self._cap:
            self._forget(self._entries.popleft())

    def _forget(self, oldest: Entry) -> None:
        of_recipient = self._by_recipient[oldest.to]
        of_recipient.popleft()
        if not of_recipient:
            del self._by_recipient[oldest.to]

    def find(self, question: Question, limit: int | None = None) -> list[Entry]:
        """Return what fits, oldest first."""
        pool = self._by_recipient.get(question.to, ()) if question.to else self._entries
        fitting: Iterator[Entry] = (entry for entry in pool if question.fits(entry))
        return list(islice(fitting, limit))

    def count(self, question: Question) -> dict[str, object]:
        """Count accepted messages and all requests, among what is remembered for a recipient.

        Without a question the counts are of everything since the book was last emptied, also of
        what the cap has made it forget.
        """
        if question == Question():
            return {
                "count": self._accepted.total(),
                "requests": self._requests.total(),
                "by_channel": dict(self._accepted),
            }
        every = Question(
            to=question.to,
            channel=question.channel,
            since=question.since,
            message_id=question.message_id,
            refused_too=True,
        )
        found = self.find(every)
        accepted = [entry for entry in found if entry.answer == ACCEPTED]
        return {
            "count": len(accepted),
            "requests": len(found),
            "by_channel": dict(Counter(str(entry.channel) for entry in accepted)),
        }

    def taken(self, at_least: int = 1) -> dict[str, int]:
        """Return for each of the caller's message ids how often it was taken.

        Counted since the book was last emptied, also of what the cap has made it forget.
        """
        return {name: times for name, times in self._taken.items() if times >= at_least}

    def clear(self) -> None:
        """Forget everything, the counts too."""
        self._journal.clear()
        self._entries.clear()
        self._by_recipient.clear()
        self._requests.clear()
        self._accepted.clear()
        self._taken.clear()
