"""What `rules check` warns of: rules without a turn, contradictions, and what nobody reads."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from rules.language import parse_condition
from rules.lint import check
from rules.reasoning import can_hold, closed_fields, follows
from rules.reference import holds
from tellal.domain.decisions import Value
from tests.rules.random_rules import CONDITIONS, DOCUMENTS, FACTS, VOCABULARY
from tests.rules.writing import CHANNELS, TOPIC, write

CLOSED = closed_fields(VOCABULARY)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(CONDITIONS, CONDITIONS, st.lists(DOCUMENTS, min_size=8, max_size=8), st.data())
def test_what_is_said_to_follow_does_for_everybody(
    one: object, other: object, people: list[Mapping[str, Value | None]], data: st.DataObject
) -> None:
    first, second = (parse_condition(raw, VOCABULARY, FACTS) for raw in (one, other))
    facts = data.draw(st.sets(st.sampled_from(FACTS)))
    surely, possible = follows(first, second, CLOSED), can_hold(first, CLOSED)

    for values in people:
        document = VOCABULARY.known({p: v for p, v in values.items() if v is not None})
        if holds(first, document, facts):
            assert possible
            assert not surely or holds(second, document, facts)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"customer.age": {"lt": 18}}, {"customer.age": {"lt": 21}}),
        ({"customer.age": {"between": [30, 40]}}, {"customer.age": {"gte": 18, "not": 50}}),
        ({"customer.age": [3, 4]}, {"customer.age": {"lte": 4}}),
        ({"customer.segment": "gold"}, {"customer.segment": ["gold", "1"]}),
        ({"customer.segment": "gold"}, {"customer.segment": {"not": "1"}}),
        ({"customer.segment": "gold"}, {"customer.segment": {"exists": True}}),
        ({"customer.segment": "gold", "customer.age": 3}, {"customer.age": 3}),
        ({"any": [{"customer.age": 3}, {"customer.age": 4}]}, {"customer.age": {"gt": 2}}),
        ({"customer.products": "card"}, {"customer.products": {"has_any": ["card", "loan"]}}),
        ({"fact.first": True, "customer.age": 3}, {"fact.first": True}),
    ],
)
def test_what_follows_is_found(one: object, other: object) -> None:
    first, second = (parse_condition(raw, VOCABULARY, FACTS) for raw in (one, other))

    assert follows(first, second, CLOSED)
    assert not follows(second, first, CLOSED)


@pytest.mark.parametrize(
    "raw",
    [
        {"customer.age": {"lt": 18, "gt": 64}},
        {"customer.age": {"gt": 3, "lt": 4}},
        {"all": [{"customer.segment": "gold"}, {"customer.segment": "1"}]},
        {"customer.segment": {"exists": False}, "all": [{"customer.segment": "gold"}]},
        {"fact.first": True, "not": {"fact.first": True}},
        {"customer.age": [3, 4], "not": {"customer.age": [3, 4, 5]}, "customer.visits": 1}
        | {"all": [{"customer.age": {"exists": True}}]},
    ],
)
def test_what_contradicts_itself_is_found(raw: object) -> None:
    assert not can_hold(parse_condition(raw, VOCABULARY, FACTS), CLOSED)


def warnings(folder: Path, text: str, channels: str = CHANNELS) -> list[str]:
    found = check(write(folder, f"{TOPIC}{channels}{text}"))
    assert all(one.warns for one in found), found
    return [str(one) for one in found]


def test_a_rulebook_without_smells_is_silent(tmp_path: Path) -> None:
    assert warnings(tmp_path, "") == []


def test_a_rule_that_can_never_hold_is_named(tmp_path: Path) -> None:
    (found,) = warnings(
        tmp_path,
        """
suppress:
  - {id: a, when: {topic: offer, customer.age: {lt: 18, gt: 64}}, reason: x, text: X}
""",
    )

    assert found.startswith("shop.yaml:")
    assert "warning: 'shop.a' can never hold" in found


def test_a_channels_rule_behind_a_wider_one_is_named(tmp_path: Path) -> None:
    channels = """
channels:
  - {id: adults, when: {topic: offer, customer.age: {gte: 18}}, send: [sms]}
  - {id: old, when: {topic: offer, customer.age: {gte: 65}}, send: [email]}
  - {id: again, when: {topic: offer, customer.age: {gte: 18}}, send: [push]}
  - {id: any, when: {topic: offer}, send: [sms]}
"""

    old, again = warnings(tmp_path, "", channels)

    assert "'shop.old' is never reached: it holds only where there holds 'shop.adults'" in old
    assert "'shop.again' is never reached: it asks the same as 'shop.adults'" in again


def test_rules_of_one_condition_that_order_different_things_are_named(tmp_path: Path) -> None:
    found = warnings(
        tmp_path,
        """
suppress:
  - {id: a, when: {topic: offer, customer.age: {lt: 18}}, reason: minor, text: X}
  - {id: b, when: {customer.age: {lt: 18}, topic: offer}, reason: young, text: X}
  - {id: c, when: {topic: offer, customer.age: {lt: 19}}, reason: young, text: X}
caps:
  - {id: one, count: {topics: [offer]}, limit: 1, per: 7d, on_reach: defer, reason: x, text: X}
  - {id: two, count: {class: commercial}, limit: 2, per: 7d, on_reach: defer, reason: x, text: X}
quiet_hours:
  - {id: x, channels: [sms], between: [21:00, 09:00], action: defer, text: X}
  - {id: y, channels: [sms, push], between: [21:00, 09:00], action: suppress, text: X}
""",
    )

    assert len(found) == 3
    assert "'shop.b' asks the same as 'shop.a' (shop.yaml:" in found[0] or "shop.a" in found[0]
    assert any("allows another number: 1, 2" in one for one in found)
    assert any("does another thing to sms: defer, suppress" in one for one in found)


def test_what_nobody_reads_is_named(tmp_path: Path) -> None:
    found = warnings(
        tmp_path,
        """
facts:
  - {id: rich, when: {customer.segment: private}}
segments:
  - {id: young, means: Young, when: {customer.age: {lt: 26}}}
events:
  - {type: visit}
counts:
  - {id: visits, of: events, types: [visit], within: 7d}
""",
    )

    assert ["rich" in one or "visits" in one for one in found] == [True, True]
