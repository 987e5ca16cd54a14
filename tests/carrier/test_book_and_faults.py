"""The book stays bounded and answers questions; faults hit whom they should, as often as told."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tellal.carrier.book import ACCEPTED, Book, Entry, Question
from tellal.carrier.faults import Fault, FaultKind, Faults, Match
from tellal.domain.channels import Channel
from tests.support.carrier import CarrierProbe

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def an_entry(to: str, *, answer: str = ACCEPTED, minute: int = 0) -> Entry:
    return Entry(
        at=AT + timedelta(minutes=minute), channel=Channel.SMS, to=to, answer=answer, told=201
    )


def test_beyond_its_cap_the_book_forgets_the_oldest_and_counts_on() -> None:
    book = Book(3)

    for number in range(5):
        book.add(an_entry(f"+{number}"))

    assert [entry.to for entry in book.find(Question())] == ["+2", "+3", "+4"]
    assert book.find(Question(to="+0")) == []
    assert book.count(Question())["count"] == 5


def test_the_book_answers_by_recipient_time_and_number() -> None:
    book = Book(10)
    for minute in range(4):
        book.add(an_entry("+1", minute=minute))
    book.add(an_entry("+2"))

    late = book.find(Question(to="+1", since=AT + timedelta(minutes=2)))

    assert [entry.at.minute for entry in late] == [2, 3]
    assert len(book.find(Question(to="+1"), limit=1)) == 1


def test_what_was_refused_counts_as_a_request_only() -> None:
    book = Book(10)
    book.add(an_entry("+1"))
    book.add(an_entry("+1", answer="429"))

    counted = book.count(Question(to="+1"))

    assert (counted["count"], counted["requests"]) == (1, 2)
    assert len(book.find(Question(to="+1"))) == 1
    assert len(book.find(Question(to="+1", refused_too=True))) == 2


def hits(faults: Faults, *, to: str = "+1", channel: Channel = Channel.SMS, text: str = "") -> bool:
    return faults.of_request(channel=channel, to=to, text=text) is not None


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        pytest.param(Match(), True, id="everybody"),
        pytest.param(Match(to="+1"), True, id="recipient"),
        pytest.param(Match(to="+2"), False, id="another recipient"),
        pytest.param(Match(token="+1"), False, id="a token is no number"),
        pytest.param(Match(text="loan"), True, id="part of the text"),
        pytest.param(Match(text="card"), False, id="another text"),
        pytest.param(Match(channel=Channel.SMS), True, id="channel"),
        pytest.param(Match(channel=Channel.PUSH), False, id="another channel"),
        pytest.param(Match(to="+1", text="card"), False, id="only one of two"),
    ],
)
def test_a_fault_hits_whom_it_names(match: Match, hit: bool) -> None:
    faults = Faults(1)
    faults.add(Fault(match=match, fault=FaultKind.RESET))

    assert hits(faults, text="your loan") is hit


def test_a_fault_stops_after_its_times() -> None:
    faults = Faults(1)
    faults.add(Fault(fault=FaultKind.RESET, times=2))

    assert [hits(faults) for _ in range(4)] == [True, True, False, False]


def test_the_same_seed_gives_the_same_chance() -> None:
    def run(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(Fault(fault=FaultKind.RESET, rate=0.3))
        return [hits(faults) for _ in range(200)]

    assert run(7) == run(7)
    assert run(7) != run(8)
    assert 30 <= sum(run(7)) <= 90


def test_faults_of_the_way_back_go_beside_the_others() -> None:
    faults = Faults(1)
    faults.add(Fault(fault=FaultKind.DUPLICATE_CALLBACKS))
    faults.add(Fault(fault=FaultKind.REORDER_CALLBACKS))

    back = faults.of_callbacks(channel=Channel.SMS, to="+1", text="")

    assert back.kinds == {FaultKind.DUPLICATE_CALLBACKS, FaultKind.REORDER_CALLBACKS}
    assert not hits(faults)


def test_faults_are_listed_with_how_often_they_fired_and_switched_off(
    carrier: CarrierProbe,
) -> None:
    carrier.fault("error", {"to": "+1"}, code="21610", times=1)

    listed = carrier.http.get("/_carrier/faults").json()
    carrier.http.delete("/_carrier/faults")

    assert listed[0]["code"] == "21610"
    assert listed[0]["fired"] == 0
    assert carrier.http.get("/_carrier/faults").json() == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"fault": "earthquake"}, id="unknown fault"),
        pytest.param({"fault": "reset", "match": {"two": "+1"}}, id="unknown match"),
        pytest.param({"fault": "reset", "rate": 2}, id="rate above one"),
        pytest.param({"fault": "error"}, id="error without a code"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    carrier: CarrierProbe, body: dict[str, object]
) -> None:
    assert carrier.http.post("/_carrier/faults", json=body).status_code == 422


@pytest.mark.parametrize(
    ("fault", "answers"),
    [
        pytest.param("500_after_accept", {201, 500}, id="taken, and told 500"),
        pytest.param("429", {201, 429}, id="told to wait"),
    ],
)
def test_a_fault_by_chance_hits_its_channel_alone(
    carrier: CarrierProbe, fault: str, answers: set[int]
) -> None:
    carrier.fault(fault, {"channel": "sms"}, rate=0.3, retry_after=2)

    texts = [post_a_text(carrier, f"+9053200000{number:02}") for number in range(60)]
    pushes = [post_a_push(carrier) for _ in range(10)]

    told = [text.status_code for text in texts]
    hit = [text for text in texts if text.status_code != 201]
    accepted = len(told) if fault.endswith("after_accept") else told.count(201)
    assert set(told) == answers
    assert 5 <= len(hit) <= 35
    assert carrier.taken(channel="sms") == accepted
    assert {text.headers["Retry-After"] for text in hit} == {"2"}
    assert {push.status_code for push in pushes} == {200}


def test_some_clients_time_out_although_their_text_was_taken(carrier: CarrierProbe) -> None:
    carrier.fault("hang_after_accept", {"channel": "sms"}, rate=0.5)
    late = 0
    for number in range(12):
        try:
            post_a_text(carrier, f"+9053200000{number:02}", patience_s=0.2)
        except httpx.ReadTimeout:
            late += 1

    assert 0 < late < 12
    assert carrier.taken() == 12


def post_a_text(carrier: CarrierProbe, to: str, patience_s: float = 5.0) -> httpx.Response:
    account = carrier.account
    return carrier.http.post(
        f"/2010-04-01/Accounts/{account.account_sid}/Messages.json",
        data={"To": to, "From": "B", "Body": "x"},
        auth=(account.account_sid, account.auth_token),
        timeout=patience_s,
    )


def post_a_push(carrier: CarrierProbe) -> httpx.Response:
    account = carrier.account
    return carrier.http.post(
        f"/v1/projects/{account.fcm_project}/messages:send",
        json={"message": {"token": "t", "notification": {"body": "x"}}},
        headers={"Authorization": f"Bearer {account.fcm_bearer}"},
    )
