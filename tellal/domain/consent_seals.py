"""What the chain of consents says of a record: two hashes, of which none tells who it is about.

`core` covers what concerns nobody in particular and stays for ever; it can always be computed
again. `digest` covers the person, the address and the evidence, keyed with a salt that lies beside
them: when both are erased it tells nothing any more, and nobody can find out whom it was about.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from tellal.domain.chains import Record
from tellal.domain.consents import ConsentRecord

CONSENT = "consent"
ERASURE = "erasure"


def core_of(record: ConsentRecord) -> str:
    """Return the hash of what stays when a record is erased."""
    words = _written(
        {
            "id": record.id,
            "brand": record.brand_id,
            "channel": record.channel.value,
            "state": record.state.value,
            "recipient_type": record.recipient_type.value,
            "source": record.source,
            "given_at": _instant(record.given_at),
            "recorded_at": _instant(record.recorded_at),
            "valid_until": _instant(record.valid_until) if record.valid_until else "",
            "purposes": list(record.purposes),
            "delegation": _delegation(record),
        }
    )
    return f"sha256:{hashlib.sha256(words).hexdigest()}"


def digest_of(record: ConsentRecord, salt: str) -> str:
    """Return the salted hash of what an erasure takes away."""
    words = _written(
        {
            "customer": record.customer_id,
            "address": record.address,
            "recorded_by": record.recorded_by,
            "evidence": dict(record.evidence),
        }
    )
    return f"hmac-sha256:{hmac.new(salt.encode(), words, hashlib.sha256).hexdigest()}"


def sealed_consent(record: ConsentRecord, seq: int, at: datetime, salt: str) -> Record:
    """Return what the chain says of a record; one that was erased before has no digest."""
    digest = "" if record.erased_at is not None else digest_of(record, salt)
    return consent_link(seq, at, record.id, core_of(record), digest)


def consent_link(seq: int, at: datetime, consent_id: str, core: str, digest: str) -> Record:
    """Return the chain's record of a consent."""
    details = {"core": core, "digest": digest}
    return Record(
        seq=seq, at=at, who="", key_id="", action=CONSENT, subject=consent_id, details=details
    )


def tombstone(seq: int, at: datetime, consent_id: str, by: str) -> Record:
    """Return the chain's record of an erasure."""
    return Record(seq=seq, at=at, who=by, key_id="", action=ERASURE, subject=consent_id, details={})


def _delegation(record: ConsentRecord) -> Mapping[str, object]:
    return {} if record.delegation is None else asdict(record.delegation)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _written(said: Mapping[str, object]) -> bytes:
    return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
