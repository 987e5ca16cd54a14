"""The HTTP client under Twilio's official one: a time-out that holds, our host, no retries.

The library's own async client ignores its time-out and drops the headers of an error answer, so
that Retry-After is lost. Here an error answer is raised with everything that it carried. Nothing is
logged: addresses of requests and forms name people.
"""

import json
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import aiohttp
from twilio.http.response import Response

_TWILIO_HOST = ".twilio.com"
_FIRST_ERROR_STATUS = 400
_KEPT_S = 2.0
"""How long a connection that rests is kept: less than servers keep it (many of them 5 s). What one
closes at the moment when we write leaves a hand-over of which nobody knows."""


class ErrorAnswer(Exception):  # noqa: N818 (an answer of the provider, not a mistake of ours)
    """Twilio answered, and not with success."""

    def __init__(self, status: int, code: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"HTTP {status}, code {code or 'none'}")
        self.status = status
        self.code = code
        self.headers = headers


class Transport:
    """Carries requests of the official client; connections are kept and reused."""

    is_async = True
    """What the official client asks of its HTTP client, besides `request`."""

    def __init__(self, *, base_url: str, timeout_s: float) -> None:
        self._base_url = base_url.rstrip("/")
        # A connection that is not made in half the time has not carried anything yet: that is
        # known, while the whole time-out leaves the hand-over unknown.
        self._limits = aiohttp.ClientTimeout(total=timeout_s, connect=timeout_s / 2)
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        uri: str,
        *,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        **_: object,
    ) -> Response:
        """Make one request.

        Raises:
            ErrorAnswer: The status is 400 or above.
        """
        login = dict(headers or {})
        if auth is not None:
            login["Authorization"] = aiohttp.encode_basic_auth(*auth)
        async with self._opened().request(
            method,
            self._at_our_host(uri),
            params={name: str(value) for name, value in (params or {}).items()},
            data=urlencode(data, doseq=True).encode() if data else None,
            headers=login,
            allow_redirects=False,
        ) as answer:
            text = await answer.text(errors="replace")
            if answer.status >= _FIRST_ERROR_STATUS:
                raise ErrorAnswer(answer.status, _code_in(text), answer.headers)
            return Response(answer.status, text, answer.headers)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._limits, connector=aiohttp.TCPConnector(keepalive_timeout=_KEPT_S)
            )
        return self._session

    def _at_our_host(self, uri: str) -> str:
        parts = urlsplit(uri)
        if not self._base_url or not (parts.hostname or "").endswith(_TWILIO_HOST):
            return uri
        query = f"?{parts.query}" if parts.query else ""
        return f"{self._base_url}{parts.path}{query}"

    async def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _code_in(text: str) -> str:
    """Find Twilio's code in an error answer; a load balancer's HTML has none."""
    try:
        document = json.loads(text)
    except ValueError:
        return ""
    return str(document.get("code", "")) if isinstance(document, dict) else ""
