"""A log in which every record is sealed to the one before: what is changed later shows.

A hash covers the record and the hash before it, so whoever changes, drops or inserts a record would
have to write all hashes after it anew. Against that, too, helps a head that was noted elsewhere.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

BEGINNING = ""
"""What stands before the first record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Something that somebody did; `details` are JSON."""

    seq: int
    at: datetime
    who: str
    key_id: str
    action: str
    subject: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A record with its seals: the one before, and its own."""

    record: Record
    previous: str
    hash: str


def seal(previous: str, record: Record) -> str:
    """Return the hash of a record that follows another."""
    said = {
        "seq": record.seq,
        "at": record.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "who": record.who,
        "key_id": record.key_id,
        "action": record.action,
        "subject": record.subject,
        "details": dict(record.details),
        "previous": previous,
    }
    words = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(words.encode()).hexdigest()}"


class Walk:
    """Goes along a chain from its beginning, link by link, and says where it is not whole.

    A long chain is walked without being held.
    """

    def __init__(self) -> None:
        self._before, self._seq = BEGINNING, 0

    @property
    def head(self) -> str:
        """The seal of the last record so far."""
        return self._before

    def step(self, link: Link) -> tuple[str, ...]:
        """Go on by a link; return what is wrong with it."""
        found: list[str] = []
        self._seq += 1
        record = link.record
        if record.seq != self._seq:
            found.append(f"record {self._seq} is missing: {record.seq} follows {self._seq - 1}")
            self._seq = record.seq
        if link.previous != self._before:
            found.append(f"record {record.seq} does not follow the one before it")
        if link.hash != seal(link.previous, record):
            found.append(f"record {record.seq} was changed after it was written")
        self._before = link.hash
        return tuple(found)


def faults(links: Iterable[Link]) -> tuple[str, ...]:
    """Say where a chain, given from its beginning, is not what was once written."""
    walk = Walk()
    return tuple(fault for link in links for fault in walk.step(link))
