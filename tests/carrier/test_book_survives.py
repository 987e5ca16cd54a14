"""What the simulator accepted is in its book after a SIGKILL, and goes on to the phone."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest
from twilio.rest import Client

from tellal.carrier.book import ACCEPTED, Book, Entry, Question
from tellal.carrier.journal import Journal, JournalError
from tellal.clock import SystemClock
from tellal.domain.channels import Channel
from tests.carrier.test_twilio_by_its_client import AtTheSimulator, wait_for
from tests.support.answering import Answering
from tests.support.carrier import CarrierProbe, a_carrier

TO = "+905321112233"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "book.jsonl"


def client_of(carrier: CarrierProbe) -> Client:
    account = carrier.account
    return Client(account.account_sid, account.auth_token, http_client=AtTheSimulator(carrier.url))


def accepted_by(carrier: CarrierProbe, name: str, callback: str = "http://127.0.0.1:9") -> str:
    """Hand a text over; return its SID, or nothing if the answer did not come."""
    account = carrier.account
    try:
        answer = httpx.post(
            f"{carrier.url}/2010-04-01/Accounts/{account.account_sid}/Messages.json",
            data={
                "To": TO,
                "From": "B",
                "Body": "Ödeme",
                "StatusCallback": f"{callback}/s?m={name}&a=1",
            },
            auth=(account.account_sid, account.auth_token),
        )
    except httpx.HTTPError:
        return ""
    return str(answer.json()["sid"])


def test_no_accepted_message_is_forgotten_when_the_process_is_killed(file: Path) -> None:
    names = [f"m{number}" for number in range(400)]
    with a_carrier(book=file) as carrier, ThreadPoolExecutor(8) as pool:
        going = {name: pool.submit(accepted_by, carrier, name) for name in names}
        going["m150"].result()
        carrier.kill()
        told = {name for name, answer in going.items() if answer.result()}

    with a_carrier(book=file) as again:
        answer = again.http.get("/_carrier/book/taken")
        taken = answer.raise_for_status().json()["messages"]
        counted = again.taken()

    assert 0 < len(told) < len(names)
    assert told <= set(taken)
    assert set(taken.values()) == {1}
    assert counted == len(taken)


async def test_a_message_that_was_on_its_way_walks_on_and_tells(file: Path) -> None:
    async with Answering() as receiver:
        with a_carrier(book=file) as carrier:
            # The walk is frozen by the kill, somewhere between its first and its last status.
            sid = accepted_by(carrier, "m1", receiver.url)
            carrier.kill()
        with a_carrier(book=file) as again:
            client = client_of(again)
            listed = [message.sid for message in client.messages.list(to=TO)]
            wait_for(lambda: client.messages(sid).fetch().status == "delivered")
            await receiver.until(2)
            [entry] = again.book(m="m1")

    statuses = [dict(parse_qsl(request.body))["MessageStatus"] for request in receiver.requests]
    assert listed == [sid]
    assert statuses[-1] == "delivered"
    assert set(statuses) == {"sent", "delivered"}
    assert (entry["status"], entry["reference"]) == ("delivered", sid)


def test_a_message_that_arrived_is_not_told_of_again(file: Path) -> None:
    with a_carrier(book=file) as carrier:
        sid = accepted_by(carrier, "m1")
        client = client_of(carrier)
        wait_for(lambda: carrier.http.get("/_carrier/callbacks").json()["walking"] == 0)
        client.messages(sid).update(body="")
        carrier.kill()

    with a_carrier(book=file) as again:
        back = again.http.get("/_carrier/callbacks").json()
        fetched = client_of(again).messages(sid).fetch()

    assert back == {"answered": 0, "lost": 0, "walking": 0}
    assert (fetched.status, fetched.body) == ("delivered", "")
    assert fetched.date_sent is not None


def an_entry(name: str, channel: Channel = Channel.PUSH, answer: str = ACCEPTED) -> Entry:
    return Entry(
        at=SystemClock().now(),
        channel=channel,
        to="token",
        answer=answer,
        told=200,
        message_id=name,
        data={"topic": "x"},
    )


@contextmanager
def a_book(file: Path, cap: int = 100) -> Generator[Book]:
    """Open a book as a process does that starts."""
    with closing(Journal(file)) as journal:
        book = Book(cap, journal)
        for kept in journal.read(cap):
            book.restore(kept)
        yield book


def test_entries_come_back_as_they_were(file: Path) -> None:
    taken, refused = an_entry("m1"), an_entry("m2", answer="429")
    with a_book(file) as book:
        book.add(taken)
        book.add(refused)
        taken.status = "delivered"
        book.note(taken)

    with a_book(file) as again:
        assert again.find(Question(refused_too=True)) == [taken, refused]
        assert again.taken() == {"m1": 1}


@pytest.mark.parametrize("length", [1, 4, 5, 40])
def test_a_line_that_a_kill_tore_is_cut_off(file: Path, length: int) -> None:
    with a_book(file) as book:
        book.add(an_entry("m1"))
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:length])

    with a_book(file) as again:
        again.add(an_entry("m2"))

    with a_book(file) as third:
        assert third.taken() == {"m1": 1, "m2": 1}


@pytest.mark.parametrize("letter", ["Dear aunt,", "Dear aunt,\n", "Dear aunt,\n{"])
def test_a_file_that_is_no_book_is_left_alone(file: Path, letter: str) -> None:
    file.write_text(letter)

    with pytest.raises(JournalError, match=r"book.jsonl:1"), a_book(file):
        pytest.fail("it was opened")

    assert file.read_text().startswith("Dear aunt,")


def test_only_we_may_read_the_file_for_it_names_people(file: Path) -> None:
    with a_book(file) as book:
        book.add(an_entry("m1"))

    assert file.stat().st_mode & 0o777 == 0o600


def test_what_the_cap_made_the_book_forget_still_counts(file: Path) -> None:
    with a_book(file) as book:
        for number in range(5):
            book.add(an_entry(f"m{number}"))

    with a_book(file, cap=2) as again:
        assert [entry.message_id for entry in again.find(Question())] == ["m3", "m4"]
        assert len(again.taken()) == again.count(Question())["count"] == 5


def test_an_emptied_book_stays_empty_whatever_comes_late(file: Path) -> None:
    with a_book(file) as book:
        walking = an_entry("m1")
        book.add(walking)
        book.clear()
        walking.status = "delivered"
        book.note(walking)

    with a_book(file) as again:
        again.add(an_entry("m2"))
        again.add(an_entry("m3"))

    with a_book(file) as third:
        names = [(entry.message_id, entry.status) for entry in third.find(Question())]
    assert names == [("m2", ""), ("m3", "")]


def test_what_was_taken_twice_is_found_among_many() -> None:
    book = Book(10)
    for number in range(1000):
        book.add(an_entry(f"m{number}"))
    book.add(an_entry("m7"))

    assert book.taken(at_least=2) == {"m7": 2}
    assert len(book.taken()) == 1000
