"""Our adapter for calls against the simulator: what is read out, and what comes of each answer."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from activities.assembly import senders_of
from activities.providers.twilio.callbacks import CALL_STATES, parse_status
from activities.providers.twilio.calls import TwilioCalls, twiml_of
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import Answer, MessageState, OutgoingMessage, Remedy
from tellal.ids import new_id
from tellal.ports import Forgotten
from tellal.settings import Settings
from tests.providers.test_twilio_sms import an_account_at
from tests.support.carrier import CALLER, WHATEVER_GOES_WRONG, CarrierProbe, free_port
from tests.support.waiting import until

CALLBACKS = "http://127.0.0.1:9/v1/hooks/twilio/status"
TO = "+903124440000"
AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
IMPATIENT_S = 1.0


def a_call(**changes: str | int) -> OutgoingMessage:
    message = OutgoingMessage(
        id=new_id(),
        attempt=1,
        channel=Channel.CALL,
        message_class=MessageClass.MANDATORY,
        lane=Lane.CRITICAL,
        sender="",
        address=TO,
        text="Örnek Bankası arıyor. Kartınız <b>kapatıldı</b> & bloke edildi.",
        language="tr",
    )
    return replace(message, **changes)  # type: ignore[arg-type]  # the names are checked at run time


@pytest.fixture
async def calls(carrier: CarrierProbe) -> AsyncGenerator[TwilioCalls]:
    sender = TwilioCalls(carrier.twilio(timeout_s=IMPATIENT_S), status_callback_url=CALLBACKS)
    yield sender
    await sender.close()


async def test_a_text_is_read_out_in_its_language(
    calls: TwilioCalls, carrier: CarrierProbe
) -> None:
    message = a_call()

    answer = await calls.send(message)

    [entry] = carrier.book(to=TO)
    assert (answer.answer, answer.provider) == (Answer.ACCEPTED, "twilio_calls")
    assert answer.reference == entry["reference"]
    assert (entry["channel"], entry["text"]) == ("call", message.text)
    assert (entry["sender"], entry["data"]) == (CALLER, {"language": "tr-TR"})
    assert (entry["message_id"], entry["attempt"]) == (message.id, "1")
    assert carrier.requests() == 1


def test_it_declares_delivery_receipts(calls: TwilioCalls) -> None:
    declared = (calls.provider, calls.channel, calls.receipts, calls.looks_up)
    assert declared == ("twilio_calls", Channel.CALL, Receipts.DELIVERY, True)


@pytest.mark.parametrize(
    ("text", "language", "voice"),
    [
        ("</Say><Dial>+905320000101</Dial>", "tr", "tr-TR"),
        ("\"&'<\x00\x07", "pl-PL", "pl-PL"),
        ("Hello", "xx", "en-GB"),
        ("Hello", "", "en-GB"),
    ],
)
def test_whatever_is_said_is_said_and_never_obeyed(text: str, language: str, voice: str) -> None:
    root = ET.fromstring(twiml_of(text, language))

    [said] = root.findall("Say")
    assert [one.tag for one in root] == ["Pause", "Say"]
    assert list(said) == []
    assert said.text == text.replace("\x00", "").replace("\x07", "")
    assert said.get("language") == voice


async def test_what_is_too_long_is_not_sent(calls: TwilioCalls, carrier: CarrierProbe) -> None:
    answer = await calls.send(a_call(text="ğ" * 4000))

    assert (answer.code, answer.remedy) == ("too_long", Remedy.NEXT_CHANNEL)
    assert carrier.requests() == 0


@WHATEVER_GOES_WRONG
async def test_a_call_is_asked_for_once_whatever_goes_wrong(
    calls: TwilioCalls, carrier: CarrierProbe, fault: str, answer: Answer, remedy: Remedy
) -> None:
    carrier.fault(fault)

    got = await calls.send(a_call())

    assert (got.answer, got.remedy) == (answer, remedy)
    assert carrier.requests() == 1


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("21210", Remedy.NEXT_ROUTE), ("21216", Remedy.NEXT_CHANNEL), ("21211", Remedy.BAD_ADDRESS)],
)
async def test_a_refusal_says_what_to_do(
    calls: TwilioCalls, carrier: CarrierProbe, code: str, remedy: Remedy
) -> None:
    carrier.fault("error", code=code)

    answer = await calls.send(a_call())

    assert (answer.answer, answer.code, answer.remedy) == (Answer.REJECTED, code, remedy)


async def test_nobody_there_is_known_to_have_taken_nothing() -> None:
    account = an_account_at(free_port()).model_copy(update={"caller": CALLER})
    sender = TwilioCalls(account, status_callback_url=CALLBACKS)
    answer = await sender.send(a_call())
    await sender.close()

    assert (answer.answer, answer.code) == (Answer.REJECTED, "unreachable")


async def test_a_look_up_tells_only_that_nobody_was_called(calls: TwilioCalls) -> None:
    since = datetime.now(UTC)
    message = a_call()

    before = await calls.look_up(message, since)
    await calls.send(message)
    after = await calls.look_up(message, since)
    much_later = await calls.look_up(message, since + timedelta(hours=1))

    assert before is not None
    assert (before.code, before.remedy) == ("not_there", Remedy.RETRY)
    assert after is None
    assert much_later is not None


async def test_the_record_of_a_call_that_is_over_is_deleted(
    calls: TwilioCalls, carrier: CarrierProbe
) -> None:
    answer = await calls.send(a_call())

    async def is_over() -> bool:
        return bool(carrier.book(to=TO)[0]["status"] == "completed")

    await until(is_over)
    assert await calls.forget(answer.reference) is Forgotten.DELETED
    assert await calls.forget(answer.reference) is Forgotten.DELETED


def says(status: str, **more: str) -> dict[str, str]:
    return {"CallSid": "CA1", "CallStatus": status, "To": TO} | more


@pytest.mark.parametrize(
    ("form", "state", "code", "remedy"),
    [
        (says("initiated"), MessageState.ACCEPTED, "", None),
        (says("ringing"), MessageState.SENT, "", None),
        (says("in-progress"), MessageState.SENT, "", None),
        (says("completed"), MessageState.DELIVERED, "", None),
        (says("completed", AnsweredBy="human"), MessageState.DELIVERED, "", None),
        (
            says("completed", AnsweredBy="machine_start"),
            MessageState.UNDELIVERED,
            "machine",
            Remedy.NEXT_CHANNEL,
        ),
        (says("busy"), MessageState.UNDELIVERED, "busy", Remedy.NEXT_CHANNEL),
        (says("no-answer"), MessageState.UNDELIVERED, "no-answer", Remedy.NEXT_CHANNEL),
        (says("failed", ErrorCode="13224"), MessageState.FAILED, "13224", Remedy.BAD_ADDRESS),
        (says("failed"), MessageState.FAILED, "", Remedy.NEXT_CHANNEL),
        (says("canceled"), MessageState.CANCELLED, "", None),
    ],
)
def test_only_who_picks_up_is_told(
    form: dict[str, str], state: MessageState, code: str, remedy: Remedy | None
) -> None:
    receipt = parse_status(form, "01K", AT)

    assert (receipt.state, receipt.code, receipt.remedy) == (state, code, remedy)
    assert (receipt.provider, receipt.reference) == ("twilio_calls", "CA1")
    assert len(CALL_STATES) == 9


def test_a_status_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="not one that Twilio has"):
        parse_status(says("pondering"), "01K", AT)


def test_nobody_is_called_without_a_number_to_call_from(carrier: CarrierProbe) -> None:
    account = carrier.twilio()
    silent = Settings(twilio=account.model_copy(update={"caller": ""}))

    assert "twilio_calls" in senders_of(Settings(twilio=account))
    assert "twilio_calls" in Settings(twilio=account).providers
    assert "twilio_calls" not in senders_of(silent)
    assert "twilio_calls" not in silent.providers
