"""A rulebook narrowed to an outage: who is elsewhere is silent, the priority part is told apart."""

from pathlib import Path

import pytest

from rules.rulebook import Rulebook, load_rulebook
from rules.scoping import ELSEWHERE, is_priority, scoped
from rules.standing import parse_segment
from tellal.domain.errors import InvalidInputError
from tests.rules.writing import write

BOOK = """
topics:
  - {id: dark, means: It is dark, class: service, expires: 1d}
  - {id: other, means: Another, class: service, expires: 1d}
suppress:
  - {id: asleep, when: {customer.age: {lt: 3}}, reason: asleep, text: Asleep}
channels:
  - {id: rich, when: {topic: dark, customer.segment: private}, send: [email]}
  - {id: all, when: {topic: dark}, send: [sms]}
  - {id: others, when: {topic: other}, send: [sms]}
"""


@pytest.fixture
def book(tmp_path: Path) -> Rulebook:
    return load_rulebook(write(tmp_path, BOOK))


def test_who_is_elsewhere_is_silent_before_any_other_rule_speaks(book: Rulebook) -> None:
    within = parse_segment(book, {"customer.district": "tepebasi"})

    shard = scoped(book, "dark", within, None).shards["dark"]

    assert [asked.rule.reason for asked in shard.suppress] == [ELSEWHERE, "asleep"]
    first = shard.suppress[0]
    assert not first.check({"customer.district": "tepebasi"}, frozenset())
    assert first.check({"customer.district": "x"}, frozenset())
    assert first.check({}, frozenset())


def test_every_plan_has_a_copy_for_the_priority_part_right_before_it(book: Rulebook) -> None:
    priority = parse_segment(book, {"customer.life_support": True})

    shard = scoped(book, "dark", None, priority).shards["dark"]

    names = [asked.rule.id for asked in shard.channels]
    assert [is_priority(name) for name in names] == [True, False, True, False]
    assert [name.partition("#")[0] for name in names] == [
        "shop.rich", "shop.rich", "shop.all", "shop.all",
    ]  # fmt: skip
    copy = shard.channels[0]
    assert copy.check({"customer.segment": "private", "customer.life_support": True}, frozenset())
    assert not copy.check({"customer.segment": "private"}, frozenset())


def test_nothing_but_the_topic_is_narrowed(book: Rulebook) -> None:
    within = parse_segment(book, {"customer.district": "tepebasi"})

    narrowed = scoped(book, "dark", within, within)

    assert narrowed.shards["other"] is book.shards["other"]
    assert narrowed.rules == book.rules
    assert scoped(book, "dark", None, None).shards["dark"].channels == book.shards["dark"].channels


def test_a_topic_that_there_is_not_is_refused(book: Rulebook) -> None:
    with pytest.raises(InvalidInputError):
        scoped(book, "light", None, None)
