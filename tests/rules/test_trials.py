"""Tests of rules, as product people write them: read, run, shown, measured."""

from pathlib import Path

import pytest

from rules.rulebook import Rulebook, load_rulebook
from rules.source import read_folder
from rules.trials import report
from rules.trials.coverage import cover
from rules.trials.definitions import Trial
from rules.trials.mutants import killed, mutants
from rules.trials.reading import read_trials
from rules.trials.running import Result, Standing, run
from tellal.domain.errors import RulebookError
from tests.rules.writing import write

RULES = """
topics:
  - {id: offer, means: An offer, class: commercial, expires: 2d, on: [visit]}

events:
  - {type: visit, carries: [event.surface, event.can_show_banner]}

facts:
  - {id: has_app, means: The app is there, when: {customer.app.installed: true}}

suppress:
  - id: young
    when: {topic: offer, customer.age: {lt: 18}}
    reason: minor
    text: Too young
  - id: has_it
    when: {topic: offer, fact.has_app: true}
    reason: has_it
    text: He has it

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

HEAD = """version: 1
everyone: {timezone: Europe/Istanbul, country: TR, consents: {sms: granted, email: granted}}
customers:
  ayse: {customer: {age: 30}, addresses: [sms, email]}
"""


def a_folder(tmp_path: Path, tests: str, head: str = HEAD, rules: str = RULES) -> Path:
    write(tmp_path, rules)
    (tmp_path / "shop_test.yaml").write_text(f"{head}tests:\n{tests}", encoding="utf-8")
    return tmp_path


def read(folder: Path) -> tuple[Rulebook, tuple[Trial, ...]]:
    book = load_rulebook(folder)
    return book, read_trials(book, folder)


def results(tmp_path: Path, tests: str) -> tuple[Result, ...]:
    return run(*read(a_folder(tmp_path, tests)))


def mistakes(tmp_path: Path, tests: str, head: str = HEAD) -> list[str]:
    with pytest.raises(RulebookError) as caught:
        read(a_folder(tmp_path, tests, head))
    return [str(finding) for finding in caught.value.findings]


def test_a_test_file_is_no_rule_file(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, "  []\n")

    assert "shop_test.yaml" not in {file.name for file in read_folder(folder)}


def test_a_test_passes_when_all_that_it_expects_is_so(tmp_path: Path) -> None:
    (one,) = results(
        tmp_path,
        """
  - name: grown-ups hear of it
    given: {customer: ayse, topic: offer}
    at: 2026-03-02T12:00+03:00
    expect:
      outcome: send
      reasons: []
      channels: [sms, email]
      not_before: 2026-03-02T12:00+03:00
      fired_exactly: [shop.any]
      not_fired: [shop.young]
""",
    )

    assert (one.standing, one.differences) == (Standing.PASSED, ())


def test_a_failure_says_what_differs_and_what_nearly_held(tmp_path: Path) -> None:
    told = "\n".join(
        report.told(
            results(
                tmp_path,
                """
  - name: nobody hears of it
    given: {customer: ayse, topic: offer, customer.age: 17}
    at: 2026-03-02T12:00+03:00
    expect:
      outcome: send
      reason: has_it
      channels: [sms]
      fired: [shop.has_it]
      not_fired: [shop.young]
      facts: [has_app]
""",
            )
        )
    )

    assert "shop_test.yaml:7:5: FAILED: nobody hears of it" in told
    assert "outcome: expected send, got suppress" in told
    assert "reason: expected has_it, got minor" in told
    assert "channels: expected sms, got nothing" in told
    assert "fired: shop.has_it was expected and did not hold" in told
    assert "not_fired: shop.young held and should not" in told
    assert "facts: has_app was expected and is not so" in told
    assert "because minor: Too young (shop.young, shop.yaml:" in told
    assert "shop.has_it (shop.yaml:" in told
    assert "fact.has_app should be True, is False" in told
    assert told.endswith("1 tests: 0 passed, 1 failed.")


def test_a_known_gap_fails_nobody_and_is_told_when_it_is_closed(tmp_path: Path) -> None:
    found = results(
        tmp_path,
        """
  - name: a gap
    given: {customer: ayse, topic: offer}
    at: 2026-03-02T12:00+03:00
    expect: {outcome: suppress}
    todo: PROMO-112
  - name: a gap that was closed
    given: {customer: ayse, topic: offer}
    at: 2026-03-02T12:00+03:00
    expect: {outcome: send}
    todo: PROMO-113
