"""Our NetGSM adapter against the simulator: what it sends, and what it makes of each answer."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from netgsm import Netgsm
from pydantic import SecretStr

from activities.providers.netgsm.sms import NetgsmSms
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts, RecipientType
from tellal.domain.messages import Answer, OutgoingMessage, Remedy
from tellal.ids import new_id
from tellal.ports import Recalling
from tellal.settings import NetgsmSettings
from tests.support.answering import Answering
from tests.support.carrier import WHATEVER_GOES_WRONG, CarrierProbe, free_port

TO = "+905321112233"
IMPATIENT_S = 1.0
NOON_IN_TURKEY = datetime(2026, 3, 2, 9, 0, 30, tzinfo=UTC)


class StandingClock:
    def now(self) -> datetime:
        return NOON_IN_TURKEY


def a_text(**changes: object) -> OutgoingMessage:
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


@pytest.fixture
async def sms(carrier: CarrierProbe) -> AsyncGenerator[NetgsmSms]:
    sender = NetgsmSms(carrier.netgsm(timeout_s=IMPATIENT_S))
    yield sender
    await sender.close()


async def what_is_sent(message: OutgoingMessage) -> dict[str, object]:
    """Return the document that goes out for a message at noon in Turkey."""
    async with Answering(200, {"code": "00", "jobid": "1"}) as server:
        settings = NetgsmSettings(usercode="u", header="OWN", base_url=server.url)
        sender = NetgsmSms(settings, StandingClock())
        answer = await sender.send(message)
        await sender.close()
    [request] = server.requests
    assert request.path_and_query == "/sms/rest/v2/send"
    assert answer.answer is Answer.ACCEPTED
    document: dict[str, object] = json.loads(request.body)
    return document


async def test_an_accepted_text_carries_what_the_message_says(
    sms: NetgsmSms, carrier: CarrierProbe
) -> None:
    message = a_text()

    answer = await sms.send(message)

    [entry] = carrier.book(to=TO)
    assert answer.answer is Answer.ACCEPTED
    assert answer.reference == entry["reference"]
    assert (entry["text"], entry["sender"]) == (message.text, "BANKA")
    assert (entry["message_id"], entry["attempt"]) == (message.id, "1")
    assert 530 <= entry["validity_s"] <= 600
    assert carrier.requests() == 1


def test_it_says_what_it_can_do(sms: NetgsmSms) -> None:
    assert (sms.provider, sms.channel, sms.receipts) == ("netgsm", Channel.SMS, Receipts.DELIVERY)
    assert not sms.looks_up


async def test_it_never_says_that_a_message_is_not_there(
    sms: NetgsmSms, carrier: CarrierProbe
) -> None:
    assert await sms.look_up(a_text(), NOON_IN_TURKEY) is None
    assert carrier.requests() == 0


@pytest.mark.parametrize(
    ("message_class", "recipient", "filtered"),
    [
        pytest.param(MessageClass.SERVICE, RecipientType.INDIVIDUAL, "0", id="service"),
        pytest.param(MessageClass.SERVICE, RecipientType.MERCHANT, "0", id="service, merchant"),
        pytest.param(MessageClass.MANDATORY, RecipientType.INDIVIDUAL, "0", id="mandatory"),
        pytest.param(MessageClass.COMMERCIAL, RecipientType.INDIVIDUAL, "11", id="commercial"),
        pytest.param(
            MessageClass.COMMERCIAL, RecipientType.MERCHANT, "12", id="commercial, merchant"
        ),
    ],
)
async def test_iys_is_asked_about_what_is_commercial(
    message_class: MessageClass, recipient: RecipientType, filtered: str
) -> None:
    sent = await what_is_sent(a_text(message_class=message_class, recipient_type=recipient))

    assert sent["iysfilter"] == filtered


@pytest.mark.parametrize(
    ("asked", "encoding"),
    [
        pytest.param("", None, id="as it likes"),
        pytest.param("gsm7", None, id="default alphabet"),
        pytest.param("turkish_single", "tr", id="single shift"),
        pytest.param("turkish_locking", "tr", id="locking shift"),
        pytest.param("turkish_both", "tr", id="both"),
    ],
)
async def test_the_turkish_tables_are_used_when_asked_for(asked: str, encoding: str | None) -> None:
    assert (await what_is_sent(a_text(encoding=asked))).get("encoding") == encoding


@pytest.mark.parametrize(
    ("validity_s", "stop"),
    [
        pytest.param(None, None, id="as it likes"),
        pytest.param(600, "020320261210", id="ten minutes, of which the last is not whole"),
        pytest.param(5, "020320261201", id="seconds"),
        pytest.param(20 * 3600, "030320260800", id="tomorrow"),
        pytest.param(21 * 3600, None, id="as long as it tries anyway"),
    ],
)
async def test_the_validity_is_a_minute_of_turkeys_clock(
    validity_s: int | None, stop: str | None
) -> None:
    assert (await what_is_sent(a_text(validity_s=validity_s))).get("stopdate") == stop


async def test_who_has_no_sender_name_gets_the_accounts() -> None:
    assert (await what_is_sent(a_text(sender="")))["msgheader"] == "OWN"
    assert (await what_is_sent(a_text()))["msgheader"] == "BANKA"


async def test_the_number_goes_without_its_country() -> None:
    message = a_text()

    sent = await what_is_sent(message)

    assert sent["messages"] == [{"msg": message.text, "no": "5321112233"}]
    assert sent["referansID"] == f"{message.id}-1"


@pytest.mark.parametrize("address", ["+48601234567", "+902121112233", "05321112233", "+9053211122"])
async def test_what_is_no_turkish_mobile_goes_on_to_the_next_channel(
    sms: NetgsmSms, carrier: CarrierProbe, address: str
) -> None:
    answer = await sms.send(a_text(address=address))

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, Remedy.NEXT_CHANNEL)
    assert answer.code == "not_turkish"
    assert carrier.requests() == 0


@WHATEVER_GOES_WRONG
async def test_one_attempt_is_one_request_whatever_goes_wrong(
    sms: NetgsmSms, carrier: CarrierProbe, fault: str, answer: Answer, remedy: Remedy
) -> None:
    await sms.send(a_text(address="+905320000000"))  # the next one reuses this connection
    carrier.fault(fault, {"to": TO})

    given = await sms.send(a_text())

    assert (given.answer, given.remedy) == (answer, remedy)
    assert carrier.requests(to=TO) == 1
    assert carrier.taken(to=TO) == int(fault.endswith("after_accept"))


@pytest.mark.parametrize(
    ("asked", "pause_s"),
    [pytest.param(7, 7.0, id="as asked"), pytest.param(None, 60.0, id="by the minute")],
)
async def test_after_a_limit_there_is_a_pause(
    sms: NetgsmSms, carrier: CarrierProbe, asked: float | None, pause_s: float
) -> None:
    carrier.fault("429", retry_after=asked)

    answer = await sms.send(a_text())

    assert (answer.code, answer.retry_after_s) == ("80", pause_s)


async def test_the_limit_of_a_number_is_no_limit_of_others(
    sms: NetgsmSms, carrier: CarrierProbe
) -> None:
    answers = [await sms.send(a_text()) for _ in range(21)]
    other = await sms.send(a_text(address="+905329999999"))

    assert {answer.answer for answer in answers[:20]} == {Answer.ACCEPTED}
    assert (answers[20].code, answers[20].remedy) == ("85", Remedy.RETRY)
    assert other.answer is Answer.ACCEPTED
    assert carrier.taken(to=TO) == 20


async def test_wrong_credentials_halt_the_route(carrier: CarrierProbe) -> None:
    settings = carrier.netgsm().model_copy(update={"password": SecretStr("wrong")})
    sender = NetgsmSms(settings)

    answer = await sender.send(a_text())
    await sender.close()

    assert (answer.code, answer.remedy) == ("30", Remedy.HALT)
    assert carrier.requests() == 1


@pytest.mark.parametrize(
    ("base_url", "remedy"),
    [
        pytest.param("", Remedy.RETRY, id="nobody listens"),
        pytest.param("ftp://127.0.0.1", Remedy.HALT, id="no address for HTTP"),
    ],
)
async def test_what_cannot_have_left_is_rejected(base_url: str, remedy: Remedy) -> None:
    address = base_url or f"http://127.0.0.1:{free_port()}"
    sender = NetgsmSms(NetgsmSettings(usercode="u", base_url=address))

    answer = await sender.send(a_text())
    await sender.close()

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, remedy)


async def test_an_answer_that_drips_is_too_late_in_the_end() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:
            writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = NetgsmSettings(usercode="u", base_url=f"http://127.0.0.1:{port}", timeout_s=0.4)
        sender = NetgsmSms(settings)
        answer = await sender.send(a_text())
        await sender.close()

    assert (answer.answer, answer.code) == (Answer.AMBIGUOUS, "timeout")


async def test_texts_go_side_by_side_one_request_each(
    sms: NetgsmSms, carrier: CarrierProbe
) -> None:
    numbers = [f"+9053200000{number:02}" for number in range(50)]

    answers = await asyncio.gather(*(sms.send(a_text(address=number)) for number in numbers))

    assert {answer.answer for answer in answers} == {Answer.ACCEPTED}
    assert len({answer.reference for answer in answers}) == 50
    assert carrier.requests() == 50


# ---------------------------------------------------------------- calling back


def a_job_for_later(carrier: CarrierProbe, to: str = TO) -> str:
    """Have NetGSM keep a text for an hour, as its own client does; return its job."""
    account = carrier.account
    client = Netgsm(account.netgsm_usercode, account.netgsm_password, api_url=carrier.url)
    later = (datetime.now(UTC) + timedelta(hours=1)).astimezone(ZoneInfo("Europe/Istanbul"))
    answer = client.sms.send(
        msgheader="BANKA",
        messages=[{"msg": "Elektrik kesintisi", "no": to.removeprefix("+90")}],
        startdate=later.strftime("%d%m%Y%H%M"),
        iysfilter="0",
    )
    return str(answer["jobid"])


async def test_what_it_still_keeps_is_called_back(sms: NetgsmSms, carrier: CarrierProbe) -> None:
    recalling: Recalling = sms
    job = a_job_for_later(carrier)

    first = await recalling.recall(job)
    again = await recalling.recall(job)

    assert (first, again) == (True, False)
    assert [entry["status"] for entry in carrier.book(to=TO)] == ["canceled"]


async def test_what_it_has_begun_to_send_is_not(sms: NetgsmSms, carrier: CarrierProbe) -> None:
    sent = await sms.send(a_text())

    assert not await sms.recall(sent.reference)
    assert [entry["status"] for entry in carrier.book(to=TO)] != ["canceled"]


@pytest.mark.parametrize(
    "fault",
    [
        "429",
        "500_before_accept",
        "500_after_accept",
        "503_html",
        "hang",
        "hang_after_accept",
        "reset",
        "reset_after_accept",
    ],
)
async def test_nothing_but_its_word_counts_and_it_is_asked_once(
    sms: NetgsmSms, carrier: CarrierProbe, fault: str
) -> None:
    await sms.send(a_text(address="+905320000000"))  # the next one reuses this connection
    job = a_job_for_later(carrier)
    carrier.fault(fault, {"to": TO})

    assert not await sms.recall(job)

    [listed] = carrier.http.get("/_carrier/faults").raise_for_status().json()
    assert listed["fired"] == 1
    cancelled = [entry["status"] == "canceled" for entry in carrier.book(to=TO)]
    assert cancelled == [fault.endswith("after_accept")]


@pytest.mark.parametrize(
    ("status", "document", "is_back"),
    [
        pytest.param(200, {"code": "00", "jobid": "1"}, True, id="cancelled"),
        pytest.param(200, {"code": "60"}, False, id="no such job, with a success"),
        pytest.param(406, {"code": "00"}, False, id="a refusal that says done"),
        pytest.param(200, None, False, id="no document"),
        pytest.param(302, {"code": "00"}, False, id="somebody on the way"),
    ],
)
async def test_only_a_clear_yes_is_one(status: int, document: object, is_back: bool) -> None:
    async with Answering(status, document) as server:
        sender = NetgsmSms(NetgsmSettings(usercode="u", base_url=server.url))
        given = await sender.recall("1234")
        await sender.close()

    [request] = server.requests
    assert given is is_back
    assert request.path_and_query == "/sms/rest/v2/cancel"
    assert json.loads(request.body) == {"jobid": "1234"}


@pytest.mark.parametrize("base_url", ["", "ftp://127.0.0.1"])
async def test_nothing_is_called_back_where_nobody_is(base_url: str) -> None:
    address = base_url or f"http://127.0.0.1:{free_port()}"
    sender = NetgsmSms(NetgsmSettings(usercode="u", base_url=address))

    assert not await sender.recall("1234")
    await sender.close()
