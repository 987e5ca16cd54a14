"""A client for addresses that others name: no name leads it into a network of ours."""

import socket

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from tellal.domain.open_internet import is_public


class OpenInternet(AbstractResolver):
    """Looks names up and leaves only public addresses, to which the connection is then made."""

    def __init__(self) -> None:
        self._names = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up.

        Raises:
            PrivateAddressError: One of its addresses is not of the open internet.
        """
        found = await self._names.resolve(host, port, family)
        if not all(is_public(one["host"]) for one in found):
            raise PrivateAddressError(f"{host} leads to a private address")
        return found

    async def close(self) -> None:
        """Look nothing up any more."""
        await self._names.close()


class PrivateAddressError(OSError):
    """A name leads into a network of ours (or of nobody)."""


def open_internet(timeout_s: float, *, private: bool, at_once: int) -> ClientSession:
    """Make a client; unless it may go to private addresses, no name leads it to one.

    It makes so many connections at once at most, and follows no cookies.
    """
    resolver = None if private else OpenInternet()
    return ClientSession(
        connector=TCPConnector(resolver=resolver, limit=at_once, use_dns_cache=False),
        timeout=ClientTimeout(total=timeout_s),
        cookie_jar=DummyCookieJar(),
        headers={"User-Agent": "Tellal"},
    )
