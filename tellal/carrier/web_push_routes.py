"""A push service for browsers (RFC 8030), and the browsers that subscribe at it.

It checks who pushes (RFC 8292) and decrypts as a browser does (RFC 8291): only what a browser could
have shown is in the book.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import http_ece
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from tellal.carrier.book import ACCEPTED, Book, Entry
from tellal.carrier.connection import hold, tear
from tellal.carrier.faults import AFTER_ACCEPT, HELD, TORN, Fault, FaultKind, Faults
from tellal.carrier.settings import CarrierSettings
from tellal.domain.channels import Channel
from tellal.domain.push import octets_of, unpadded

_PROVIDER = "web_push"
_LARGEST = 4096
_LONGEST_TOKEN_S = 86_400
_KEPT_HEADERS = ("ttl", "urgency", "topic", "user-agent", "content-encoding")
_VAPID = re.compile(r"vapid t=(?P<token>[^,\s]+), ?k=(?P<key>[A-Za-z0-9_-]+)")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{0,32}")
_STATUS_OF: Mapping[FaultKind, int] = {
    FaultKind.TOO_MANY: 429,
    FaultKind.ERROR_BEFORE_ACCEPT: 500,
    FaultKind.ERROR_AFTER_ACCEPT: 500,
    FaultKind.UNAVAILABLE_PAGE: 503,
}


class Wish(BaseModel):
    """A page's wish to push to a browser; with a key nobody else may."""

    model_config = ConfigDict(extra="forbid")

    application_server_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Browser:
    """One subscription, with what only the browser has."""

    key: ec.EllipticCurvePrivateKey
    secret: bytes
    only: str

    def public(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )


class _RefusalError(Exception):
    """What the push service answers instead of taking a push."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPushCounter:
    """The handlers, over the simulator's parts."""

    settings: CarrierSettings
    book: Book
    faults: Faults
    browsers: dict[str, _Browser | None] = field(default_factory=dict)
    """By the names in their endpoints; None has unsubscribed."""

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(prefix="/web-push", tags=["Web Push"])
        router.add_api_route("/subscriptions", self.subscribe, methods=["POST"], status_code=201)
        router.add_api_route(
            "/subscriptions/{name}", self.unsubscribe, methods=["DELETE"], status_code=204
        )
        router.add_api_route("/send/{name}", self.send, methods=["POST"], response_model=None)
        return router

    async def subscribe(self, request: Request, wish: Wish) -> dict[str, object]:
        """Let a new browser subscribe; return what `PushSubscription.toJSON()` gives there."""
        name = secrets.token_urlsafe(24)
        browser = _Browser(
            key=ec.generate_private_key(ec.SECP256R1()),
            secret=secrets.token_bytes(16),
            only=wish.application_server_key,
        )
        self.browsers[name] = browser
        return {
            "endpoint": f"{str(request.base_url).rstrip('/')}/web-push/send/{name}",
            "expirationTime": None,
            "keys": {"p256dh": unpadded(browser.public()), "auth": unpadded(browser.secret)},
        }

    async def unsubscribe(self, name: str) -> None:
        """Let a browser be gone."""
        self.browsers[name] = None

    async def send(self, request: Request, name: str) -> Response:
        """Take a push, or refuse it, or misbehave as a fault says."""
        body = await request.body()
        try:
            entry = self._read(request, name, body)
        except _RefusalError as refusal:
            entry = _entry(request, {})
            entry.answer, entry.told = str(refusal.status), refusal.status
            self.book.add(entry)
            return Response(str(refusal), status_code=refusal.status)
        fault = self.faults.of_request(
            channel=Channel.PUSH, to=entry.to, text=entry.text, provider=_PROVIDER
        )
        if fault is not None:
            return await self._misbehave(request, entry, fault)
        return self._taken(entry)

    def _read(self, request: Request, name: str, body: bytes) -> Entry:
        browser = self.browsers.get(name)
        if browser is None:
            raise _RefusalError(410 if name in self.browsers else 404, "no such subscription")
        _check_form(request, body)
        _check_who(request, browser.only)
        try:
            plain = http_ece.decrypt(
                body,
                private_key=browser.key,
                auth_secret=browser.secret,
                version="aes128gcm",
            )
            document = json.loads(plain)
        except (http_ece.ECEException, ValueError) as error:
            raise _RefusalError(400, "the browser cannot read it") from error
        return _entry(request, document if isinstance(document, dict) else {"body": document})

    def _taken(self, entry: Entry) -> Response:
        entry.reference, entry.status = f"/web-push/message/{secrets.token_hex(8)}", "accepted"
        self.book.add(entry)
        return Response(status_code=201, headers={"Location": entry.reference})

    async def _misbehave(self, request: Request, entry: Entry, fault: Fault) -> Response:
        status = _STATUS_OF.get(fault.fault) or (int(fault.code) if fault.code else 0)
        entry.told = 0 if fault.fault in HELD | TORN else status
        if fault.fault in AFTER_ACCEPT:
            self._taken(entry)
        else:
            entry.answer = str(status or fault.fault.value)
            self.book.add(entry)
        if fault.fault in HELD:
            return await hold(request, self.settings.hang_s)
        if fault.fault in TORN:
            return tear(request)
        asked = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
        return Response(status_code=status, headers=asked)


def _check_form(request: Request, body: bytes) -> None:
    if len(body) > _LARGEST:
        raise _RefusalError(413, f"more than {_LARGEST} octets")
    if not request.headers.get("ttl", "").isdecimal():
        raise _RefusalError(400, "no TTL")
    if not _TOPIC.fullmatch(request.headers.get("topic", "")):
        raise _RefusalError(400, "no topic of 32 letters at most")
    if request.headers.get("content-encoding") != "aes128gcm":
        raise _RefusalError(400, "it is encrypted in no way that there is")


def _check_who(request: Request, only: str) -> None:
    """Refuse whoever does not say who he is, or is not the one for whom the browser subscribed."""
    said = _VAPID.fullmatch(request.headers.get("authorization", ""))
    if said is None:
        raise _RefusalError(401, "it does not say who pushes")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), octets_of(said["key"]))
        claims = jwt.decode(
            said["token"],
            key,
            algorithms=["ES256"],
            audience=str(request.base_url).rstrip("/"),
            options={"require": ["exp", "aud", "sub"]},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise _RefusalError(401, "who pushes cannot be believed") from error
    if claims["exp"] > datetime.now(UTC).timestamp() + _LONGEST_TOKEN_S:
        raise _RefusalError(401, "it is believed for a day at most")
    if only and only != said["key"]:
        raise _RefusalError(403, "the browser has subscribed with another key")


def _entry(request: Request, document: Mapping[str, object]) -> Entry:
    shown = {name: str(value) for name, value in document.items()}
    return Entry(
        at=datetime.now(UTC),
        channel=Channel.PUSH,
        to=str(request.url),
        answer=ACCEPTED,
        told=201,
        title=shown.pop("title", ""),
        text=shown.pop("body", ""),
        message_id=shown.get("message_id", ""),
        attempt=shown.get("attempt", ""),
        data=shown,
        headers={name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers},
    )
