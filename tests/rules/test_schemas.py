"""The JSON Schema of rule files: editors accept what the language takes, and underline the rest."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from rules.incident_files import SHIPPED as INCIDENTS
from rules.lint import check
from rules.rulebook import SECTIONS as OF_THE_LANGUAGE, load_rulebook
from rules.schemas.sections import SECTIONS, schema_of
from rules.source import SHIPPED, Report, SourceFile, parse
from tests.rules.writing import HEAD, write

SCHEMA = schema_of(load_rulebook())


def as_an_editor_reads(text: str) -> object:
    root = parse(SourceFile(name="x.yaml", text=text), Report())
    assert root is not None
    return json.loads(json.dumps(root, default=str))


def mistakes(text: str, schema: dict[str, object] | None = None) -> list[str]:
    found = Draft202012Validator(schema or SCHEMA).iter_errors(as_an_editor_reads(text))
    return [error.message for error in found]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_files_are_valid(file: Path) -> None:
    assert mistakes(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", sorted(INCIDENTS.rglob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_files_about_incidents_are_valid(file: Path) -> None:
    assert mistakes(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("kinds.yaml", "severity: major", "severity: mayor"),
        ("kinds.yaml", "notice: outage_notice", "notice: outage_notise"),
        ("kinds.yaml", "notice: outage_notice", "notise: outage_notice"),
        ("kinds.yaml", "customer.life_support: true", "customer.life_support: 1"),
        ("kinds.yaml", "email_from: 2h", "email_from: 2 hours"),
        ("components.yaml", "names: {tr: Web", "name: {tr: Web"),
        ("lead_times.yaml", "country: TR", "country: Turkey"),
        ("presets/distributor.yaml", "district: tepebasi", "street: tepebasi"),
        ("presets/bank.yaml", "presets:", "kinds: []\npresets:"),
    ],
)
def test_a_slip_in_a_file_about_incidents_is_underlined(name: str, good: str, bad: str) -> None:
    text = (INCIDENTS / name).read_text(encoding="utf-8")
    assert good in text

    assert mistakes(text.replace(good, bad, 1))


FOLDER = """
topics:
  - {id: offer, means: An offer, class: commercial, expires: 1d, attempts_within: 30d}
events:
  - {type: visit, carries: [event.surface], sets: {customer.app.installed: true}}
counts:
  - {id: visits, of: events, types: [visit], within: 30d}
segments:
  - {id: rich, means: Rich, when: {customer.segment: [private, affluent]}}
facts:
  - {id: comes, when: {count.visits: {gte: 3}, last.visits: {within: 2d}}}
tables:
  - id: some
    decides: suppress
    table: |
      topic | customer.age || reason | text
      offer | < 18         || minor  | Too young
suppress:
  - id: odd
    means: All that a condition may say
    from: 2026-03-01
    until: 2026-12-31
    mode: shadow
    when:
      topic: offer
      any:
        - customer.age: {between: [18, 64], not: 30}
        - customer.city: {starts_with: An, not: [Adana, Artvin]}
        - customer.birth_date: {years: {lt: 18}, before: 2020-01-01}
        - customer.contract.ends: {due_within: 14d}
        - customer.app.last_used: {older_than: 30d}
        - customer.products: {has_any: [card, loan]}
        - customer.city: {eq_field: customer.district}
        - customer.segment: {in_field: customer.products}
        - {consent.sms: granted, calendar.weekday: [sat, sun], calendar.hour: {lt: 12}}
        - not: {segment.rich: true, fact.comes: false}
    reason: odd
    text: Odd
channels:
  - {id: any, when: {topic: offer}, send: [sms, email], patience: {sms: 1h}, wait_for: any}
caps:
  - id: daily
    count: {class: [commercial, service]}
    limit: 1
    per: calendar_day
    on_reach: next_channel
    reason: enough
    text: Enough
quiet_hours:
  - {id: feast, channels: [sms], days: [sun, holiday], countries: [TR], action: defer, text: Feast}
