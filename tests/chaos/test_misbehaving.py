"""Reading the providers' books: what was taken, and which faults struck."""

from typing import Any

from tellal.chaos.judging import Entry
from tellal.chaos.misbehaving import book_of, faults_in


def request(message_id: str, *, answer: str = "accepted", told: int = 200) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "channel": "push",
        "attempt": "2",
        "answer": answer,
        "told": told,
    }


MAIL = {"message_id": "<m9@bank.example>", "told": 250}


def test_what_was_taken_is_in_the_book_whatever_the_client_was_told() -> None:
    requests = [request("m1"), request("m2", told=0), request("m3", answer="429", told=429)]

    assert book_of(requests, [MAIL]) == [
        Entry(message_id="m1", channel="push", attempt=2),
        Entry(message_id="m2", channel="push", attempt=2),
        Entry(message_id="m9", channel="email"),
    ]


def test_faults_are_counted_by_channel_and_kind() -> None:
    requests = [
        request("m1"),
        request("m2", told=0),
        request("m3", told=500),
        request("m4", told=500),
        request("m5", answer="QUOTA_EXCEEDED", told=429),
    ]

    assert faults_in(requests, [MAIL, MAIL | {"told": 0}]) == {
        ("push", "time-out after accepting"): 1,
        ("push", "error after accepting"): 2,
        ("push", "refused for now"): 1,
        ("email", "time-out after accepting or broken off"): 1,
    }
