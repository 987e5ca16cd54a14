"""Twilio's Messages resource, as the official client speaks to it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tellal.carrier.book import ACCEPTED, Book, Entry
from tellal.carrier.connection import hold, tear
from tellal.carrier.faults import AFTER_ACCEPT, HELD, TORN, Fault, FaultKind, Faults
from tellal.carrier.settings import CarrierSettings
from tellal.carrier.twilio_messages import TextMessage, TextMessages, Walk, new_sid
from tellal.carrier.twilio_pages import fitting, page
from tellal.carrier.twilio_requests import (
    RefusalError,
    Submission,
    authenticate,
    channel_of,
    form_of,
    number_of,
    submission,
)
from tellal.domain.channels import Channel

_RECEIPTCODES = (range(30000, 31000), range(63000, 64000))
_NO_SUCH_SENDER = 63007
"""The one code of WhatsApp's range that answers the request."""
_OUTSIDE_WINDOW = 63016
_PROVIDER = "twilio"
_MESSAGES = "/2010-04-01/Accounts/{account_sid}/Messages.json"
_MESSAGE = "/2010-04-01/Accounts/{account_sid}/Messages/{sid}.json"
_KEPT_HEADERS = ("user-agent", "x-twilio-client", "traceparent")


class Inbound(BaseModel):
    """A message that a person writes over WhatsApp; `at` is now unless it says when."""

    model_config = ConfigDict(extra="forbid")

    sender: str = Field(alias="from", pattern=r"^\+[1-9]\d{6,14}$")
    at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioCounter:
    """The handlers of the resource, over the simulator's parts."""

    settings: CarrierSettings
    book: Book
    faults: Faults
    messages: TextMessages
    walk: Walk

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["Twilio"])
        router.add_api_route(_MESSAGES, self.create, methods=["POST"], status_code=201)
        router.add_api_route(_MESSAGES, self.list, methods=["GET"])
        router.add_api_route(_MESSAGE, self.fetch, methods=["GET"])
        router.add_api_route(_MESSAGE, self.update, methods=["POST"])
        router.add_api_route(_MESSAGE, self.delete, methods=["DELETE"], status_code=204)
        router.add_api_route("/_carrier/inbound", self.inbound, methods=["POST"], status_code=204)
        return router

    async def create(self, request: Request) -> Response:
        """Take a message, or refuse it, or misbehave as a fault says."""
        form = await form_of(request)
        now = datetime.now(UTC)
        try:
            self._authenticate(request)
            wanted = submission(form, now)
        except RefusalError as refusal:
            self._refused(request, form.get("To", ""), refusal)
            raise
        fault = self.faults.of_request(
            channel=wanted.channel,
            to=number_of(wanted.to),
            text=wanted.body,
            provider=_PROVIDER,
        )
        if fault is None:
            return self._created(self._accept(request, wanted, now, told=201))
        return await self._misbehave(request, wanted, now, fault)

    async def _misbehave(
        self, request: Request, wanted: Submission, now: datetime, fault: Fault
    ) -> Response:
        if fault.fault is FaultKind.ERROR and _is_receipt_code(fault.code):
            return self._created(self._accept(request, wanted, now, told=201, fault=fault))
        code = CODES.get(fault.fault) or int(fault.code or 0)
        told = 0 if fault.fault in HELD | TORN else HTTP.get(code, 400)
        if fault.fault in AFTER_ACCEPT:
            self._accept(request, wanted, now, told=told)
        else:
            self.book.add(self._entry(request, wanted, now, str(code or fault.fault), told))
        if fault.fault in HELD:
            return await hold(request, self.settings.hang_s)
        if fault.fault in TORN:
            return tear(request)
        if fault.fault is FaultKind.UNAVAILABLE_PAGE:
            return HTMLResponse("<html><h1>503 Service Unavailable</h1></html>", 503)
        raise RefusalError(told, code, fault.retry_after)

    def _accept(
        self,
        request: Request,
        wanted: Submission,
        now: datetime,
        *,
        told: int,
        fault: Fault | None = None,
    ) -> TextMessage:
        entry = self._entry(request, wanted, now, ACCEPTED, told)
        message = _message(wanted, entry, self._fate_code(wanted, now, fault))
        back = self.faults.of_callbacks(
            channel=entry.channel, to=entry.to, text=wanted.body, provider=_PROVIDER
        )
        message.faults, message.late_s = back.kinds, back.late_s
        self.book.add(message.entry, message)
        self.messages.add(message)
        self.walk.begin(message)
        return message

    def _fate_code(self, wanted: Submission, now: datetime, fault: Fault | None) -> int | None:
        """Return the code with which the message will fail; None if it will arrive."""
        if fault is not None:
            return int(fault.code)
        is_free = wanted.channel is Channel.WHATSAPP and not wanted.content
        if is_free and not self.messages.takes_free_text(number_of(wanted.to), now):
            return _OUTSIDE_WINDOW
        return None

    def _entry(
        self, request: Request, wanted: Submission, now: datetime, answer: str, told: int
    ) -> Entry:
        return Entry(
            at=now,
            channel=wanted.channel,
            to=number_of(wanted.to),
            sender=number_of(wanted.sender) or wanted.service,
            text=wanted.body,
            answer=answer,
            told=told,
            message_id=wanted.callback_value("m"),
            attempt=wanted.callback_value("a"),
            validity_s=wanted.validity_s,
            data=_content_of(wanted),
            headers=worth_knowing(request),
        )

    def _refused(self, request: Request, to: str, refusal: RefusalError) -> None:
        self.book.add(
            Entry(
                at=datetime.now(UTC),
                channel=channel_of(to),
                to=number_of(to),
                answer=str(refusal.code),
                told=refusal.status,
                headers=worth_knowing(request),
            )
        )

    def _authenticate(self, request: Request) -> None:
        authenticate(
            request,
            account_sid=self.settings.account_sid,
            auth_token=self.settings.auth_token,
        )

    def _created(self, message: TextMessage) -> Response:
        return JSONResponse(message.as_resource(self.settings.account_sid), status_code=201)

    async def fetch(self, request: Request) -> Response:
        """Return one message."""
        return JSONResponse(self._known(request).as_resource(self.settings.account_sid))

    async def update(self, request: Request) -> Response:
        """Cancel a scheduled message, or redact a body."""
        form = await form_of(request)
        message = self._known(request)
        if form.get("Status") == "canceled":
            if message.status != "scheduled":
                raise RefusalError(409, 30409)
            message.status = message.entry.status = "canceled"
            message.updated = datetime.now(UTC)
            await self.walk.tell(message, "canceled")
        elif form.get("Body") == "":
            message.body = ""
        self.walk.note(message)
        return JSONResponse(message.as_resource(self.settings.account_sid))

    async def delete(self, request: Request) -> Response:
        """Delete a message with its text; one that is under way is not deleted yet."""
        message = self._known(request)
        if not message.arrived:
            raise RefusalError(409, 20009)
        message.deleted, message.body = True, ""
        self.walk.note(message)
        return Response(status_code=204)

    async def inbound(self, message: Inbound) -> None:
        """Let a person write over WhatsApp, which opens the 24 hours for free text."""
        self.messages.person_wrote(message.sender, message.at or datetime.now(UTC))

    def _known(self, request: Request) -> TextMessage:
        self._authenticate(request)
        message = self.messages.get(request.path_params["sid"])
        if message is None:
            raise RefusalError(404, 20404)
        return message

    async def list(self, request: Request) -> Response:
        """Return a page of messages, newest first."""
        self._authenticate(request)
        try:
            shown = page(request, fitting(request, self.messages), self.settings.account_sid)
        except ValueError as error:
            raise RefusalError(400, 20001) from error
        return JSONResponse(shown)


