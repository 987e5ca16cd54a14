"""A question survives the ledger: whatever it says, it says the same when it is read back."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given, settings

from rules.decide import decide
from rules.questions import LedgerView, Question
from rules.situations import Tally
from rules.stored_questions import from_json, to_json
from tellal.domain.blocks import Block, BlockOrigin
from tellal.domain.channels import Channel
from tellal.domain.customers import Wishes
from tellal.domain.decisions import Value
from tests.rules.writing import AT, a_book, a_question

_instants = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - `timezones` adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
_channels = st.sampled_from(Channel)
_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_values: st.SearchStrategy[Value] = st.one_of(
    _texts,
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.lists(_texts, min_size=1, max_size=3).map(tuple),
)


def _a_block(origin: BlockOrigin, reason: str, at: datetime) -> Block:
    return Block(
        id="",
        brand_id="",
        address="",
        origin=origin,
        reason=reason,
        until=None,
        placed_by="",
        placed_at=at,
    )


@st.composite
def _questions(draw: st.DrawFn) -> Question:
    at = draw(_instants)
    blocks = st.builds(_a_block, st.sampled_from(BlockOrigin), _texts, st.just(at))
    topic = draw(_texts)
    topics = st.sampled_from([frozenset(), frozenset({topic})])
    wishes = st.builds(Wishes, service_only=st.booleans(), topics_off=topics, complained=topics)
    return Question(
        topic=topic,
        wishes=draw(wishes),
        at=at,
        timezone="Europe/Istanbul",
        document=draw(st.dictionaries(_texts, _values, max_size=5)),
        cap_uses=draw(
            st.dictionaries(_texts, st.lists(_instants, max_size=3).map(tuple), max_size=3)
        ),
        cap_holders=draw(
            st.dictionaries(_texts, st.lists(_texts, max_size=3).map(tuple), max_size=3)
        ),
        consents=draw(st.dictionaries(_channels, st.booleans())),
        reachable=draw(st.frozensets(_channels)),
        blocked=draw(st.dictionaries(_channels, blocks, max_size=2)),
        country=draw(st.sampled_from(["", "TR", "PL"])),
        unroutable=draw(st.dictionaries(_channels, _texts, max_size=2)),
        down=draw(st.dictionaries(_channels, _texts, max_size=2)),
        unplanned=draw(st.frozensets(_channels)),
        withheld=draw(st.sampled_from(["", "told_already"])),
        until=draw(st.none() | _instants),
        ledger=LedgerView(
            told_version=draw(st.none() | st.integers(0, 9)),
            pending=draw(st.booleans()),
            attempts_made=draw(st.integers(0, 9)),
        ),
        tallies=draw(
            st.dictionaries(
                _texts, st.builds(Tally, st.integers(0, 9), st.none() | _instants), max_size=3
            )
        ),
    )


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(_questions())
def test_a_question_is_the_same_after_it_was_stored(question: Question) -> None:
    stored = json.loads(json.dumps(to_json(question, question.document)))

    assert from_json(stored) == question


def test_only_what_the_rules_read_is_kept_and_no_address(tmp_path: Path) -> None:
    book = a_book(
        tmp_path,
        """
suppress:
  - id: young
    when: {topic: offer, customer.birth_date: {years: {lt: 18}}}
    reason: minor
    text: Too young
""",
    )
    document: Mapping[str, Value] = {
        "customer.birth_date": "2010-01-01",
        "customer.city": "Ankara",
        "customer.no": "4711",
    }
    block = replace(_a_block(BlockOrigin.CUSTOMER, "asked", AT), address="+905320000101")
    question = a_question(
        document, blocked={Channel.SMS: block}, reachable=frozenset({Channel.EMAIL})
    )
    decision = decide(book, question)

    stored = to_json(question, decision.read)

    assert stored["document"] == {"customer.birth_date": "2010-01-01"}
    assert "+90532" not in json.dumps(stored)
    assert decide(book, from_json(stored)) == decision
    assert decision.reasons[0].code == "minor"
