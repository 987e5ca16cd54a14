"""Apple Push Notification service: `/3/device/…`, in Apple's own shapes.

Apple speaks HTTP/2 over TLS alone; put a server in front that does where a client insists on it.
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from tellal.carrier.book import ACCEPTED, Book, Entry
from tellal.carrier.connection import hold, tear
from tellal.carrier.faults import AFTER_ACCEPT, HELD, TORN, Fault, FaultKind, Faults
from tellal.carrier.settings import CarrierSettings
from tellal.domain.channels import Channel
from tellal.domain.push import APPLE

_DEVICE = re.compile(r"[0-9a-f]{64,200}")
_LARGEST = 4096
_KEPT_HEADERS = ("user-agent", "apns-topic", "apns-push-type", "apns-priority", "apns-expiration")
_OLDEST_S = 3600

STATUSES: Mapping[str, int] = {
    "BadDeviceToken": 400,
    "BadCollapseId": 400,
    "BadTopic": 400,
    "DeviceTokenNotForTopic": 400,
    "MissingTopic": 400,
    "PayloadEmpty": 400,
    "TopicDisallowed": 400,
    "IdleTimeout": 400,
    "ExpiredProviderToken": 403,
    "Forbidden": 403,
    "InvalidProviderToken": 403,
    "MissingProviderToken": 403,
    "BadPath": 404,
    "ExpiredToken": 410,
    "Unregistered": 410,
    "PayloadTooLarge": 413,
    "TooManyProviderTokenUpdates": 429,
    "TooManyRequests": 429,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "Shutdown": 503,
}
"""Reasons with the status in which Apple says them."""
_CODE_OF: Mapping[FaultKind, str] = {
    FaultKind.TOO_MANY: "TooManyRequests",
    FaultKind.ERROR_BEFORE_ACCEPT: "InternalServerError",
    FaultKind.ERROR_AFTER_ACCEPT: "InternalServerError",
    FaultKind.UNAVAILABLE_PAGE: "ServiceUnavailable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApnsCounter:
    """The handler of notifications, over the simulator's parts."""

    settings: CarrierSettings
    book: Book
    faults: Faults

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["APNs"])
        router.add_api_route("/3/device/{device}", self.send, methods=["POST"])
        return router

    async def send(self, request: Request) -> Response:
        """Take a push, or refuse it, or misbehave as a fault says."""
        body, device = await request.body(), str(request.path_params["device"]).lower()
        wrong = self._wrong_token(request) or _wrong(request, device, body)
        if wrong:
            return _refusal(request, wrong)
        entry = _entry(request, device, body)
        fault = self.faults.of_request(
            channel=Channel.PUSH, to=entry.to, text=entry.text, provider="apns"
        )
        if fault is not None:
            return await self._misbehave(request, entry, fault)
        self._accept(request, entry)
        return Response(status_code=200, headers={"apns-id": entry.reference})

    def _wrong_token(self, request: Request) -> str:
        """Check the provider's token: its form and age; the signature where the key is known."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return "MissingProviderToken"
        try:
            said = jwt.decode(
                token,
                self.settings.apns_key,
                algorithms=["ES256"],
                options={"verify_signature": bool(self.settings.apns_key), "verify_iat": False},
            )
            age = datetime.now(UTC).timestamp() - float(said["iat"])
        except (jwt.PyJWTError, KeyError, ValueError, TypeError):
            return "InvalidProviderToken"
        if said.get("iss") != self.settings.apns_team:
            return "InvalidProviderToken"
        return "ExpiredProviderToken" if age > _OLDEST_S else ""

    def _accept(self, request: Request, entry: Entry) -> None:
        entry.reference, entry.status = _id_of(request), "accepted"
        self.book.add(entry)

    async def _misbehave(self, request: Request, entry: Entry, fault: Fault) -> Response:
        code = _CODE_OF.get(fault.fault, fault.code)
        entry.told = 0 if fault.fault in HELD | TORN else STATUSES.get(code, 400)
        if fault.fault in AFTER_ACCEPT:
            self._accept(request, entry)
        else:
            entry.answer = code or fault.fault
            self.book.add(entry)
        if fault.fault in HELD:
            return await hold(request, self.settings.hang_s)
        if fault.fault in TORN:
            return tear(request)
        if fault.fault is FaultKind.UNAVAILABLE_PAGE:
            return HTMLResponse("<html><h1>503 Service Unavailable</h1></html>", 503)
        return _refusal(request, code, fault.retry_after)


def _wrong(request: Request, device: str, body: bytes) -> str:
    if not _DEVICE.fullmatch(device):
        return "BadDeviceToken"
    if not request.headers.get("apns-topic"):
        return "MissingTopic"
    if len(request.headers.get("apns-collapse-id", "").encode()) > 64:  # noqa: PLR2004 - Apple's
        return "BadCollapseId"
    if len(body) > _LARGEST:
        return "PayloadTooLarge"
    return "" if _mapping_in(body) else "PayloadEmpty"


def _mapping_in(body: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _entry(request: Request, device: str, body: bytes) -> Entry:
    document = _mapping_in(body)
    aps = document.get("aps")
    alert = aps.get("alert") if isinstance(aps, dict) else None
    shown = alert if isinstance(alert, dict) else {"body": alert or ""}
    data = {name: str(value) for name, value in document.items() if name != "aps"}
    return Entry(
        at=datetime.now(UTC),
        channel=Channel.PUSH,
        to=APPLE + device,
        answer=ACCEPTED,
        told=200,
        title=str(shown.get("title", "")),
        text=str(shown.get("body", "")),
        message_id=data.get("message_id", ""),
        attempt=data.get("attempt", ""),
        data=data,
        headers={name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers},
    )


def _id_of(request: Request) -> str:
    """Return the client's id of a notification, or make one, as Apple does."""
    return request.headers.get("apns-id") or str(uuid.uuid4()).upper()


def _refusal(request: Request, code: str, retry_after: float | None = None) -> Response:
    said: dict[str, object] = {"reason": code}
    status = STATUSES.get(code, 400)
    if status == 410:  # noqa: PLR2004 - since when it is so, in milliseconds
        said["timestamp"] = int(datetime.now(UTC).timestamp() * 1000)
    headers = {"apns-id": _id_of(request)}
    if retry_after is not None:
        headers["Retry-After"] = f"{retry_after:g}"
    return JSONResponse(said, status_code=status, headers=headers)
