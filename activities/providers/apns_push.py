"""Push messages straight to Apple's devices (APNs, HTTP/2); one call is one request.

Tokens of our own are signed with ES256 and kept for 40 minutes: Apple refuses those that are
older than an hour, and those that are renewed more often than every 20 minutes ("Establishing a
token-based connection to APNs"). Over TLS the connection speaks HTTP/2; without, as to the
simulator, HTTP/1.1.
"""

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx
import jwt

from activities.retry_after import pause_of
from tellal.clock import Clock, SystemClock
from tellal.domain.channels import Channel, Lane, Receipts
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.domain.push import device_of
from tellal.settings import ApnsSettings

_PROVIDER = "apns"
_RENEWED_AFTER = timedelta(minutes=40)
_PAUSE_S = 60.0
"""How long a route rests after a 429 that names no time."""
_CONNECTIONS = 10
"""Each carries many requests at a time."""
_OK, _TOO_MANY, _FIRST_SERVER_ERROR = 200, 429, 500
_EXPIRED_TOKEN = "ExpiredProviderToken"  # noqa: S105 - what Apple calls it

CODES: Mapping[str, Remedy] = {
    "BadDeviceToken": Remedy.BAD_ADDRESS,
    "Unregistered": Remedy.BAD_ADDRESS,
    "ExpiredToken": Remedy.BAD_ADDRESS,
    # One old token of another app must not stop the route, nor a wrong setting kill all tokens.
    "DeviceTokenNotForTopic": Remedy.NEXT_CHANNEL,
    "MissingDeviceToken": Remedy.NEXT_CHANNEL,
    "BadCollapseId": Remedy.NEXT_CHANNEL,
    "BadExpirationDate": Remedy.NEXT_CHANNEL,
    "BadMessageId": Remedy.NEXT_CHANNEL,
    "BadPriority": Remedy.NEXT_CHANNEL,
    "DuplicateHeaders": Remedy.NEXT_CHANNEL,
    "InvalidPushType": Remedy.NEXT_CHANNEL,
    "PayloadEmpty": Remedy.NEXT_CHANNEL,
    "PayloadTooLarge": Remedy.NEXT_CHANNEL,
    "BadTopic": Remedy.HALT,
    "MissingTopic": Remedy.HALT,
    "TopicDisallowed": Remedy.HALT,
    "BadCertificate": Remedy.HALT,
    "BadCertificateEnvironment": Remedy.HALT,
    "BadEnvironmentKeyIdInToken": Remedy.HALT,
    "Forbidden": Remedy.HALT,
    "InvalidProviderToken": Remedy.HALT,
    "MissingProviderToken": Remedy.HALT,
    "UnrelatedKeyIdInToken": Remedy.HALT,
    "BadPath": Remedy.HALT,
    "MethodNotAllowed": Remedy.HALT,
    # Nothing was processed: another token, another connection or another moment will do.
    "ExpiredProviderToken": Remedy.RETRY,
    "TooManyProviderTokenUpdates": Remedy.RETRY,
    "TooManyRequests": Remedy.RETRY,
    "IdleTimeout": Remedy.RETRY,
}
"""What each reason means (Apple, "Handling notification responses from APNs"); what is not here
goes on to the next channel."""


