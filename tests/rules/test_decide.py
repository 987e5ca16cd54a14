"""What comes of a question: the stories' book, and each phase by itself."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from rules.decide import LedgerView, decide
from rules.rulebook import load_rulebook
from tellal.domain.channels import Channel
from tellal.domain.decisions import Decision, Value, Verdict
from tellal.domain.errors import InvalidInputError
from tests.rules.writing import AT, TOPIC, a_book, a_question

NIGHT = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)


def _codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def _channels(decision: Decision) -> list[Channel]:
    return [step.channel for step in decision.steps]


def _fired(decision: Decision) -> list[str]:
    return [fired.rule for fired in decision.fired]


def _ledger(told: int | None = None, attempts: int = 0, *, pending: bool = False) -> LedgerView:
    return LedgerView(told_version=told, pending=pending, attempts_made=attempts)


@pytest.mark.req("A04")
@pytest.mark.req("A05")
def test_who_logs_in_with_cep_anahtar_is_not_asked_to_install_iscep() -> None:
    question = a_question({"customer.login.method": "cep_anahtar"}, topic="iscep_promo")

    decision = decide(load_rulebook(), question)

    assert decision.verdict is Verdict.SUPPRESS
    assert _codes(decision) == ["already_has_iscep"]
    assert decision.facts == ("uses_cep_anahtar", "uses_iscep")
    assert [(fired.rule, fired.file) for fired in decision.fired] == [
        ("iscep.uses_cep_anahtar", "iscep.yaml"),
        ("iscep.uses_iscep_for_cep_anahtar", "iscep.yaml"),
        ("iscep.already_has_iscep", "iscep.yaml"),
    ]
    assert len({fired.line for fired in decision.fired}) == len(decision.fired)


@pytest.mark.req("A05")
def test_a_live_push_token_proves_the_same_by_another_rule() -> None:
    question = a_question({"customer.app.push_token": True}, topic="iscep_promo")

    decision = decide(load_rulebook(), question)

    assert _fired(decision) == ["iscep.uses_iscep_that_takes_push", "iscep.already_has_iscep"]


def test_lines_name_the_places_of_the_rules() -> None:
    book = load_rulebook()
    lines = Path("rules/book/iscep.yaml").read_text(encoding="utf-8").splitlines()

    for rule in book.rules:
        if rule.file == "iscep.yaml":
            assert f"id: {rule.id.partition('.')[2]}" in lines[rule.line - 1]


@pytest.mark.req("A08")
def test_a_promotion_needs_consent_for_its_channel() -> None:
    book = load_rulebook()

    without, refused, granted = (
        decide(book, a_question(topic="iscep_promo", consents=consents))
        for consents in ({}, {Channel.EMAIL: False}, {Channel.EMAIL: True})
    )

    assert (_codes(without), _codes(refused)) == (["no_consent"], ["refused"])
    assert without.reasons[0].rule == "law.commercial_needs_consent"
    assert (granted.verdict, _channels(granted)) == (Verdict.SEND, [Channel.EMAIL])


@pytest.mark.req("A09")
def test_awareness_needs_no_consent() -> None:
    decision = decide(load_rulebook(), a_question(topic="phishing_awareness", consents={}))

    assert _channels(decision) == [Channel.SMS, Channel.EMAIL]


@pytest.mark.req("A14")
def test_nothing_is_promoted_to_minors() -> None:
    decision = decide(load_rulebook(), a_question({"customer.age": 17}, topic="iscep_promo"))

    assert _codes(decision) == ["minor"]


@pytest.mark.req("A12")
def test_awareness_prefers_the_page_that_the_customer_is_on() -> None:
    everywhere = frozenset(Channel)

    decision = decide(
        load_rulebook(),
        a_question(
            {"event.can_show_banner": True}, topic="phishing_awareness", reachable=everywhere
        ),
    )

    assert _channels(decision) == [Channel.BANNER, Channel.PUSH, Channel.SMS]
    assert [step.patience for step in decision.steps] == [
        timedelta(minutes=10),
        timedelta(minutes=2),
        timedelta(hours=1),
    ]


@pytest.mark.parametrize(
    ("topic", "ledger", "code"),
    [
        pytest.param(
            "phishing_awareness",
            _ledger(told=1),
            "already_told",
            id="told",
            marks=pytest.mark.req("A01"),
        ),
        pytest.param("phishing_awareness", _ledger(pending=True), "already_pending", id="pending"),
        pytest.param(
            "iscep_promo",
            _ledger(attempts=3),
            "attempts_exhausted",
            id="exhausted",
            marks=pytest.mark.req("A07"),
        ),
    ],
)
def test_the_ledger_stops_what_was_said(topic: str, ledger: LedgerView, code: str) -> None:
    decision = decide(load_rulebook(), a_question(topic=topic, ledger=ledger))

    assert (decision.verdict, _codes(decision)) == (Verdict.SUPPRESS, [code])


def test_an_older_version_that_was_told_stops_nothing() -> None:
    ledger = _ledger(told=0)

    decision = decide(load_rulebook(), a_question(topic="phishing_awareness", ledger=ledger))

    assert decision.verdict is Verdict.SEND


@pytest.mark.req("A07")
def test_a_nudge_that_was_followed_is_converted() -> None:
    question = a_question(
        {"customer.app.installed": True}, topic="iscep_promo", ledger=_ledger(attempts=1)
    )

    assert _codes(decide(load_rulebook(), question)) == ["already_has_iscep", "converted"]


def test_no_promotional_text_to_turkey_over_twilio(tmp_path: Path) -> None:
    book = a_book(tmp_path)
    twilio = {Channel.SMS: "twilio", Channel.EMAIL: "smtp", Channel.PUSH: "fcm"}

    to_turkey = decide(book, a_question(providers=twilio))
    to_poland = decide(book, a_question(providers=twilio, country="PL"))
    before = decide(book, a_question(providers=twilio, at=datetime(2021, 2, 14, 12, tzinfo=UTC)))

    assert to_turkey.removed[Channel.SMS].code == "route_forbidden"
    assert _channels(to_turkey) == [Channel.EMAIL, Channel.PUSH]
    assert Channel.SMS in _channels(to_poland)
    assert Channel.SMS in _channels(before)


def test_the_most_telling_reason_comes_first(tmp_path: Path) -> None:
    question = a_question(
        consents={Channel.SMS: True, Channel.PUSH: True},
        reachable=frozenset({Channel.SMS, Channel.EMAIL}),
        providers={Channel.SMS: "twilio"},
    )

    decision = decide(a_book(tmp_path), question)

    assert _codes(decision) == ["no_consent", "route_forbidden", "no_address"]


def test_a_mandatory_message_passes_consent_caps_and_quiet_hours(tmp_path: Path) -> None:
    rules = """
