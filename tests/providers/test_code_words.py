"""Every code of a provider's table has words for those who read reports."""

from collections.abc import Collection

import pytest

from activities.providers import apns_push, fcm_push, simulated, web_push
from activities.providers.netgsm import codes as netgsm
from activities.providers.smpp import codes as smpp
from activities.providers.smtp import email
from activities.providers.twilio import codes as twilio
from tellal.domain.delivery_codes import OURS, WORDS, words_of
from tellal.domain.messages import MessageState

LOST = {MessageState.UNDELIVERED, MessageState.FAILED}


@pytest.mark.parametrize(
    ("provider", "codes"),
    [
        ("twilio", twilio.CODES.keys()),
        ("twilio_whatsapp", twilio.CODES.keys()),
        ("netgsm", netgsm.CODES.keys()),
        ("netgsm", {str(code) for code, (state, _) in netgsm.STATUSES.items() if state in LOST}),
        ("smtp", email.CODES.keys()),
        ("fcm", fcm_push.CODES.keys()),
        ("apns", apns_push.CODES.keys()),
        ("web_push", web_push.CODES.keys()),
        ("smpp_operator", {smpp.code_of(status) for status in smpp.CODES}),
        ("smpp_operator", {one for one, (state, _) in smpp.STATES.items() if state in LOST}),
        (
            "simulated",
            {
                simulated.BUSY,
                simulated.NO_SUCH_ADDRESS,
                simulated.REFUSED_BY_PERSON,
                simulated.ABSENT,
            },
        ),
    ],
)
@pytest.mark.req("D62")
def test_every_code_has_words(provider: str, codes: Collection[str]) -> None:
    assert [code for code in codes if not words_of(provider, code)] == []


def test_our_own_codes_are_understood_whoever_the_provider_is() -> None:
    assert words_of("twilio", "timeout") == words_of("", "timeout") == OURS["timeout"]
    assert words_of("twilio", "no-such-code") == ""
    ours = {"twilio", "netgsm", "smpp", "smtp", "fcm", "apns", "web_push", "agents", "simulated"}
    assert set(WORDS) == ours
