"""Reports are asked for within NetGSM's limit, and find what nobody told us was accepted."""

from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from activities.providers.netgsm.reports import NetgsmReports
from activities.providers.netgsm.sms import NetgsmSms
from tellal.domain.messages import Answer, MessageState, OutgoingMessage, Remedy
from tellal.settings import NetgsmSettings
from tests.carrier.test_twilio_by_its_client import wait_for
from tests.providers.test_netgsm_sms import TO, a_text
from tests.support.answering import Answering
from tests.support.carrier import CarrierProbe, free_port

HOUR = timedelta(hours=1)
MANY = 110


class SteppingClock:
    """The machine's clock, ahead by as much as the test says."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
async def reports(carrier: CarrierProbe, clock: SteppingClock) -> AsyncGenerator[NetgsmReports]:
    polling = NetgsmReports(carrier.netgsm(), clock)
    yield polling
    await polling.close()


@pytest.fixture
async def sms(carrier: CarrierProbe) -> AsyncGenerator[NetgsmSms]:
    sender = NetgsmSms(carrier.netgsm())
    yield sender
    await sender.close()


def quiet(carrier: CarrierProbe) -> Callable[[], bool]:
    return lambda: bool(carrier.http.get("/_carrier/callbacks").json()["walking"] == 0)


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - HOUR


def texts(count: int) -> list[OutgoingMessage]:
    return [a_text(address=f"+90532{number:07}") for number in range(count)]


async def test_a_delivered_message_is_told_with_our_id(
    sms: NetgsmSms, reports: NetgsmReports, carrier: CarrierProbe
) -> None:
    message = a_text()
    answer = await sms.send(message)
    wait_for(quiet(carrier))

    [receipt] = await reports.poll(an_hour_ago(), [answer.reference])

    assert (receipt.message_id, receipt.reference) == (message.id, answer.reference)
    assert (receipt.state, receipt.remedy) == (MessageState.DELIVERED, None)


async def test_only_the_jobs_that_were_asked_for_are_told(
    sms: NetgsmSms, reports: NetgsmReports
) -> None:
    answers = [await sms.send(message) for message in texts(4)]
    wanted = [answer.reference for answer in answers[1:3]]

    receipts = await reports.poll(an_hour_ago(), wanted)

    assert [receipt.reference for receipt in receipts] == wanted


async def test_a_job_that_was_accepted_without_a_word_is_found(
    sms: NetgsmSms, reports: NetgsmReports, carrier: CarrierProbe
) -> None:
    message = a_text()
    carrier.fault("reset_after_accept", {"to": TO})
    lost = await sms.send(message)
    wait_for(quiet(carrier))

    [receipt] = await reports.poll(an_hour_ago())

    [entry] = carrier.book(to=TO)
    assert lost.answer is Answer.AMBIGUOUS
    assert (receipt.message_id, receipt.reference) == (message.id, entry["reference"])
    assert receipt.state is MessageState.DELIVERED


async def test_a_refusal_at_iys_is_told_as_one(
    sms: NetgsmSms, reports: NetgsmReports, carrier: CarrierProbe
) -> None:
    carrier.fault("error", {"to": TO}, code=16)
    await sms.send(a_text())
    wait_for(quiet(carrier))

    [receipt] = await reports.poll(an_hour_ago())

    assert (receipt.state, receipt.remedy) == (MessageState.FAILED, Remedy.OPTED_OUT)


async def test_nothing_to_tell_is_no_trouble(
    reports: NetgsmReports, caplog: pytest.LogCaptureFixture
) -> None:
    assert await reports.poll(an_hour_ago()) == []
    assert not caplog.records


async def test_more_than_a_page_is_asked_for_page_by_page(
    sms: NetgsmSms, reports: NetgsmReports
) -> None:
    sent = [await sms.send(message) for message in texts(MANY)]

    receipts = await reports.poll(an_hour_ago())

    assert [receipt.reference for receipt in receipts] == [answer.reference for answer in sent]


async def test_many_jobs_are_asked_for_in_several_queries(
    sms: NetgsmSms, reports: NetgsmReports
) -> None:
    sent = [(await sms.send(message)).reference for message in texts(MANY)]

    receipts = await reports.poll(an_hour_ago(), sent)

    assert [receipt.reference for receipt in receipts] == sent


async def test_what_the_limit_cuts_off_comes_with_the_next_poll(
    sms: NetgsmSms, carrier: CarrierProbe, clock: SteppingClock
) -> None:
    sent = [(await sms.send(message)).reference for message in texts(MANY)]
    reports = NetgsmReports(carrier.netgsm(), clock, queries_a_minute=1)

    first = await reports.poll(an_hour_ago())
    at_once = await reports.poll(an_hour_ago())
    clock.ahead = timedelta(minutes=1, seconds=1)
    second = await reports.poll(an_hour_ago())
    await reports.close()

    assert at_once == []
    assert [receipt.reference for receipt in first] == sent[:100]
    assert [receipt.reference for receipt in second] == sent[100:]


async def test_no_more_than_ten_queries_a_minute_are_made(clock: SteppingClock) -> None:
    async with Answering(200, {"code": "00", "jobs": []}) as server:
        reports = NetgsmReports(NetgsmSettings(usercode="u", base_url=server.url), clock)
        for _ in range(15):
            await reports.poll(an_hour_ago())
        in_a_minute = len(server.requests)
        clock.ahead = timedelta(minutes=1, seconds=1)
        await reports.poll(an_hour_ago())
        await reports.close()

    assert in_a_minute == 10
    assert len(server.requests) == 11


async def test_code_80_stops_the_asking_for_a_minute(clock: SteppingClock) -> None:
    async with Answering(406, {"code": "80"}) as server:
        reports = NetgsmReports(NetgsmSettings(usercode="u", base_url=server.url), clock)
        for _ in range(3):
            assert await reports.poll(an_hour_ago()) == []
        asked = len(server.requests)
        clock.ahead = timedelta(minutes=1, seconds=1)
        await reports.poll(an_hour_ago())
        await reports.close()

    assert (asked, len(server.requests)) == (1, 2)


@pytest.mark.parametrize(
    ("status", "document", "code"),
    [
        pytest.param(401, {"code": "30"}, "30", id="credentials"),
        pytest.param(500, None, "500", id="500"),
        pytest.param(200, {"code": "00"}, "00", id="no list"),
        pytest.param(200, ["x"], "200", id="no object"),
    ],
)
async def test_trouble_is_logged_by_its_code_and_ends_the_poll(
    caplog: pytest.LogCaptureFixture, status: int, document: object, code: str
) -> None:
    async with Answering(status, document) as server:
        reports = NetgsmReports(NetgsmSettings(usercode="u", base_url=server.url))
        receipts = await reports.poll(an_hour_ago(), [str(job) for job in range(120)])
        await reports.close()

    [record] = caplog.records
    assert receipts == []
    assert record.__dict__["code"] == code
    assert len(server.requests) == 1


async def test_nobody_to_ask_is_trouble_too(caplog: pytest.LogCaptureFixture) -> None:
    settings = NetgsmSettings(usercode="u", base_url=f"http://127.0.0.1:{free_port()}")
    reports = NetgsmReports(settings)

    receipts = await reports.poll(an_hour_ago())
    await reports.close()

    assert receipts == []
    assert [record.__dict__["code"] for record in caplog.records] == ["ConnectError"]


async def test_a_report_that_cannot_be_read_hides_no_other() -> None:
    listed = ["x", {"jobid": "1", "status": 99}, {"jobid": "2", "status": 1}]
    async with Answering(200, {"code": "00", "jobs": listed}) as server:
        reports = NetgsmReports(NetgsmSettings(usercode="u", base_url=server.url))
        receipts = await reports.poll(an_hour_ago())
        await reports.close()

    assert [receipt.reference for receipt in receipts] == ["2"]
