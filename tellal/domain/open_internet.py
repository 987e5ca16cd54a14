"""Addresses that others name to us, and where those may lead: never into a network of ours."""

import ipaddress
from urllib.parse import urlsplit

from tellal.domain.errors import InvalidInputError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


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


def check_url(url: str, *, private: bool, setting: str) -> None:
    """Refuse an address to which nothing may be sent; names are looked up only at each call.

    `private` lets calls go to the house's own network and, on loopback, without TLS; `setting` is
    by which an operator allows that.

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
            hint="as in https://partner.example/path",
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
            hint=f"an operator may allow them by {setting}",
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
