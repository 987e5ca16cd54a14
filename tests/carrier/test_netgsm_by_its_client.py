"""The simulated NetGSM, judged by NetGSM's own client."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from netgsm import Netgsm
from netgsm.exceptions import ApiException, ServerException

from tellal.carrier.netgsm_requests import Pace
from tests.carrier.test_twilio_by_its_client import wait_for
from tests.support.answering import Answering
from tests.support.carrier import CarrierProbe, a_carrier

NUMBER, TO = "5321112233", "+905321112233"
TURKEY = ZoneInfo("Europe/Istanbul")
HOUR = timedelta(hours=1)


def client_of(carrier: CarrierProbe, password: str = "") -> Netgsm:
    account = carrier.account
    return Netgsm(account.netgsm_usercode, password or account.netgsm_password, api_url=carrier.url)


@pytest.fixture
def client(carrier: CarrierProbe) -> Netgsm:
    return client_of(carrier)


def sent(client: Netgsm, **changes: object) -> str:
    given = {
        "msgheader": "BANKA",
        "messages": [{"msg": "Merhaba", "no": NUMBER}],
        "iysfilter": "0",
    }
    answer = client.sms.send(**(given | changes))
    assert answer["code"] == "00"
    return str(answer["jobid"])


def a_date(instant: datetime) -> str:
    return instant.astimezone(TURKEY).strftime("%d%m%Y%H%M")


def reported(client: Netgsm, *jobs: str, **more: object) -> list[dict[str, Any]]:
    now = datetime.now(TURKEY)
    answer = client.sms.get_report(
        startdate=(now - HOUR).strftime("%d.%m.%Y %H:%M:%S"),
        stopdate=(now + HOUR).strftime("%d.%m.%Y %H:%M:%S"),
        jobids=list(jobs),
        **more,
    )
    assert answer["code"] == "00"
    found: list[dict[str, Any]] = answer["jobs"]
    return found


def is_quiet(carrier: CarrierProbe) -> bool:
    return bool(carrier.http.get("/_carrier/callbacks").json()["walking"] == 0)


def test_a_job_is_taken_and_reported_as_it_goes(client: Netgsm, carrier: CarrierProbe) -> None:
    job = sent(client)
    wait_for(lambda: is_quiet(carrier))

    [report] = reported(client, job)
    [entry] = carrier.book(to=TO)

    assert len(job) == 26
    assert (report["jobid"], report["number"], report["status"]) == (job, NUMBER, 1)
    assert re.fullmatch(r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d", report["deliveredDate"])
    assert (entry["reference"], entry["sender"], entry["text"]) == (job, "BANKA", "Merhaba")
    assert (entry["status"], entry["data"]["iysfilter"]) == ("delivered", "0")


def test_a_job_of_several_texts_is_reported_text_by_text(client: Netgsm) -> None:
    numbers = [f"53200000{number:02}" for number in range(5)]
    job = sent(client, messages=[{"msg": "x", "no": number} for number in numbers])

    first = reported(client, job, pagesize=3)
    second = reported(client, job, pagesize=3, pagenumber=1)

    assert [report["number"] for report in first + second] == numbers
    assert {report["jobid"] for report in first + second} == {job}


def test_without_jobs_the_report_is_of_all_that_was_sent_in_the_time(client: Netgsm) -> None:
    jobs = [sent(client) for _ in range(3)]

    assert [report["jobid"] for report in reported(client)] == jobs


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"messages": []}, "70", id="no message"),
        pytest.param({"messages": [{"msg": "x", "no": "mother"}]}, "70", id="no number"),
        pytest.param({"iysfilter": None}, "70", id="no filter"),
        pytest.param({"iysfilter": "1"}, "70", id="unknown filter"),
        pytest.param({"stopdate": "tomorrow"}, "70", id="no date"),
        pytest.param({"msgheader": "B"}, "40", id="no registered header"),
        pytest.param({"messages": [{"msg": "", "no": NUMBER}]}, "20", id="no text"),
        pytest.param({"messages": [{"msg": "x" * 913, "no": NUMBER}]}, "20", id="long text"),
        pytest.param(
            {"messages": [{"msg": "ş" * 884, "no": NUMBER}], "encoding": "tr"},
            "20",
            id="long in tr",
        ),
    ],
)
def test_what_netgsm_would_refuse_is_refused(
    client: Netgsm, carrier: CarrierProbe, changes: dict[str, object], code: str
) -> None:
    with pytest.raises(ApiException) as refused:
        sent(client, **changes)

    assert refused.value.code == code
    assert (carrier.requests(), carrier.taken()) == (1, 0)


def test_strangers_are_turned_away(carrier: CarrierProbe) -> None:
    with pytest.raises(ApiException) as refused:
        sent(client_of(carrier, password="wrong"))

    assert refused.value.code == "30"


@pytest.mark.parametrize("code", ["50", "51", "80"])
def test_any_code_can_be_rehearsed(client: Netgsm, carrier: CarrierProbe, code: str) -> None:
    carrier.fault("error", {"to": TO}, code=code)

    with pytest.raises(ApiException) as refused:
        sent(client)

    assert refused.value.code == code
    assert carrier.taken() == 0


@pytest.mark.parametrize("status", [2, 3, 4, 11, 12, 13, 14, 15, 16, 17])
def test_a_text_can_be_lost_in_every_way_that_reports_know(
    client: Netgsm, carrier: CarrierProbe, status: int
) -> None:
    carrier.fault("error", {"to": TO}, code=status)
    job = sent(client)
    wait_for(lambda: is_quiet(carrier))

    [report] = reported(client, job)

    assert (report["status"], report["deliveredDate"]) == (status, "")
    assert carrier.book(to=TO)[0]["error_code"] == str(status)


def test_a_number_that_is_no_turkish_mobile_is_taken_and_reported_invalid(
    client: Netgsm, carrier: CarrierProbe
) -> None:
    job = sent(client, messages=[{"msg": "x", "no": "2121112233"}])
    wait_for(lambda: is_quiet(carrier))

    assert [report["status"] for report in reported(client, job)] == [3]


def test_the_twenty_first_job_within_a_minute_is_too_much_for_a_number(client: Netgsm) -> None:
    for _ in range(20):
        sent(client)

    with pytest.raises(ApiException) as refused:
        sent(client)

    assert refused.value.code == "85"
    assert sent(client, messages=[{"msg": "x", "no": "5329999999"}])


def test_the_eleventh_query_within_a_minute_is_too_much(client: Netgsm) -> None:
    job = sent(client)
    for _ in range(10):
        reported(client, job)

    with pytest.raises(ApiException) as refused:
        reported(client, job)

    assert refused.value.code == "80"


def test_after_a_minute_there_is_room_again() -> None:
    pace, now = Pace(2), datetime.now(UTC)

    refused = [pace.exceeded("x", now + timedelta(seconds=after)) for after in (0, 30, 59, 60, 61)]

    assert refused == [False, False, True, False, True]


def test_nothing_to_report_is_code_60(client: Netgsm) -> None:
    with pytest.raises(ApiException) as refused:
        reported(client, "1" * 26)

    assert refused.value.code == "60"


def test_only_what_is_to_be_sent_later_can_be_cancelled(
    client: Netgsm, carrier: CarrierProbe
) -> None:
    later = sent(client, startdate=a_date(datetime.now(UTC) + HOUR))
    now = sent(client)

    cancelled = client.sms.cancel(later)
    with pytest.raises(ApiException) as refused:
        client.sms.cancel(now)

    assert cancelled["code"] == "00"
    assert refused.value.code == "60"
    assert carrier.book(to=TO)[0]["status"] == "canceled"
    assert [report["jobid"] for report in reported(client)] == [now]


def test_a_job_may_be_taken_although_the_answer_says_500(
    client: Netgsm, carrier: CarrierProbe
) -> None:
    carrier.fault("500_after_accept", {"to": TO})

    with pytest.raises(ServerException):
        sent(client)

    assert carrier.taken(to=TO) == 1


def test_jobs_outlive_a_kill_and_are_delivered_after_it(tmp_path: Path) -> None:
    book = tmp_path / "book.jsonl"
    with a_carrier(book=book) as carrier:
        job = sent(client_of(carrier))
        later = sent(client_of(carrier), startdate=a_date(datetime.now(UTC) + HOUR))
        client_of(carrier).sms.cancel(later)
        carrier.kill()

    with a_carrier(book=book) as again:
        wait_for(lambda: is_quiet(again))
        reports = reported(client_of(again))

    assert [(report["jobid"], report["status"]) for report in reports] == [(job, 1)]


@pytest.mark.parametrize(
    ("faults", "statuses"),
    [
        pytest.param([], ["0", "1"], id="in order"),
        pytest.param(["duplicate_callbacks"], ["0", "0", "1", "1"], id="twice"),
        pytest.param(["reorder_callbacks"], ["1", "0"], id="out of order"),
    ],
)
async def test_reports_are_pushed_to_an_address_with_a_secret(
    faults: list[str], statuses: list[str]
) -> None:
    async with Answering() as receiver:
        address = f"{receiver.url}/netgsm/a-secret"
        with a_carrier(netgsm_push_url=address) as carrier:
            for fault in faults:
                carrier.fault(fault)
            job = sent(client_of(carrier))
            await receiver.until(len(statuses))

    pushed = [dict(parse_qsl(request.body)) for request in receiver.requests]
    assert [report["status"] for report in pushed] == statuses
    assert {(report["jobid"], report["number"]) for report in pushed} == {(job, NUMBER)}
    assert {request.path_and_query for request in receiver.requests} == {"/netgsm/a-secret"}
    assert all("x-twilio-signature" not in request.headers for request in receiver.requests)


def test_without_a_brand_at_iys_only_what_is_commercial_is_refused() -> None:
    with a_carrier(netgsm_iys_refusal="51") as carrier:
        client = client_of(carrier)
        for commercial in ("11", "12"):
            with pytest.raises(ApiException) as refused:
                sent(client, iysfilter=commercial)
            assert refused.value.code == "51"

        assert sent(client, iysfilter="0")
