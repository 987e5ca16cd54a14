"""Text messages over Twilio."""

from datetime import datetime

from activities.providers.twilio.messages import OverTwilio, accepted, not_there
from activities.providers.twilio.names import SMS_PROVIDER
from tellal.domain.channels import Channel
from tellal.domain.messages import HandOver, OutgoingMessage


class TwilioSms(OverTwilio):
    """Sends texts, from a number, a name or a messaging service."""

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return SMS_PROVIDER

    @property
    def channel(self) -> Channel:
        """The channel that it carries."""
        return Channel.SMS

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
