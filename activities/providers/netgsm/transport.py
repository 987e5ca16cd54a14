"""Requests to NetGSM's REST v2: a time-out that holds, one request for a call, nothing logged."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from tellal.settings import NetgsmSettings

_CONNECTIONS = 100
_FIRST_ERROR, _FIRST_SERVER_ERROR, _REDIRECTS = 400, 500, 300

NOT_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""No connection was made, so nothing can have left."""
UNSENDABLE = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL)
"""Our own address or password cannot be written into a request."""
LATE = (TimeoutError, httpx.TimeoutException)
LOST = (*LATE, httpx.HTTPError)
"""The request may have left, and no answer came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; the document is empty if it was no JSON object."""

    status: int
    document: Mapping[str, object]
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """NetGSM's code, or nothing: a load balancer's HTML has none."""
        return str(self.document.get("code") or "")

    @property
    def succeeded(self) -> bool:
        """Whether it is a success by HTTP."""
        return self.status < _REDIRECTS

    @property
    def tells_nothing(self) -> bool:
        """Whether somebody on the way answered, or the server broke: the job may be taken."""
        return self.status >= _FIRST_SERVER_ERROR or _REDIRECTS <= self.status < _FIRST_ERROR


class Transport:
    """Posts JSON as the account; connections are kept and reused."""

    def __init__(self, settings: NetgsmSettings) -> None:
        self._timeout_s = settings.timeout_s
        # A connection that is not made in half the time has not carried anything yet: that is
        # known, while the whole time-out leaves the hand-over unknown.
        waits = httpx.Timeout(
            settings.timeout_s, connect=settings.timeout_s / 2, pool=settings.timeout_s / 2
        )
        self._http = httpx.AsyncClient(
            base_url=settings.base_url,
            auth=httpx.BasicAuth(settings.usercode, settings.password.get_secret_value()),
            timeout=waits,
            limits=httpx.Limits(max_connections=_CONNECTIONS),
            trust_env=False,
        )

    async def post(self, path: str, document: Mapping[str, object]) -> Reply:
        """Make one request.

        Raises:
            httpx.HTTPError: No answer came, see `NOT_LEFT` and `LOST`.
            httpx.InvalidURL: There is no such address.
            TimeoutError: The answer was not whole in time.
        """
        # httpx counts from one piece of an answer to the next, which a slow server stretches.
        async with asyncio.timeout(self._timeout_s):
            answer = await self._http.post(path, json=document)
        return Reply(
            status=answer.status_code, document=_mapping_in(answer), headers=answer.headers
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()


def _mapping_in(answer: httpx.Response) -> Mapping[str, object]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