async def refused(_: Request, refusal: Exception) -> Response:
    """Answer a refusal, wherever it was raised."""
    if not isinstance(refusal, RefusalError):
        raise refusal
    return refusal.answer()


CODES = {
    FaultKind.TOO_MANY: 20429,
    FaultKind.ERROR_BEFORE_ACCEPT: 20500,
    FaultKind.ERROR_AFTER_ACCEPT: 20500,
    FaultKind.UNAVAILABLE_PAGE: 20503,
}
"""What Twilio says of a misbehaviour, where it says anything."""
_NEVER_LEFT = frozenset({30001, 30002, 30034, 30036, _OUTSIDE_WINDOW})
HTTP = {20003: 401, 20404: 404, 20429: 429, 20500: 500, 20503: 503}
"""The status with which a code is told, if it is not 400."""


def _message(wanted: Submission, entry: Entry, fate_code: int | None) -> TextMessage:
    first = "scheduled" if wanted.send_at else "accepted" if wanted.service else "queued"
    entry.reference, entry.status = new_sid(), first
    return TextMessage(
        sid=entry.reference,
        to=wanted.to,
        sender=wanted.sender,
        # Twilio shows the approved text filled in; the simulator does not know its words.
        body=wanted.body or f"{wanted.content} {wanted.variables}".rstrip(),
        status=first,
        created=entry.at,
        updated=entry.at,
        entry=entry,
        service=wanted.service,
        status_callback=wanted.status_callback,
        send_at=wanted.send_at,
        fate=_fate(wanted.channel, fate_code),
        fate_code=fate_code,
    )


def _is_receipt_code(code: str) -> bool:
    number = int(code) if code.isdecimal() else 0
    return number != _NO_SUCH_SENDER and any(number in codes for codes in _RECEIPTCODES)


def _fate(channel: Channel, code: int | None) -> str:
    """Say how a message ends; one that fails does so before it left Twilio, or at the carrier."""
    if code is None:
        return "read" if channel is Channel.WHATSAPP else "delivered"
    return "failed" if code in _NEVER_LEFT else "undelivered"


def _content_of(wanted: Submission) -> dict[str, str]:
    return {"content": wanted.content, "variables": wanted.variables} if wanted.content else {}


def worth_knowing(request: Request) -> dict[str, str]:
    """Return the headers of a request that the book keeps."""
    return {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
