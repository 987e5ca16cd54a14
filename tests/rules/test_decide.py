"""What comes of a question: the stories' book, and each phase by itself."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from rules.decide import LedgerView, decide
from rules.rulebook import load_rulebook
from rules.source import SHIPPED
from rules.telling import explain
from tellal.domain.channels import Channel
from tellal.domain.customers import Wishes
from tellal.domain.decisions import Decision, Value, Verdict
from tellal.domain.errors import InvalidInputError
from tellal.services.recording import decision_of, plain
from tests.rules.writing import TOPIC, a_book, a_question, channels_of, codes_of, fired_of

NIGHT = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)


def _ledger(told: int | None = None, attempts: int = 0, *, pending: bool = False) -> LedgerView:
    return LedgerView(told_version=told, pending=pending, attempts_made=attempts)


@pytest.mark.req("A04", "blocks")
@pytest.mark.req("A05", "allows")
def test_who_logs_in_with_cep_anahtar_is_not_asked_to_install_iscep() -> None:
    question = a_question({"customer.login.method": "cep_anahtar"}, topic="iscep_promo")

    decision = decide(load_rulebook(), question)

    assert decision.verdict is Verdict.SUPPRESS
    assert codes_of(decision) == ["already_has_iscep"]
    assert decision.facts == ("uses_cep_anahtar", "uses_iscep")
    assert [(fired.rule, fired.file) for fired in decision.fired] == [
        ("iscep.uses_cep_anahtar", "iscep.yaml"),
        ("iscep.uses_iscep_for_cep_anahtar", "iscep.yaml"),
        ("iscep.already_has_iscep", "iscep.yaml"),
    ]
    assert len({fired.line for fired in decision.fired}) == len(decision.fired)


@pytest.mark.req("A05", "allows")
@pytest.mark.req("A04", "blocks")
def test_a_live_push_token_proves_the_same_by_another_rule() -> None:
    question = a_question({"customer.app.push_token": True}, topic="iscep_promo")

    decision = decide(load_rulebook(), question)

    assert fired_of(decision) == ["iscep.uses_iscep_that_takes_push", "iscep.already_has_iscep"]


def test_lines_name_the_places_of_the_rules() -> None:
    book = load_rulebook()
    lines = Path("rules/book/iscep.yaml").read_text(encoding="utf-8").splitlines()

    for rule in book.rules:
        if rule.file == "iscep.yaml":
            assert f"id: {rule.id.partition('.')[2]}" in lines[rule.line - 1]


@pytest.mark.req("A08", "blocks")
@pytest.mark.req("A08", "allows")
def test_a_promotion_needs_consent_for_its_channel() -> None:
    book = load_rulebook()

    without, refused, granted = (
        decide(book, a_question(topic="iscep_promo", consents=consents))
        for consents in ({}, {Channel.EMAIL: False}, {Channel.EMAIL: True})
    )

    assert (codes_of(without), codes_of(refused)) == (["no_consent"], ["refused"])
    assert without.reasons[0].rule == "tr/commercial_needs_consent"
    assert (granted.verdict, channels_of(granted)) == (Verdict.SEND, [Channel.EMAIL])


@pytest.mark.req("A09", "allows")
def test_awareness_needs_no_consent() -> None:
    decision = decide(load_rulebook(), a_question(topic="phishing_awareness", consents={}))

    assert channels_of(decision) == [Channel.SMS, Channel.EMAIL]


@pytest.mark.req("A14", "blocks")
def test_nothing_is_promoted_to_minors() -> None:
    decision = decide(load_rulebook(), a_question({"customer.age": 17}, topic="iscep_promo"))

    assert codes_of(decision) == ["minor"]


@pytest.mark.req("A14", "blocks")
@pytest.mark.req("A14", "allows")
@pytest.mark.parametrize(
    ("document", "codes"),
    [
        pytest.param({"customer.birth_date": "2008-03-03"}, ["minor"], id="eighteen tomorrow"),
        pytest.param({"customer.birth_date": "2008-03-02"}, [], id="eighteen today"),
        pytest.param({"customer.age": 18}, [], id="the age that the brand says"),
        pytest.param({}, ["unknown_age"], id="nobody knows"),
    ],
)
@pytest.mark.parametrize("topic", ["iscep_promo", "commitment_ending"])
def test_a_brand_may_enforce_that_age_is_known_by_the_rules_mode(
    tmp_path: Path, topic: str, document: dict[str, Value], codes: list[str]
) -> None:
    book = shutil.copytree(SHIPPED, tmp_path / "book")
    common = (book / "common.yaml").read_text(encoding="utf-8")
    strict = common.replace("mode: shadow", "mode: enforce")
    (book / "common.yaml").write_text(strict, encoding="utf-8")
    about = {"customer.contract.ends": "2026-03-20", **document}

    lenient = decide(load_rulebook(), a_question(about, topic=topic))
    enforced = decide(load_rulebook(book), a_question(about, topic=topic))

    assert codes_of(enforced) == codes
    assert codes_of(lenient) == [code for code in codes if code == "minor"]
    assert [one.rule for one in lenient.shadow] == (
        ["common.unknown_age"] if codes == ["unknown_age"] else []
    )


@pytest.mark.req("A10", "blocks")
@pytest.mark.req("A10", "allows")
@pytest.mark.req("A11", "blocks")
@pytest.mark.req("A11", "allows")
def test_the_wishes_of_a_person_stop_what_the_law_does_not_order() -> None:
    wishes = Wishes(
        service_only=True,
        topics_off=frozenset({"phishing_awareness", "security_alert"}),
        complained=frozenset({"tariff_change"}),
    )

    def asked(topic: str) -> Decision:
        return decide(load_rulebook(), a_question(topic=topic, wishes=wishes))

    found = {name: asked(name) for name in ("iscep_promo", "phishing_awareness", "tariff_change")}
    alert = asked("security_alert")

    assert {name: codes_of(one) for name, one in found.items()} == {
        "iscep_promo": ["service_only"],
        "phishing_awareness": ["topic_off"],
        "tariff_change": ["complained"],
    }
    assert all(one.passed == () for one in found.values())
    assert (alert.verdict, [one.code for one in alert.passed]) == (Verdict.SEND, ["topic_off"])
    assert any("in spite of topic_off" in line for line in explain(alert))
    assert decision_of(plain(asdict(alert))) == alert


@pytest.mark.req("A10", "blocks")
def test_a_rules_own_reason_comes_before_what_the_person_said(tmp_path: Path) -> None:
    rule = """
