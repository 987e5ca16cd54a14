"""How often the public may ask for something, over all processes of the API together.

A bucket of tokens is a row, so that the limit is one limit however many processes answer: kept in
process, it would grow with every process that is added, and start anew with every restart. Asking
is one statement that waits for nothing but another of the same bucket. Of an address only sixteen
bits of its hash are kept: too few to say whose it was, and no more rows than those.
"""

import ipaddress
import math
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Float, Integer, String, bindparam, func
from sqlalchemy.dialects.postgresql import insert as pg_insert

from tellal.clock import Clock
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions, make_singles
from tellal.persistence.tables.intake import RateBucketRow

_buckets = table(RateBucketRow)

_EVERYBODY = 0
_SLOT_BYTES = 2
_NEIGHBOURS = 64
"""The bits of an IPv6 address that a provider gives to one customer; he has all of the rest."""

_BURST = bindparam("burst", type_=Float())
_NOW = bindparam("now", type_=Instant())
_NEW = pg_insert(_buckets).values(
    name=bindparam("bucket", type_=String()),
    slot=bindparam("of", type_=Integer()),
    tokens=_BURST - 1,
    refilled_at=_NOW,
)
_PASSED = func.greatest(0.0, func.extract("epoch", _NOW - _buckets.c.refilled_at))
_FULL = func.least(_BURST, _buckets.c.tokens + _PASSED * bindparam("per_s", type_=Float()))
_TAKE = _NEW.on_conflict_do_update(
    index_elements=[_buckets.c.name, _buckets.c.slot],
    set_={"tokens": _FULL - 1, "refilled_at": func.greatest(_buckets.c.refilled_at, _NOW)},
    where=_FULL >= 1,
).returning(_buckets.c.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many at once, and then so many in a second."""

    burst: int
    per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What one thing may be asked for: by each client, and by all of them together, if at all."""

    name: str
    each: Limit
    all: Limit | None = None


class RateLimits:
    """Takes tokens; clocks of processes are assumed to agree by seconds."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._singles = make_singles(sessions)
        self._clock = clock

    async def refusal(self, allowance: Allowance, who: str) -> int:
        """Take a token of a client's and one of everybody's; return 0, or when to ask again (s).

        Whom his own bucket refuses takes nothing from the others.
        """
        each = f"{allowance.name}/each"
        if not await self._take(each, _slot_of(each, who), allowance.each):
            return _wait(allowance.each)
        if allowance.all is None:
            return 0
        if not await self._take(f"{allowance.name}/all", _EVERYBODY, allowance.all):
            return _wait(allowance.all)
        return 0

    async def _take(self, bucket: str, slot: int, limit: Limit) -> bool:
        asked = {
            "bucket": bucket,
            "of": slot,
            "burst": float(limit.burst),
            "per_s": limit.per_s,
            "now": self._clock.now(),
        }
        async with self._singles() as tx:
            return (await tx.execute(_TAKE, asked)).one_or_none() is not None


def client_of(host: str) -> str:
    """Return what stands for whoever calls from an IP address: for IPv6 his network."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, _NEIGHBOURS), strict=False))


def _slot_of(bucket: str, who: str) -> int:
    digest = sha256(f"{bucket}\n{who}".encode()).digest()
    return int.from_bytes(digest[:_SLOT_BYTES], "big")


def _wait(limit: Limit) -> int:
    return max(1, math.ceil(1 / limit.per_s))
