"""WhatsApp over Twilio.

WhatsApp takes free text only within 24 hours after the person last wrote; at any other time a
message must be filled into a text that Meta has approved (`OutgoingMessage.content`). Twilio takes
both, and tells by a callback (63016) that free text was too late: the plan then goes on.
"""

import json
from collections.abc import Mapping
from datetime import datetime

from activities.providers.twilio.messages import OverTwilio, accepted, not_there
from activities.providers.twilio.names import WHATSAPP_PREFIX, WHATSAPP_PROVIDER, is_service
from tellal.domain.channels import Channel
from tellal.domain.messages import HandOver, OutgoingMessage


class TwilioWhatsApp(OverTwilio):
    """Sends WhatsApp messages, from a number of a business or a messaging service."""

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return WHATSAPP_PROVIDER

    @property
    def channel(self) -> Channel:
        """The channel that it carries."""
        return Channel.WHATSAPP

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Hand the message over; every failure is an answer, never an exception."""
        return await self._messages.post(
            message,
            to=_marked(message.address),
            sender=_marked(message.sender),
            content=_content(message),
        )

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Search the recipient's newest messages for this one.

        Twilio lists an approved text as Meta filled it in, and does not say which one it was. It
        may differ from our own words, so another message of that time leaves the question open.
        """
        listed = await self._messages.since(
            since, to=_marked(message.address), sender=_marked(message.sender)
        )
        if listed is None:
            return None
        sid = listed.with_text(message.text)
        if sid:
            return accepted(WHATSAPP_PROVIDER, sid)
        may_be_another = bool(message.content and listed.messages)
        return not_there(WHATSAPP_PROVIDER) if listed.is_whole and not may_be_another else None


def _marked(address: str) -> str:
    return address if not address or is_service(address) else f"{WHATSAPP_PREFIX}{address}"


def _content(message: OutgoingMessage) -> Mapping[str, str]:
    if not message.content:
        return {"body": message.text}
    content = {"content_sid": message.content}
    if message.content_variables:
        variables = dict(message.content_variables)
        content["content_variables"] = json.dumps(variables, ensure_ascii=False)
    return content
