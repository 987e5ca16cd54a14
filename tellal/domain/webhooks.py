"""Calls to addresses of partners: how they are signed, when tried again, and where they may go.

Signatures follow Standard Webhooks 1.0.0 (symmetric, `v1`), so receivers may take any of its
libraries.
"""

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from urllib.parse import urlsplit

from tellal.domain.errors import InvalidInputError

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


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


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


def is_public(address: str) -> bool:
    """Say whether an IP address is of the open internet, also where it wraps another one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast for one in (ip, *_wrapped(ip)))


def _wrapped(ip: _IPAddress) -> list[_IPAddress]:
    """Return the IPv4 addresses to which an IPv6 address leads."""
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    found: list[_IPAddress | None] = [ip.ipv4_mapped, ip.sixtofour]
    if ip.teredo is not None:
        found.extend(ip.teredo)
    if ip in _NAT64:
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return [one for one in found if one is not None]


def check_url(url: str, *, private: bool) -> None:
    """Refuse an address to which nothing may be sent; names are looked up only at each call.

    `private` lets calls go to the house's own network and, on loopback, without TLS.

    Raises:
        InvalidInputError: It is no https address, carries a password, or is a private one.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidInputError("this is no address", field="url") from error
    loopback = _is_loopback(host)
    if parts.scheme != "https" and not (private and loopback and parts.scheme == "http"):
        raise InvalidInputError(
            "calls go to https addresses only",
            field="url",
            hint="as in https://partner.example/outages",
        )
    if not host or parts.username or parts.password or parts.fragment:
        raise InvalidInputError(
            "the address must be a host and a path, without names, passwords and fragments",
            field="url",
        )
    if not private and (loopback or (_is_ip(host) and not is_public(host))):
        raise InvalidInputError(
            "calls do not go to private addresses",
            field="url",
            hint="an operator may allow them by TELLAL_WEBHOOKS_PRIVATE",
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_ip(host) and ipaddress.ip_address(host).is_loopback


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
