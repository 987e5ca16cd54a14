"""What the chain of the logs says of a record: two hashes, as the chain of consents does.

`core` covers who did what, and when, and stays for ever. `digest` covers what an erasure takes
away, keyed with a salt that goes with it: afterwards nobody can find out what it was.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from tellal.domain.chains import Record

WRITTEN = "record"
EMPTIED = "erasure"


def core_of(log: str, brand_id: str, said: Mapping[str, object]) -> str:
    """Return the hash of what stays of a record."""
    words = _written({"log": log, "brand": brand_id, **said})
    return f"sha256:{hashlib.sha256(words).hexdigest()}"


def digest_of(said: Mapping[str, object], salt: str) -> str:
    """Return the salted hash of what an erasure takes away; empty where it takes nothing."""
    if not said:
        return ""
    return f"hmac-sha256:{hmac.new(salt.encode(), _written(said), hashlib.sha256).hexdigest()}"


def link_of_record(
    seq: int, at: datetime, log: str, record_id: str, *, core: str, digest: str
) -> Record:
    """Return the chain's record of a record."""
    return _link(seq, at, WRITTEN, record_id, {"log": log, "core": core, "digest": digest})


def link_of_erasure(seq: int, at: datetime, log: str, record_id: str) -> Record:
    """Return the chain's record of an erasure."""
    return _link(seq, at, EMPTIED, record_id, {"log": log})


def _link(
    seq: int, at: datetime, action: str, record_id: str, details: Mapping[str, object]
) -> Record:
    return Record(
        seq=seq, at=at, who="", key_id="", action=action, subject=record_id, details=details
    )


def _written(said: Mapping[str, object]) -> bytes:
    plain = {name: _plain(value) for name, value in said.items()}
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value
