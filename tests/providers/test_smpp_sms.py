"""Our SMPP adapter against the simulator's message centre: what it submits, and what it hears."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from activities.providers.smpp.codes import CODES, UNLISTED, code_of
from activities.providers.smpp.sms import SmppSms
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.messages import Answer, OutgoingMessage, Remedy
from tellal.domain.sms.alphabets import Alphabet
from tellal.ids import new_id
from tests.support.carrier import WHATEVER_GOES_WRONG, CarrierProbe, a_carrier, free_port

TO = "+905321112233"
IMPATIENT_S = 1.0
LONG = "Elektrik kesintisi bugün saat 14.00'te sona erecek; bilgi için 186. " * 4
SPLIT = "Kesinti uzadı. " * 20


def a_text(**changes: object) -> OutgoingMessage:
    message = OutgoingMessage(
        id=new_id(),
        attempt=1,
        channel=Channel.SMS,
        message_class=MessageClass.SERVICE,
        lane=Lane.JOURNEYS,
        sender="BANKA",
        address=TO,
        text="Sifrenizi kimseyle paylasmayin.",
    )
    return replace(message, **changes)  # type: ignore[arg-type]  # the names are checked at run time


def under_way(carrier: CarrierProbe) -> int:
    """Count the segments that have left for a phone and are not there yet."""
    answer = carrier.http.get("/_carrier/callbacks").raise_for_status()
    return int(answer.json()["walking"])


@pytest.fixture
async def sms(carrier: CarrierProbe) -> AsyncGenerator[SmppSms]:
    sender = SmppSms("operator", carrier.smpp(timeout_s=IMPATIENT_S))
    yield sender
    await sender.close()


def test_it_says_what_it_can_do(sms: SmppSms) -> None:
    assert (sms.provider, sms.channel) == ("smpp_operator", Channel.SMS)
    assert sms.receipts is Receipts.DELIVERY
    assert not sms.looks_up


async def test_an_accepted_text_carries_what_the_message_says(
    sms: SmppSms, carrier: CarrierProbe
) -> None:
    answer = await sms.send(a_text(validity_s=90_061))

    [entry] = carrier.book(to=TO)
    assert (answer.answer, answer.provider) == (Answer.ACCEPTED, "smpp_operator")
    assert answer.reference == entry["reference"]
    assert answer.parts == ()
    assert (entry["text"], entry["sender"]) == ("Sifrenizi kimseyle paylasmayin.", "BANKA")
    # A day, an hour, a minute and a second from now on.
    assert entry["data"]["validity_period"] == "000001010101000R"
    assert carrier.requests() == 1


@pytest.mark.parametrize(
    ("alphabet", "parts"),
    [
        (Alphabet.GSM7, 2),
        (Alphabet.TURKISH_SINGLE, 2),
        (Alphabet.TURKISH_LOCKING, 2),
        (Alphabet.UCS2, 5),
    ],
)
async def test_a_long_text_is_one_text_on_the_phone_and_each_segment_goes_once(
    sms: SmppSms, carrier: CarrierProbe, alphabet: Alphabet, parts: int
) -> None:
    text = LONG.replace("ü", "u").replace("ç", "c") if alphabet is Alphabet.GSM7 else LONG + "ğışİ"

    answer = await sms.send(a_text(text=text, encoding=alphabet.value))

    [entry] = carrier.book(to=TO)
    assert entry["text"] == text
    assert len(answer.parts) == parts
    assert entry["data"]["references"].split() == list(answer.parts)
    assert answer.reference == answer.parts[0]


@pytest.mark.parametrize(
    ("sender", "ton", "address"),
    [
        ("BANKA", "5", "BANKA"),
        ("+908500000001", "1", "908500000001"),
        ("4605", "3", "4605"),
        ("", "5", "BANKA"),
    ],
)
async def test_a_sender_is_a_name_a_number_or_a_short_number(
    sms: SmppSms, carrier: CarrierProbe, sender: str, ton: str, address: str
) -> None:
    await sms.send(a_text(sender=sender))

    [entry] = carrier.book(to=TO)
    assert (entry["data"]["source_ton"], entry["sender"]) == (ton, address)


@pytest.mark.parametrize("sender", ["BİZİM BANKA", "A NAME THAT IS TOO LONG"])
async def test_a_sender_that_cannot_be_written_goes_another_way(
    sms: SmppSms, carrier: CarrierProbe, sender: str
) -> None:
    answer = await sms.send(a_text(sender=sender))

    assert (answer.answer, answer.code) == (Answer.REJECTED, "unsendable")
    assert answer.remedy is Remedy.NEXT_ROUTE
    assert carrier.requests() == 0


@WHATEVER_GOES_WRONG
async def test_whatever_goes_wrong_is_an_answer(
    sms: SmppSms, carrier: CarrierProbe, fault: str, answer: Answer, remedy: Remedy
) -> None:
    carrier.fault(fault, {"provider": "smpp"})

    found = await sms.send(a_text())

    assert (found.answer, found.remedy) == (answer, remedy)
    assert carrier.requests() == 1, "one submission, whatever came of it"
    assert carrier.taken() == (1 if "after" in fault else 0)


@pytest.mark.parametrize("status", [*CODES, 0x0B, 0x45, 0x400])
async def test_each_status_means_what_the_table_says(
    sms: SmppSms, carrier: CarrierProbe, status: int
) -> None:
    carrier.fault("error", code=str(status))

    found = await sms.send(a_text())

    remedy = CODES.get(status, UNLISTED)
    ambiguous = remedy is Remedy.RECONCILE
    assert found.answer is (Answer.AMBIGUOUS if ambiguous else Answer.REJECTED)
    assert (found.code, found.remedy) == (code_of(status), remedy)
    assert (found.retry_after_s is not None) == (remedy is Remedy.RETRY)
    assert carrier.requests() == 1


async def test_a_text_half_submitted_waits_for_a_centre_that_is_busy(carrier: CarrierProbe) -> None:
    carrier.fault("429", {"text": "Son."}, times=1)
    sender = SmppSms("operator", carrier.smpp(timeout_s=5.0))

    answer = await sender.send(a_text(text=SPLIT + "Son.", encoding="ucs2"))

    assert answer.answer is Answer.ACCEPTED
    [entry] = carrier.book(to=TO)
    assert entry["text"] == SPLIT + "Son."
    await sender.close()


async def test_a_text_half_submitted_is_not_waited_for_without_end(
    sms: SmppSms, carrier: CarrierProbe
) -> None:
    carrier.fault("429", {"text": "Son."})

    answer = await sms.send(a_text(text=SPLIT + "Son.", encoding="ucs2"))

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, Remedy.RETRY)
    assert carrier.taken() == 0, "half a text is none"


async def test_the_first_half_is_called_back_when_the_second_is_refused() -> None:
    message = a_text(text=SPLIT + "Son.", encoding="ucs2")
    # A simulator of its own: nothing of another test is on its way there.
    with a_carrier() as carrier:
        carrier.fault("slow_receipts", by_s=60)
        carrier.fault("error", {"text": "Son."}, code="0x45", times=1)
        sender = SmppSms("operator", carrier.smpp())

        answer = await sender.send(message)

        assert (answer.answer, answer.remedy) == (Answer.REJECTED, UNLISTED)
        assert under_way(carrier) == 0, "no half of it is on its way"
        again = await sender.send(message)
        assert again.answer is Answer.ACCEPTED
        assert under_way(carrier) == len(again.parts)
        [entry] = carrier.book(to=TO)
        assert entry["text"] == message.text
        await sender.close()


async def test_a_wrong_password_halts_the_route(carrier: CarrierProbe) -> None:
    wrong = carrier.smpp().model_copy(update={"password": SecretStr("wrong")})
    sender = SmppSms("operator", wrong)

    first, second = await sender.send(a_text()), await sender.send(a_text())

    assert (first.answer, first.code, first.remedy) == (Answer.REJECTED, "0x0e", Remedy.HALT)
    assert second == first, "and it is not knocked at the door for each message"
    await sender.close()


async def test_where_nobody_listens_the_message_is_kept_for_later() -> None:
    with a_carrier() as carrier:
        nobody = carrier.smpp().model_copy(update={"port": free_port()})
    sender = SmppSms("operator", nobody)

    answer = await sender.send(a_text())

    assert (answer.answer, answer.code) == (Answer.REJECTED, "unreachable")
    assert answer.remedy is Remedy.RETRY
    await sender.close()


async def test_after_a_connection_was_lost_the_next_message_makes_another(
    sms: SmppSms, carrier: CarrierProbe
) -> None:
    carrier.fault("reset", times=1)

    lost, sent = await sms.send(a_text()), await sms.send(a_text())

    assert (lost.answer, lost.code) == (Answer.AMBIGUOUS, "connection_lost")
    assert sent.answer is Answer.ACCEPTED
    assert carrier.taken() == 1


async def test_no_more_wait_for_their_answers_than_the_window_lets(carrier: CarrierProbe) -> None:
    carrier.fault("hang")
    sender = SmppSms("operator", carrier.smpp(timeout_s=2.0, window=3))
    sending = [asyncio.create_task(sender.send(a_text())) for _ in range(10)]

    async with asyncio.timeout(10):
        while carrier.requests() < 3:  # noqa: ASYNC110 - the condition is another process's
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)

    assert carrier.requests() == 3
    for one in sending:
        one.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
    await sender.close()
