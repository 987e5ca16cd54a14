"""Ids of our own: UUIDv7 in its 26-character Crockford form, sortable by the time of making.

Never a caller's reference: ids travel in Temporal histories, addresses and logs, references may
name a person. Layout after RFC 9562 section 5.7 (48 bits of milliseconds, 74 random bits).
"""

import secrets
import time
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]
_SHIFTS = range(120, -1, -10)
_TRACKING = 13
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_TAIL = (1 << 62) - 1


def new_id() -> str:
    """Return a new id of 26 characters; later ids sort after earlier ones (to the millisecond)."""
    millis = time.time_ns() // 1_000_000
    chance = secrets.randbits(74)
    value = (millis << 80) | _VERSION | (chance >> 62 << 64) | _VARIANT
    return encode(value | chance & _TAIL)


def first_id(at: datetime) -> str:
    """Return what sorts before every id that is made at an instant or later."""
    return encode(int(at.timestamp() * 1000) << 80)


def new_tracking_code() -> str:
    """Return a code of 13 characters of Crockford's base 32: 65 random bits, not to be guessed."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_TRACKING))


def encode(value: int) -> str:
    """Write a 128-bit number as 26 characters of Crockford's base 32, most significant first."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])
