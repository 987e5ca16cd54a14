"""Text messages over Twilio."""

from datetime import datetime

from activities.providers.twilio.messages import Messages, accepted, not_there
from activities.providers.twilio.names import SMS_PROVIDER
from tellal.domain.channels import Channel, Receipts
from tellal.domain.messages import HandOver, OutgoingMessage
from tellal.settings import TwilioSettings


class TwilioSms:
    """Sends texts, from a number, a name or a messaging service."""

    def __init__(self, settings: TwilioSettings, *, status_callback_url: str) -> None:
        """Take the account and the address of our callbacks (public, without a query)."""
        self._messages = Messages(settings, status_callback_url=status_callback_url)

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return SMS_PROVIDER

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
        return await self._messages.post(
            message, to=message.address, sender=message.sender, content={"body": message.text}
        )

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Search the recipient's newest messages for this text."""
        listed = await self._messages.since(since, to=message.address, sender=message.sender)
        if listed is None:
            return None
        sid = listed.with_text(message.text)
        if sid:
            return accepted(SMS_PROVIDER, sid)
        return not_there(SMS_PROVIDER) if listed.is_whole else None

    async def close(self) -> None:
        """Give the connections back."""
        await self._messages.close()
