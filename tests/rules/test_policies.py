"""Calendars in caps and quiet hours, plans, shadows, tables, segments."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rules.decide import decide
from rules.rulebook import load_rulebook
from tellal.domain.channels import Channel
from tellal.domain.decisions import Verdict
from tellal.domain.errors import RulebookError
from tests.rules.writing import AT, a_book, a_question, channels_of, codes_of, fired_of, write


def a_cap(per: str, limit: int = 1) -> str:
    """Write a cap that defers."""
    return f"""
caps:
  - id: some
    count: {{topics: [offer]}}
    limit: {limit}
    per: {per}
    on_reach: defer
    reason: enough
    text: Enough for now
"""


@pytest.mark.req("A02", "blocks")
@pytest.mark.req("A02", "allows")
@pytest.mark.parametrize(
    ("per", "taken", "free_at"),
    [
        # AT is Monday the second of March, 15:00 in Istanbul (UTC+3).
        ("calendar_day", AT - timedelta(hours=14), datetime(2026, 3, 2, 21, tzinfo=UTC)),
        ("calendar_day", AT - timedelta(hours=16), None),
        ("calendar_week", AT - timedelta(hours=14), datetime(2026, 3, 8, 21, tzinfo=UTC)),
        ("calendar_week", AT - timedelta(hours=16), None),
        ("calendar_month", AT - timedelta(hours=30), datetime(2026, 3, 31, 21, tzinfo=UTC)),
        ("calendar_month", AT - timedelta(hours=40), None),
    ],
)
def test_a_calendar_cap_counts_by_the_customers_calendar(
    tmp_path: Path, per: str, taken: datetime, free_at: datetime | None
) -> None:
    topic = "topics:\n  - {id: offer, means: An offer, class: service, expires: 40d}\n"
    book = a_book(tmp_path, a_cap(per), topic=topic)

    decision = decide(book, a_question(cap_uses={"shop.some": (taken,)}))

    assert decision.verdict is (Verdict.SEND if free_at is None else Verdict.DEFER)
    assert decision.steps[0].not_before == (free_at or AT)


def test_a_period_that_is_taken_already_is_passed_over(tmp_path: Path) -> None:
    tomorrow = AT + timedelta(days=1)
    topic = "topics:\n  - {id: offer, means: An offer, class: service, expires: 5d}\n"
    book = a_book(tmp_path, a_cap("calendar_day"), topic=topic)

    decision = decide(book, a_question(cap_uses={"shop.some": (AT, tomorrow)}))

    assert decision.steps[0].not_before == datetime(2026, 3, 3, 21, tzinfo=UTC)


QUIET = """
quiet_hours:
  - id: feasts
    channels: [sms]
    days: [holiday, half_day, sun]
    countries: [TR]
    action: defer
    text: Nobody is disturbed on a holiday
  - id: night
    channels: [sms]
    between: [21:00, 09:00]
    action: defer
    text: Night
"""
_LONG = "topics:\n  - {id: offer, means: An offer, class: service, expires: 10d}\n"


@pytest.mark.parametrize(
    ("at", "country", "until"),
    [
        # 23 April is a holiday in Turkey, then comes a Friday; nights defer to nine (06:00 UTC).
        (datetime(2026, 4, 23, 9, tzinfo=UTC), "TR", datetime(2026, 4, 24, 6, tzinfo=UTC)),
        (datetime(2026, 4, 23, 9, tzinfo=UTC), "PL", None),
        # 28 October is a half-day, 29 a holiday.
        (datetime(2026, 10, 28, 9, tzinfo=UTC), "TR", datetime(2026, 10, 30, 6, tzinfo=UTC)),
        (datetime(2026, 3, 1, 9, tzinfo=UTC), "TR", datetime(2026, 3, 2, 6, tzinfo=UTC)),
        (datetime(2026, 3, 2, 9, tzinfo=UTC), "TR", None),
    ],
)
def test_quiet_hours_know_holidays_and_weekdays_of_a_country(
    tmp_path: Path, at: datetime, country: str, until: datetime | None
) -> None:
    channels = "channels:\n  - {id: any, when: {topic: offer}, send: [sms]}\n"
    book = a_book(tmp_path, QUIET, topic=_LONG, channels=channels)

    decision = decide(book, a_question(at=at, country=country))

    assert decision.steps[0].not_before == (until or at)


@pytest.mark.parametrize(("wait_for", "begins"), [("first", Channel.SMS), ("any", Channel.EMAIL)])
def test_a_plan_waits_for_its_first_channel_or_takes_what_goes_soonest(
    tmp_path: Path, wait_for: str, begins: Channel
) -> None:
    channels = f"""
channels:
  - {{id: any, when: {{topic: offer}}, send: [sms, email, push], wait_for: {wait_for}}}
"""
    book = a_book(tmp_path, QUIET, topic=_LONG, channels=channels)

    night = decide(book, a_question(at=datetime(2026, 3, 2, 20, tzinfo=UTC)))

    assert channels_of(night)[0] is begins
    assert set(channels_of(night)) == {Channel.SMS, Channel.EMAIL, Channel.PUSH}
    assert night.verdict is (Verdict.SEND if wait_for == "any" else Verdict.DEFER)
    assert channels_of(decide(book, a_question()))[0] is Channel.SMS


def test_a_shadow_rule_is_reported_and_has_no_effect(tmp_path: Path) -> None:
    book = a_book(
        tmp_path,
        """