"""


def test_all_that_the_language_has_is_valid(tmp_path: Path) -> None:
    book = load_rulebook(write(tmp_path, FOLDER))

    assert mistakes(HEAD + FOLDER, schema_of(book)) == []


@pytest.mark.parametrize(
    "rule",
    [
        "suppres:\n  - {id: a}",
        "suppress:\n  - {id: a, reason: x, text: X}",
        "suppress:\n  - {id: a, wen: {topic: case_opened}, when: {}, reason: x, text: X}",
        "suppress:\n  - {id: A B, when: {}, reason: x, text: X}",
        "suppress:\n  - {id: a, when: {customer.aeg: 3}, reason: x, text: X}",
        "suppress:\n  - {id: a, when: {customer.age: '18'}, reason: x, text: X}",
        "suppress:\n  - {id: a, when: {customer.age: {less: 18}}, reason: x, text: X}",
        "suppress:\n  - {id: a, when: {customer.age: {between: [1]}}, reason: x, text: X}",
        "suppress:\n  - {id: a, when: {customer.segment: rich}, reason: x, text: X}",
        "suppress:\n  - {id: a, when: {customer.city: {gt: 3}}, reason: x, text: X}",
        "facts:\n  - {id: a, when: {customer.app.last_used: {within: soon}}}",
        "suppress:\n  - {id: a, when: {fact.uses_iscpe: true}, reason: x, text: X}",
        "suppress:\n  - {id: a, when: {fact.uses_iscep: 1}, reason: x, text: X}",
        "suppress:\n  - {id: a, when: {topic: case_opend}, reason: x, text: X}",
        "suppress:\n  - {id: a, when: {any: {topic: case_opened}}, reason: x, text: X}",
        "channels:\n  - {id: a, when: {}, send: [smss]}",
        "channels:\n  - {id: a, when: {}, send: []}",
        "channels:\n  - {id: a, when: {}, send: [sms], patience: {sms: an hour}}",
        "topics:\n  - {id: a, means: A, class: promotion, expires: 1d}",
        "topics:\n  - {id: a, means: A, class: service, expires: 1d, on: [logn]}",
        "caps:\n  - {id: a, count: {}, limit: 1, per: 7d, on_reach: defer, reason: x, text: X}",
        "caps:\n  - {id: a, count: {class: service}, limit: 0, per: 7d, on_reach: defer}",
        "quiet_hours:\n  - {id: a, channels: [sms], between: [21:00], action: defer, text: X}",
    ],
)
def test_what_is_mistyped_is_invalid(rule: str) -> None:
    assert mistakes(f"{HEAD}{rule}\n")


def test_a_field_of_no_type_is_invalid() -> None:
    assert mistakes("version: 1\nfields:\n  customer.age: {type: number}\n")
    assert mistakes("version: 1\nfields:\n  age: {type: int}\n")
    assert mistakes("version: 1\nfields:\n  customer.age: {type: int, pi: true}\n")
    assert not mistakes("version: 1\nfields:\n  customer.age: {type: int, pii: true}\n")


@pytest.mark.parametrize("section", SECTIONS)
def test_the_language_knows_every_key_of_the_schema(section: str, tmp_path: Path) -> None:
    keys = ", ".join(f"{key}: []" for key in SECTIONS[section].keys)
    words = ("unknown key", "unknown section")
    findings = check(write(tmp_path, f"{section}:\n  - {{{keys}}}\n"))

    assert findings
    assert [one for one in findings if any(word in one.message for word in words)] == []


def test_the_schema_has_every_section() -> None:
    assert set(SECTIONS) == set(OF_THE_LANGUAGE)


@pytest.mark.parametrize(
    "test",
    [
        "{name: x, given: {}, at: 2026-03-02, expect: {outcome: send}}",
        "{name: x, given: {}, at: '2026-03-02T12:00+03:00', expect: {outcome: sent}}",
        "{name: x, given: {}, at: '2026-03-02T12:00+03:00', expect: {fired: [iscep.minr]}}",
        "{nam: x}",
    ],
)
def test_what_is_mistyped_in_a_test_file_is_invalid(test: str) -> None:
    assert mistakes(f"version: 1\ntests:\n  - {test}\n")