""",
    )
    told = list(report.told(found))

    assert [one.standing for one in found] == [Standing.TODO, Standing.DONE]
    assert any("to do: a gap (PROMO-112)" in line for line in told)
    assert any("may lose its 'todo': a gap that was closed" in line for line in told)
    assert told[-1] == "2 tests: 1 passed, 0 failed, 1 to do."


def test_a_line_of_a_table_is_a_test(tmp_path: Path) -> None:
    found = results(
        tmp_path,
        """
  - name: by age
    given: {customer: ayse}
    at: 2026-03-02T12:00+03:00
    table: |
      topic | customer.age | app.installed | caps.shop.weekly || outcome | channels | removed.sms
      # grown-ups
      offer | 18 |      |   || send     | sms, email |
      offer | 17 |      |   || suppress |            |
      offer | -  | true |   || suppress |            |
      offer |    |      | 2 || send     |            | no_address
""",
    )

    assert [one.trial.name for one in found] == [f"by age, line {n}" for n in (1, 2, 3, 4)]
    assert [one.standing.value for one in found] == ["passed", "passed", "passed", "failed"]
    assert found[3].differences == (
        "outcome: expected send, got suppress",
        "removed: expected sms to be removed by no_address, got expires_before_allowed",
    )
    assert str(found[3].trial.place) == "shop_test.yaml:16:7"


def test_the_history_of_a_customer_is_what_the_ledger_would_say(tmp_path: Path) -> None:
    _, (one,) = read(
        a_folder(
            tmp_path,
            """
  - name: everything
    given:
      customer: ayse
      topic: offer
      event: {type: visit, surface: web, can_show_banner: true}
      blocked: {email: customer}
      unroutable: {sms: no route to TR}
      down: {push: app_backend}
      history:
        caps: {shop.weekly: [2d, 2026-03-01T12:00+03:00]}
        counts: {visits: 3}
        last: {visits: 2d}
        told_version: 1
        attempts: 2
    at: 2026-03-02T12:00+03:00
    expect: {outcome: suppress}
""",
        )
    )

    asked = one.question
    assert asked.at.isoformat() == "2026-03-02T09:00:00+00:00"
    assert {channel.value for channel in asked.reachable} == {"sms", "banner"}
    assert {channel.value: b.origin.value for channel, b in asked.blocked.items()} == {
        "email": "customer"
    }
    assert [use.isoformat() for use in asked.cap_uses["shop.weekly"]] == [
        "2026-02-28T09:00:00+00:00",
        "2026-03-01T09:00:00+00:00",
    ]
    tally = asked.tallies["visits"]
    assert tally.number == 3
    assert tally.newest is not None
    assert tally.newest.isoformat() == "2026-02-28T09:00:00+00:00"
    assert (asked.ledger.told_version, asked.ledger.attempts_made) == (1, 2)
    assert {channel.value: what for channel, what in asked.down.items()} == {"push": "app_backend"}
    assert asked.document["event.surface"] == "web"
    assert asked.document["customer.age"] == 30


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ("{customer: aise, topic: offer}", "9:13: no customer is called 'aise'", "'ayse'"),
        ("{customer: ayse, topic: ofer}", "9:29: unknown topic 'ofer'", "'offer'"),
        ("{topic: offer, customer.aeg: 3}", "9:27: unknown field 'customer.aeg'", "'customer.age'"),
        ("{topic: offer, customer: {age: x}}", "9:38: 'customer.age' is int", "without quotes"),
        ("{topic: offer, adresses: [sms]}", "9:27: unknown key 'adresses'", "'addresses'"),
        ("{topic: offer, addresses: [smss]}", "9:27: 'smss' is not one of", "'sms'"),
        ("{topic: offer, consents: {sms: yes}}", "9:38: 'yes' is not one of", ""),
        ("{topic: offer, history: {caps: {shop.wekly: 1}}}", "unknown cap 'shop.wekly'", "weekly"),
        ("{topic: offer, wishes: {topics_off: [ofer]}}", "unknown topic 'ofer'", "'offer'"),
        ("{topic: offer, wishes: {service_only: x}}", "this is true or false", ""),
        ("{topic: offer, timezone: Istanbul}", "9:27: there is no time zone", "Europe/Istanbul"),
        ("{topic: offer, event: {surface: web}}", "'event.type' says what happened", "visit"),
        ("{topic: offer, event: {type: visit, method: password}}", "does not carry", ""),
        ("{customer: ayse}", "9:5: 'given' names no topic", "topic"),
    ],
)
def test_a_mistake_in_a_test_is_shown_where_it_stands(
    tmp_path: Path, given: str, said: str, hint: str
) -> None:
    found = mistakes(
        tmp_path,
        f"""
  - name: x
    at: 2026-03-02T12:00+03:00
    given: {given}
    expect: {{outcome: send}}
