"""Reading what a client asks of the simulated NetGSM (REST v2), and refusing it by its codes."""

import base64
import binascii
import json
import re
import secrets
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import JSONResponse

TURKEY = ZoneInfo("Europe/Istanbul")
"""NetGSM's dates have no zone; they are Turkey's."""

_MINUTE = timedelta(minutes=1)
_DIGITS = re.compile(r"\d{5,15}")
_MOBILE = re.compile(r"(?:0|90)?(5\d{9})")
_HEADER = re.compile(r".{3,11}")
_IYS_FILTERS = frozenset({"0", "11", "12"})
_LONGEST, _LONGEST_TURKISH = 912, 883
_LARGEST_PAGE = 100
_SEND_DATE, _REPORT_DATE = "%d%m%Y%H%M", "%d.%m.%Y %H:%M:%S"

WORDS: Mapping[str, str] = {
    "20": "message text problem or too long",
    "30": "invalid username, password or no API access",
    "40": "message header is not defined",
    "50": "IYS controlled submissions cannot be made with this account",
    "51": "no IYS brand found",
    "60": "no record found",
    "70": "invalid query, a parameter is incorrect or missing",
    "80": "limit exceeded",
    "85": "more than 20 tasks for the same number within a minute",
    "100": "system error",
}


class NetgsmRefusalError(Exception):
    """The request is answered with one of NetGSM's codes; 406 is its usual status for that."""

    def __init__(self, code: str, *, status: int = 406, retry_after: float | None = None) -> None:
        super().__init__(f"{status}/{code}")
        self.code = code
        self.status = status
        self.retry_after = retry_after

    def answer(self) -> JSONResponse:
        """Write the refusal as NetGSM does."""
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        words = WORDS.get(self.code, "refused")
        body = {"code": self.code, "jobid": None, "description": words}
        return JSONResponse(body, status_code=self.status, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One of the messages of a job: a number as it was given, and what it is told."""

    number: str
    words: str

    @property
    def to(self) -> str:
        """The number as everybody else in the book writes it."""
        mobile = _MOBILE.fullmatch(self.number)
        return f"+90{mobile[1]}" if mobile else self.number

    @property
    def reachable(self) -> bool:
        """Whether it is a Turkish mobile; NetGSM takes others, and reports them as invalid."""
        return _MOBILE.fullmatch(self.number) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A checked request to send."""

    header: str
    texts: tuple[Text, ...]
    iys_filter: str
    encoding: str
    reference: str
    start: datetime | None
    stop: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportQuestion:
    """A checked question for reports; pages count from 0."""

    jobs: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    page: int
    size: int


class Pace:
    """How much was done of late; more than so much in a minute is too much."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._done: dict[str, deque[datetime]] = defaultdict(deque)

    def exceeded(self, by: str, now: datetime) -> bool:
        """Count one more, and say whether that was too much; what is refused does not count."""
        done = self._done[by]
        while done and done[0] <= now - _MINUTE:
            done.popleft()
        if len(done) >= self._most:
            return True
        done.append(now)
        return False

    def clear(self) -> None:
        """Forget what was done."""
        self._done.clear()


def authenticate(request: Request, *, usercode: str, password: str) -> None:
    """Check the basic authentication of a request.

    Raises:
        NetgsmRefusalError: It is missing or wrong (30).
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        credentials = base64.b64decode(given, validate=True)
    except binascii.Error:
        credentials = b""
    wanted = f"{usercode}:{password}".encode()
    if scheme.lower() != "basic" or not secrets.compare_digest(credentials, wanted):
        raise NetgsmRefusalError("30", status=401)


async def document_of(request: Request) -> Mapping[str, Any]:
    """Read the JSON object of a request; there is nothing in one that is not.

    The checks after it refuse an empty one for what it lacks.
    """
    try:
        document = json.loads(await request.body())
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def job_of(document: Mapping[str, Any]) -> Job:
    """Check a request to send.

    Raises:
        NetgsmRefusalError: NetGSM would not take it (70, 40, 20).
    """
    given = document.get("messages")
    texts = tuple(_text(one) for one in given) if isinstance(given, list) else ()
    iys_filter = str(document.get("iysfilter", ""))
    _refuse("70", when=not texts or iys_filter not in _IYS_FILTERS or "msgheader" not in document)
    header = str(document["msgheader"])
    _refuse("40", when=_HEADER.fullmatch(header) is None)
    encoding = str(document.get("encoding") or "").lower()
    longest = _LONGEST_TURKISH if encoding == "tr" else _LONGEST
    _refuse("20", when=any(not 1 <= len(text.words) <= longest for text in texts))
    start = _instant(document.get("startdate"), _SEND_DATE)
    stop = _instant(document.get("stopdate"), _SEND_DATE)
    return Job(
        header=header,
        texts=texts,
        iys_filter=iys_filter,
        encoding=encoding,
        reference=str(document.get("referansID") or ""),
        start=start,
        stop=stop,
    )


def question_of(document: Mapping[str, Any]) -> ReportQuestion:
    """Check a question for reports: jobs by their ids, or what was sent between two instants.

    Raises:
        NetgsmRefusalError: It asks for neither, or wrongly (70).
    """
    jobs = document.get("jobids") or []
    _refuse("70", when=not isinstance(jobs, list))
    since = _instant(document.get("startdate"), _REPORT_DATE)
    until = _instant(document.get("stopdate"), _REPORT_DATE)
    _refuse("70", when=not jobs and (since is None or until is None))
    page, size = document.get("pagenumber", 0), document.get("pagesize", _LARGEST_PAGE)
    _refuse("70", when=not isinstance(page, int) or not isinstance(size, int))
    _refuse("70", when=page < 0 or not 1 <= size <= _LARGEST_PAGE)
    names = tuple(str(job) for job in jobs)
    return ReportQuestion(jobs=names, since=since, until=until, page=page, size=size)


def written(instant: datetime) -> str:
    """Write an instant as reports have it."""
    return instant.astimezone(TURKEY).strftime(_REPORT_DATE)


def _text(given: object) -> Text:
    fields = given if isinstance(given, dict) else {}
    number = str(fields.get("no", ""))
    _refuse("70", when=_DIGITS.fullmatch(number) is None)
    return Text(number=number, words=str(fields.get("msg", "")))


def _instant(given: object, form: str) -> datetime | None:
    if given in {None, ""}:
        return None
    try:
        return datetime.strptime(str(given), form).replace(tzinfo=TURKEY)
    except ValueError as error:
        raise NetgsmRefusalError("70") from error


def _refuse(code: str, *, when: bool) -> None:
    if when:
        raise NetgsmRefusalError(code)
