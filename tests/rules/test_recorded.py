"""Tests that are written from decisions: the same decision, and nobody's data in them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from rules.decide import decide
from rules.questions import Question
from rules.rulebook import Rulebook, load_rulebook
from rules.situations import Tally
from rules.source import Report
from rules.stored_questions import from_json, to_json
from rules.trials.reading import read_file_of_trials
from rules.trials.recorded import added, record
from rules.trials.running import Standing, run
from rules.trials.synthetic import depersonalised
from tellal.domain.channels import Channel
from tellal.domain.customers import Wishes
from tellal.domain.decisions import Value
from tellal.domain.errors import InvalidInputError
from tests.rules.writing import AT, a_question, write

RULES = """
topics:
  - id: offer
    means: An offer
    class: commercial
    expires: 9d
    attempts: 2
    every: 1d
    on: [visit]

events:
  - {type: visit, carries: [event.surface]}

suppress:
  - {id: young, when: {topic: offer, customer.age: {lt: 18}}, reason: minor, text: Too young}
  - id: born_late
    when: {topic: offer, customer.birth_date: {years: {lt: 18}}}
    reason: minor
    text: Too young
  - id: jubilee
    when: {topic: offer, customer.age: {between: [50, 60]}, customer.no: {starts_with: "77"}}
    reason: jubilee
    text: Has a jubilee
  - id: fragile
    when: {topic: offer, customer.life_support: true}
    reason: fragile
    text: Not now

channels:
  - {id: any, when: {topic: offer}, send: [sms, email]}

caps:
  - id: weekly
    count: {topics: [offer]}
    limit: 2
    per: 7d
    on_reach: defer
    reason: enough
    text: Enough

counts:
  - {id: visits, of: events, types: [visit], within: 30d}
"""


def a_folder(tmp_path: Path) -> Path:
    return write(tmp_path, RULES)


@pytest.fixture
def book(tmp_path: Path) -> Rulebook:
    return load_rulebook(a_folder(tmp_path))


def recorded(book: Rulebook, question: Question) -> str:
    decision = decide(book, question)
    stored = from_json(to_json(question, decision.read))
    return added("", record(book, stored, decision, "as decided"))


def passes(tmp_path: Path, book: Rulebook, text: str) -> bool:
    file = tmp_path / "recorded_test.yaml"
    file.write_text(text, encoding="utf-8")
    report = Report()
    results = run(book, read_file_of_trials(book, file, report))
    assert report.findings == []
    return [one.standing for one in results] == [Standing.PASSED]


PERSONAL: Mapping[str, Value] = {
    "customer.no": "77123456",
    "customer.age": 53,
    "customer.birth_date": "1973-05-19",
    "customer.life_support": False,
    "customer.city": "Ankara",
    "event.type": "visit",
}


def test_a_recorded_test_passes_and_names_nobody(tmp_path: Path) -> None:
    book = load_rulebook(a_folder(tmp_path))

    text = recorded(book, a_question(PERSONAL))

    assert passes(tmp_path, book, text)
    assert "reason: jubilee" in text
    for personal in ("77123456", "53", "1973-05-19", "Ankara"):
        assert personal not in text
    assert "customer.age: 59" in text


def test_what_the_ledger_knew_is_recorded_too(tmp_path: Path) -> None:
    book = load_rulebook(a_folder(tmp_path))
    question = a_question(
        {"event.type": "visit"},
        cap_uses={"shop.weekly": (AT.replace(day=1), AT.replace(hour=1))},
        tallies={"visits": Tally(3, AT.replace(hour=2))},
        unroutable={Channel.EMAIL: "no route to TR"},
        down={Channel.PUSH: "app_backend"},
        reachable=frozenset({Channel.SMS, Channel.EMAIL}),
        consents={Channel.SMS: True, Channel.EMAIL: False},
    )

    text = recorded(book, question)

    assert passes(tmp_path, book, text)
    assert "outcome: defer" in text
    assert "not_before:" in text
    assert "email: refused" in text
    assert "push: app_backend" in text


def test_what_he_does_not_want_is_recorded_too(tmp_path: Path) -> None:
    book = load_rulebook(a_folder(tmp_path))
    wishes = Wishes(topics_off=frozenset({"offer", "of_no_concern"}), service_only=True)

    text = recorded(book, a_question({}, wishes=wishes))

    assert passes(tmp_path, book, text)
    assert "reason: topic_off" in text
    assert "of_no_concern" not in text


def test_a_test_is_added_and_the_comments_stay(tmp_path: Path) -> None:
    book = load_rulebook(a_folder(tmp_path))
    question = a_question({})
    before = (
        "# what we expect\nversion: 1\ntests:\n"
        "  - name: first   # by hand\n"
        "    given: {topic: offer}\n"
        "    at: 2026-03-02T12:00+03:00\n"
        "    expect: {outcome: suppress}\n"
    )

    text = added(before, record(book, question, decide(book, question), "second"))

    assert text.startswith(before)
    assert "name: second" in text


def test_rules_that_decide_otherwise_are_refused(tmp_path: Path) -> None:
    book = load_rulebook(a_folder(tmp_path))
    other = replace(decide(book, a_question({})), facts=("something",))

    with pytest.raises(InvalidInputError, match="decide otherwise"):
        record(book, a_question({}), other, "x")


def test_what_cannot_be_made_up_is_refused(tmp_path: Path) -> None:
    rules = RULES.replace('{starts_with: "77"}', "{eq_field: customer.city}")
    book = load_rulebook(write(tmp_path, rules))
    question = a_question({"customer.age": 55, "customer.no": "4711", "customer.city": "4711"})

    with pytest.raises(InvalidInputError, match=r"'customer\.no' cannot be replaced"):
        record(book, question, decide(book, question), "x")


_documents = st.fixed_dictionaries(
    {},
    optional={
        "customer.age": st.integers(0, 99),
        "customer.birth_date": st.dates(AT.date().replace(1930), AT.date()).map(str),
        "customer.no": st.sampled_from(["7700001", "1234567", "77"]),
        "customer.life_support": st.booleans(),
    },
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(document=_documents)
def test_whoever_it_was_the_decision_is_the_same(
    book: Rulebook, document: Mapping[str, Value]
) -> None:
    question = a_question(document)

    nobody = depersonalised(book, question)

    theirs, ours = decide(book, question), decide(book, nobody)
    assert (theirs.reasons, theirs.fired, theirs.steps) == (ours.reasons, ours.fired, ours.steps)
    for path in ("customer.age", "customer.birth_date", "customer.no"):
        value = nobody.document.get(path)
        assert value is None or value != document[path]