""",
    )

    assert any(f.startswith("shop_test.yaml:9:") and said in f and hint in f for f in found), found


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("expect: {outcome: send}", "'at' is missing (write 2026-03-02T12:00+03:00)"),
        ("expect: {outcome: send}\n    at: 2026-03-02T12:00", "'at' has no offset of its zone"),
        ("at: 2026-03-02T12:00+03:00", "'expect' says nothing"),
        (
            "at: 2026-03-02T12:00+03:00\n    expect: {outcom: send}",
            "unknown key 'outcom' (did you mean 'outcome'?)",
        ),
        (
            "at: 2026-03-02T12:00+03:00\n    expect: {fired: [shop.yung]}",
            "unknown rule 'shop.yung' (did you mean 'shop.young'?)",
        ),
        (
            "at: 2026-03-02T12:00+03:00\n    table: |\n      age || outcom\n      1 || send",
            "did you mean 'outcome'?",
        ),
        (
            "at: 2026-03-02T12:00+03:00\n    table: |\n      age || outcome\n      1 | 2 || send",
            "this line has 2 + 1 cells",
        ),
    ],
)
def test_a_test_without_a_clock_or_an_end_is_refused(tmp_path: Path, rest: str, said: str) -> None:
    found = mistakes(tmp_path, f"\n  - name: x\n    given: {{topic: offer}}\n    {rest}\n")

    assert any(said in one for one in found), found


def test_coverage_names_what_no_test_reaches(tmp_path: Path) -> None:
    book, trials = read(
        a_folder(
            tmp_path,
            """
  - name: young
    given: {customer: ayse, topic: offer, customer.age: 3}
    at: 2026-03-02T12:00+03:00
    expect: {outcome: suppress}
""",
        )
    )
    coverage = cover(book, run(book, trials))
    told = list(report.reached(coverage))

    assert coverage.total < 100
    assert any(line.endswith("shop.has_it never fired") for line in told)
    assert any(line.endswith("shop.young fired in every test") for line in told)
    assert any("shop.young: 'customer.age < 18' was never false" in line for line in told)
    assert any("shop.has_it: 'fact.has_app is so' was never true" in line for line in told)


def test_what_no_test_notices_is_a_survivor(tmp_path: Path) -> None:
    book, trials = read(
        a_folder(
            tmp_path,
            """
  - name: grown-ups
    at: 2026-03-02T12:00+03:00
    table: |
      customer | topic | age || outcome
      ayse     | offer | 18  || send
""",
        )
    )

    left = [report.survived(one) for one in mutants(book) if not killed(one, trials)]

    # Whoever is grown up is promoted to, whichever way round the rest stands.
    assert left
    assert {one.split(": ")[1] for one in left} <= {"shop.young", "shop.has_it", "shop.has_app"}
    assert not any("'customer.age < 18'" in one for one in left)


@pytest.mark.req("A04")
@pytest.mark.req("A05")
@pytest.mark.req("A08")
def test_the_shipped_tests_pass_reach_everything_and_notice_every_change() -> None:
    book = load_rulebook()
    trials = read_trials(book)
    found = run(book, trials)

    assert len(found) > 30
    assert [one.trial.name for one in found if one.standing is not Standing.PASSED] == []
    assert [line for line in report.reached(cover(book, found)) if "never" in line] == []
    assert cover(book, found).total == 100.0
    assert [report.survived(one) for one in mutants(book) if not killed(one, trials)] == []
