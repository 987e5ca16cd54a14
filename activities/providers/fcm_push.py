"""Push messages over Firebase Cloud Messaging, HTTP v1; one call is one request.

Google's own library posts again by itself after a 503, so the request is made here.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import httpx
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from activities.retry_after import pause_of
from tellal.clock import SystemClock
from tellal.domain.channels import Channel, Lane, Receipts
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.settings import FcmSettings

_PROVIDER = "fcm"
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_REFRESH_AHEAD = timedelta(minutes=5)
_PAUSE_S = 60.0
"""What Google asks to wait after a 429 that names no time."""
_CONNECTIONS = 100
_OK, _TOO_MANY, _FIRST_SERVER_ERROR = 200, 429, 500

CODES: Mapping[str, Remedy] = {
    "UNREGISTERED": Remedy.BAD_ADDRESS,
    "INVALID_ARGUMENT": Remedy.BAD_ADDRESS,
    # One old token of another project must not stop the route, nor a wrong setting kill all tokens.
    "SENDER_ID_MISMATCH": Remedy.NEXT_CHANNEL,
    "QUOTA_EXCEEDED": Remedy.RETRY,
    # Google's general codes, when no code of FCM's own stands beside them.
    "UNAUTHENTICATED": Remedy.HALT,
    "PERMISSION_DENIED": Remedy.HALT,
    "NOT_FOUND": Remedy.HALT,
    "RESOURCE_EXHAUSTED": Remedy.RETRY,
    "THIRD_PARTY_AUTH_ERROR": Remedy.HALT,
    "APNS_AUTH_ERROR": Remedy.HALT,
}
"""What each error code means; what is not here goes on to the next channel."""


class _Tokens(Protocol):
    async def bearer(self) -> str: ...


class _StaticToken:
    def __init__(self, token: str) -> None:
        self._token = token

    async def bearer(self) -> str:
        return self._token


class _ServiceAccountTokens:
    """Access tokens of a service account, renewed before they end, off the event loop."""

    def __init__(self, settings: FcmSettings) -> None:
        self._credentials = Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
            str(settings.credentials_file), scopes=[_SCOPE]
        )
        self._request = partial(Request(), timeout=settings.timeout_s)
        self._renewal = asyncio.Lock()

    async def bearer(self) -> str:
        async with self._renewal:
            if self._is_stale():
                await asyncio.to_thread(self._credentials.refresh, self._request)
        return str(self._credentials.token)

    def _is_stale(self) -> bool:
        expiry = self._credentials.expiry
        if not self._credentials.token or expiry is None:
            return True
        # google-auth keeps a naive instant in UTC.
        return bool(SystemClock().now() >= expiry.replace(tzinfo=UTC) - _REFRESH_AHEAD)


class FcmPush:
    """Sends a push to one token; a repeat of the same message replaces it on the phone."""

    def __init__(self, settings: FcmSettings) -> None:
        self._tokens: _Tokens = (
            _ServiceAccountTokens(settings)
            if settings.credentials_file is not None
            else _StaticToken(settings.bearer_token.get_secret_value())
        )
        base_url = settings.base_url.rstrip("/")
        self._address = f"{base_url}/v1/projects/{settings.project}/messages:send"
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(settings.timeout_s, connect=settings.timeout_s / 2),
            limits=httpx.Limits(max_connections=_CONNECTIONS),
            trust_env=False,
        )

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return _PROVIDER

    @property
    def channel(self) -> Channel:
        """The channel that it carries."""
        return Channel.PUSH

    @property
    def receipts(self) -> Receipts:
        """FCM tells nothing after its answer."""
        return Receipts.NONE

    @property
    def looks_up(self) -> bool:
        """Firebase cannot be asked what became of a push."""
        return False

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Hand the message over; every failure is an answer, never an exception."""
        try:
            bearer = await self._tokens.bearer()
        except GoogleAuthError as error:
            refused = isinstance(error, RefreshError) and not error.retryable
            return _rejected("no_token", Remedy.HALT if refused else Remedy.RETRY)
        try:
            answer = await self._http.post(
                self._address,
                json=_document(message, SystemClock().now()),
                headers={"Authorization": f"Bearer {bearer}"},
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            # No connection was made, so nothing can have left.
            return _rejected("unreachable", Remedy.RETRY)
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL):
            # Our own address or token cannot be written into a request.
            return _rejected("unsendable", Remedy.HALT)
        except httpx.HTTPError as error:
            return _ambiguous("timeout" if _is_late(error) else "connection_lost")
        return _classified(answer)

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Return None: FCM cannot be asked."""
        del message, since
        return None

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()


def _is_late(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.TimeoutException)


def _document(message: OutgoingMessage, now: datetime) -> dict[str, object]:
    urgent = message.lane is Lane.CRITICAL
    android: dict[str, object] = {
        "collapse_key": message.id,
        "priority": "HIGH" if urgent else "NORMAL",
        "notification": {"tag": message.id},
    }
    # Apple replaces a notification by this id (up to 64 bytes; ours has 26).
    apns = {"apns-collapse-id": message.id, "apns-priority": "10" if urgent else "5"}
    if message.validity_s is not None:
        android["ttl"] = f"{message.validity_s}s"
        apns["apns-expiration"] = str(int(now.timestamp()) + message.validity_s)
    data = {
        "message_id": message.id,
        "attempt": str(message.attempt),
        "topic": message.topic,
    }
    return {
        "message": {
            "token": message.address,
            "notification": {"title": message.subject, "body": message.text},
            "data": data,
            "android": android,
            "apns": {"headers": apns},
        }
    }


def _classified(answer: httpx.Response) -> HandOver:
    document = _mapping_in(answer)
    if answer.status_code == _OK:
        name = document.get("name")
        if not isinstance(name, str):
            return _ambiguous("unreadable")
        return HandOver(answer=Answer.ACCEPTED, provider=_PROVIDER, reference=name)
    code, details = _code_in(document)
    code = code or str(answer.status_code)
    if answer.status_code == _TOO_MANY:
        return _rejected(
            code,
            Remedy.RETRY,
            pause_of(answer.headers.get("Retry-After", ""), SystemClock().now()) or _PAUSE_S,
        )
    if answer.status_code >= _FIRST_SERVER_ERROR or answer.is_redirect:
        return _ambiguous(code)
    if code == "INVALID_ARGUMENT" and (_BAD_REQUEST in details or _FCM_ERROR not in details):
        # It is the payload that is wrong, not the token.
        return _rejected(code, Remedy.NEXT_CHANNEL)
    return _rejected(code, CODES.get(code, Remedy.NEXT_CHANNEL))


def _mapping_in(answer: httpx.Response) -> Mapping[str, object]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _code_in(document: Mapping[str, object]) -> tuple[str, frozenset[str]]:
    """Find the most telling code of an error, and the kinds of its details."""
    error = document.get("error")
    if not isinstance(error, dict):
        return "", frozenset()
    listed = error.get("details")
    details = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    kinds = frozenset(str(detail.get("@type", "")) for detail in details)
    for detail in details:
        if detail.get("@type") == _FCM_ERROR and detail.get("errorCode"):
            return str(detail["errorCode"]), kinds
    return str(error.get("status", "")), kinds


def _rejected(code: str, remedy: Remedy, retry_after_s: float | None = None) -> HandOver:
    return HandOver(
        answer=Answer.REJECTED,
        provider=_PROVIDER,
        code=code,
        remedy=remedy,
        retry_after_s=retry_after_s,
    )


def _ambiguous(code: str) -> HandOver:
    return HandOver(answer=Answer.AMBIGUOUS, provider=_PROVIDER, code=code, remedy=Remedy.RECONCILE)