suppress:
  - {id: never, when: {topic: offer}, reason: never, text: Never}
"""
    question = a_question(
        wishes=Wishes(complained=frozenset({"offer"})), ledger=_ledger(attempts=1, pending=True)
    )

    assert codes_of(decide(a_book(tmp_path, rule), question)) == [
        "never",
        "complained",
        "already_pending",
    ]


@pytest.mark.req("A12", "allows")
def test_awareness_prefers_the_page_that_the_customer_is_on() -> None:
    everywhere = frozenset(Channel)

    decision = decide(
        load_rulebook(),
        a_question(
            {"event.can_show_banner": True}, topic="phishing_awareness", reachable=everywhere
        ),
    )

    assert channels_of(decision) == [Channel.BANNER, Channel.PUSH, Channel.SMS]
    assert [step.patience for step in decision.steps] == [
        timedelta(minutes=10),
        timedelta(minutes=2),
        timedelta(hours=1),
    ]


@pytest.mark.req("A04", "allows")
@pytest.mark.req("A05", "blocks")
def test_who_shows_no_sign_of_iscep_is_asked_to_install_it() -> None:
    question = a_question(
        {"customer.login.method": "password", "customer.app.push_token": False},
        topic="iscep_promo",
    )

    decision = decide(load_rulebook(), question)

    assert decision.verdict is Verdict.SEND
    assert not {"uses_cep_anahtar", "uses_iscep"} & set(decision.facts)


@pytest.mark.req("A12", "blocks")
def test_awareness_takes_no_page_that_shows_nothing() -> None:
    decision = decide(
        load_rulebook(),
        a_question(
            {"event.can_show_banner": False},
            topic="phishing_awareness",
            reachable=frozenset(Channel),
        ),
    )

    assert channels_of(decision) == [Channel.SMS, Channel.EMAIL]


@pytest.mark.req("A01", "blocks")
@pytest.mark.req("A01", "allows")
def test_awareness_is_told_again_when_its_content_is_another() -> None:
    book = load_rulebook()
    version = book.topics["phishing_awareness"].content_version
    assert version is not None

    same, newer = (
        decide(book, a_question(topic="phishing_awareness", ledger=_ledger(told=told)))
        for told in (version, version - 1)
    )

    assert codes_of(same) == ["already_told"]
    assert newer.verdict is Verdict.SEND


@pytest.mark.parametrize(
    ("topic", "ledger", "code"),
    [
        pytest.param(
            "phishing_awareness",
            _ledger(told=1),
            "already_told",
            id="told",
            marks=pytest.mark.req("A01", "blocks"),
        ),
        pytest.param("phishing_awareness", _ledger(pending=True), "already_pending", id="pending"),
        pytest.param(
            "iscep_promo",
            _ledger(attempts=3),
            "attempts_exhausted",
            id="exhausted",
            marks=pytest.mark.req("A07", "blocks"),
        ),
    ],
)
def test_the_ledger_stops_what_was_said(topic: str, ledger: LedgerView, code: str) -> None:
    decision = decide(load_rulebook(), a_question(topic=topic, ledger=ledger))

    assert (decision.verdict, codes_of(decision)) == (Verdict.SUPPRESS, [code])


def test_an_older_version_that_was_told_stops_nothing() -> None:
    ledger = _ledger(told=0)

    decision = decide(load_rulebook(), a_question(topic="phishing_awareness", ledger=ledger))

    assert decision.verdict is Verdict.SEND


@pytest.mark.req("A07", "blocks")
def test_a_nudge_that_was_followed_is_converted() -> None:
    question = a_question(
        {"customer.app.installed": True}, topic="iscep_promo", ledger=_ledger(attempts=1)
    )

    assert codes_of(decide(load_rulebook(), question)) == ["already_has_iscep", "converted"]


def test_a_channel_that_no_route_may_carry_is_taken_away_with_the_reason(tmp_path: Path) -> None:
    words = "twilio carries nothing commercial to TR"

    decision = decide(a_book(tmp_path), a_question(unroutable={Channel.SMS: words}))

    reason = decision.removed[Channel.SMS]
    assert (reason.code, reason.text) == ("route_forbidden", words)
    assert channels_of(decision) == [Channel.EMAIL, Channel.PUSH]


def test_the_most_telling_reason_comes_first(tmp_path: Path) -> None:
    question = a_question(
        consents={Channel.SMS: True, Channel.PUSH: True},
        reachable=frozenset({Channel.SMS, Channel.EMAIL}),
        unroutable={Channel.SMS: "no route"},
    )

    decision = decide(a_book(tmp_path), question)

    assert codes_of(decision) == ["no_consent", "route_forbidden", "no_address"]


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
    [entry] = [entry for entry in decision.trace if entry["rule"] == "common.minor"]
    either = cast(Any, entry["tests"])["any"]
    [minor] = [one for one in either[1]["all"] if one["test"] == "lt"]
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