class ApnsPush:
    """Sends a push to one device; a repeat of the same message replaces it there."""

    def __init__(
        self,
        settings: ApnsSettings,
        clock: Clock | None = None,
        *,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        """Take whose certificates are `trusted`; None: those that usually are.

        Raises:
            InvalidInputError: The key is none.
        """
        self._settings = settings
        self._clock = clock or SystemClock()
        self._token, self._signed_at = "", datetime.min.replace(tzinfo=UTC)
        self._http = httpx.AsyncClient(
            http2=True,
            base_url=settings.base_url.rstrip("/"),
            timeout=httpx.Timeout(settings.timeout_s, connect=settings.timeout_s / 2),
            limits=httpx.Limits(max_connections=_CONNECTIONS),
            trust_env=False,
            verify=trusted or True,
        )
        self._bearer()

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
        """Apple tells nothing after its answer."""
        return Receipts.NONE

    @property
    def looks_up(self) -> bool:
        """Apple cannot be asked what became of a push."""
        return False

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Hand the message over; every failure is an answer, never an exception."""
        device = device_of(message.address)
        if not device:
            return _rejected("BadDeviceToken", Remedy.BAD_ADDRESS)
        now = self._clock.now()
        try:
            answer = await self._http.post(
                f"/3/device/{device}",
                content=_payload(message),
                headers=self._headers(message, now),
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            # No connection was made, so nothing can have left.
            return _rejected("unreachable", Remedy.RETRY)
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL):
            return _rejected("unsendable", Remedy.HALT)
        except httpx.HTTPError as error:
            late = isinstance(error, httpx.TimeoutException)
            return _ambiguous("timeout" if late else "connection_lost")
        return self._classified(answer, now)

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Return None: Apple cannot be asked."""
        del message, since
        return None

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    def _headers(self, message: OutgoingMessage, now: datetime) -> dict[str, str]:
        urgent = message.lane is Lane.CRITICAL
        headers = {
            "authorization": f"bearer {self._bearer()}",
            "content-type": "application/json",
            "apns-topic": self._settings.topic,
            "apns-push-type": "alert",
            "apns-priority": "10" if urgent else "5",
            # A notification of the same id is replaced (up to 64 bytes; ours has 26).
            "apns-collapse-id": message.id,
        }
        if message.validity_s is not None:
            headers["apns-expiration"] = str(int(now.timestamp()) + message.validity_s)
        return headers

    def _bearer(self) -> str:
        """Return a token of ours, a new one when it is time."""
        now, settings = self._clock.now(), self._settings
        if now - self._signed_at >= _RENEWED_AFTER:
            key = settings.key.get_secret_value()
            if settings.key_file is not None:
                key = settings.key_file.read_text(encoding="ascii")
            try:
                self._token = jwt.encode(
                    {"iss": settings.team_id, "iat": int(now.timestamp())},
                    key,
                    algorithm="ES256",
                    headers={"kid": settings.key_id},
                )
            except (ValueError, TypeError, jwt.PyJWTError) as error:
                raise InvalidInputError(
                    "Apple's key cannot be read",
                    field="TELLAL_APNS__KEY_FILE",
                    hint="give the file AuthKey_….p8 as Apple made it",
                ) from error
            self._signed_at = now
        return self._token

    def _classified(self, answer: httpx.Response, now: datetime) -> HandOver:
        if answer.status_code == _OK:
            reference = answer.headers.get("apns-id", "")
            return HandOver(answer=Answer.ACCEPTED, provider=_PROVIDER, reference=reference)
        code = _reason_in(answer) or str(answer.status_code)
        if code == _EXPIRED_TOKEN:
            self._signed_at = datetime.min.replace(tzinfo=UTC)
        if answer.status_code == _TOO_MANY:
            pause = pause_of(answer.headers.get("Retry-After", ""), now) or _PAUSE_S
            return _rejected(code, Remedy.RETRY, pause)
        if answer.status_code >= _FIRST_SERVER_ERROR or answer.is_redirect:
            return _ambiguous(code)
        return _rejected(code, CODES.get(code, Remedy.NEXT_CHANNEL))


def _payload(message: OutgoingMessage) -> bytes:
    document = {
        "aps": {"alert": {"title": message.subject, "body": message.text}, "sound": "default"},
        "message_id": message.id,
        "attempt": str(message.attempt),
        "topic": message.topic,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _reason_in(answer: httpx.Response) -> str:
    try:
        document = answer.json()
    except ValueError:
        return ""
    return str(document.get("reason", "")) if isinstance(document, dict) else ""


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
