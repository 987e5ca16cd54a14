"""Who shares an answer with somebody else gets the one that he would have got alone."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from rules.decide import Alike, decide
from rules.questions import LedgerView, Question
from rules.rulebook import Rulebook
from rules.situations import Tally
from rules.stored_questions import to_texts
from tellal.domain.channels import Channel
from tellal.domain.decisions import Value
from tellal.domain.errors import InvalidInputError
from tests.rules.writing import AT, a_book, a_question

_FIELDS = """
version: 1
fields:
  customer.age: {type: int, pii: true}
  customer.birth_date: {type: date, pii: true}
  customer.district: {type: text, pii: true}
  event.district: {type: text}
  customer.segment: {type: text}
  customer.products: {type: list}
  customer.contract.ends: {type: date}
"""
_RULES = """
counts:
  - {id: told, of: messages, topics: [offer], within: 7d}
facts:
  - {id: grown, when: {any: [{customer.birth_date: {years: {gte: 18}}},
                             {customer.age: {gte: 18}, customer.birth_date: {exists: false}}]}}
  - {id: keen, when: {fact.grown: true, customer.products: [card, loan]}}
suppress:
  - {id: minor, when: {fact.grown: false, customer.segment: mass}, reason: minor, text: Minor}
  - {id: old, when: {customer.age: {gte: 70}, customer.segment: private}, reason: old, text: Old}
  - {id: bound, when: {customer.contract.ends: {due_within: 30d}, fact.keen: true}, reason: bound,
     text: Bound}
  - {id: near, when: {customer.district: {eq_field: event.district}, count.told: {gte: 2}},
     reason: near, text: Near}
law:
  - {id: iys, when: {class: commercial}, channels: [sms, email], requires: consent,
     reason: no_consent, text: No consent}
caps:
  - {id: weekly, count: {topics: [offer]}, limit: 1, per: 7d, on_reach: suppress, reason: cap,
     text: Enough}
quiet_hours:
  - {id: night, when: {class: commercial}, channels: [sms], between: [16:00, 18:00], action: defer,
     text: Late}
"""


@pytest.fixture
def book(tmp_path: Path) -> Rulebook:
    (tmp_path / "fields.yaml").write_text(_FIELDS, encoding="utf-8")
    return a_book(tmp_path, _RULES)


def somebody(chance: random.Random) -> Question:
    """Make a question of which each part is one of a few."""
    document: dict[str, Value] = {
        "customer.age": chance.choice([9, 17, 18, 44, 45, 71]),
        "customer.birth_date": chance.choice(["1940-02-29", "1990-01-01", "2010-07-07", "soon"]),
        "customer.district": chance.choice(["north", "south"]),
        "event.district": chance.choice(["north", "east"]),
        "customer.segment": chance.choice(["mass", "private"]),
        "customer.products": chance.choice([("card",), ("deposit",)]),
        "customer.contract.ends": chance.choice(["2026-03-20", "2027-03-20"]),
        "customer.unread": chance.randrange(10**6),
    }
    known = {path: value for path, value in document.items() if chance.random() < 0.7}
    everywhere = (Channel.SMS, Channel.EMAIL, Channel.PUSH)
    rare = chance.random() < 0.3
    return a_question(
        known,
        timezone=chance.choice(["Europe/Istanbul", "Europe/Istanbul", "Europe/Warsaw"]),
        consents=dict.fromkeys(everywhere, chance.random() < 0.8),
        reachable=frozenset(everywhere[: chance.choice([2, 3, 3])]),
        cap_uses={"shop.weekly": (AT - timedelta(days=3),)} if rare else {},
        withheld="told_already" if chance.random() < 0.05 else "",
        tallies={"told": Tally(chance.choice([1, 2]), AT - timedelta(days=1))} if rare else {},
        ledger=LedgerView(told_version=None, pending=chance.random() < 0.1, attempts_made=0),
    )


def test_a_shared_answer_is_what_each_would_have_got_alone(book: Rulebook) -> None:
    chance, alike = random.Random(11), Alike(book, "offer")
    told = book.shards["offer"].told
    found = []
    for _ in range(4_000):
        question = somebody(chance)
        around, _ = to_texts(question, told)
        decision = alike.decide(question, around)
        assert decision == decide(book, question)
        found.append(id(decision))

    assert len(found) - len(set(found)) > 200


def test_who_differs_only_in_values_that_are_masked_shares_an_answer(book: Rulebook) -> None:
    alike = Alike(book, "offer")
    asked = [
        a_question({"customer.birth_date": f"19{year}-01-01", "customer.segment": "mass"})
        for year in range(50, 90)
    ]

    around = to_texts(asked[0], book.shards["offer"].told)[0]
    decided = {id(alike.decide(one, around)) for one in asked}

    assert len(decided) == 1


def test_a_topic_that_is_not_there_is_refused(book: Rulebook) -> None:
    with pytest.raises(InvalidInputError, match="no topic"):
        Alike(book, "nothing")
