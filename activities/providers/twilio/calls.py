"""Calls over Twilio that read a text out (its Calls resource); one call of ours is one request."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from twilio.rest import Client

from activities.providers.twilio.messages import (
    UNANSWERED,
    forgotten,
    not_there,
    placed,
    rejected,
)
from activities.providers.twilio.names import CALLS_PROVIDER
from activities.providers.twilio.transport import ErrorAnswer, Transport
from tellal.domain.channels import Channel, Receipts
from tellal.domain.messages import HandOver, OutgoingMessage, Remedy
from tellal.ports import Forgotten
from tellal.settings import TwilioSettings

_LONGEST_TWIML = 4000
"""Letters; Twilio takes no more of it with the request."""
_RINGS_FOR_S = 30
_CLOCKS_APART = timedelta(seconds=30)
_EVENTS = ["initiated", "ringing", "answered", "completed"]

VOICES: Mapping[str, str] = {"tr": "tr-TR", "pl": "pl-PL", "en": "en-GB"}
"""The languages in which a text is read out; another is read as English."""


class TwilioCalls:
    """Calls a number and reads a text out, twice, since who picks up listens late.

    All calls come from one number of the account's.
    """

    def __init__(self, settings: TwilioSettings, *, status_callback_url: str) -> None:
        """Take the account, its number, and the address of our callbacks (without a query)."""
        self._transport = Transport(base_url=settings.base_url, timeout_s=settings.timeout_s)
        self._client = Client(
            settings.account_sid,
            settings.auth_token.get_secret_value(),
            http_client=self._transport,
            # Not the process's environment, which may name another account or region.
            environment={"TWILIO_REGION": ""},
        )
        self._caller = settings.caller
        self._status_callback_url = status_callback_url

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return CALLS_PROVIDER

    @property
    def channel(self) -> Channel:
        """The channel that it carries."""
        return Channel.CALL

    @property
    def receipts(self) -> Receipts:
        """Twilio tells whether somebody picked up."""
        return Receipts.DELIVERY

    @property
    def looks_up(self) -> bool:
        """Twilio can be asked which calls it made to a number."""
        return True

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Have the call made; every failure is an answer, never an exception."""
        twiml = twiml_of(message.text, message.language)
        if len(twiml) > _LONGEST_TWIML:
            return rejected(CALLS_PROVIDER, Remedy.NEXT_CHANNEL, "too_long")
        tags = urlencode({"m": message.id, "a": message.attempt})
        make = partial(
            self._client.calls.create_async,
            to=message.address,
            from_=self._caller,
            twiml=twiml,
            timeout=_RINGS_FOR_S,
            status_callback=f"{self._status_callback_url}?{tags}",
            status_callback_event=_EVENTS,
        )
        return await placed(CALLS_PROVIDER, make)

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Say that the call was not made, if the number was not called at all since then.

        Twilio does not tell what was read out. If it called the number, that may have been for
        another message, and only a callback settles this one.
        """
        try:
            calls = await self._client.calls.list_async(to=message.address, limit=50, page_size=50)
        except (ErrorAnswer, *UNANSWERED):
            return None
        earliest = since - _CLOCKS_APART
        if any(call.date_created is None or call.date_created >= earliest for call in calls):
            return None
        return not_there(CALLS_PROVIDER)

    async def forget(self, reference: str) -> Forgotten:
        """Have Twilio delete its record of a call."""
        return await forgotten(self._client.calls(reference).delete_async)

    async def close(self) -> None:
        """Give the connections back."""
        await self._transport.close()


def twiml_of(text: str, language: str) -> str:
    """Write what is to be said in Twilio's language; of letters that XML cannot hold, nothing."""
    sayable = "".join(one for one in text if one >= " " or one in "\n\t")
    voice = quoteattr(VOICES.get(language.partition("-")[0].lower(), VOICES["en"]))
    said = f'<Say language={voice} loop="2">{escape(sayable)}</Say>'
    return f'<Response><Pause length="1"/>{said}</Response>'
