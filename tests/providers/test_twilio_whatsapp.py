"""Our WhatsApp adapter against the simulator: approved texts, free texts, and what comes back."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest

from activities.providers.twilio.callbacks import parse_status, signature_is_valid
from activities.providers.twilio.sms import TwilioSms
from activities.providers.twilio.whatsapp import TwilioWhatsApp
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.messages import Answer, MessageState, OutgoingMessage, Receipt, Remedy
from tellal.ids import new_id
from tests.support.answering import Answering
from tests.support.carrier import CarrierProbe, free_port

TO, SENDER = "+905321112233", "+908500000001"
SERVICE = "MG" + "0" * 32
APPROVED = "HX" + "0123456789abcdef" * 2
NOWHERE = "http://127.0.0.1:9/v1/hooks/twilio/status"
IMPATIENT_S = 1.0


def a_message(**changes: object) -> OutgoingMessage:
    message = OutgoingMessage(
        id=new_id(),
        attempt=1,
        channel=Channel.WHATSAPP,
        message_class=MessageClass.SERVICE,
        lane=Lane.JOURNEYS,
        sender=SENDER,
        address=TO,
        text="2026-000417 numaralı başvurunuz sonuçlandırıldı.",
        content=APPROVED,
        content_variables={"1": "2026-000417", "2": 'Ayşe\'nin "ışığı"'},
        validity_s=600,
    )
    return replace(message, **changes)  # type: ignore[arg-type]  # the names are checked at run time


def free_text(**changes: object) -> OutgoingMessage:
    return a_message(content="", content_variables={}, **changes)


def sender_at(carrier: CarrierProbe, callbacks: str = NOWHERE) -> TwilioWhatsApp:
    return TwilioWhatsApp(carrier.twilio(timeout_s=IMPATIENT_S), status_callback_url=callbacks)


@pytest.fixture
async def whatsapp(carrier: CarrierProbe) -> AsyncGenerator[TwilioWhatsApp]:
    sender = sender_at(carrier)
    yield sender
    await sender.close()


async def what_comes_back(
    carrier: CarrierProbe, message: OutgoingMessage, count: int
) -> list[Receipt]:
    """Send a message and read its callbacks as our hook does, signature and all."""
    async with Answering() as receiver:
        sender = sender_at(carrier, f"{receiver.url}/status")
        answer = await sender.send(message)
        await sender.close()
        await receiver.until(count)
    assert answer.answer is Answer.ACCEPTED
    receipts = []
    for request in receiver.requests:
        form = dict(parse_qsl(request.body))
        url, signed = receiver.url + request.path_and_query, request.headers["x-twilio-signature"]
        assert signature_is_valid(carrier.account.auth_token, url, form, signed)
        assert form["To"] == f"whatsapp:{TO}"
        receipts.append(parse_status(form, message.id, datetime.now(UTC)))
    assert {receipt.reference for receipt in receipts} == {answer.reference}
    assert {receipt.provider for receipt in receipts} == {answer.provider}
    return receipts


def test_it_declares_delivery_receipts_and_a_name_of_its_own(whatsapp: TwilioWhatsApp) -> None:
    assert (whatsapp.provider, whatsapp.channel) == ("twilio_whatsapp", Channel.WHATSAPP)
    assert (whatsapp.receipts, whatsapp.looks_up) == (Receipts.DELIVERY, True)


async def test_an_approved_text_goes_by_its_name_with_what_fills_it_in(
    whatsapp: TwilioWhatsApp, carrier: CarrierProbe
) -> None:
    message = a_message()

    answer = await whatsapp.send(message)

    [entry] = carrier.book(to=TO)
    assert (answer.answer, answer.reference) == (Answer.ACCEPTED, entry["reference"])
    assert (entry["channel"], entry["sender"], entry["text"]) == ("whatsapp", SENDER, "")
    assert entry["data"]["content"] == APPROVED
    assert json.loads(entry["data"]["variables"]) == message.content_variables
    assert (entry["message_id"], entry["validity_s"]) == (message.id, 600)
    assert carrier.requests() == 1


async def test_an_approved_text_may_have_nothing_to_fill_in(
    whatsapp: TwilioWhatsApp, carrier: CarrierProbe
) -> None:
    await whatsapp.send(a_message(content_variables={}))

    [entry] = carrier.book(to=TO)
    assert entry["data"] == {"content": APPROVED, "variables": ""}


async def test_a_messaging_service_may_be_the_sender(
    whatsapp: TwilioWhatsApp, carrier: CarrierProbe
) -> None:
    await whatsapp.send(a_message(sender=SERVICE))

    [entry] = carrier.book(to=TO)
    assert (entry["sender"], entry["channel"]) == (SERVICE, "whatsapp")


async def test_an_approved_text_walks_to_being_read(carrier: CarrierProbe) -> None:
    receipts = await what_comes_back(carrier, a_message(), 3)

    assert [receipt.state for receipt in receipts] == [
        MessageState.SENT,
        MessageState.DELIVERED,
        MessageState.DELIVERED,
    ]
    assert carrier.book(to=TO)[0]["status"] == "read"


async def test_free_text_goes_within_a_day_after_the_person_wrote(carrier: CarrierProbe) -> None:
    carrier.hears_from(TO, datetime.now(UTC) - timedelta(hours=23, minutes=59))

    receipts = await what_comes_back(carrier, free_text(), 3)

    assert receipts[-1].state is MessageState.DELIVERED
    assert carrier.book(to=TO)[0]["text"] == free_text().text


@pytest.mark.parametrize(
    "hours", [pytest.param(None, id="never wrote"), pytest.param(24.1, id="wrote the day before")]
)
async def test_free_text_that_is_too_late_is_lost_and_the_plan_goes_on(
    carrier: CarrierProbe, hours: float | None
) -> None:
    if hours is not None:
        carrier.hears_from(TO, datetime.now(UTC) - timedelta(hours=hours))

    [lost] = await what_comes_back(carrier, free_text(), 1)

    assert (lost.state, lost.code) == (MessageState.FAILED, "63016")
    assert lost.remedy is Remedy.NEXT_CHANNEL


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        pytest.param("63003", Remedy.BAD_ADDRESS, id="nobody there"),
        pytest.param("63014", Remedy.OPTED_OUT, id="blocked us"),
        pytest.param("63001", Remedy.HALT, id="account unknown"),
        pytest.param("63018", Remedy.NEXT_CHANNEL, id="too many, told late"),
        pytest.param("63999", Remedy.NEXT_CHANNEL, id="unheard of"),
    ],
)
async def test_a_later_failure_says_what_to_do_next(
    carrier: CarrierProbe, code: str, remedy: Remedy
) -> None:
    carrier.fault("error", {"channel": "whatsapp", "to": TO}, code=code)

    *_, lost = await what_comes_back(carrier, a_message(), 2)

    assert (lost.state, lost.code, lost.remedy) == (MessageState.UNDELIVERED, code, remedy)


@pytest.mark.parametrize(
    ("changes", "code", "remedy"),
    [
        pytest.param({"sender": ""}, "21603", Remedy.NEXT_ROUTE, id="no sender"),
        pytest.param({"address": "0532"}, "21211", Remedy.BAD_ADDRESS, id="no number"),
        pytest.param({"content": "HX1"}, "21655", Remedy.NEXT_CHANNEL, id="no such text"),
        pytest.param(
            {"content_variables": {"1": ""}}, "21656", Remedy.NEXT_CHANNEL, id="blank variable"
        ),
    ],
)
async def test_a_refusal_says_what_to_do_next(
    whatsapp: TwilioWhatsApp,
    carrier: CarrierProbe,
    changes: dict[str, object],
    code: str,
    remedy: Remedy,
) -> None:
    answer = await whatsapp.send(a_message(**changes))

    assert (answer.answer, answer.code, answer.remedy) == (Answer.REJECTED, code, remedy)
    assert (carrier.requests(), carrier.taken()) == (1, 0)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        pytest.param("63007", Remedy.HALT, id="no such sender"),
        pytest.param("21610", Remedy.OPTED_OUT, id="opted out"),
    ],
)
async def test_a_refusal_of_twilios_own_says_what_to_do_next(
    whatsapp: TwilioWhatsApp, carrier: CarrierProbe, code: str, remedy: Remedy
) -> None:
    carrier.fault("error", {"to": TO}, code=code)

    answer = await whatsapp.send(a_message())

    assert (answer.answer, answer.code, answer.remedy) == (Answer.REJECTED, code, remedy)


@pytest.mark.parametrize(
    ("fault", "answer", "remedy"),
    [
        pytest.param("429", Answer.REJECTED, Remedy.RETRY, id="429"),
        pytest.param("500_after_accept", Answer.AMBIGUOUS, Remedy.RECONCILE, id="500"),
        pytest.param("hang", Answer.AMBIGUOUS, Remedy.RECONCILE, id="hang"),
        pytest.param("reset_after_accept", Answer.AMBIGUOUS, Remedy.RECONCILE, id="reset"),
    ],
)
async def test_one_attempt_is_one_request_whatever_goes_wrong(
    whatsapp: TwilioWhatsApp, carrier: CarrierProbe, fault: str, answer: Answer, remedy: Remedy
) -> None:
    await whatsapp.send(a_message(address="+905320000000"))  # the next one reuses this connection
    carrier.fault(fault, {"to": TO})

    given = await whatsapp.send(a_message())

    assert (given.answer, given.remedy) == (answer, remedy)
    assert carrier.requests(to=TO) == 1
    assert given.provider == "twilio_whatsapp"


async def test_a_look_up_finds_free_text_whose_answer_was_lost(
    whatsapp: TwilioWhatsApp, carrier: CarrierProbe
) -> None:
    message, since = free_text(), datetime.now(UTC)
    carrier.fault("reset_after_accept", {"to": TO}, times=1)
    await whatsapp.send(message)

    found = await whatsapp.look_up(message, since)

    [entry] = carrier.book(to=TO)
    assert found is not None
    assert (found.answer, found.reference) == (Answer.ACCEPTED, entry["reference"])


async def test_a_look_up_leaves_open_whether_an_approved_text_is_ours(
    whatsapp: TwilioWhatsApp, carrier: CarrierProbe
) -> None:
    # Its words are Meta's, so it cannot be told from another one; its callback will tell.
    message, since = a_message(), datetime.now(UTC)
    carrier.fault("reset_after_accept", {"to": TO}, times=1)
    await whatsapp.send(message)

    assert await whatsapp.look_up(message, since) is None


async def test_a_look_up_says_surely_that_nothing_is_there(
    whatsapp: TwilioWhatsApp, carrier: CarrierProbe
) -> None:
    message, since = a_message(), datetime.now(UTC)
    carrier.fault("reset", {"to": TO}, times=1)
    await whatsapp.send(message)
    # A text to the same number over SMS is another matter.
    sms = TwilioSms(carrier.twilio(), status_callback_url=NOWHERE)
    sent = await sms.send(replace(message, channel=Channel.SMS, sender="BANKA"))
    await sms.close()

    found = await whatsapp.look_up(message, since)

    assert sent.answer is Answer.ACCEPTED
    assert found is not None
    assert (found.answer, found.remedy) == (Answer.REJECTED, Remedy.RETRY)
    assert found.provider == "twilio_whatsapp"


async def test_a_look_up_that_fails_says_nothing(carrier: CarrierProbe) -> None:
    nowhere = carrier.twilio().model_copy(update={"base_url": f"http://127.0.0.1:{free_port()}"})
    sender = TwilioWhatsApp(nowhere, status_callback_url=NOWHERE)

    found = await sender.look_up(a_message(), datetime.now(UTC))
    await sender.close()

    assert found is None
