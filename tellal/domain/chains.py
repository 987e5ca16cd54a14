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


def faults(links: Iterable[Link]) -> tuple[str, ...]:
    """Say where a chain, given from its beginning, is not what was once written."""
    found: list[str] = []
    before, seq = BEGINNING, 0
    for link in links:
        seq += 1
        record = link.record
        if record.seq != seq:
            found.append(f"record {seq} is missing: {record.seq} follows {seq - 1}")
            seq = record.seq
        if link.previous != before:
            found.append(f"record {record.seq} does not follow the one before it")
        if link.hash != seal(link.previous, record):
            found.append(f"record {record.seq} was changed after it was written")
        before = link.hash
    return tuple(found)
