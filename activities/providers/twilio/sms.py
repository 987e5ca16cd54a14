"""Text messages over Twilio's official client; one call of ours is one request to Twilio."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from activities.providers.twilio.codes import remedy_for
from activities.providers.twilio.transport import ErrorAnswer, Transport
from tellal.clock import SystemClock
from tellal.domain.channels import Channel, Receipts
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.settings import TwilioSettings

_PROVIDER = "twilio"
_LONGEST_VALIDITY_S = 36_000
_LOOKED_THROUGH = 1000
"""How many of a recipient's messages one look-up sees: Twilio's largest page."""
_CLOCKS_APART = timedelta(seconds=30)
"""How far Twilio's clock and ours may differ when a look-up asks what came since an instant."""
_FIRST_SERVER_ERROR = 500

_LOST = (aiohttp.ClientError, OSError)
# A success that is no message resource: somebody else answered, or half of it came.
_UNREADABLE = (TwilioException, ValueError, TypeError, AttributeError)
_UNANSWERED = (*_LOST, *_UNREADABLE)


class TwilioSms:
    """Sends texts, each with a callback of its own, so that a lost answer is told nonetheless."""

    def __init__(self, settings: TwilioSettings, *, status_callback_url: str) -> None:
        """Take the account and the address of our callbacks (public, without a query)."""
        self._transport = Transport(base_url=settings.base_url, timeout_s=settings.timeout_s)
        self._client = Client(
            settings.account_sid,
            settings.auth_token.get_secret_value(),
            http_client=self._transport,
            # Not the process's environment, which may name another account or region.
            environment={"TWILIO_REGION": ""},
        )
        self._status_callback_url = status_callback_url

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return _PROVIDER

    @property
    def channel(self) -> Channel:
        """The channel that it carries."""
        return Channel.SMS

    @property
    def receipts(self) -> Receipts:
        """Twilio tells of delivery."""
        return Receipts.DELIVERY

    @property
    def looks_up(self) -> bool:
        """Twilio can be asked what it has for a recipient."""
        return True

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Hand the message over; every failure is an answer, never an exception."""
        try:
            taken = await self._client.messages.create_async(**self._parameters(message))
        except ErrorAnswer as error:
            return _classified(error)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            # No connection was made, so nothing can have left.
            return _answer(Answer.REJECTED, remedy=Remedy.RETRY, code="unreachable")
        except aiohttp.InvalidURL:
            return _answer(Answer.REJECTED, remedy=Remedy.HALT, code="unsendable")
        except _UNANSWERED as error:
            return _answer(Answer.AMBIGUOUS, remedy=Remedy.RECONCILE, code=_name_of(error))
        if not taken.sid:
            return _answer(Answer.AMBIGUOUS, remedy=Remedy.RECONCILE, code="unreadable")
        return _answer(Answer.ACCEPTED, reference=taken.sid)

    def _parameters(self, message: OutgoingMessage) -> dict[str, object]:
        tags = urlencode({"m": message.id, "a": message.attempt})
        parameters: dict[str, object] = {
            "to": message.address,
            "body": message.text,
            "status_callback": f"{self._status_callback_url}?{tags}",
        }
        service = message.sender.startswith("MG")
        parameters["messaging_service_sid" if service else "from_"] = message.sender
        if message.validity_s is not None:
            parameters["validity_period"] = min(max(message.validity_s, 1), _LONGEST_VALIDITY_S)
        return parameters

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Search the recipient's newest messages for this text.

        Twilio's own filter by date is not used: it goes by the date of sending, which a message
        that still waits at Twilio does not have, and to overlook it would mean to send it twice.
        """
        try:
            listed = await self._client.messages.list_async(
                to=message.address, limit=_LOOKED_THROUGH, page_size=_LOOKED_THROUGH
            )
        except (ErrorAnswer, *_UNANSWERED):
            return None
        earliest = since - _CLOCKS_APART
        for candidate in listed:
            if candidate.sid and _is_same(candidate, message, earliest):
                return _answer(Answer.ACCEPTED, reference=candidate.sid)
        if len(listed) >= _LOOKED_THROUGH:
            return None
        return _answer(Answer.REJECTED, remedy=Remedy.RETRY, code="not_there")

    async def close(self) -> None:
        """Give the connections back."""
        await self._transport.close()


def _answer(
    answer: Answer, *, reference: str = "", code: str = "", remedy: Remedy | None = None
) -> HandOver:
    return HandOver(
        answer=answer, provider=_PROVIDER, reference=reference, code=code, remedy=remedy
    )


def _name_of(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return "connection_lost" if isinstance(error, _LOST) else "unreadable"


def _classified(error: ErrorAnswer) -> HandOver:
    code = error.code or str(error.status)
    if error.status >= _FIRST_SERVER_ERROR:
        # Twilio says of its 500 that the message may have been sent.
        return _answer(Answer.AMBIGUOUS, code=code, remedy=Remedy.RECONCILE)
    return HandOver(
        answer=Answer.REJECTED,
        provider=_PROVIDER,
        code=code,
        remedy=remedy_for(error.code, error.status),
        retry_after_s=_retry_after(error.headers),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    given = headers.get("Retry-After", "")
    try:
        return max(float(given), 0.0)
    except ValueError:
        pass
    try:
        instant = parsedate_to_datetime(given)
    except ValueError:
        return None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return max((aware - SystemClock().now()).total_seconds(), 0.0)


def _is_same(candidate: MessageInstance, message: OutgoingMessage, earliest: datetime) -> bool:
    created = candidate.date_created
    # A trial account's texts begin with a sentence of Twilio's own.
    return (
        created is not None
        and created >= earliest
        and (candidate.body or "").endswith(message.text)
        and (candidate.from_ in {None, "", message.sender} or message.sender.startswith("MG"))
    )
