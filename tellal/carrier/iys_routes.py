"""İYS' API as documented (dev.iys.org.tr), as one brand's sender sees it."""

import csv
import io
import time
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from tellal.carrier.connection import hold, tear
from tellal.carrier.faults import AFTER_ACCEPT, HELD, TORN, Fault, FaultKind, Faults
from tellal.carrier.iys_rules import TURKEY, error
from tellal.carrier.iys_store import IysStore, Lot
from tellal.carrier.settings import CarrierSettings

_MOST_IN_A_BATCH, _FILE_DAYS = 1000, 7
_BAD, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _WRONG = 400, 401, 403, 404, 422
_HEADING = (
    "creationDate", "transactionId", "recipient", "recipientType", "type", "status", "consentDate",
    "source",
)  # fmt: skip
_ROLES = frozenset({"BIREYSEL", "TACIR"})

Body_ = Annotated[Any, Body()]


class IysRefusalError(Exception):
    """The request is answered with codes of İYS'."""

    def __init__(
        self, status: int, *errors: dict[str, object], retry_after: float | None = None
    ) -> None:
        super().__init__(str(status))
        self.status = status
        self.errors = errors
        self.retry_after = retry_after

    def answer(self) -> JSONResponse:
        """Write the refusal as İYS does."""
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        return JSONResponse({"errors": list(self.errors)}, self.status, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class IysCounter:
    """The handlers, over the simulator's parts."""

    settings: CarrierSettings
    faults: Faults
    store: IysStore

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["İYS"])
        brand = "/sps/{iys_code}/brands/{brand}"
        router.add_api_route("/oauth2/token", self.token, methods=["POST"])
        router.add_api_route(f"{brand}/consents", self.add, methods=["POST"])
        router.add_api_route(f"{brand}/consents/request", self.add_batch, methods=["POST"])
        router.add_api_route(f"{brand}/consents/request/{{name}}", self.lot, methods=["GET"])
        router.add_api_route(f"{brand}/consents/status", self.status, methods=["POST"])
        router.add_api_route(f"{brand}/consents/changes", self.changes, methods=["GET"])
        router.add_api_route(f"{brand}/changes/{{day}}/file", self.file, methods=["GET"])
        router.add_api_route(
            f"{brand}/changes/{{day}}/recipients/{{role}}", self.summary, methods=["GET"]
        )
        return router

    async def token(self, document: Body_) -> Response:
        """Give out a token for a password, or a new one for a token that renews."""
        asked = document if isinstance(document, dict) else {}
        if asked.get("grant_type") == "refresh_token":
            if not self.store.renews(str(asked.get("refresh_token") or "")):
                raise IysRefusalError(_UNAUTHORIZED, error("H351"))
            self.store.refreshes += 1
        else:
            given = (asked.get("grant_type"), asked.get("username"), asked.get("password"))
            wanted = ("password", self.settings.iys_username, self.settings.iys_password)
            if given != wanted:
                raise IysRefusalError(_UNAUTHORIZED, error("H251"))
            self.store.logins += 1
        lives = {"token_s": self.settings.iys_token_s, "refresh_s": self.settings.iys_refresh_s}
        return JSONResponse(self.store.login(**lives))

    async def add(self, request: Request, iys_code: int, brand: int, document: Body_) -> Response:
        """Take one record down."""
        fault = self._let_in(request, iys_code)
        record = document if isinstance(document, dict) else {}
        if fault is not None and fault.fault not in AFTER_ACCEPT:
            return await self._misbehave(request, fault)
        outcome = self.store.put(brand, record)
        if fault is not None:
            return await self._misbehave(request, fault)
        if outcome.movement is None:
            status = _BAD if outcome.well_formed else _WRONG
            raise IysRefusalError(status, *map(dict, outcome.errors))
        said = outcome.movement.as_json()
        return JSONResponse({name: said[name] for name in ("transactionId", "creationDate")})

    async def add_batch(
        self, request: Request, iys_code: int, brand: int, document: Body_
    ) -> Response:
        """Queue many records."""
        fault = self._let_in(request, iys_code)
        if fault is not None and fault.fault not in AFTER_ACCEPT:
            return await self._misbehave(request, fault)
        records = document if isinstance(document, list) else []
        if not 1 <= len(records) <= _MOST_IN_A_BATCH:
            raise IysRefusalError(_WRONG, error("H125"))
        keys = [tuple(str(one.get(n)).lower() for n in _HEADING[2:5]) for one in records]
        if len(set(keys)) < len(keys):
            raise IysRefusalError(_WRONG, error("H194"))
        name, lot = self.store.queue(brand, records, self.settings.iys_batch_after_s)
        if fault is not None:
            return await self._misbehave(request, fault)
        listed = [
            {"subrequestId": part, **record}
            for (part, _), record in zip(lot.parts, records, strict=True)
        ]
        return JSONResponse({"requestId": name, "subRequests": listed})

    async def lot(self, request: Request, iys_code: int, brand: int, name: str) -> Response:
        """Say what came of a batch."""
        await self._read(request, iys_code)
        found = self.store.lot(brand, name)
        if found is None:
            raise IysRefusalError(_NOT_FOUND, error("H456"))
        return JSONResponse(_parts(found))

    async def status(
        self, request: Request, iys_code: int, brand: int, document: Body_
    ) -> Response:
        """Say what stands for one address."""
        await self._read(request, iys_code)
        asked = document if isinstance(document, dict) else {}
        missing = [name for name in ("recipient", "recipientType", "type") if name not in asked]
        if missing:
            raise IysRefusalError(_WRONG, *(error("H114", name) for name in missing))
        found = self.store.find(brand, asked)
        if found is None:
            raise IysRefusalError(_NOT_FOUND)
        return JSONResponse({name: found[name] for name in found if name != "transactionId"})

    async def changes(
        self, request: Request, iys_code: int, brand: int, source: str = "HS", after: str = ""
    ) -> Response:
        """List the movements of a side after a place."""
        await self._read(request, iys_code)
        found = self.store.movements(
            brand,
            source,
            after,
            lag=timedelta(seconds=self.settings.iys_changes_lag_s),
            most=self.settings.iys_changes_page,
        )
        last = found[-1].cursor if found else after
        return JSONResponse({"after": last, "list": [one.as_json() for one in found]})

    async def file(self, request: Request, iys_code: int, brand: int, day: str) -> Response:
        """Write the movements of one of the last seven days."""
        await self._read(request, iys_code)
        moved = self.store.movements_of(brand, self._reported(day))
        sheet = io.StringIO()
        writer = csv.DictWriter(sheet, _HEADING, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(one.as_json() for one in moved)
        return Response(sheet.getvalue(), media_type="text/csv")

    async def summary(
        self, request: Request, iys_code: int, brand: int, day: str, role: str
    ) -> Response:
        """Count the movements of a day."""
        await self._read(request, iys_code)
        if role not in _ROLES:
            raise IysRefusalError(_WRONG, error("H503", "recipientType"))
        counts: dict[tuple[str, str], list[str]] = {}
        for one in self.store.movements_of(brand, self._reported(day)):
            if one.record["recipientType"] == role:
                key = str(one.record["type"]), one.side
                counts.setdefault(key, []).append(str(one.record["status"]))
        kinds = sorted({kind for kind, _ in counts})
        return JSONResponse(
            {
                "changeStats": [
                    {
                        "type": kind,
                        "consents": [
                            {
                                "source": side,
                                "total": len(said),
                                "approval": said.count("ONAY"),
                                "rejection": said.count("RET"),
                            }
                            for (of, side), said in sorted(counts.items())
                            if of == kind
                        ],
                    }
                    for kind in kinds
                ]
            }
        )

    def _let_in(self, request: Request, iys_code: int) -> Fault | None:
        """Check who asks and how often; return the fault that hits the request, if any."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self.store.knows(token):
            raise IysRefusalError(_UNAUTHORIZED, error("H351"))
        if iys_code != self.settings.iys_code:
            raise IysRefusalError(_FORBIDDEN, error("H353"))
        if self.store.too_fast(self.settings.iys_requests_a_second):
            raise IysRefusalError(429, error("H124"))
        return self.faults.of_request(
            channel=None,
            to="",
            text=f"{request.method} {request.url.path}",
            provider="iys",
        )

    async def _read(self, request: Request, iys_code: int) -> None:
        """Let a request in that changes nothing."""
        fault = self._let_in(request, iys_code)
        if fault is not None:
            answer = await self._misbehave(request, fault)
            raise IysMisbehaviourError(answer)

    async def _misbehave(self, request: Request, fault: Fault) -> Response:
        if fault.fault in HELD:
            return await hold(request, self.settings.hang_s)
        if fault.fault in TORN:
            return tear(request)
        match fault.fault:
            case FaultKind.UNAVAILABLE_PAGE:
                return HTMLResponse("<html><h1>503 Service Unavailable</h1></html>", 503)
            case FaultKind.TOO_MANY:
                refusal = IysRefusalError(429, error("H124"), retry_after=fault.retry_after)
            case FaultKind.ERROR:
                refusal = IysRefusalError(_WRONG, error(fault.code))
            case _:
                refusal = IysRefusalError(500, error("H015"), retry_after=fault.retry_after)
        return refusal.answer()

    def _reported(self, day: str) -> date:
        try:
            asked = date.fromisoformat(day)
        except ValueError:
            raise IysRefusalError(_WRONG, error("H501", "reportDate")) from None
        ago = (self.store.now().astimezone(TURKEY).date() - asked).days
        if not 0 <= ago <= _FILE_DAYS:
            raise IysRefusalError(_WRONG, error("H501", "reportDate"))
        return asked


class IysMisbehaviourError(Exception):
    """A request that changes nothing is answered badly."""

    def __init__(self, answer: Response) -> None:
        super().__init__("answered badly")
        self.answer = answer


async def refused(_: Request, refusal: Exception) -> Response:
    """Answer a refusal, wherever it was raised."""
    if isinstance(refusal, IysRefusalError):
        return refusal.answer()
    if isinstance(refusal, IysMisbehaviourError):
        return refusal.answer
    raise refusal


def _parts(lot: Lot) -> list[dict[str, object]]:
    """Write the parts of a batch, counted from 1; all wait until it is ready."""
    waits = time.monotonic() < lot.ready
    parts: list[dict[str, object]] = []
    for index, (name, outcome) in enumerate(lot.parts, start=1):
        part: dict[str, object] = {"index": index, "subrequestId": name}
        if waits:
            part["status"] = "enqueue"
        elif outcome.movement is None:
            first = outcome.errors[0]
            part |= {"status": "failure", "error": {n: first[n] for n in ("code", "message")}}
        else:
            said = outcome.movement.as_json()
            part |= {"status": "success"}
            part |= {name: said[name] for name in ("transactionId", "creationDate")}
        parts.append(part)
    return parts
