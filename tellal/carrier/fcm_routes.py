"""Firebase Cloud Messaging, HTTP v1: `messages:send`, in Google's own shapes."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from tellal.carrier.book import ACCEPTED, Book, Entry
from tellal.carrier.connection import hold, tear
from tellal.carrier.faults import AFTER_ACCEPT, HELD, TORN, Fault, FaultKind, Faults
from tellal.carrier.settings import CarrierSettings
from tellal.domain.channels import Channel

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_KEPT_HEADERS = ("user-agent", "x-firebase-client", "traceparent")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """How Google writes an error: HTTP status, its general status, words."""

    http: int
    status: str
    words: str


_REFUSALS: Mapping[str, _Refusal] = {
    "UNREGISTERED": _Refusal(http=404, status="NOT_FOUND", words="Entity was not found."),
    "INVALID_ARGUMENT": _Refusal(
        http=400,
        status="INVALID_ARGUMENT",
        words="The registration token is not a valid FCM registration token",
    ),
    "QUOTA_EXCEEDED": _Refusal(
        http=429, status="RESOURCE_EXHAUSTED", words="Quota exceeded for sending."
    ),
    "UNAVAILABLE": _Refusal(
        http=503, status="UNAVAILABLE", words="The service is currently unavailable."
    ),
    "INTERNAL": _Refusal(http=500, status="INTERNAL", words="Internal error encountered."),
    "SENDER_ID_MISMATCH": _Refusal(http=403, status="PERMISSION_DENIED", words="SenderId mismatch"),
    "THIRD_PARTY_AUTH_ERROR": _Refusal(
        http=401, status="UNAUTHENTICATED", words="APNs certificate or key was invalid"
    ),
}

_CODE_OF: Mapping[FaultKind, str] = {
    FaultKind.TOO_MANY: "QUOTA_EXCEEDED",
    FaultKind.ERROR_BEFORE_ACCEPT: "INTERNAL",
    FaultKind.ERROR_AFTER_ACCEPT: "INTERNAL",
    FaultKind.UNAVAILABLE_PAGE: "UNAVAILABLE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FcmCounter:
    """The handler of `messages:send`, over the simulator's parts."""

    settings: CarrierSettings
    book: Book
    faults: Faults

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["FCM"])
        router.add_api_route("/v1/projects/{project}/messages:send", self.send, methods=["POST"])
        return router

    async def send(self, request: Request) -> Response:
        """Take a push, or refuse it, or misbehave as a fault says."""
        given = f"Bearer {self.settings.fcm_bearer}"
        authorization = request.headers.get("authorization", "")
        if not secrets.compare_digest(authorization.encode(), given.encode()):
            return _plain_refusal(401, "UNAUTHENTICATED", "Invalid authentication credentials.")
        if request.path_params["project"] != self.settings.fcm_project:
            return _plain_refusal(404, "NOT_FOUND", "The project was not found.")
        try:
            message = _message_of(await request.body())
        except ValueError as error:
            return _bad_payload(str(error))
        entry = self._entry(request, message)
        fault = self.faults.of_request(
            channel=Channel.PUSH, to=entry.to, text=entry.text, provider="fcm"
        )
        if fault is None:
            return self._taken(entry)
        return await self._misbehave(request, entry, fault)

    def _entry(self, request: Request, message: Mapping[str, object]) -> Entry:
        notification = _mapping(message.get("notification"))
        data = {str(name): str(value) for name, value in _mapping(message.get("data")).items()}
        return Entry(
            at=datetime.now(UTC),
            channel=Channel.PUSH,
            to=str(message.get("token") or message.get("fid") or ""),
            answer=ACCEPTED,
            told=200,
            title=str(notification.get("title", "")),
            text=str(notification.get("body", "")),
            message_id=data.get("message_id", ""),
            attempt=data.get("attempt", ""),
            data=data,
            headers={
                name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers
            },
        )

    def _taken(self, entry: Entry) -> Response:
        self._accept(entry)
        return JSONResponse({"name": entry.reference})

    def _accept(self, entry: Entry) -> None:
        entry.reference = f"projects/{self.settings.fcm_project}/messages/{secrets.token_hex(8)}"
        entry.status = "accepted"
        self.book.add(entry)

    async def _misbehave(self, request: Request, entry: Entry, fault: Fault) -> Response:
        code = _CODE_OF.get(fault.fault, fault.code)
        told = _REFUSALS.get(code, _REFUSALS["INTERNAL"]).http
        entry.told = 0 if fault.fault in HELD | TORN else told
        if fault.fault in AFTER_ACCEPT:
            self._accept(entry)
        else:
            entry.answer = code or fault.fault
            self.book.add(entry)
        if fault.fault in HELD:
            return await hold(request, self.settings.hang_s)
        if fault.fault in TORN:
            return tear(request)
        if fault.fault is FaultKind.UNAVAILABLE_PAGE:
            return HTMLResponse("<html><h1>503 Service Unavailable</h1></html>", 503)
        return _fcm_refusal(code, fault.retry_after)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _message_of(body: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ValueError("Invalid JSON payload received.") from error
    message = _mapping(_mapping(document).get("message"))
    if not message:
        raise ValueError("The message is missing.")
    if sum(bool(message.get(target)) for target in ("token", "fid", "topic", "condition")) != 1:
        raise ValueError("Recipient of the message is not set.")
    data = _mapping(message.get("data"))
    if not all(isinstance(value, str) for value in data.values()):
        raise ValueError("Invalid value at 'message.data': only strings are allowed.")
    return message


def _fcm_refusal(code: str, retry_after: float | None) -> Response:
    refusal = _REFUSALS.get(code, _REFUSALS["INTERNAL"])
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    error = {
        "code": refusal.http,
        "message": refusal.words,
        "status": refusal.status,
        "details": [{"@type": _FCM_ERROR, "errorCode": code}],
    }
    return JSONResponse({"error": error}, status_code=refusal.http, headers=headers)


def _plain_refusal(http: int, status: str, words: str) -> Response:
    error = {"code": http, "message": words, "status": status}
    return JSONResponse({"error": error}, status_code=http)


def _bad_payload(words: str) -> Response:
    violation = {"field": "message", "description": words}
    error = {
        "code": 400,
        "message": words,
        "status": "INVALID_ARGUMENT",
        "details": [
            {"@type": _FCM_ERROR, "errorCode": "INVALID_ARGUMENT"},
            {"@type": _BAD_REQUEST, "fieldViolations": [violation]},
        ],
    }
    return JSONResponse({"error": error}, status_code=400)
