"""Pushes to browsers, through the push service that each names (RFC 8030); one call is one request.

Texts are encrypted for the browser (RFC 8291, by `http_ece`); we are known by a key of our own
(VAPID, RFC 8292). Endpoints come from outside, so that no name may lead into a network of ours.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urljoin, urlsplit

import http_ece
import jwt
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ConnectionTimeoutError,
    InvalidURL,
)
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from activities.retry_after import pause_of
from tellal.clock import Clock, SystemClock
from tellal.domain.channels import Channel, Lane, Receipts
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.domain.open_internet import check_url
from tellal.domain.push import Subscription, subscription_of, unpadded
from tellal.open_internet import PrivateAddressError, open_internet
from tellal.settings import WebPushSettings

_PROVIDER = "web_push"
_LONGEST_TEXT = 3993
"""Octets that a push service must take, without what the encryption adds (RFC 8291, 4)."""
_LONGEST_TTL_S = 28 * 86_400
_SIGNED_FOR, _RENEWED_AFTER = timedelta(hours=12), timedelta(hours=6)
"""A day is the longest (RFC 8292, 2); services refuse those that are near it."""
_MOST_TOKENS = 1000
"""There are a handful of push services; endpoints come from outside and may name any."""
_PAUSE_S = 60.0
"""How long a route rests after a 429 that names no time."""
_CONNECTIONS = 50
_TOO_MANY, _FIRST_SERVER_ERROR, _FIRST_REFUSAL, _FIRST_REDIRECT = 429, 500, 400, 300
_URGENCY: Mapping[Lane, str] = {
    Lane.CRITICAL: "high",
    Lane.JOURNEYS: "normal",
    Lane.BULK: "low",
}

CODES: Mapping[str, Remedy] = {
    "404": Remedy.BAD_ADDRESS,
    "410": Remedy.BAD_ADDRESS,
    "400": Remedy.NEXT_CHANNEL,
    # A browser that subscribed with an older key of ours must not stop the route.
    "403": Remedy.NEXT_CHANNEL,
    "413": Remedy.NEXT_CHANNEL,
    "401": Remedy.HALT,
}
"""What each refusal means (RFC 8030, 5 and 7.3; RFC 8292, 4.2); others mean the next channel."""


class WebPush:
    """Sends a push to one browser; a repeat replaces what the push service has not brought yet."""

    def __init__(self, settings: WebPushSettings, clock: Clock | None = None) -> None:
        """Read the key.

        Raises:
            InvalidInputError: It is none.
        """
        self._settings = settings
        self._clock = clock or SystemClock()
        self._key = key_of(settings)
        self._public = _public_half(self._key)
        self._tokens: dict[str, tuple[datetime, str]] = {}
        self._http: ClientSession | None = None

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
        """Push services tell nothing after their answer."""
        return Receipts.NONE

    @property
    def looks_up(self) -> bool:
        """A push service cannot be asked what became of a push."""
        return False

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Hand the message over; every failure is an answer, never an exception."""
        browser = subscription_of(message.address)
        if browser is None:
            return _rejected("404", Remedy.BAD_ADDRESS)
        payload = _payload(message)
        if len(payload) > _LONGEST_TEXT:
            return _rejected("too_long", Remedy.NEXT_CHANNEL)
        try:
            private = self._settings.private
            check_url(browser.endpoint, private=private, setting="TELLAL_WEB_PUSH__PRIVATE")
            content = _encrypted(payload, browser)
        except InvalidInputError:
            return _rejected("private_address", Remedy.BAD_ADDRESS)
        except ValueError:
            return _rejected("400", Remedy.BAD_ADDRESS)
        return await self._post(message, browser.endpoint, content)

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Return None: push services cannot be asked."""
        del message, since
        return None

    async def close(self) -> None:
        """Give the connections back."""
        if self._http is not None:
            await self._http.close()

    async def _post(self, message: OutgoingMessage, endpoint: str, content: bytes) -> HandOver:
        now = self._clock.now()
        try:
            async with self._client().post(
                # As the push service wrote it: whoever writes it otherwise may not be let in.
                URL(endpoint, encoded=True),
                data=content,
                headers=self._headers(message, endpoint, now),
                allow_redirects=False,
            ) as answer:
                return _classified(answer, now)
        except ClientConnectorError as error:
            # No connection was made, so nothing can have left.
            if isinstance(error.os_error, PrivateAddressError):
                return _rejected("private_address", Remedy.BAD_ADDRESS)
            return _rejected("unreachable", Remedy.RETRY)
        except ConnectionTimeoutError:
            return _rejected("unreachable", Remedy.RETRY)
        except InvalidURL:
            return _rejected("unsendable", Remedy.BAD_ADDRESS)
        except (TimeoutError, ClientError, OSError) as error:
            late = isinstance(error, TimeoutError)
            return _ambiguous("timeout" if late else "connection_lost")

    def _client(self) -> ClientSession:
        # It belongs to the loop in which it is made, and senders are made before there is one.
        if self._http is None:
            self._http = open_internet(
                self._settings.timeout_s, private=self._settings.private, at_once=_CONNECTIONS
            )
        return self._http

    def _headers(self, message: OutgoingMessage, endpoint: str, now: datetime) -> dict[str, str]:
        wanted = _LONGEST_TTL_S if message.validity_s is None else message.validity_s
        return {
            "Authorization": f"vapid t={self._token(endpoint, now)}, k={self._public}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(min(wanted, _LONGEST_TTL_S)),
            "Urgency": _URGENCY[message.lane],
            # A push of the same topic is replaced (up to 32 letters; ours has 26).
            "Topic": message.id,
        }

    def _token(self, endpoint: str, now: datetime) -> str:
        """Return our word for who we are to a push service, a new one when it is time."""
        parts = urlsplit(endpoint)
        origin = f"{parts.scheme}://{parts.netloc}"
        signed_at, token = self._tokens.get(origin, (now - _SIGNED_FOR, ""))
        if now - signed_at >= _RENEWED_AFTER:
            claims = {
                "aud": origin,
                "exp": int((now + _SIGNED_FOR).timestamp()),
                "sub": self._settings.subject,
            }
            token = jwt.encode(claims, self._key, algorithm="ES256")
            if len(self._tokens) >= _MOST_TOKENS:
                self._tokens.clear()
            self._tokens[origin] = now, token
        return token


def key_of(settings: WebPushSettings) -> ec.EllipticCurvePrivateKey:
    """Read our key.

    Raises:
        InvalidInputError: It is none.
    """
    try:
        written = settings.key.get_secret_value().encode()
        if settings.key_file is not None:
            written = settings.key_file.read_bytes()
        key = serialization.load_pem_private_key(written, password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _no_key() from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise _no_key()
    return key


def public_key_of(settings: WebPushSettings) -> str:
    """Return the key that browsers subscribe with (`applicationServerKey`), in base64url.

    Raises:
        InvalidInputError: There is none.
    """
    return _public_half(key_of(settings))


def _public_half(key: ec.EllipticCurvePrivateKey) -> str:
    point = serialization.PublicFormat.UncompressedPoint
    return unpadded(key.public_key().public_bytes(serialization.Encoding.X962, point))


def _no_key() -> InvalidInputError:
    return InvalidInputError(
        "the key for pushes to browsers cannot be read",
        field="TELLAL_WEB_PUSH__KEY_FILE",
        hint="make one: openssl ecparam -genkey -noout -name prime256v1 -out web-push.pem",
    )


def _payload(message: OutgoingMessage) -> bytes:
    document = {
        "title": message.subject,
        "body": message.text,
        "message_id": message.id,
        "attempt": str(message.attempt),
        "topic": message.topic,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _encrypted(payload: bytes, browser: Subscription) -> bytes:
    encrypted: bytes = http_ece.encrypt(
        payload,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=browser.key,
        auth_secret=browser.secret,
        version="aes128gcm",
    )
    return encrypted


def _classified(answer: ClientResponse, now: datetime) -> HandOver:
    code = str(answer.status)
    if answer.status < _FIRST_REDIRECT:
        # Where the push service keeps it, relative to itself or not.
        reference = urljoin(str(answer.url), answer.headers.get("Location", ""))
        return HandOver(answer=Answer.ACCEPTED, provider=_PROVIDER, reference=reference)
    if answer.status == _TOO_MANY:
        pause = pause_of(answer.headers.get("Retry-After", ""), now) or _PAUSE_S
        return _rejected(code, Remedy.RETRY, pause)
    if answer.status >= _FIRST_SERVER_ERROR or answer.status < _FIRST_REFUSAL:
        return _ambiguous(code)
    return _rejected(code, CODES.get(code, Remedy.NEXT_CHANNEL))


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
