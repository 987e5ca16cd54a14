"""Calls to addresses of partners: how they are signed, and when tried again.

Signatures follow Standard Webhooks 1.0.0 (symmetric, `v1`), so receivers may take any of its
libraries.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
PAUSES = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=6),
    timedelta(hours=10),
)
"""After each failed try; together nearly 24 hours, then it is given up."""


class HookKind(StrEnum):
    """What an address may hear of."""

    OUTAGES = "outages"
    CASES = "cases"


def hears_of(kind: str) -> HookKind:
    """Return what an address must hear of to be told what happened, as in `case.opened`."""
    return HookKind.CASES if kind.startswith("case.") else HookKind.OUTAGES


def make_secret(random: bytes) -> str:
    """Write random bytes (24 to 64 of them) as a secret."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def signed(secret: str, call_id: str, at: datetime, payload: bytes) -> Mapping[str, str]:
    """Return the headers of a call: its id, its time and its signature.

    Raises:
        ValueError: The secret is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("no secret of a webhook") from error
    timestamp = str(int(at.timestamp()))
    signature = hmac.digest(key, f"{call_id}.{timestamp}.".encode() + payload, sha256)
    return {
        "webhook-id": call_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def pause_after(tries: int) -> timedelta | None:
    """Return how long to wait after so many failed tries, None to give up."""
    return PAUSES[tries - 1] if 1 <= tries <= len(PAUSES) else None
