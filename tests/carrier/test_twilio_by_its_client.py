"""The simulated Twilio, judged by Twilio's own client and signature check."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.support.answering import Answering
from tests.support.carrier import CarrierProbe

TO = "+905321112233"
SERVICE = "MG" + "0" * 32
CONTENT: dict[str, object] = {"content_sid": "HX" + "0" * 32}
OFFICIAL = "https://api.twilio.com"
LONG_S = 20.0


class AtTheSimulator(TwilioHttpClient):  # type: ignore[misc]  # twilio has no types
    """Twilio's own HTTP client; only the host is another."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def request(self, method: str, url: str, *rest: object, **named: object) -> Response:
        return super().request(method, url.replace(OFFICIAL, self._url), *rest, **named)


@pytest.fixture
def client(carrier: CarrierProbe) -> Client:
    account = carrier.account
    http = AtTheSimulator(carrier.url)
    return Client(account.account_sid, account.auth_token, http_client=http)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_message_is_created_and_walks_to_the_phone(client: Client) -> None:
    created = client.messages.create(to=TO, from_="BANKA", body="Merhaba")
    wait_for(lambda: client.messages(created.sid).fetch().status == "delivered")
    fetched = client.messages(created.sid).fetch()

    assert created.sid.startswith("SM")
    assert len(created.sid) == 34
    assert created.status == "queued"
    assert (fetched.to, fetched.from_, fetched.body) == (TO, "BANKA", "Merhaba")
    assert fetched.date_sent is not None
    assert (fetched.num_segments, fetched.error_code) == ("1", None)


def test_a_call_is_made_and_picked_up(client: Client) -> None:
    said = '<Response><Say language="tr-TR">Merhaba</Say></Response>'
    created = client.calls.create(to=TO, from_="+908500000001", twiml=said)
    wait_for(lambda: client.calls(created.sid).fetch().status == "completed")
    fetched = client.calls(created.sid).fetch()

    assert created.sid.startswith("CA")
    assert len(created.sid) == 34
    assert created.status == "queued"
    assert (fetched.to, fetched._from, fetched.duration) == (TO, "+908500000001", "12")
    assert [one.sid for one in client.calls.list(to=TO)] == [created.sid]
    assert client.calls(created.sid).delete()
    assert client.calls.list(to=TO) == []


@pytest.mark.parametrize(
    ("fate", "statuses"),
    [
        ("", ["initiated", "ringing", "in-progress", "completed"]),
        ("busy", ["initiated", "ringing", "busy"]),
        ("no-answer", ["initiated", "ringing", "no-answer"]),
        ("failed", ["initiated", "failed"]),
    ],
)
async def test_a_calls_steps_are_told_signed_to_its_own_address(
    client: Client, carrier: CarrierProbe, fate: str, statuses: list[str]
) -> None:
    if fate:
        carrier.fault("error", {"to": TO}, code=fate)
    async with Answering() as receiver:
        url = f"{receiver.url}/status?m=01K%2B&a=1"
        client.calls.create(
            to=TO,
            from_="+908500000001",
            twiml="<Response><Say>Hello</Say></Response>",
            status_callback=url,
            status_callback_event=["initiated", "ringing", "answered", "completed"],
        )
        await receiver.until(len(statuses))

    validator = RequestValidator(carrier.account.auth_token)
    forms = [dict(parse_qsl(one.body)) for one in receiver.requests]
    assert [form["CallStatus"] for form in forms] == statuses
    for one, form in zip(receiver.requests, forms, strict=True):
        assert validator.validate(url, form, one.headers["x-twilio-signature"])


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"to": "nobody", "from_": "+908500000001"}, 21211),
        ({"to": TO, "from_": "BANKA"}, 21212),
        ({"to": TO, "from_": "+908500000001", "twiml": "<Response>"}, 12100),
        ({"to": TO, "from_": "+908500000001", "twiml": "<Say>Hello</Say>"}, 12200),
        ({"to": TO, "from_": "+908500000001", "twiml": "<!DOCTYPE a []><Response/>"}, 12100),
        ({"to": TO, "from_": "+908500000001", "twiml": "x" * 4001}, 21205),
    ],
)
def test_a_call_that_cannot_be_made_is_refused(
    client: Client, asked: dict[str, str], code: int
) -> None:
    said = {"twiml": "<Response><Say>Hello</Say></Response>", **asked}
    with pytest.raises(TwilioRestException) as refused:
        client.calls.create(**said)

    assert (refused.value.status, refused.value.code) == (400, code)


