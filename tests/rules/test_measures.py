"""What is computed before the rules are asked: time that has passed, text tests, counts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rules.decide import decide
from rules.definitions import Counted
from rules.measures import Measure, MeasureKind, measure_of
from rules.situations import Tally
from tellal.domain.channels import Channel
from tellal.domain.decisions import Value, Verdict
from tellal.domain.errors import RulebookError
from tests.rules.writing import AT, a_book, a_question, codes_of

FIELDS = """
version: 1
fields:
  customer.birth_date: {type: date, pii: true}
  customer.contract_ends: {type: date}
  customer.seen: {type: time}
  customer.city: {type: text}
  event.method: {type: text}
"""


def says(folder: Path, when: str, document: dict[str, Value], **other: object) -> bool:
    """Say whether a condition holds, by a rule that stops the message."""
    (folder / "fields.yaml").write_text(FIELDS, encoding="utf-8")
    rule = f"""
suppress:
  - {{id: held, when: {when}, reason: held, text: It held}}
events:
  - {{type: login, carries: [event.method]}}
counts:
  - {{id: offers, of: messages, topics: [offer], within: 30d}}
  - {{id: logins, of: events, types: [login], within: 7d}}
"""
    decision = decide(a_book(folder, rule), a_question(document, **other))
    return codes_of(decision) == ["held"]


@pytest.mark.parametrize(
    ("when", "seen", "expected"),
    [
        ("{customer.contract_ends: {due_within: 14d}}", "2026-03-02", True),
        ("{customer.contract_ends: {due_within: 14d}}", "2026-03-16", True),
        ("{customer.contract_ends: {due_within: 14d}}", "2026-03-17", False),
        ("{customer.contract_ends: {due_within: 14d}}", "2026-03-01", False),
        ("{customer.contract_ends: {within: 1d}}", "2026-03-01", True),
        ("{customer.contract_ends: {within: 1d}}", "2026-02-28", False),
        ("{customer.contract_ends: {older_than: 1d}}", "2026-02-28", True),
        ("{customer.contract_ends: {before: 2026-03-01}}", "2026-02-28", True),
        ("{customer.contract_ends: {before: 2026-03-01}}", "2026-03-01", False),
        ("{customer.contract_ends: {after: 2026-03-01}}", "2026-03-02", True),
        ("{customer.contract_ends: 2026-03-01}", "2026-03-01", True),
        ("{customer.contract_ends: {not: 2026-03-01}}", "2026-03-01", False),
    ],
)
def test_dates_are_compared_by_the_customers_calendar(
    tmp_path: Path, when: str, seen: str, expected: bool
) -> None:
    assert says(tmp_path, when, {"customer.contract_ends": seen}) is expected
    assert says(tmp_path, when, {}) is ("not" in when)


def test_days_change_at_the_customers_midnight(tmp_path: Path) -> None:
    late = datetime(2026, 3, 2, 21, 30, tzinfo=UTC)  # half past midnight in Istanbul
    document: dict[str, Value] = {"customer.contract_ends": "2026-03-02"}

    yesterday = "{customer.contract_ends: {older_than: 0d, within: 1d}}"
    passed = "{customer.contract_ends: {due_within: 1d}}"

    assert not says(tmp_path, passed, document, at=late)
    assert says(tmp_path, passed, document, at=late, timezone="UTC")
    with pytest.raises(RulebookError, match="takes a time span"):
        says(tmp_path, yesterday, document)


@pytest.mark.req("A14", "blocks")
@pytest.mark.req("A14", "allows")
@pytest.mark.parametrize(
    ("born", "at", "minor"),
    [
        ("2008-03-02", AT, False),  # eighteen today
        ("2008-03-03", AT, True),
        ("2008-02-29", datetime(2026, 2, 28, 12, tzinfo=UTC), True),
        ("2008-02-29", datetime(2026, 3, 1, 12, tzinfo=UTC), False),
        ("2008-03-03", datetime(2026, 3, 2, 21, 30, tzinfo=UTC), False),  # the third in Istanbul
    ],
)
def test_age_is_counted_at_the_moment_of_deciding(
    tmp_path: Path, born: str, at: datetime, minor: bool
) -> None:
    when = "{customer.birth_date: {years: {lt: 18}}}"

    assert says(tmp_path, when, {"customer.birth_date": born}, at=at) is minor
    assert not says(tmp_path, when, {}, at=at)


def test_instants_are_compared_by_seconds(tmp_path: Path) -> None:
    seen: dict[str, Value] = {"customer.seen": "2026-03-02T11:59:00Z"}

    assert says(tmp_path, "{customer.seen: {within: 60s}}", seen)
    assert not says(tmp_path, "{customer.seen: {within: 59s}}", seen)
    assert says(tmp_path, "{customer.seen: {older_than: 59s}}", seen)
    assert says(tmp_path, "{customer.seen: {before: '2026-03-02T15:00:00+03:00'}}", seen)
    assert not says(tmp_path, "{customer.seen: {after: '2026-03-02T15:00:00+03:00'}}", seen)


@pytest.mark.parametrize(
    ("when", "city", "expected"),
    [
        ("{customer.city: {starts_with: 'Iğ'}}", "Iğdır", True),
        ("{customer.city: {starts_with: 'iğ'}}", "Iğdır", False),
        ("{customer.city: {ends_with: 'ır'}}", "Iğdır", True),
        ("{customer.city: {contains: '''\"%_\\'}}", "a'\"%_\\b", True),
        ("{customer.city: {not: {contains: x}}}", "Iğdır", True),
        ("{not: {customer.city: {contains: ğ}}}", "Iğdır", False),
    ],
)
def test_texts_are_tested_letter_by_letter(
    tmp_path: Path, when: str, city: str, expected: bool
) -> None:
    assert says(tmp_path, when, {"customer.city": city}) is expected


def test_counts_are_none_where_nothing_happened(tmp_path: Path) -> None:
    thrice = {"offers": Tally(3, AT - timedelta(days=2))}

    assert says(tmp_path, "{count.offers: {gte: 3}}", {}, tallies=thrice)
    assert says(tmp_path, "{count.offers: 0}", {})
    assert says(tmp_path, "{last.offers: {within: 2d}}", {}, tallies=thrice)
    assert says(tmp_path, "{last.offers: {older_than: 1d}}", {}, tallies=thrice)
    assert says(tmp_path, "{last.offers: {exists: false}}", {})
    assert not says(tmp_path, "{last.offers: {older_than: 1d}}", {})


def test_a_rulebook_says_what_has_to_be_counted_for_a_topic(tmp_path: Path) -> None:
    (tmp_path / "fields.yaml").write_text(FIELDS, encoding="utf-8")
    book = a_book(
        tmp_path,
        """
