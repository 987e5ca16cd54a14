"""Twilio's Calls resource over HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from tellal.carrier.book import ACCEPTED, Book
from tellal.carrier.connection import hold, tear
from tellal.carrier.faults import AFTER_ACCEPT, HELD, TORN, Fault, FaultKind, Faults
from tellal.carrier.settings import CarrierSettings
from tellal.carrier.twilio_calls import FATES, Exchange, PhoneCall, Wanted, entry_of, wanted
from tellal.carrier.twilio_requests import RefusalError, authenticate
from tellal.carrier.twilio_routes import CODES, HTTP, worth_knowing
from tellal.domain.channels import Channel

_CALLS = "/2010-04-01/Accounts/{account_sid}/Calls.json"
_CALL = "/2010-04-01/Accounts/{account_sid}/Calls/{sid}.json"
_PROVIDER = "twilio"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCounter:
    """The handlers of the resource, over the simulator's parts."""

    settings: CarrierSettings
    book: Book
    faults: Faults
    exchange: Exchange

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["Twilio"])
        router.add_api_route(_CALLS, self.create, methods=["POST"], status_code=201)
        router.add_api_route(_CALLS, self.list, methods=["GET"])
        router.add_api_route(_CALL, self.fetch, methods=["GET"])
        router.add_api_route(_CALL, self.delete, methods=["DELETE"], status_code=204)
        return router

    async def create(self, request: Request) -> Response:
        """Make a call, or refuse to, or misbehave as a fault says."""
        self._authenticate(request)
        asked = wanted((await request.body()).decode())
        fault = self.faults.of_request(
            channel=Channel.CALL, to=asked.to, text=asked.said, provider=_PROVIDER
        )
        if fault is None:
            return self._created(self._ring(request, asked, told=201))
        if fault.fault is FaultKind.ERROR and fault.code in FATES:
            return self._created(self._ring(request, asked, told=201, fate=fault.code))
        return await self._misbehave(request, asked, fault)

    async def _misbehave(self, request: Request, asked: Wanted, fault: Fault) -> Response:
        code = CODES.get(fault.fault) or int(fault.code or 0)
        told = 0 if fault.fault in HELD | TORN else HTTP.get(code, 400)
        if fault.fault in AFTER_ACCEPT:
            self._ring(request, asked, told=told)
        else:
            answer = str(code or fault.fault)
            self.book.add(entry_of(asked, answer, told, worth_knowing(request)))
        if fault.fault in HELD:
            return await hold(request, self.settings.hang_s)
        if fault.fault in TORN:
            return tear(request)
        if fault.fault is FaultKind.UNAVAILABLE_PAGE:
            return HTMLResponse("<html><h1>503 Service Unavailable</h1></html>", 503)
        raise RefusalError(told, code, fault.retry_after)

    def _ring(
        self, request: Request, asked: Wanted, *, told: int, fate: str = "completed"
    ) -> PhoneCall:
        entry = entry_of(asked, ACCEPTED, told, worth_knowing(request))
        call = PhoneCall(
            wanted=asked,
            entry=entry,
            fate=fate,
            error_code="13224" if fate == "failed" else "",
            faults=self.faults.of_callbacks(
                channel=Channel.CALL, to=asked.to, text=asked.said, provider=_PROVIDER
            ).kinds,
        )
        self.exchange.begin(call)
        self.book.add(entry)
        return call

    def _created(self, call: PhoneCall) -> Response:
        return JSONResponse(call.as_resource(self.settings.account_sid), status_code=201)

    async def list(self, request: Request) -> Response:
        """Return calls, newest first, on one page."""
        self._authenticate(request)
        size = int(request.query_params.get("PageSize", "50"))
        there = self.exchange.newest_first(request.query_params.get("To", ""))[:size]
        account = self.settings.account_sid
        return JSONResponse(
            {
                "calls": [one.as_resource(account) for one in there],
                "next_page_uri": None,
                "page": 0,
                "page_size": size,
                "uri": request.url.path,
            }
        )

    async def fetch(self, request: Request) -> Response:
        """Return one call."""
        return JSONResponse(self._known(request).as_resource(self.settings.account_sid))

    async def delete(self, request: Request) -> Response:
        """Delete the record of a call; one that goes on is not deleted yet."""
        call = self._known(request)
        if not call.is_over:
            raise RefusalError(409, 20009)
        call.deleted, call.updated = True, datetime.now(UTC)
        return Response(status_code=204)

    def _known(self, request: Request) -> PhoneCall:
        self._authenticate(request)
        call = self.exchange.get(request.path_params["sid"])
        if call is None:
            raise RefusalError(404, 20404)
        return call

    def _authenticate(self, request: Request) -> None:
        settings = self.settings
        authenticate(request, account_sid=settings.account_sid, auth_token=settings.auth_token)
