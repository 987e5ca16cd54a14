"""NetGSM's REST v2: send, report, cancel."""

from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from tellal.carrier.book import ACCEPTED, Book, Entry
from tellal.carrier.connection import hold, tear
from tellal.carrier.faults import AFTER_ACCEPT, HELD, TORN, Fault, FaultKind, Faults
from tellal.carrier.netgsm_jobs import (
    DELIVERED,
    INVALID,
    PENDING,
    STATUSES,
    Delivery,
    Jobs,
    NetgsmText,
    new_job_id,
)
from tellal.carrier.netgsm_requests import (
    Job,
    NetgsmRefusalError,
    Pace,
    Text,
    authenticate,
    document_of,
    job_of,
    question_of,
)
from tellal.carrier.settings import CarrierSettings
from tellal.domain.channels import Channel

_KEPT_HEADERS = ("user-agent", "traceparent")
_COMMERCIAL = frozenset({"11", "12"})

_CODES = {
    FaultKind.TOO_MANY: "80",
    FaultKind.ERROR_BEFORE_ACCEPT: "100",
    FaultKind.ERROR_AFTER_ACCEPT: "100",
}
_HTTP = {
    FaultKind.TOO_MANY: 429,
    FaultKind.ERROR_BEFORE_ACCEPT: 500,
    FaultKind.ERROR_AFTER_ACCEPT: 500,
    FaultKind.UNAVAILABLE_PAGE: 503,
}
_REFUSED = 406

_PROVIDER = "netgsm"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetgsmCounter:
    """The handlers, over the simulator's parts; `tasks` and `reports` are NetGSM's limits."""

    settings: CarrierSettings
    book: Book
    faults: Faults
    jobs: Jobs
    delivery: Delivery
    tasks: Pace
    reports: Pace

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(prefix="/sms/rest/v2", tags=["NetGSM"])
        router.add_api_route("/send", self.send, methods=["POST"])
        router.add_api_route("/report", self.report, methods=["POST"])
        router.add_api_route("/cancel", self.cancel, methods=["POST"])
        return router

    async def send(self, request: Request) -> Response:
        """Take a job, or refuse it, or misbehave as a fault says."""
        now = datetime.now(UTC)
        document = await document_of(request)
        try:
            self._authenticate(request)
            job = job_of(document)
            self._within_limits(job, now)
        except NetgsmRefusalError as refusal:
            self._refused(request, document, refusal, now)
            raise
        found = [
            self.faults.of_request(
                channel=Channel.SMS, to=text.to, text=text.words, provider=_PROVIDER
            )
            for text in job.texts
        ]
        for fault in found:
            if fault is not None and _fate_in(fault) is None:
                return await self._misbehave(request, job, now, fault)
        return _queued(self._accept(request, job, now, told=200, faults=found))

    def _within_limits(self, job: Job, now: datetime) -> None:
        if job.iys_filter in _COMMERCIAL and self.settings.netgsm_iys_refusal:
            raise NetgsmRefusalError(self.settings.netgsm_iys_refusal)
        exceeded = {text.to for text in job.texts if self.tasks.exceeded(text.to, now)}
        if exceeded:
            raise NetgsmRefusalError("85")

    async def _misbehave(self, request: Request, job: Job, now: datetime, fault: Fault) -> Response:
        status = _HTTP.get(fault.fault, _REFUSED)
        code = _CODES.get(fault.fault) or fault.code
        told = 0 if fault.fault in HELD | TORN else status
        if fault.fault in AFTER_ACCEPT:
            self._accept(request, job, now, told=told, faults=[None] * len(job.texts))
        else:
            for text in job.texts:
                self.book.add(
                    _entry(request, job, text, now, answer=code or fault.fault, told=told)
                )
        return await self._answer_badly(request, fault)

    async def _answer_badly(self, request: Request, fault: Fault) -> Response:
        status = _HTTP.get(fault.fault, _REFUSED)
        if fault.fault in HELD:
            return await hold(request, self.settings.hang_s)
        if fault.fault in TORN:
            return tear(request)
        if fault.fault is FaultKind.UNAVAILABLE_PAGE:
            return HTMLResponse("<html><h1>503 Service Unavailable</h1></html>", status)
        code = _CODES.get(fault.fault) or fault.code
        raise NetgsmRefusalError(code, status=status, retry_after=fault.retry_after)

    def _accept(
        self, request: Request, job: Job, now: datetime, *, told: int, faults: list[Fault | None]
    ) -> str:
        name = new_job_id()
        for text, fault in zip(job.texts, faults, strict=True):
            entry = _entry(request, job, text, now, answer=ACCEPTED, told=told)
            entry.reference, entry.status = name, STATUSES[PENDING]
            back = self.faults.of_callbacks(
                channel=Channel.SMS, to=text.to, text=text.words, provider=_PROVIDER
            )
            taken = NetgsmText(
                job=name,
                number=text.number,
                reference=job.reference,
                created=now,
                entry=entry,
                start=job.start,
                fate=_fate(text, fault),
                faults=back.kinds,
                late_s=back.late_s,
            )
            self.book.add(entry, taken)
            self.jobs.add(taken)
            self.delivery.begin(taken)
        return name

    async def report(self, request: Request) -> Response:
        """Return the statuses of jobs, a page of them, at most so often a minute."""
        self._authenticate(request)
        if self.reports.exceeded("report", datetime.now(UTC)):
            raise NetgsmRefusalError("80")
        found = self.jobs.answering(question_of(await document_of(request)))
        if not found:
            raise NetgsmRefusalError("60")
        jobs = [text.as_report() for text in found]
        return JSONResponse({"code": "00", "jobs": jobs, "description": "success"})

    async def cancel(self, request: Request) -> Response:
        """Call a job back that was to be sent later; others are not found (60).

        Faults of hand-overs hit this, too: after some of them it is called back all the same.
        """
        self._authenticate(request)
        job = str((await document_of(request)).get("jobid") or "")
        if not job:
            raise NetgsmRefusalError("70")
        now = datetime.now(UTC)
        waiting = [
            text
            for text in self.jobs.of(job)
            if text.start is not None and text.start > now and not text.cancelled
        ]
        if not waiting:
            raise NetgsmRefusalError("60")
        entry = waiting[0].entry
        fault = self.faults.of_request(
            channel=Channel.SMS, to=entry.to, text=entry.text, provider=_PROVIDER
        )
        if fault is None or fault.fault in AFTER_ACCEPT:
            for text in waiting:
                self.delivery.cancel(text)
        if fault is not None:
            return await self._answer_badly(request, fault)
        return JSONResponse({"code": "00", "jobid": job, "description": "canceled"})

    def clear(self) -> None:
        """Forget every job, and how much was asked of late."""
        self.jobs.clear()
        self.tasks.clear()
        self.reports.clear()

    def _authenticate(self, request: Request) -> None:
        authenticate(
            request,
            usercode=self.settings.netgsm_usercode,
            password=self.settings.netgsm_password,
        )

    def _refused(
        self, request: Request, document: object, refusal: NetgsmRefusalError, now: datetime
    ) -> None:
        for to in _numbers_in(document) or [""]:
            self.book.add(
                Entry(
                    at=now,
                    channel=Channel.SMS,
                    to=to,
                    answer=refusal.code,
                    told=refusal.status,
                    headers=_worth_knowing(request),
                )
            )


