"""Reading what a client asks of the simulated Twilio, and refusing it in Twilio's words."""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, parse_qsl, urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse

from tellal.domain.channels import Channel

WHATSAPP = "whatsapp:"
"""What stands before the numbers of WhatsApp."""

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_CONTENT = re.compile(r"HX[0-9a-f]{32}")
_LONGEST_BODY = 1600
_LONGEST_VALIDITY_S = 36_000
_SOONEST_S, _LATEST_S = 300, 35 * 24 * 3600

MESSAGES: Mapping[int, str] = {
    12100: "Document parse failure",
    12200: "Schema validation warning",
    20003: "Authenticate",
    20009: "Cannot delete message because delivery has not been completed.",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    21201: "No 'To' number is specified",
    21205: "Url or Twiml is not valid",
    21212: "The 'From' number is not a valid phone number.",
    21213: "A 'From' phone number is required.",
    21211: "The 'To' number is not a valid phone number.",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21609: "The 'StatusCallback' URL is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21614: "'To' number is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit.",
    21654: "ContentSid Required",
    21655: "The ContentSid Parameter is invalid",
    21656: "The ContentVariables Parameter is invalid",
    21910: "Invalid 'From' and 'To' pair. They should be of the same channel",
    30409: "This message cannot be canceled",
    35114: "SendAt cannot be parsed",
    35115: "SendAt is outside of the allowed window",
}


class RefusalError(Exception):
    """The request is answered with a Twilio error."""

    def __init__(self, status: int, code: int, retry_after: float | None = None) -> None:
        super().__init__(f"{status}/{code}")
        self.status = status
        self.code = code
        self.retry_after = retry_after

    def answer(self) -> JSONResponse:
        """Write the error as Twilio does."""
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        body = {
            "code": self.code,
            "message": MESSAGES.get(self.code, "The request was refused"),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return JSONResponse(body, status_code=self.status, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A checked request to send a message; addresses are as they were given.

    `content` is the SID of an approved text, `variables` the JSON that fills it in.
    """

    to: str
    sender: str
    service: str
    body: str
    content: str
    variables: str
    status_callback: str
    validity_s: int | None
    send_at: datetime | None

    @property
    def channel(self) -> Channel:
        """The channel that the recipient's address belongs to."""
        return channel_of(self.to)

    def callback_value(self, name: str) -> str:
        """Return a query value of the caller's callback address."""
        values = parse_qs(urlsplit(self.status_callback).query).get(name, [""])
        return values[0]


def channel_of(address: str) -> Channel:
    """Return the channel that an address belongs to."""
    return Channel.WHATSAPP if address.startswith(WHATSAPP) else Channel.SMS


def number_of(address: str) -> str:
    """Return the bare number of an address, under which the book and the faults know a person."""
    return address.removeprefix(WHATSAPP)


def authenticate(request: Request, *, account_sid: str, auth_token: str) -> None:
    """Check the basic authentication of a request.

    Raises:
        RefusalError: It is missing or wrong (401, 20003).
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        credentials = base64.b64decode(given, validate=True)
    except binascii.Error:
        credentials = b""
    wanted = f"{account_sid}:{auth_token}".encode()
    if scheme.lower() != "basic" or not secrets.compare_digest(credentials, wanted):
        raise RefusalError(401, 20003)
    if request.path_params["account_sid"] != account_sid:
        raise RefusalError(404, 20404)


async def form_of(request: Request) -> dict[str, str]:
    """Read a form; of a repeated field the last counts."""
    body = await request.body()
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def submission(form: Mapping[str, str], now: datetime) -> Submission:
    """Check a request to send a text, in Twilio's order: recipient, sender, body, the rest.

    Raises:
        RefusalError: Twilio would not take it.
    """
    to, body = form.get("To", ""), form.get("Body", "")
    sender, service = form.get("From", ""), form.get("MessagingServiceSid", "")
    _refuse(when=not to, code=21604)
    _refuse(when=_E164.fullmatch(number_of(to)) is None, code=21211)
    _refuse(when=not sender and not service, code=21603)
    _refuse(when=bool(sender) and channel_of(sender) is not channel_of(to), code=21910)
    content, variables = _content(form)
    _refuse(when=not body and not content, code=21602)
    _refuse(when=len(body) > _LONGEST_BODY, code=21617)
    callback = form.get("StatusCallback", "")
    _refuse(when=bool(callback) and not is_address(callback), code=21609)
    return Submission(
        to=to,
        sender=sender,
        service=service,
        body=body,
        content=content,
        variables=variables,
        status_callback=callback,
        validity_s=_validity(form.get("ValidityPeriod", "")),
        send_at=_send_at(form, now),
    )


def _refuse(*, when: bool, code: int) -> None:
    if when:
        raise RefusalError(400, code)


def _content(form: Mapping[str, str]) -> tuple[str, str]:
    content, variables = form.get("ContentSid", ""), form.get("ContentVariables", "")
    _refuse(when=bool(variables) and not content, code=21654)
    _refuse(when=bool(content) and _CONTENT.fullmatch(content) is None, code=21655)
    if variables:
        try:
            filled = json.loads(variables)
        except ValueError as error:
            raise RefusalError(400, 21656) from error
        whole = isinstance(filled, dict) and all(isinstance(v, str) and v for v in filled.values())
        _refuse(when=not whole, code=21656)
    return content, variables


def is_number(text: str) -> bool:
    """Say whether it is a phone number in E.164."""
    return _E164.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Say whether callbacks can be brought to an address."""
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _validity(given: str) -> int | None:
    if not given:
        return None
    # Twilio's specification says 1..36000 and names no code; 20001 is its general bad request.
    _refuse(when=not given.isdecimal(), code=20001)
    seconds = int(given)
    _refuse(when=not 1 <= seconds <= _LONGEST_VALIDITY_S, code=20001)
    return seconds


def _send_at(form: Mapping[str, str], now: datetime) -> datetime | None:
    if form.get("ScheduleType") != "fixed":
        return None
    try:
        instant = datetime.fromisoformat(form.get("SendAt", "")).replace(tzinfo=UTC)
    except ValueError as error:
        raise RefusalError(400, 35114) from error
    ahead = (instant - now).total_seconds()
    _refuse(when=not _SOONEST_S <= ahead <= _LATEST_S, code=35115)
    return instant