def test_a_whatsapp_message_is_listed_under_its_own_address(client: Client) -> None:
    business = "whatsapp:+908500000001"
    created = client.messages.create(to=f"whatsapp:{TO}", from_=business, **CONTENT)
    client.messages.create(to=TO, from_="BANKA", body="by SMS")
    wait_for(lambda: client.messages(created.sid).fetch().status == "read")

    [listed] = client.messages.list(to=f"whatsapp:{TO}")

    assert (listed.sid, listed.to, listed.from_) == (created.sid, f"whatsapp:{TO}", business)


def test_messages_are_listed_newest_first_over_pages(client: Client) -> None:
    sids = [client.messages.create(to=TO, from_="B", body=str(n)).sid for n in range(5)]
    client.messages.create(to="+905329999999", from_="B", body="another")

    listed = client.messages.list(to=TO, page_size=2)

    assert [message.sid for message in listed] == sids[::-1]


def test_a_list_by_date_knows_only_what_was_sent(client: Client) -> None:
    sid = client.messages.create(to=TO, from_="B", body="now").sid
    wait_for(lambda: client.messages(sid).fetch().status == "delivered")
    now = datetime.now(UTC)

    assert client.messages.list(to=TO, date_sent_after=now + timedelta(minutes=1)) == []
    assert len(client.messages.list(to=TO, date_sent_after=now - timedelta(minutes=1))) == 1
    assert len(client.messages.list(to=TO, date_sent_before=now + timedelta(minutes=1))) == 1


def test_only_a_scheduled_message_can_be_cancelled(client: Client) -> None:
    scheduled = client.messages.create(
        to=TO,
        messaging_service_sid=SERVICE,
        body="later",
        schedule_type="fixed",
        send_at=datetime.now(UTC) + timedelta(hours=1),
    )
    sent = client.messages.create(to=TO, from_="B", body="now")

    cancelled = client.messages(scheduled.sid).update(status="canceled")

    assert (scheduled.status, cancelled.status) == ("scheduled", "canceled")
    with pytest.raises(TwilioRestException) as refused:
        client.messages(sent.sid).update(status="canceled")
    assert refused.value.code == 30409


def test_a_body_can_be_redacted(client: Client) -> None:
    sid = client.messages.create(to=TO, from_="B", body="secret").sid

    client.messages(sid).update(body="")

    assert client.messages(sid).fetch().body == ""


@pytest.mark.parametrize(
    ("given", "code"),
    [
        pytest.param({"to": ""}, 21604, id="no recipient"),
        pytest.param({"to": "0532 111"}, 21211, id="no number"),
        pytest.param({"from_": ""}, 21603, id="no sender"),
        pytest.param({"body": ""}, 21602, id="no text"),
        pytest.param({"body": "x" * 1601}, 21617, id="long text"),
        pytest.param({"status_callback": "nowhere"}, 21609, id="no callback address"),
        pytest.param({"validity_period": 0}, 20001, id="no validity"),
        pytest.param({"validity_period": 36_001}, 20001, id="long validity"),
        pytest.param({"to": f"whatsapp:{TO}"}, 21910, id="SMS sender to WhatsApp"),
        pytest.param({"from_": "whatsapp:+908500000001"}, 21910, id="WhatsApp sender to SMS"),
        pytest.param({"content_variables": "{}"}, 21654, id="filling without content"),
        pytest.param({"content_sid": "HX123"}, 21655, id="no content SID"),
        pytest.param(CONTENT | {"content_variables": "{1: x}"}, 21656, id="no JSON"),
        pytest.param(CONTENT | {"content_variables": '["x"]'}, 21656, id="no object"),
        pytest.param(CONTENT | {"content_variables": '{"1": null}'}, 21656, id="null"),
        pytest.param(CONTENT | {"content_variables": '{"1": ""}'}, 21656, id="blank"),
        pytest.param({"schedule_type": "fixed", "send_at": "soon"}, 35114, id="no instant"),
        pytest.param(
            {"schedule_type": "fixed", "send_at": "2001-01-01T00:00:00Z"}, 35115, id="past"
        ),
    ],
)
def test_what_twilio_would_refuse_is_refused(
    client: Client, carrier: CarrierProbe, given: dict[str, object], code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(**{"to": TO, "from_": "B", "body": "x", **given})

    assert (refused.value.status, refused.value.code) == (400, code)
    assert (carrier.requests(), carrier.taken()) == (1, 0)


def test_strangers_are_turned_away(carrier: CarrierProbe) -> None:
    stranger = Client(carrier.account.account_sid, "wrong", http_client=AtTheSimulator(carrier.url))

    with pytest.raises(TwilioRestException) as refused:
        stranger.messages.create(to=TO, from_="B", body="x")

    assert (refused.value.status, refused.value.code) == (401, 20003)


def test_what_is_not_there_is_not_found(client: Client) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages("SM" + "0" * 32).fetch()

    assert (refused.value.status, refused.value.code) == (404, 20404)


def test_a_429_says_how_long_to_wait(client: Client, carrier: CarrierProbe) -> None:
    carrier.fault("429", retry_after=3)

    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to=TO, from_="B", body="x")

    last = client.http_client._test_only_last_response
    assert (refused.value.status, refused.value.code) == (429, 20429)
    assert last.headers["Retry-After"] == "3"


