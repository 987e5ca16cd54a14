"""Requests to İYS: the token, a time-out that holds, nothing logged."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from activities.retry_after import pause_of
from tellal.clock import Clock, SystemClock
from tellal.domain.registry_answers import RegistryError, Trouble
from tellal.settings import IysSettings

_TOKEN = "/oauth2/token"  # noqa: S105 (an address)
_CONNECTIONS = 10
_REDIRECTS, _CLIENT_ERRORS, _SERVER_ERRORS = 300, 400, 500
_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 401, 403, 429
_MARGIN = timedelta(seconds=60)
"""How long before its end a token is renewed: it must still be good when the request is read."""
_NOT_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_LOST = (TimeoutError, httpx.HTTPError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """A right to ask until `ends`, and one to renew it until `renewable`."""

    access: str
    refresh: str
    ends: datetime
    renewable: datetime


class Transport:
    """Asks as the API user; the token is fetched when it is needed and renewed before it ends."""

    def __init__(self, settings: IysSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._token: _Token | None = None
        self._fetching = asyncio.Lock()
        waits = httpx.Timeout(
            settings.timeout_s, connect=settings.timeout_s / 2, pool=settings.timeout_s / 2
        )
        self._http = httpx.AsyncClient(
            base_url=settings.base_url,
            timeout=waits,
            limits=httpx.Limits(max_connections=_CONNECTIONS),
            trust_env=False,
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        document: object = None,
        question: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Make one request; only a token that İYS no longer knows makes it twice.

        Raises:
            RegistryError: There was no answer, or one that says why not.
        """
        token = await self._present()
        answer = await self._request(method, path, token.access, document, question)
        if answer.status_code == _UNAUTHORIZED:
            # Surely not done, so it may be asked again.
            token = await self._renewed(token)
            answer = await self._request(method, path, token.access, document, question)
        if answer.status_code < _REDIRECTS:
            return answer
        raise self._refusal(answer)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def _present(self) -> _Token:
        token = self._token
        if token is not None and self._clock.now() < token.ends - _MARGIN:
            return token
        return await self._renewed(token)

    async def _renewed(self, spent: _Token | None) -> _Token:
        """Return a token that is not the spent one; who waits takes what another has fetched."""
        async with self._fetching:
            if self._token is spent or self._token is None:
                self._token = await self._fetched(spent)
            return self._token

    async def _fetched(self, spent: _Token | None) -> _Token:
        if spent is not None and self._clock.now() < spent.renewable - _MARGIN:
            answer = await self._request(
                "POST",
                _TOKEN,
                "",
                {"refresh_token": spent.refresh, "grant_type": "refresh_token"},
            )
            if answer.status_code < _REDIRECTS:
                return self._read(answer)
        credentials = {
            "username": self._settings.username,
            "password": self._settings.password.get_secret_value(),
            "grant_type": "password",
        }
        answer = await self._request("POST", _TOKEN, "", credentials)
        if answer.status_code < _REDIRECTS:
            return self._read(answer)
        if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_ERRORS:
            # No token, so nothing was asked for yet.
            raise RegistryError(
                Trouble.LIMITED if answer.status_code == _TOO_MANY else Trouble.UNREACHABLE,
                *codes_in(answer),
                retry_after_s=self._pause(answer),
            )
        raise RegistryError(Trouble.DENIED, *codes_in(answer))

    def _read(self, answer: httpx.Response) -> _Token:
        said, now = mapping_in(answer), self._clock.now()
        access, refresh = said.get("access_token"), said.get("refresh_token")
        if not isinstance(access, str) or not access:
            raise RegistryError(Trouble.DENIED, "no_token")
        return _Token(
            access=access,
            refresh=refresh if isinstance(refresh, str) else "",
            ends=now + _span(said.get("expires_in")),
            renewable=now + (_span(said.get("refresh_expires_in")) if refresh else timedelta()),
        )

    async def _request(
        self,
        method: str,
        path: str,
        token: str,
        document: object = None,
        question: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            # httpx counts from one piece of an answer to the next, which a slow server stretches.
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._http.request(
                    method, path, json=document, params=question, headers=headers
                )
        except _NOT_LEFT as error:
            raise RegistryError(Trouble.UNREACHABLE) from error
        except _LOST as error:
            lost = Trouble.UNREACHABLE if path == _TOKEN else Trouble.LOST
            raise RegistryError(lost) from error

    def _refusal(self, answer: httpx.Response) -> RegistryError:
        codes, status = codes_in(answer), answer.status_code
        if status == _TOO_MANY:
            return RegistryError(Trouble.LIMITED, *codes, retry_after_s=self._pause(answer))
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            return RegistryError(Trouble.DENIED, *codes)
        if status >= _SERVER_ERRORS or status < _CLIENT_ERRORS:
            # It broke on the way, or somebody between us answered: it may have been done.
            return RegistryError(Trouble.LOST, *codes, retry_after_s=self._pause(answer))
        return RegistryError(Trouble.REFUSED, *(codes or (str(status),)))

    def _pause(self, answer: httpx.Response) -> float | None:
        return pause_of(answer.headers.get("retry-after", ""), self._clock.now())


def mapping_in(answer: httpx.Response) -> Mapping[str, Any]:
    """Return the JSON object of an answer, nothing if it has none."""
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def codes_in(answer: httpx.Response) -> tuple[str, ...]:
    """Return İYS' codes in an answer that refuses something."""
    errors = mapping_in(answer).get("errors")
    listed = errors if isinstance(errors, list) else []
    codes = [str(one.get("code") or "") for one in listed if isinstance(one, dict)]
    return tuple(code for code in codes if code)


def _span(seconds: object) -> timedelta:
    good = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return timedelta(seconds=float(seconds)) if good else timedelta()  # type: ignore[arg-type]  # `good` says so