counts:
  - {id: offers, of: messages, topics: [offer], channel: sms, within: 30d}
  - {id: unread, of: messages, class: service, within: 30d}
suppress:
  - {id: many, when: {topic: offer, count.offers: {gte: 3}}, reason: many, text: Enough}
""",
    )

    [needed] = book.counts_of("offer")
    assert (needed.id, needed.of, needed.channel) == ("offers", Counted.MESSAGES, Channel.SMS)


def test_consent_and_calendar_can_be_read(tmp_path: Path) -> None:
    assert says(tmp_path, "{consent.sms: granted}", {})
    assert says(tmp_path, "{consent.sms: {exists: false}}", {}, consents={})
    assert says(tmp_path, "{consent.sms: refused}", {}, consents={Channel.SMS: False})
    assert says(tmp_path, "{calendar.weekday: mon, calendar.hour: 15, calendar.day: 2}", {})
    holiday = datetime(2026, 4, 23, 9, tzinfo=UTC)
    assert says(tmp_path, "{calendar.holiday: true}", {}, at=holiday)
    assert not says(tmp_path, "{calendar.holiday: true}", {}, at=holiday, country="PL")
    eve = datetime(2026, 10, 28, 9, tzinfo=UTC)
    assert says(tmp_path, "{calendar.half_day: true, calendar.holiday: false}", {}, at=eve)


def test_what_a_measure_reads_of_a_person_is_masked(tmp_path: Path) -> None:
    (tmp_path / "fields.yaml").write_text(FIELDS, encoding="utf-8")
    book = a_book(
        tmp_path,
        """
suppress:
  - {id: minor, when: {customer.birth_date: {years: {lt: 18}}}, reason: minor, text: Minor}
""",
    )

    decision = decide(book, a_question({"customer.birth_date": "2010-01-01"}))

    assert decision.verdict is Verdict.SUPPRESS
    assert "2010" not in str(decision.trace) + str(decision.read)
    assert "16" not in str(decision.trace) + str(decision.read)


@pytest.mark.parametrize("kind", [MeasureKind.AGO, MeasureKind.YEARS])
def test_a_measure_is_known_by_its_path(kind: MeasureKind) -> None:
    assert measure_of(Measure(kind, "customer.seen").path) == Measure(kind, "customer.seen")
    contains = Measure(MeasureKind.CONTAINS, "customer.city", "ğ,)(")
    assert measure_of(contains.path) == contains
    assert contains.path.isascii()
    assert measure_of("customer.seen") is None


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("{customer.seen: '2026-03-02T12:00:00Z'}", "compare it by exists, within"),
        ("{customer.contract_ends: {within: 5h}}", "takes a time span"),
        ("{customer.contract_ends: {before: tomorrow}}", "is a date, found the text 'tomorrow'"),
        ("{customer.contract_ends: 5}", "is a date, found 5"),
        ("{customer.seen: {before: '2026-03-02T12:00:00'}}", "is a time"),
        ("{customer.city: {starts_with: 5}}", "takes a text of 1 to 60 characters"),
        ("{count.ofers: 3}", "unknown field 'count.ofers'"),
        ("{last.offers: 3}", "compare it by exists, within, older_than"),
        ("{segment.gold: true}", "unknown segment 'gold'"),
        ("{customer.city: {within: 3d}}", "'within' does not apply"),
    ],
)
def test_a_wrong_comparison_is_shown_at_its_place(tmp_path: Path, when: str, message: str) -> None:
    with pytest.raises(RulebookError) as caught:
        says(tmp_path, when, {})

    [finding] = caught.value.findings
    assert message in f"{finding.message} {finding.hint}"
    assert (finding.file, finding.line) == ("shop.yaml", 11)