def test_a_reset_is_a_reset(client: Client, carrier: CarrierProbe) -> None:
    carrier.fault("reset")

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        client.messages.create(to=TO, from_="B", body="x")


async def the_callbacks_of(client: Client, receiver: Answering, count: int) -> list[dict[str, str]]:
    client.messages.create(
        to=TO, from_="BANKA", body="x", status_callback=f"{receiver.url}/status?m=01K%2B&a=1"
    )
    await receiver.until(count)
    return [dict(parse_qsl(request.body)) for request in receiver.requests]


async def test_callbacks_bear_a_signature_that_twilios_own_check_accepts(
    client: Client, carrier: CarrierProbe
) -> None:
    async with Answering() as receiver:
        forms = await the_callbacks_of(client, receiver, 2)

    validator = RequestValidator(carrier.account.auth_token)
    assert [form["MessageStatus"] for form in forms] == ["sent", "delivered"]
    for request, form in zip(receiver.requests, forms, strict=True):
        address = receiver.url + request.path_and_query
        assert validator.validate(address, form, request.headers["x-twilio-signature"])
        assert (form["To"], form["From"]) == (TO, "BANKA")
    assert carrier.book(to=TO)[0]["message_id"] == "01K+"


@pytest.mark.parametrize(
    ("code", "statuses"),
    [
        pytest.param("30003", ["sent", "undelivered"], id="handset off"),
        pytest.param("30005", ["sent", "undelivered"], id="unknown subscriber"),
        pytest.param("30036", ["failed"], id="validity ended"),
    ],
)
async def test_a_later_failure_is_told_by_a_callback(
    client: Client, carrier: CarrierProbe, code: str, statuses: list[str]
) -> None:
    carrier.fault("error", {"to": TO}, code=code)

    async with Answering() as receiver:
        forms = await the_callbacks_of(client, receiver, len(statuses))

    [message] = client.messages.list(to=TO)
    assert [form["MessageStatus"] for form in forms] == statuses
    assert forms[-1]["ErrorCode"] == code
    assert (message.status, message.error_code) == (statuses[-1], int(code))


@pytest.mark.parametrize(
    ("faults", "statuses"),
    [
        pytest.param(
            ["duplicate_callbacks"], ["sent", "sent", "delivered", "delivered"], id="twice"
        ),
        pytest.param(["reorder_callbacks"], ["delivered", "sent"], id="out of order"),
        pytest.param(
            ["reorder_callbacks", "duplicate_callbacks"],
            ["delivered", "delivered", "sent", "sent"],
            id="both",
        ),
    ],
)
async def test_callbacks_repeat_and_overtake_on_demand(
    client: Client, carrier: CarrierProbe, faults: list[str], statuses: list[str]
) -> None:
    for fault in faults:
        carrier.fault(fault, {"to": TO})

    async with Answering() as receiver:
        forms = await the_callbacks_of(client, receiver, len(statuses))

    assert [form["MessageStatus"] for form in forms] == statuses


async def test_callbacks_can_be_lost(client: Client, carrier: CarrierProbe) -> None:
    carrier.fault("no_callbacks", times=1)

    async with Answering() as receiver:
        silent = client.messages.create(
            to=TO, from_="B", body="x", status_callback=f"{receiver.url}/silent"
        )
        wait_for(lambda: client.messages(silent.sid).fetch().status == "delivered")
        await the_callbacks_of(client, receiver, 2)

    assert all(request.path_and_query.startswith("/status") for request in receiver.requests)


def test_a_message_is_deleted_once_it_has_arrived(client: Client) -> None:
    created = client.messages.create(to=TO, from_="BANKA", body="Merhaba")
    later = client.messages.create(
        to=TO,
        messaging_service_sid=SERVICE,
        body="Yarın",
        schedule_type="fixed",
        send_at=datetime.now(UTC) + timedelta(days=1),
    )
    wait_for(lambda: client.messages(created.sid).fetch().status == "delivered")

    gone = client.messages(created.sid).delete()
    with pytest.raises(TwilioRestException) as twice:
        client.messages(created.sid).delete()
    with pytest.raises(TwilioRestException) as early:
        client.messages(later.sid).delete()

    assert gone is True
    assert (twice.value.status, twice.value.code) == (404, 20404)
    assert (early.value.status, early.value.code) == (409, 20009)
    assert created.sid not in {one.sid for one in client.messages.list(to=TO)}