async def refused(_: Request, refusal: Exception) -> Response:
    """Answer a refusal, wherever it was raised."""
    if not isinstance(refusal, NetgsmRefusalError):
        raise refusal
    return refusal.answer()


def _queued(job: str) -> Response:
    return JSONResponse({"code": "00", "jobid": job, "description": "queued"})


def _entry(
    request: Request, job: Job, text: Text, now: datetime, *, answer: str, told: int
) -> Entry:
    message_id, _, attempt = job.reference.partition("-")
    return Entry(
        at=now,
        channel=Channel.SMS,
        to=text.to,
        sender=job.header,
        text=text.words,
        answer=answer,
        told=told,
        message_id=message_id,
        attempt=attempt,
        validity_s=int((job.stop - now).total_seconds()) if job.stop else None,
        data={"iysfilter": job.iys_filter, "encoding": job.encoding},
        headers=_worth_knowing(request),
    )


def _fate(text: Text, fault: Fault | None) -> int:
    if not text.reachable:
        return INVALID
    fate = None if fault is None else _fate_in(fault)
    return DELIVERED if fate is None else fate


def _fate_in(fault: Fault) -> int | None:
    """Return the final status that a fault gives to a text, if it is a fault of that sort."""
    if fault.fault is not FaultKind.ERROR or not fault.code.isdecimal():
        return None
    fate = int(fault.code)
    return fate if fate in STATUSES else None


def _numbers_in(document: object) -> list[str]:
    messages = document.get("messages") if isinstance(document, dict) else None
    listed = messages if isinstance(messages, list) else []
    return [
        Text(number=str(one.get("no", "")), words="").to for one in listed if isinstance(one, dict)
    ]


def _worth_knowing(request: Request) -> dict[str, str]:
    return {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