caps:
  - {id: c, count: {topics: [offer]}, limit: 1, per: 1d, on_reach: suppress, reason: c, text: c}
quiet_hours:
  - {id: q, channels: [sms, email, push], between: [21:00, 09:00], action: defer, text: q}
"""
    book = a_book(tmp_path, rules, topic=TOPIC.replace("commercial", "mandatory"))

    decision = decide(book, a_question(consents={}, at=NIGHT, cap_uses={"shop.c": (NIGHT,)}))

    assert (decision.verdict, decision.cap_uses) == (Verdict.SEND, ())
    assert book.caps_of("offer") == ()


def _capped(on_reach: str, more: str = "") -> str:
    return f"""
caps:
  - {{id: c, count: {{class: commercial}}, limit: 2, per: 7d, on_reach: {on_reach}, reason: full,
     text: Enough{more}}}
"""


USED = (AT - timedelta(days=6), AT - timedelta(days=1))


@pytest.mark.req("A02")
def test_a_full_cap_suppresses(tmp_path: Path) -> None:
    decision = decide(a_book(tmp_path, _capped("suppress")), a_question(cap_uses={"shop.c": USED}))

    assert (decision.verdict, _codes(decision)) == (Verdict.SUPPRESS, ["full"])
    assert (decision.reasons[0].file, decision.reasons[0].line) == ("shop.yaml", 11)


def test_a_slot_that_has_left_the_window_counts_no_more(tmp_path: Path) -> None:
    book = a_book(tmp_path, _capped("suppress"))
    used = (AT - timedelta(days=7), AT - timedelta(days=1))

    decision = decide(book, a_question(cap_uses={"shop.c": used}))

    assert decision.verdict is Verdict.SEND
    assert [(use.cap, use.channel) for use in decision.cap_uses] == [
        ("shop.c", Channel.SMS),
        ("shop.c", Channel.EMAIL),
        ("shop.c", Channel.PUSH),
    ]


def test_a_full_cap_defers_to_its_next_free_slot(tmp_path: Path) -> None:
    book = a_book(tmp_path, _capped("defer"), topic=TOPIC.replace("1d", "3d"))

    decision = decide(book, a_question(cap_uses={"shop.c": USED}))

    assert decision.verdict is Verdict.DEFER
    assert {step.not_before for step in decision.steps} == {AT + timedelta(days=1)}


def test_a_full_cap_of_a_channel_goes_to_the_next(tmp_path: Path) -> None:
    book = a_book(tmp_path, _capped("next_channel", ", channel: sms"))

    decision = decide(book, a_question(cap_uses={"shop.c": USED}))

    assert _channels(decision) == [Channel.EMAIL, Channel.PUSH]
    assert decision.removed[Channel.SMS].code == "full"
    assert decision.cap_uses == ()


def test_a_deferral_beyond_the_expiry_is_a_suppression(tmp_path: Path) -> None:
    book = a_book(tmp_path, _capped("defer"), topic=TOPIC.replace("1d", "12h"))

    decision = decide(book, a_question(cap_uses={"shop.c": USED}))

    assert _codes(decision)[0] == "expires_before_allowed"


def _night(action: str, channels: str = "sms, push") -> str:
    return f"""
