"""`tellal rules check`, as a product manager uses it."""

import json
import shutil
from pathlib import Path

import pytest

import rules
from tests.support.terminal import run


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A copy of the shipped rule files, to be broken."""
    return shutil.copytree(Path(rules.__file__).parent / "book", tmp_path / "book")


def test_the_shipped_rule_files_are_in_order() -> None:
    said = run("rules", "check")

    assert (said.code, said.out) == (0, "The rule files are in order.\n")


def test_a_mistake_is_shown_where_it_stands(book: Path) -> None:
    file = book / "security.yaml"
    broken = file.read_text(encoding="utf-8").replace("class: service", "clas: service", 1)
    file.write_text(broken, encoding="utf-8")
    line = next(n for n, text in enumerate(broken.splitlines(), 1) if "clas: service" in text)

    said = run("rules", "check", str(book))

    assert said.code == 1
    assert f"security.yaml:{line}:" in said.out
    assert "class" in said.out
    assert "Traceback" not in said.err


def test_what_is_said_about_incidents_is_held_against_the_rules(tmp_path: Path) -> None:
    folder = shutil.copytree(Path(rules.__file__).parent / "incidents", tmp_path / "incidents")
    file = folder / "kinds.yaml"
    good = file.read_text(encoding="utf-8")

    file.write_text(good.replace("outage_compensation", "outage_compensations"), encoding="utf-8")
    unknown = run("rules", "check", TELLAL_INCIDENTS=str(folder))
    file.write_text(good.replace("margin: 3m", "margin: little"), encoding="utf-8")
    broken = run("rules", "check", TELLAL_INCIDENTS=str(folder))
    file.write_text(good, encoding="utf-8")
    whole = run("rules", "check", TELLAL_INCIDENTS=str(folder))

    assert unknown.code == broken.code == 1
    assert "the rulebook has no topic 'outage_compensations' (did you mean" in unknown.out
    assert "'margin' is a time span, found 'little' (write 30m, 8h or 7d)" in broken.out
    assert (whole.code, whole.out) == (0, "The rule files are in order.\n")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    said = run("rules", "check", str(tmp_path / "nowhere"))

    assert said.code == 1
    assert "nowhere" in said.out + said.err
    assert "Traceback" not in said.err


def test_the_tests_beside_the_rules_are_run_and_measured() -> None:
    said = run("rules", "test", "--coverage", "--min", "100")

    assert said.code == 0, said.out
    assert "0 failed" in said.out
    assert "Coverage of rules 100.0 %" in said.out


def test_a_rule_that_changes_is_noticed_by_its_test(book: Path) -> None:
    file = book / "common.yaml"
    changed = file.read_text(encoding="utf-8").replace("{lt: 18}", "{lt: 16}")
    file.write_text(changed, encoding="utf-8")

    said = run("rules", "test", str(book), "--run", "grown-ups")

    assert said.code == 1
    assert "FAILED: promotion needs consent, and grown-ups, line 3" in said.out
    assert "outcome: expected suppress, got send" in said.out
    assert "5 tests: 4 passed, 1 failed." in said.out


def test_too_little_coverage_fails(book: Path) -> None:
    said = run("rules", "test", str(book), "--run", "dark", "--min", "90")

    assert said.code == 1
    assert "never fired" in said.out


def test_changes_that_no_test_notices_are_listed(book: Path) -> None:
    (book / "book_test.yaml").write_text(
        "version: 1\n"
        "tests:\n"
        "  - name: the dark\n"
        "    at: 2026-03-02T12:00+03:00\n"
        "    given: {topic: outage_notice, addresses: [sms]}\n"
        "    expect: {outcome: send}\n",
        encoding="utf-8",
    )

    said = run("rules", "mutate", str(book))

    assert said.code == 1
    assert "common.minor: no test notices if 'customer.age < 18' is turned round" in said.out
    assert "changes were noticed" in said.out


def test_a_mistake_in_a_test_file_is_shown_where_it_stands(book: Path) -> None:
    (book / "book_test.yaml").write_text("version: 1\ntest: []\n", encoding="utf-8")

    said = run("rules", "test", str(book))

    assert said.code == 1
    assert "book_test.yaml:2:1: unknown key 'test' (did you mean 'tests'?)" in said.out


def test_what_is_hardly_meant_is_a_warning_and_fails_nobody(book: Path) -> None:
    (book / "shop.yaml").write_text(
        "version: 1\npackage: shop\n"
        "topics:\n  - {id: sale, means: A sale, class: commercial, expires: 1d}\n"
        "facts:\n  - {id: nobody_asks, when: {customer.age: {gte: 18}}}\n"
        "channels:\n"
        "  - {id: adults, when: {topic: sale, customer.age: {gte: 18}}, send: [sms]}\n"
        "  - {id: old, when: {topic: sale, customer.age: {gte: 65}}, send: [sms]}\n",
        encoding="utf-8",
    )

    said = run("rules", "check", str(book))

    assert said.code == 0
    assert "shop.yaml:6:1: warning: no rule reads the fact 'nobody_asks'" in said.out
    assert "'shop.old' is never reached" in said.out
    assert "warning: there are no texts for a topic 'sale'" in said.out


@pytest.mark.req("A09", "blocks")
def test_a_promotion_under_a_service_topic_is_a_mistake(book: Path) -> None:
    file = book / "iscep.yaml"
    text = file.read_text(encoding="utf-8").replace("class: commercial", "class: service")
    file.write_text(text, encoding="utf-8")

    said = run("rules", "check", str(book))

    assert said.code == 1
    assert "iscep_promo/email.tr.j2:1:1: a service text promotes nothing" in said.out


def test_an_editor_gets_a_schema(tmp_path: Path) -> None:
    said = run("rules", "schema", "--out", str(tmp_path / "rules.schema.json"))

    schema = json.loads((tmp_path / "rules.schema.json").read_text(encoding="utf-8"))
    assert said.code == 0
    assert "yaml-language-server: $schema=rules.schema.json" in said.out
    assert "iscep_promo" in schema["$defs"]["topic"]["enum"]


def test_an_editor_gets_a_schema_of_profiles_with_the_topics_of_the_folder(book: Path) -> None:
    file = book / "cases.yaml"
    text = file.read_text(encoding="utf-8").replace("case_withdrawn", "case_taken_back")
    file.write_text(text, encoding="utf-8")
    out = book.parent / "profile.schema.json"

    said = run("rules", "schema", str(book), "--of", "profile", "--out", str(out))
    refused = run("rules", "schema", "--of", "profiles")

    topics = json.loads(out.read_text(encoding="utf-8"))["$defs"]["topic"]["enum"]
    assert (
        "Begin each profile with: # yaml-language-server: $schema=profile.schema.json" in said.out
    )
    assert {"case_opened", "case_taken_back"} < set(topics)
    assert "case_withdrawn" not in topics
    assert (refused.code, "profile'" in refused.err) == (2, True)
