"""No adapter writes a person into the log, whether the message is taken or not."""

import logging
from collections.abc import AsyncGenerator

import pytest

from activities.providers.fcm_push import FcmPush
from activities.providers.netgsm.sms import NetgsmSms
from activities.providers.smtp.email import SmtpEmail
from activities.providers.twilio.sms import TwilioSms
from activities.providers.twilio.whatsapp import TwilioWhatsApp
from tellal.clock import SystemClock
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.messages import OutgoingMessage
from tellal.ids import new_id
from tellal.ports import Sender
from tests.support.carrier import CarrierProbe, MailboxProbe

ADDRESSES = {
    Channel.SMS: "+905321112233",
    Channel.WHATSAPP: "+905321112244",
    Channel.EMAIL: "ayse@example.com",
    Channel.PUSH: "token-of-a-phone",
}
SECRET = "the-word-of-the-day"


@pytest.fixture
async def senders(carrier: CarrierProbe, mailbox: MailboxProbe) -> AsyncGenerator[list[Sender]]:
    made: list[Sender] = [
        TwilioSms(carrier.twilio(), status_callback_url="http://127.0.0.1:9/status"),
        TwilioWhatsApp(carrier.twilio(), status_callback_url="http://127.0.0.1:9/status"),
        NetgsmSms(carrier.netgsm()),
        SmtpEmail(mailbox.smtp()),
        FcmPush(carrier.fcm()),
    ]
    yield made
    for sender in made:
        await sender.close()


async def test_no_adapter_logs_a_person(
    senders: list[Sender],
    carrier: CarrierProbe,
    mailbox: MailboxProbe,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    for refused in (False, True):
        if refused:
            carrier.fault("500_before_accept")
            mailbox.fault("", code=550, text="5.1.1 who is that")
        for sender in senders:
            message = OutgoingMessage(
                id=new_id(),
                attempt=1,
                channel=sender.channel,
                message_class=MessageClass.SERVICE,
                lane=Lane.JOURNEYS,
                sender="bank@banka.example",
                address=ADDRESSES[sender.channel],
                subject=SECRET,
                text=SECRET,
            )
            await sender.send(message)
            await sender.look_up(message, SystemClock().now())

    assert mailbox.attempts("") + carrier.requests() == 2 * len(senders)
    assert not {word for word in (*ADDRESSES.values(), SECRET) if word in caplog.text}