suppress:
  - {id: stop, when: {topic: offer}, reason: stop, text: Stop, mode: shadow}
caps:
  - id: none
    count: {topics: [offer]}
    limit: 1
    per: 7d
    on_reach: suppress
    reason: enough
    text: Enough
    mode: shadow
""",
    )

    decision = decide(book, a_question(cap_uses={"shop.none": (AT,)}))

    assert decision.verdict is Verdict.SEND
    assert [fired.rule for fired in decision.shadow] == ["shop.stop", "shop.none"]
    assert fired_of(decision) == ["shop.any"]
    assert not decision.cap_uses


def test_a_fact_cannot_be_a_shadow(tmp_path: Path) -> None:
    with pytest.raises(RulebookError, match="unknown key 'mode'"):
        a_book(tmp_path, "facts:\n  - {id: a, when: {customer.city: x}, mode: shadow}\n")


def test_segments_are_shared_by_packages(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
topics:
  - {id: offer, means: An offer, class: service, expires: 1d}
channels:
  - {id: any, when: {topic: offer, segment.young: true}, send: [push]}
  - {id: others, when: {topic: offer, segment.young: false}, send: [sms]}
""",
        people="""version: 1
package: people
segments:
  - {id: young, means: Under thirty, when: {customer.age: {lt: 30}}}
""",
    )
    book = load_rulebook(tmp_path)

    assert channels_of(decide(book, a_question({"customer.age": 20}))) == [Channel.PUSH]
    assert channels_of(decide(book, a_question({"customer.age": 30}))) == [Channel.SMS]
    assert channels_of(decide(book, a_question())) == [Channel.SMS]


TABLE = """
tables:
  - id: by_age
    means: How people of an age are spoken to
    decides: channels
    table: |
      topic | customer.segment | customer.age | fact.loyal || send
      # the old first
      offer | private, mass    | >= 65        |            || sms, email
      offer | !mass            | 18..64       | yes        || push
      offer |                  | -            |            || email
  - id: stops
    decides: suppress
    table: |
      customer.city || reason | text
      "true"        || town   | Not in this town
facts:
  - {id: loyal, when: {customer.products: loan}}
"""


def test_a_decision_table_is_as_many_rules(tmp_path: Path) -> None:
    book = a_book(tmp_path, TABLE, channels="")

    def asked(**facts: object) -> list[Channel]:
        document = {f"customer.{name}": value for name, value in facts.items()}
        return channels_of(decide(book, a_question(document)))  # type: ignore[arg-type]

    assert asked(segment="mass", age=65) == [Channel.SMS, Channel.EMAIL]
    assert asked(segment="youth", age=65) == []
    assert asked(segment="youth", age=64, products=("loan",)) == [Channel.PUSH]
    assert asked(segment="youth", age=64) == []
    assert asked(segment="youth") == [Channel.EMAIL]
    stopped = decide(book, a_question({"customer.city": "true"}))
    assert codes_of(stopped) == ["town"]
    assert stopped.reasons[0].rule == "shop.stops_1"
    lines = (tmp_path / "shop.yaml").read_text(encoding="utf-8").splitlines()
    places = {rule.id: lines[rule.line - 1] for rule in book.rules if not rule.of_pack}
    assert "private, mass" in places["shop.by_age_1"]
    assert "| -" in places["shop.by_age_3"]


@pytest.mark.parametrize(
    ("broken", "message", "at"),
    [
        (("customer.segment", "customer.segmnt"), "unknown field 'customer.segmnt'", "private,"),
        (("sms, email", "sms, emial"), "'emial' is not one of", "sms, emial"),
        ((">= 65 ", "old   "), "'customer.age' is int", "old   "),
        (("offer |                  | -", "offer | -"), "this line has 3 + 1 cells", "offer | -"),
        (("|| send", "|| sent"), "right of '||' stand send", "sent"),
        (("decides: channels", "decides: caps"), "'decides' is one of", "decides: caps"),
    ],
)
def test_a_mistake_in_a_table_is_shown_at_its_cell(
    tmp_path: Path, broken: tuple[str, str], message: str, at: str
) -> None:
    with pytest.raises(RulebookError) as caught:
        a_book(tmp_path, TABLE.replace(*broken, 1), channels="")

    finding = next(one for one in caught.value.findings if message in one.message)
    lines = (tmp_path / "shop.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[finding.line - 1][finding.column - 1 :].startswith(at)


def test_a_purpose_cannot_end_by_a_count(tmp_path: Path) -> None:
    topic = """
topics:
  - id: offer
    means: An offer
    class: service
    expires: 1d
    stop_when: {count.offers: {gte: 3}}
counts:
  - {id: offers, of: messages, topics: [offer], within: 30d}
"""
    with pytest.raises(RulebookError, match="reads a count"):
        a_book(tmp_path, topic=topic)