quiet_hours:
  - {{id: q, channels: [{channels}], between: [21:00, 09:00], action: {action}, text: Night}}
"""


@pytest.mark.parametrize(
    ("action", "verdict", "steps"),
    [
        pytest.param(
            "defer",
            Verdict.DEFER,
            {Channel.SMS: MORNING, Channel.EMAIL: NIGHT, Channel.PUSH: MORNING},
            id="defer",
        ),
        pytest.param("next_channel", Verdict.SEND, {Channel.EMAIL: NIGHT}, id="next"),
        pytest.param("suppress", Verdict.SUPPRESS, {}, id="suppress"),
    ],
)
def test_quiet_hours(
    tmp_path: Path, action: str, verdict: Verdict, steps: Mapping[Channel, datetime]
) -> None:
    decision = decide(a_book(tmp_path, _night(action)), a_question(at=NIGHT))

    assert decision.verdict is verdict
    assert {step.channel: step.not_before for step in decision.steps} == steps
    assert "shop.q" in _fired(decision)


def test_quiet_hours_are_the_customers(tmp_path: Path) -> None:
    book = a_book(tmp_path, _night("defer"))

    decision = decide(book, a_question(at=NIGHT, timezone="America/New_York"))

    assert decision.verdict is Verdict.SEND


def test_a_cap_defers_into_the_night_and_the_night_to_the_morning(tmp_path: Path) -> None:
    book = a_book(tmp_path, _capped("defer") + _night("defer"), topic=TOPIC.replace("1d", "5d"))
    used = (NIGHT - timedelta(days=6), AT - timedelta(hours=1))

    decision = decide(book, a_question(cap_uses={"shop.c": used}))

    assert decision.steps[0].not_before == MORNING + timedelta(days=1)


def test_a_rule_with_dates_holds_on_the_customers_days(tmp_path: Path) -> None:
    book = a_book(
        tmp_path,
        """
suppress:
  - {id: s, when: {topic: offer}, from: 2026-03-02, until: 2026-03-02, reason: s, text: s}
""",
    )
    instants = [
        datetime(2026, 3, day, hour, tzinfo=UTC) for day, hour in [(1, 20), (1, 22), (2, 22)]
    ]

    verdicts = [decide(book, a_question(at=at)).verdict for at in instants]

    assert verdicts == [Verdict.SEND, Verdict.SUPPRESS, Verdict.SEND]


def test_personal_values_are_masked_where_a_decision_explains_itself() -> None:
    question = a_question({"customer.age": 17, "customer.locale": "tr"}, topic="iscep_promo")

    decision = decide(load_rulebook(), question)

    assert decision.read["customer.age"] == "•••"
    [minor] = [entry["tests"] for entry in decision.trace if entry["rule"] == "iscep.minor"]
    assert minor == {
        "field": "customer.age",
        "test": "lt",
        "wanted": "•••",
        "seen": "•••",
        "ok": True,
    }


def test_a_decision_tells_what_nearly_held() -> None:
    decision = decide(load_rulebook(), a_question(topic="phishing_awareness"))

    missed = {str(entry["rule"]): entry for entry in decision.trace if not entry["ok"]}

    tests = cast(Mapping[str, object], missed["security.on_the_phone"]["tests"])
    assert tests == {
        "field": "customer.app.push_token",
        "test": "eq",
        "wanted": True,
        "seen": None,
        "ok": False,
    }


def test_a_value_of_the_wrong_kind_is_no_value() -> None:
    book = load_rulebook()
    document: dict[str, Value] = {
        "customer.age": True,
        "customer.login.method": 3,
        "customer.unknown": "x",
    }

    decision = decide(book, a_question(document, topic="iscep_promo"))

    assert decision.verdict is Verdict.SEND
    assert decision.read["customer.age"] is None


def test_an_outage_is_told_at_any_hour() -> None:
    decision = decide(load_rulebook(), a_question(topic="outage_notice", at=NIGHT, consents={}))

    assert (decision.verdict, decision.cap_uses) == (Verdict.SEND, ())


def test_unknown_topics_and_zones_are_refused() -> None:
    book = load_rulebook()

    for question in (
        a_question(topic="nothing"),
        a_question(topic="iscep_promo", timezone="Mars/X"),
    ):
        with pytest.raises(InvalidInputError):
            decide(book, question)
