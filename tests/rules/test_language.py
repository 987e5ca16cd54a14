"""What a condition means, and what an author is told who made a mistake."""

from pathlib import Path

import pytest

from rules.language import parse_condition
from rules.lint import check
from rules.reference import holds
from rules.rulebook import load_rulebook
from tellal.domain.decisions import Value
from tellal.domain.errors import InvalidInputError
from tests.rules.writing import CHANNELS, HEAD, TOPIC, a_book, write

AYSE: dict[str, Value] = {
    "customer.segment": "mass",
    "customer.age": 34,
    "customer.app.installed": True,
    "customer.products": ("card", "deposit"),
    "customer.city": "İzmir",
    "customer.district": "İzmir",
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        pytest.param({"customer.segment": "mass"}, True, id="one value"),
        pytest.param({"customer.segment": ["private", "mass"]}, True, id="a list is one of"),
        pytest.param(
            {"customer.segment": "mass", "customer.age": 35}, False, id="a mapping is and"
        ),
        pytest.param({"any": [{"customer.age": 35}, {"customer.age": 34}]}, True, id="any"),
        pytest.param({"all": [{"customer.age": 35}, {"customer.age": 34}]}, False, id="all"),
        pytest.param({"not": {"customer.age": 35}}, True, id="not"),
        pytest.param(
            {"customer.age": 34, "unless": {"customer.segment": "mass"}}, False, id="unless"
        ),
        pytest.param({"customer.age": {"gte": 18, "lt": 35}}, True, id="bounds"),
        pytest.param({"customer.age": {"between": [34, 40]}}, True, id="between has both ends"),
        pytest.param({"customer.age": {"gt": 34}}, False, id="gt"),
        pytest.param({"customer.segment": {"not": ["private", "youth"]}}, True, id="none of"),
        pytest.param({"customer.products": "card"}, True, id="a list has"),
        pytest.param({"customer.products": {"has_any": ["loan", "card"]}}, True, id="has any"),
        pytest.param({"customer.products": {"not": "loan"}}, True, id="has not"),
        pytest.param({"customer.city": {"eq_field": "customer.district"}}, True, id="two fields"),
        pytest.param({"customer.city": {"in_field": "customer.products"}}, False, id="in a field"),
        pytest.param({"customer.kind": {"exists": False}}, True, id="absent"),
        pytest.param({"customer.kind": "merchant"}, False, id="absent is not equal"),
        pytest.param({"customer.kind": {"not": "merchant"}}, True, id="absent is not a merchant"),
        pytest.param({"not": {"customer.kind": {"exists": True}}}, True, id="not exists"),
    ],
)
def test_a_condition_holds_or_not(condition: object, expected: bool) -> None:
    book = load_rulebook()

    ir = parse_condition(condition, book.vocabulary, book.fact_names)

    assert holds(ir, AYSE, frozenset()) is expected


@pytest.mark.parametrize(
    ("condition", "message", "hint"),
    [
        pytest.param({"customer.segmnt": "mass"}, "unknown field", "customer.segment", id="field"),
        pytest.param({"fact.uses_iscp": True}, "unknown fact", "uses_iscep", id="fact"),
        pytest.param({"customer.segment": "mas"}, "not one of", "mass", id="value"),
        pytest.param({"customer.age": "30"}, "is int", "without quotes", id="type"),
        pytest.param({"customer.age": True}, "is int", "without quotes", id="yes is no number"),
        pytest.param({"customer.age": {"gtt": 3}}, "no comparison", "gt", id="comparison"),
        pytest.param({"customer.kind": {"gt": 3}}, "does not apply", "", id="wrong comparison"),
        pytest.param({"customer.segment": []}, "1 to 200", "", id="empty list"),
        pytest.param({"any": {}}, "takes a list", "", id="any of nothing"),
        pytest.param(["customer.age"], "is a mapping", "", id="a list"),
        pytest.param({"customer.age": {"between": [1]}}, "two numbers", "", id="between"),
        pytest.param(
            {"customer.city": {"eq_field": "customer.age"}}, "another field", "", id="kinds"
        ),
        pytest.param({3: 4}, "has a name", "", id="a number for a name"),
    ],
)
def test_a_wrong_segment_is_refused_with_advice(condition: object, message: str, hint: str) -> None:
    book = load_rulebook()

    with pytest.raises(InvalidInputError, match=message) as caught:
        parse_condition(condition, book.vocabulary, book.fact_names)

    assert hint in caught.value.hint


def test_a_segment_cannot_be_nested_without_end() -> None:
    book = load_rulebook()
    condition: object = {"customer.age": 1}
    for _ in range(500):
        condition = {"not": condition}

    with pytest.raises(InvalidInputError, match="nest"):
        parse_condition(condition, book.vocabulary, book.fact_names)


