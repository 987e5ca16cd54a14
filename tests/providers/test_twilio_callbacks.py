"""Reading Twilio's status callbacks, and telling them from a forger's."""

from datetime import UTC, datetime

import pytest

from activities.providers.twilio.callbacks import STATES, parse_status, signature_is_valid
from tellal.carrier.callbacks import signature
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import MessageState, Remedy

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
URL = "https://tellal.example/v1/hooks/twilio/status?m=01K&a=1"


def a_form(status: str, **more: str) -> dict[str, str]:
    return {"MessageSid": "SM1", "MessageStatus": status, "To": "+905321112233"} | more


@pytest.mark.parametrize(
    ("status", "state"),
    [
        pytest.param("accepted", MessageState.ACCEPTED, id="accepted"),
        pytest.param("scheduled", MessageState.ACCEPTED, id="scheduled"),
        pytest.param("queued", MessageState.ACCEPTED, id="queued"),
        pytest.param("sending", MessageState.ACCEPTED, id="sending"),
        pytest.param("sent", MessageState.SENT, id="sent"),
        pytest.param("partially_delivered", MessageState.SENT, id="partially delivered"),
        pytest.param("delivered", MessageState.DELIVERED, id="delivered"),
        pytest.param("read", MessageState.DELIVERED, id="read"),
        pytest.param("undelivered", MessageState.UNDELIVERED, id="undelivered"),
        pytest.param("failed", MessageState.FAILED, id="failed"),
        pytest.param("canceled", MessageState.CANCELLED, id="canceled"),
    ],
)
def test_every_status_has_a_state(status: str, state: MessageState) -> None:
    receipt = parse_status(a_form(status), "01K", AT)

    assert receipt.state is state
    assert (receipt.message_id, receipt.reference, receipt.received_at) == ("01K", "SM1", AT)
    assert len(STATES) == 11


def test_a_failure_says_what_to_do_next() -> None:
    lost = parse_status(a_form("undelivered", ErrorCode="30005"), "01K", AT)
    unheard_of = parse_status(a_form("failed", ErrorCode="39999"), "01K", AT)

    assert (lost.code, lost.remedy) == ("30005", Remedy.BAD_ADDRESS)
    assert unheard_of.remedy is Remedy.NEXT_CHANNEL


@pytest.mark.parametrize(
    ("to", "provider"),
    [
        pytest.param("+905321112233", "twilio", id="SMS"),
        pytest.param("whatsapp:+905321112233", "twilio_whatsapp", id="WhatsApp"),
    ],
)
def test_a_receipt_is_of_the_route_that_the_message_took(to: str, provider: str) -> None:
    assert parse_status(a_form("read", To=to), "01K", AT).provider == provider


def test_a_success_asks_for_nothing() -> None:
    assert parse_status(a_form("delivered"), "", AT).remedy is None


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"MessageStatus": "sent"}, id="no message"),
        pytest.param({"MessageSid": "SM1"}, id="no status"),
        pytest.param({"MessageSid": "SM1", "MessageStatus": "teleported"}, id="unknown status"),
    ],
)
def test_what_cannot_be_read_is_refused(form: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError):
        parse_status(form, "01K", AT)


def test_only_the_signature_over_this_form_and_address_is_valid() -> None:
    form = a_form("sent")
    signed = signature("token", URL, form)

    assert signature_is_valid("token", URL, form, signed)
    assert not signature_is_valid("other", URL, form, signed)
    assert not signature_is_valid("token", URL.replace("https", "http"), form, signed)
    assert not signature_is_valid("token", URL, a_form("delivered"), signed)
    assert not signature_is_valid("token", URL, form, "")
