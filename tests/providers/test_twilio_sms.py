"""Our Twilio adapter against the simulator: what it sends, and what it makes of each answer."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from activities.providers.twilio.sms import TwilioSms
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.messages import Answer, OutgoingMessage, Remedy
from tellal.ids import new_id
from tellal.ports import Forgotten
from tellal.settings import TwilioSettings
from tests.support.carrier import WHATEVER_GOES_WRONG, CarrierProbe, free_port
from tests.support.waiting import until

CALLBACKS = "http://127.0.0.1:9/v1/hooks/twilio/status"
TO = "+905321112233"
IMPATIENT_S = 1.0


def a_text(**changes: str | int) -> OutgoingMessage:
    message = OutgoingMessage(
        id=new_id(),
        attempt=1,
        channel=Channel.SMS,
        message_class=MessageClass.SERVICE,
        lane=Lane.JOURNEYS,
        sender="BANKA",
        address=TO,
        text="Şifrenizi kimseyle paylaşmayın.",
        validity_s=600,
    )
    return replace(message, **changes)  # type: ignore[arg-type]  # the names are checked at run time


def an_account_at(port: int) -> TwilioSettings:
    return TwilioSettings(
        account_sid="AC1", auth_token=SecretStr("x"), base_url=f"http://127.0.0.1:{port}"
    )


@pytest.fixture
async def sms(carrier: CarrierProbe) -> AsyncGenerator[TwilioSms]:
    sender = TwilioSms(carrier.twilio(timeout_s=IMPATIENT_S), status_callback_url=CALLBACKS)
    yield sender
    await sender.close()


async def test_an_accepted_text_carries_what_the_message_says(
    sms: TwilioSms, carrier: CarrierProbe
) -> None:
    message = a_text()

    answer = await sms.send(message)

    [entry] = carrier.book(to=TO)
    assert answer.answer is Answer.ACCEPTED
    assert answer.reference == entry["reference"]
    assert (entry["text"], entry["sender"]) == (message.text, "BANKA")
    assert (entry["message_id"], entry["attempt"]) == (message.id, "1")
    assert entry["validity_s"] == 600
    assert carrier.requests() == 1


def test_it_declares_delivery_receipts(sms: TwilioSms) -> None:
    assert (sms.provider, sms.channel, sms.receipts) == ("twilio", Channel.SMS, Receipts.DELIVERY)


@WHATEVER_GOES_WRONG
async def test_one_attempt_is_one_request_whatever_goes_wrong(
    sms: TwilioSms,
    carrier: CarrierProbe,
    fault: str,
    answer: Answer,
    remedy: Remedy,
) -> None:
    await sms.send(a_text(address="+905320000000"))  # the next one reuses this connection
    carrier.fault(fault, {"to": TO})

    given = await sms.send(a_text())

    assert (given.answer, given.remedy) == (answer, remedy)
    assert carrier.requests(to=TO) == 1
    assert carrier.taken(to=TO) == int(fault.endswith("after_accept"))


async def test_the_pause_that_a_429_asks_for_is_handed_on(
    sms: TwilioSms, carrier: CarrierProbe
) -> None:
    carrier.fault("429", retry_after=7)

    answer = await sms.send(a_text())

    assert (answer.code, answer.retry_after_s) == ("20429", 7.0)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        pytest.param("21211", Remedy.BAD_ADDRESS, id="invalid number"),
        pytest.param("21614", Remedy.BAD_ADDRESS, id="not mobile"),
        pytest.param("21610", Remedy.OPTED_OUT, id="opted out"),
        pytest.param("21606", Remedy.NEXT_ROUTE, id="sender not ours"),
        pytest.param("20003", Remedy.HALT, id="not authenticated"),
        pytest.param("21611", Remedy.RETRY, id="queue full"),
        pytest.param("29999", Remedy.NEXT_CHANNEL, id="unheard of"),
    ],
)
async def test_a_refusal_says_what_to_do_next(
    sms: TwilioSms, carrier: CarrierProbe, code: str, remedy: Remedy
) -> None:
    carrier.fault("error", {"to": TO}, code=code)

    answer = await sms.send(a_text())

    assert (answer.answer, answer.code, answer.remedy) == (Answer.REJECTED, code, remedy)
    assert carrier.requests() == 1


async def test_wrong_credentials_halt_the_route(carrier: CarrierProbe) -> None:
    settings = carrier.twilio().model_copy(update={"account_sid": "AC" + "9" * 32})
    sender = TwilioSms(settings, status_callback_url=CALLBACKS)

    answer = await sender.send(a_text())
    await sender.close()

    assert (answer.code, answer.remedy) == ("20003", Remedy.HALT)
    assert carrier.requests() == 1


async def test_a_refused_connection_may_be_tried_again() -> None:
    nowhere = an_account_at(free_port())
    sender = TwilioSms(nowhere, status_callback_url=CALLBACKS)

    answer = await sender.send(a_text())
    await sender.close()

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, Remedy.RETRY)


async def test_a_success_that_is_no_message_is_ambiguous() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = an_account_at(port)
        sender = TwilioSms(settings, status_callback_url=CALLBACKS)
        answer = await sender.send(a_text())
        await sender.close()

    assert (answer.answer, answer.code) == (Answer.AMBIGUOUS, "unreadable")


async def test_a_look_up_finds_a_text_whose_answer_was_lost(
    sms: TwilioSms, carrier: CarrierProbe
) -> None:
    message, since = a_text(), datetime.now(UTC)
    carrier.fault("reset_after_accept", {"to": TO}, times=1)
    await sms.send(message)

    found = await sms.look_up(message, since)

    [entry] = carrier.book(to=TO)
    assert found is not None
    assert (found.answer, found.reference) == (Answer.ACCEPTED, entry["reference"])


async def test_a_look_up_says_surely_that_a_text_is_not_there(
    sms: TwilioSms, carrier: CarrierProbe
) -> None:
    message, since = a_text(), datetime.now(UTC)
    await sms.send(a_text(text="Another text to the same number."))
    carrier.fault("reset", {"to": TO}, times=1)
    await sms.send(message)

    found = await sms.look_up(message, since)

    assert found is not None
    assert (found.answer, found.remedy) == (Answer.REJECTED, Remedy.RETRY)


async def test_a_look_up_does_not_take_an_older_equal_text_for_this_one(
    sms: TwilioSms, carrier: CarrierProbe
) -> None:
    await sms.send(a_text())
    message = a_text()

    found = await sms.look_up(message, datetime.now(UTC) + timedelta(minutes=2))

    assert carrier.taken(to=TO) == 1
    assert found is not None
    assert found.answer is Answer.REJECTED


async def test_a_look_up_that_fails_says_nothing() -> None:
    settings = an_account_at(free_port())
    sender = TwilioSms(settings, status_callback_url=CALLBACKS)

    found = await sender.look_up(a_text(), datetime.now(UTC))
    await sender.close()

    assert found is None


async def test_texts_go_side_by_side_one_request_each(
    sms: TwilioSms, carrier: CarrierProbe
) -> None:
    answers = await asyncio.gather(*(sms.send(a_text()) for _ in range(50)))

    assert {answer.answer for answer in answers} == {Answer.ACCEPTED}
    assert len({answer.reference for answer in answers}) == 50
    assert carrier.requests(to=TO) == 50


async def test_a_connection_that_rests_is_given_back_before_a_server_would_close_it() -> None:
    """What a server closes as we write is a hand-over in doubt; many wait for five seconds."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}")
        while await reader.read(4096):
            pass
        ended.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sender = TwilioSms(an_account_at(port), status_callback_url=CALLBACKS)

    answer = await sender.send(a_text())
    kept_at_first = not ended.is_set()
    async with asyncio.timeout(4.8):
        await ended.wait()

    await sender.close()
    server.close()
    assert answer.answer is Answer.REJECTED
    assert kept_at_first


async def test_a_text_is_deleted_at_twilio_once_it_has_arrived(
    sms: TwilioSms,
) -> None:
    answer = await sms.send(a_text())

    async def forgotten() -> bool:
        return await sms.forget(answer.reference) is Forgotten.DELETED

    await until(forgotten)

    assert await sms.forget(answer.reference) is Forgotten.DELETED
    assert await sms.forget("SM" + "0" * 32) is Forgotten.DELETED


async def test_what_twilio_cannot_be_asked_is_asked_again() -> None:
    nobody = TwilioSms(an_account_at(free_port()), status_callback_url=CALLBACKS)

    answer = await nobody.forget("SM" + "0" * 32)

    await nobody.close()
    assert answer is Forgotten.LATER
