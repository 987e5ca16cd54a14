"""Twilio's Messages resource, the same for every channel: one call of ours is one request."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from activities.providers.twilio.codes import remedy_for
from activities.providers.twilio.names import is_service, provider_of
from activities.providers.twilio.transport import ErrorAnswer, Transport
from activities.retry_after import pause_of
from tellal.clock import SystemClock
from tellal.domain.channels import Receipts
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.ports import Forgotten
from tellal.settings import TwilioSettings

_LONGEST_VALIDITY_S = 36_000
_LOOKED_THROUGH = 1000
"""How many of a recipient's messages one look-up sees: Twilio's largest page."""
_CLOCKS_APART = timedelta(seconds=30)
"""How far Twilio's clock and ours may differ when a look-up asks what came since an instant."""
_FIRST_SERVER_ERROR = 500
_NOT_FOUND = 404
_ASK_AGAIN = frozenset({401, 408, 409, 429})
"""401 is a mistake in our settings, and somebody will mend it."""

_LOST = (aiohttp.ClientError, OSError)
# A success that is no message resource: somebody else answered, or half of it came.
_UNREADABLE = (TwilioException, ValueError, TypeError, AttributeError)
UNANSWERED = (*_LOST, *_UNREADABLE)
"""Nobody knows whether Twilio has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A recipient's messages from one sender since an instant; `is_whole` if none was cut off."""

    messages: Sequence[MessageInstance]
    is_whole: bool

    def with_text(self, text: str) -> str:
        """Return the SID of the newest with this text, empty if there is none."""
        for message in self.messages:
            # A trial account's texts begin with a sentence of Twilio's own.
            if text and message.sid and (message.body or "").endswith(text):
                return str(message.sid)
        return ""


class Messages:
    """Posts messages, each with a callback of its own, so that a lost answer is told nonetheless.

    Addresses are as Twilio writes them: a number, or a number after `whatsapp:`.
    """

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

    async def post(
        self, message: OutgoingMessage, *, to: str, sender: str, content: Mapping[str, str]
    ) -> HandOver:
        """Hand a message over; every failure is an answer, never an exception.

        `content` is what the request says besides addresses, in the official client's words.
        """
        parameters = {**self._parameters(message), "to": to, **content}
        parameters["messaging_service_sid" if is_service(sender) else "from_"] = sender
        provider = provider_of(to)
        return await placed(provider, partial(self._client.messages.create_async, **parameters))

    def _parameters(self, message: OutgoingMessage) -> dict[str, object]:
        tags = urlencode({"m": message.id, "a": message.attempt})
        parameters: dict[str, object] = {"status_callback": f"{self._status_callback_url}?{tags}"}
        if message.validity_s is not None:
            parameters["validity_period"] = min(max(message.validity_s, 1), _LONGEST_VALIDITY_S)
        return parameters

    async def since(self, instant: datetime, *, to: str, sender: str) -> Listed | None:
        """List what a recipient was sent, newest first; None if Twilio does not say.

        Twilio's own filter by date is not used: it goes by the date of sending, which a message
        that still waits at Twilio does not have, and to overlook it would mean to send it twice.
        """
        try:
            listed = await self._client.messages.list_async(
                to=to, limit=_LOOKED_THROUGH, page_size=_LOOKED_THROUGH
            )
        except (ErrorAnswer, *UNANSWERED):
            return None
        earliest = instant - _CLOCKS_APART
        fitting = [one for one in listed if _fits(one, sender, earliest)]
        return Listed(messages=fitting, is_whole=len(listed) < _LOOKED_THROUGH)

    async def forget(self, sid: str) -> Forgotten:
        """Delete a message at Twilio, with its text and addresses.

        Twilio does not delete what is still under way (409, its code 20009).
        """
        return await forgotten(self._client.messages(sid).delete_async)

    async def close(self) -> None:
        """Give the connections back."""
        await self._transport.close()


class OverTwilio:
    """What every channel over Twilio has in common.

    Nothing can be called back: Twilio cancels only what is `scheduled` with it (else its error
    30409), and what we hand over is to go out at once.
    """

    def __init__(self, settings: TwilioSettings, *, status_callback_url: str) -> None:
        """Take the account and the address of our callbacks (public, without a query)."""
        self._messages = Messages(settings, status_callback_url=status_callback_url)

    @property
    def receipts(self) -> Receipts:
        """Twilio tells of delivery, on WhatsApp also of reading, which comes after it."""
        return Receipts.DELIVERY

    @property
    def looks_up(self) -> bool:
        """Twilio can be asked what it has for a recipient."""
        return True

    async def forget(self, reference: str) -> Forgotten:
        """Have Twilio delete its copy of a message."""
        return await self._messages.forget(reference)

    async def close(self) -> None:
        """Give the connections back."""
        await self._messages.close()


async def placed(provider: str, create: Callable[[], Awaitable[Any]]) -> HandOver:
    """Make a resource at Twilio by one request; every failure is an answer, never an exception."""
    try:
        taken = await create()
    except ErrorAnswer as error:
        return _classified(provider, error)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        # No connection was made, so nothing can have left.
        return rejected(provider, Remedy.RETRY, "unreachable")
    except aiohttp.InvalidURL:
        return rejected(provider, Remedy.HALT, "unsendable")
    except UNANSWERED as error:
        return _ambiguous(provider, _name_of(error))
    if not taken.sid:
        return _ambiguous(provider, "unreadable")
    return accepted(provider, taken.sid)


async def forgotten(delete: Callable[[], Awaitable[object]]) -> Forgotten:
    """Delete something at Twilio, and say what came of it."""
    try:
        await delete()
    except ErrorAnswer as error:
        if error.status == _NOT_FOUND:
            return Forgotten.DELETED
        again = error.status in _ASK_AGAIN or error.status >= _FIRST_SERVER_ERROR
        return Forgotten.LATER if again else Forgotten.REFUSED
    except (aiohttp.InvalidURL, TwilioException):
        return Forgotten.REFUSED
    except _LOST:
        return Forgotten.LATER
    return Forgotten.DELETED


def accepted(provider: str, sid: str) -> HandOver:
    """Answer that Twilio has the message."""
    return HandOver(answer=Answer.ACCEPTED, provider=provider, reference=sid)


def not_there(provider: str) -> HandOver:
    """Answer that Twilio surely does not have the message."""
    return rejected(provider, Remedy.RETRY, "not_there")


def rejected(provider: str, remedy: Remedy, code: str) -> HandOver:
    """Answer that Twilio surely did not take it."""
    return HandOver(answer=Answer.REJECTED, provider=provider, remedy=remedy, code=code)


def _ambiguous(provider: str, code: str) -> HandOver:
    return HandOver(answer=Answer.AMBIGUOUS, provider=provider, remedy=Remedy.RECONCILE, code=code)


def _name_of(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return "connection_lost" if isinstance(error, _LOST) else "unreadable"


def _classified(provider: str, error: ErrorAnswer) -> HandOver:
    code = error.code or str(error.status)
    if error.status >= _FIRST_SERVER_ERROR:
        # Twilio says of its 500 that the message may have been sent.
        return _ambiguous(provider, code)
    return HandOver(
        answer=Answer.REJECTED,
        provider=provider,
        code=code,
        remedy=remedy_for(error.code, error.status),
        retry_after_s=pause_of(error.headers.get("Retry-After", ""), SystemClock().now()),
    )


def _fits(candidate: MessageInstance, sender: str, earliest: datetime) -> bool:
    created = candidate.date_created
    ours = candidate.from_ in {None, "", sender} or is_service(sender)
    return created is not None and created >= earliest and ours