def test_every_mistake_is_told_with_its_place(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        TOPIC
        + CHANNELS
        + """
supress: []
suppress:
  - id: a
    when: {customer.segmnt: mass, fact.has_iscpe: true}
    reason: NO
  - id: a
    when: {topic: ofer}
    reason: other
    text: Other
    priority: 3
caps:
  - {id: c, count: {topics: [ofer]}, limit: 0, per: 7 days, on_reach: supress, reason: c, text: c}
quiet_hours:
  - {id: q, channels: [smss], between: [21:00], action: defer, text: q}
""",
    )

    findings = [str(finding) for finding in check(folder)]

    assert findings == [
        "shop.yaml:10:1: unknown section 'supress' (did you mean 'suppress'?)",
        "shop.yaml:12:5: 'text' is missing",
        "shop.yaml:13:12: unknown field 'customer.segmnt' (did you mean 'customer.segment'?)",
        "shop.yaml:13:35: unknown fact 'has_iscpe'",
        "shop.yaml:14:5: 'reason' is a name of small letters, digits and _, found 'NO'",
        "shop.yaml:15:1: 'shop.a' is already defined at shop.yaml:12 (give it another name)",
        "shop.yaml:16:12: 'ofer' is not one of offer (did you mean 'offer'?)",
        "shop.yaml:19:5: unknown key 'priority'",
        "shop.yaml:21:30: unknown topic 'ofer' (did you mean 'offer'?)",
        "shop.yaml:21:38: 'limit' is a whole number from 1 to 1000, found 0",
        (
            "shop.yaml:21:48: 'per' is a window, found '7 days' (write 7d for any seven days,"
            " or calendar_day, calendar_week, calendar_month)"
        ),
        (
            "shop.yaml:21:61: 'on_reach': 'supress' is not one of next_channel, suppress, defer"
            " (did you mean 'suppress'?)"
        ),
        (
            "shop.yaml:23:24: 'channels': 'smss' is not one of sms, email, push, whatsapp, call,"
            " banner (did you mean 'sms'?)"
        ),
        "shop.yaml:23:31: 'between' is two times of day, as in [21:00, 09:00]",
    ]


def test_yaml_is_read_as_people_write_it(tmp_path: Path) -> None:
    book = a_book(
        tmp_path,
        """
quiet_hours:
  - {id: q, channels: [sms], between: [22:00, 07:30], action: defer, text: Night}
""",
    )

    [asked] = book.shards["offer"].quiet_hours

    assert (asked.rule.begin.isoformat(), asked.rule.end.isoformat()) == ("22:00:00", "07:30:00")


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    [finding] = check(write(tmp_path, "owner: one\nowner: two\n"))

    assert (finding.file, finding.line) == ("shop.yaml", 4)
    assert "duplicate" in finding.message


def test_a_broken_file_does_not_hide_the_mistakes_of_another(tmp_path: Path) -> None:
    folder = write(tmp_path, "topics: [", other="version: 1\npackage: o\nsupress: []\n")

    findings = check(folder)

    assert {finding.file for finding in findings} >= {"shop.yaml", "other.yaml"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(TOPIC, "no 'channels' rule is for the topic 'offer'", id="no channels"),
        pytest.param(
            TOPIC + CHANNELS + "  - {id: b, when: {topic: offer}, send: [sms]}\n",
            "never reached",
            id="shadow",
        ),
        pytest.param(
            TOPIC
            + CHANNELS
            + """
facts:
  - {id: a, when: {fact.b: true}}
  - {id: b, when: {fact.c: false}}
  - {id: c, when: {fact.a: true}}
""",
            "in a circle: a, b, c",
            id="circle",
        ),
        pytest.param(
            TOPIC
            + CHANNELS
            + """
suppress:
  - {id: s, when: {topic: offer, class: service}, reason: s, text: s}
""",
            "can hold for no topic",
            id="contradiction",
        ),
        pytest.param(
            TOPIC.replace("class: commercial", "class: comercial") + CHANNELS,
            "'comercial' is not one of commercial, service, mandatory",
            id="class",
        ),
        pytest.param(
            TOPIC.replace("1d", "1d, on: [logn]") + CHANNELS,
            "declares the event 'logn'",
            id="event",
        ),
        pytest.param(
            TOPIC.replace("1d", "1d, once: content_version") + CHANNELS,
            "'once' needs 'content_version'",
            id="version",
        ),
        pytest.param(
            TOPIC.replace("1d", "1d, attempts: 3") + CHANNELS, "need 'every'", id="attempts"
        ),
        pytest.param(TOPIC.replace("1d", "tomorrow") + CHANNELS, "is a time span", id="span"),
        pytest.param(
            TOPIC
            + CHANNELS
            + """
events:
  - {type: login, carries: [event.metod], sets: {customer.login.method: event.metod}}
""",
            "unknown field 'event.metod' of an event",
            id="carried field",
        ),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, text: str, message: str) -> None:
    findings = check(write(tmp_path, text))

    assert any(message in str(finding) for finding in findings), findings
    assert all(finding.line > 1 for finding in findings)


def test_two_packages_do_not_choose_the_channels_of_one_topic(tmp_path: Path) -> None:
    other = "version: 1\npackage: other\n" + CHANNELS.replace("any", "mine")

    findings = check(write(tmp_path, TOPIC + CHANNELS, z_other=other))

    assert [f.file for f in findings] == ["z_other.yaml"]
    assert "belong to package 'shop' (shop.yaml:8)" in findings[0].message


def test_the_law_that_ships_is_a_part_of_every_rulebook(tmp_path: Path) -> None:
    book = a_book(tmp_path)

    assert "tr/commercial_needs_consent" in {rule.id for rule in book.rules}


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    [finding] = check(tmp_path / "nowhere")

    assert "no such folder" in finding.message


def test_the_head_of_a_file_is_checked(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(HEAD.replace("version: 1", "version: 2"), encoding="utf-8")

    [finding] = check(tmp_path)

    assert "version: 1" in finding.message
