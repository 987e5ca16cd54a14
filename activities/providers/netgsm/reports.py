"""NetGSM's delivery reports: asked for, a few times a minute, or pushed to a secret address."""

import logging
import re
import secrets
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import httpx

from activities.providers.netgsm.codes import ACCEPTED, STATUSES
from activities.providers.netgsm.transport import LOST, Transport
from tellal.clock import Clock, SystemClock
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import Receipt
from tellal.settings import NetgsmSettings

_PROVIDER = "netgsm"
_REPORT = "/sms/rest/v2/report"
_TURKEY = ZoneInfo("Europe/Istanbul")
_DATE = "%d.%m.%Y %H:%M:%S"
_MINUTE = timedelta(minutes=1)
_QUERIES_A_MINUTE = 10
"""More are refused with code 80."""
_PAGE = 100
_JOBS_AT_ONCE = 50
_NO_RECORD, _TOO_OFTEN = "60", "80"
_OURS = re.compile(r"([0-9A-HJKMNP-TV-Z]{26})-\d{1,4}")

_log = logging.getLogger(__name__)


def secret_is_valid(settings: NetgsmSettings, given: str) -> bool:
    """Say whether a push came to our secret address; without a secret none is believed."""
    wanted = settings.callback_secret.get_secret_value()
    return bool(wanted) and secrets.compare_digest(given.encode(), wanted.encode())


def receipt_of(report: Mapping[str, object], received_at: datetime) -> Receipt:
    """Read one report: an element of the answer to a query, or the fields of a push.

    Raises:
        InvalidInputError: It names no job, or a status that NetGSM does not document.
    """
    job = str(report.get("jobid") or "")
    if not job:
        raise InvalidInputError("the report names no job", field="jobid")
    given = str(report.get("status", ""))
    meaning = STATUSES.get(int(given)) if given.isdecimal() else None
    if meaning is None:
        raise InvalidInputError("the status is not one that NetGSM has", field="status")
    ours = _OURS.fullmatch(str(report.get("referansID") or ""))
    state, remedy = meaning
    return Receipt(
        provider=_PROVIDER,
        reference=job,
        message_id=ours[1] if ours else "",
        state=state,
        code=given,
        remedy=remedy,
        received_at=received_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A query and the page of its answer that comes next."""

    since: datetime
    until: datetime
    jobs: tuple[str, ...] = ()
    page: int = 0

    def as_document(self) -> dict[str, object]:
        document: dict[str, object] = {
            "startdate": self.since.astimezone(_TURKEY).strftime(_DATE),
            "stopdate": self.until.astimezone(_TURKEY).strftime(_DATE),
            "pagenumber": self.page,
            "pagesize": _PAGE,
        }
        return document | ({"jobids": list(self.jobs)} if self.jobs else {})


class NetgsmReports:
    """Asks for reports without ever waiting: what the limit cuts off comes with the next poll.

    The limit counts for the account, so one worker of a deployment should poll.
    """

    def __init__(
        self,
        settings: NetgsmSettings,
        clock: Clock | None = None,
        *,
        queries_a_minute: int = _QUERIES_A_MINUTE,
    ) -> None:
        self._transport = Transport(settings)
        self._clock = clock or SystemClock()
        self._most = queries_a_minute
        self._asked: deque[datetime] = deque()
        self._not_before: datetime | None = None
        self._left_off: _Question | None = None

    async def poll(self, since: datetime, references: Sequence[str] = ()) -> list[Receipt]:
        """Return what NetGSM has to say of these jobs, or of all that was sent since an instant.

        Only the latter finds a job whose acceptance was never told to us. Receipts repeat from poll
        to poll. Trouble is logged and ends the poll with what has come so far.
        """
        receipts: list[Receipt] = []
        for first in self._questions(since, references):
            question: _Question | None = first
            while question is not None:
                reports = await self._ask(question)
                if reports is None:
                    self._left_off = None if references else question
                    return receipts
                receipts += self._read(reports)
                whole = len(reports) < _PAGE
                question = None if whole else replace(question, page=question.page + 1)
        return receipts

    async def close(self) -> None:
        """Give the connections back."""
        await self._transport.close()

    def _questions(self, since: datetime, references: Sequence[str]) -> Iterator[_Question]:
        # NetGSM's clock may be ahead of ours.
        until = self._clock.now() + _MINUTE
        if not references:
            question = self._left_off or _Question(since=since, until=until)
            self._left_off = None
            yield question
        for start in range(0, len(references), _JOBS_AT_ONCE):
            jobs = tuple(references[start : start + _JOBS_AT_ONCE])
            yield _Question(since=since, until=until, jobs=jobs)

    async def _ask(self, question: _Question) -> Sequence[Mapping[str, object]] | None:
        """Return a page of reports, or None if there was no way to ask now."""
        if not self._may_ask():
            return None
        try:
            reply = await self._transport.post(_REPORT, question.as_document())
        except (*LOST, httpx.InvalidURL) as error:
            _tell_trouble(type(error).__name__)
            return None
        if reply.code == _NO_RECORD:
            return ()
        if reply.code == _TOO_OFTEN:
            self._not_before = self._clock.now() + _MINUTE
            return None
        listed = reply.document.get("jobs")
        if not reply.succeeded or reply.code not in ACCEPTED or not isinstance(listed, list):
            _tell_trouble(reply.code or str(reply.status))
            return None
        return [report for report in listed if isinstance(report, dict)]

    def _may_ask(self) -> bool:
        now = self._clock.now()
        while self._asked and self._asked[0] <= now - _MINUTE:
            self._asked.popleft()
        waits = self._not_before is not None and now < self._not_before
        if waits or len(self._asked) >= self._most:
            return False
        self._asked.append(now)
        return True

    def _read(self, reports: Sequence[Mapping[str, object]]) -> Iterator[Receipt]:
        now = self._clock.now()
        for report in reports:
            try:
                yield receipt_of(report, now)
            except InvalidInputError as error:
                _log.warning("a report of NetGSM's is unreadable", extra={"field": error.field})


def _tell_trouble(code: str) -> None:
    _log.warning("NetGSM gave no reports", extra={"provider": _PROVIDER, "code": code})
