"""Calls that read a text out: nobody gets one for marketing, and of others who may be called."""

from pathlib import Path

import pytest

from rules.routing import load_routes
from rules.rulebook import Rulebook
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.decisions import Verdict
from tellal.domain.routes import Load
from tests.rules.test_law import asked
from tests.rules.writing import a_book, channels_of, codes_of

BY_CALL = """
channels:
  - {id: any, when: {topic: offer}, send: [sms, call]}
"""
REACHED = frozenset({Channel.SMS, Channel.CALL})


def a_book_of(folder: Path, kind: str) -> Rulebook:
    topic = f"\ntopics:\n  - {{id: offer, means: An offer, class: {kind}, expires: 1d}}\n"
    return a_book(folder, topic=topic, channels=BY_CALL)


@pytest.mark.req("C01", "blocks")
@pytest.mark.req("C01", "allows")
@pytest.mark.req("C06", "blocks")
@pytest.mark.parametrize("country", ["TR", "PL", "DE"])
def test_a_call_needs_consent_to_calls_and_a_text_consent_to_texts(
    tmp_path: Path, country: str
) -> None:
    book = a_book_of(tmp_path, "commercial")

    nothing = asked(book, country=country, reachable=REACHED)
    texts = asked(book, country=country, reachable=REACHED, consents={Channel.SMS: True})
    calls = asked(book, country=country, reachable=REACHED, consents={Channel.CALL: True})

    assert codes_of(nothing) == ["no_consent"]
    assert channels_of(texts) == [Channel.SMS]
    assert texts.removed[Channel.CALL].code == "no_consent"
    assert channels_of(calls) == [Channel.CALL]


@pytest.mark.req("C06", "blocks")
def test_a_refusal_of_calls_binds_for_merchants_too(tmp_path: Path) -> None:
    decision = asked(
        a_book_of(tmp_path, "commercial"),
        {"customer.kind": "merchant"},
        reachable=REACHED,
        consents={Channel.CALL: False},
    )

    assert channels_of(decision) == [Channel.SMS]
    assert decision.removed[Channel.CALL].rule == "tr/refusal_binds"


def test_what_is_no_marketing_needs_no_consent_to_call(tmp_path: Path) -> None:
    decision = asked(a_book_of(tmp_path, "service"), reachable=frozenset({Channel.CALL}))

    assert decision.verdict is Verdict.SEND
    assert channels_of(decision) == [Channel.CALL]


@pytest.mark.req("C01", "blocks")
@pytest.mark.parametrize("country", ["TR", "PL", "US"])
@pytest.mark.parametrize(
    ("message_class", "link", "carried"),
    [
        (MessageClass.MANDATORY, False, True),
        (MessageClass.SERVICE, False, True),
        (MessageClass.SERVICE, True, False),
        (MessageClass.COMMERCIAL, False, False),
    ],
)
def test_no_machine_promotes_because_nobody_can_refuse_to_it_and_none_reads_a_link(
    country: str, message_class: MessageClass, *, link: bool, carried: bool
) -> None:
    load = Load(channel=Channel.CALL, country=country, message_class=message_class, has_link=link)
    machines = load_routes().with_providers({"twilio_calls"})

    assert bool(machines.carrying(load)) is carried


@pytest.mark.parametrize("message_class", list(MessageClass))
def test_people_of_the_call_centre_hear_a_refusal_so_they_may_promote(
    message_class: MessageClass,
) -> None:
    load = Load(channel=Channel.CALL, country="TR", message_class=message_class)
    people = load_routes().with_providers({"agents"})

    assert bool(people.carrying(load)) is (message_class is MessageClass.COMMERCIAL)
