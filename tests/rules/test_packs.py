"""The packs that ship: whom they spare, whom they speak to, and where the border runs."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from rules.decide import LedgerView, decide
from rules.rulebook import Rulebook, load_rulebook
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.decisions import Decision, Value, Verdict
from templates.environment import JinjaRenderer
from tests.rules.writing import AT, a_question, channels_of, codes_of

EVERYWHERE = frozenset({Channel.SMS, Channel.EMAIL, Channel.PUSH})
PACKS = (
    "phishing_awareness",
    "iscep_promo",
    "consent_confirmation",
    "consent_request",
    "keyword_reply",
    "commitment_ending",
    "debt_reminder",
    "card_delivery",
    "security_alert",
    "tariff_change",
    "planned_outage",
    "planned_reminder",
    "planned_cancelled",
    "planned_over",
    "outage_notice",
    "outage_update",
    "outage_over",
    "outage_compensation",
    "case_opened",
    "case_resolved",
)
NIGHT = datetime(2026, 3, 2, 23, tzinfo=UTC)
SUNDAY = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return load_rulebook()


def asked(
    book: Rulebook, topic: str, document: Mapping[str, Value] | None = None, **other: object
) -> Decision:
    """Ask about a topic of a pack at noon, of somebody who can be reached anywhere."""
    return decide(book, a_question(document, topic=topic, reachable=EVERYWHERE, **other))


def test_every_pack_that_ships_is_there_in_three_languages(book: Rulebook) -> None:
    names = {(name.topic, name.language) for name in JinjaRenderer(None).list_templates()}

    assert set(PACKS) <= set(book.topics)
    assert {(topic, language) for topic in PACKS for language in ("tr", "pl", "en")} <= names


KNOWS: dict[str, object] = {"ledger": LedgerView(told_version=1, pending=False, attempts_made=1)}
NOWHERE: dict[str, object] = {"reachable": frozenset()}
REFUSED: dict[str, object] = {"consents": {Channel.SMS: False}}
NO_MORE: dict[str, Value] = {
    "customer.contract.ends": "2026-03-20",
    "customer.contract.refused": True,
}
SUPPRESSED: list[tuple[str, dict[str, Value], dict[str, object], str]] = [
    ("phishing_awareness", {}, KNOWS, "already_told"),
    ("iscep_promo", {"customer.app.installed": True}, {}, "already_has_iscep"),
    ("consent_confirmation", {}, REFUSED, "no_consent_on_record"),
    ("consent_request", {"event.consent_channel": "sms"}, REFUSED, "consent_refused"),
    ("commitment_ending", {}, {}, "not_a_customer"),
    ("commitment_ending", NO_MORE, {}, "renewal_refused"),
    ("debt_reminder", {}, {}, "nothing_due"),
    ("card_delivery", {"customer.card.state": "delivered"}, {}, "delivered"),
    ("security_alert", {"customer.app.stolen": True}, {}, "phone_stolen"),
    ("tariff_change", {}, KNOWS, "already_told"),
    ("planned_outage", {"customer.life_support": True}, {}, "called_in_person"),
    ("outage_notice", {}, NOWHERE, "no_address"),
    ("case_opened", {}, NOWHERE, "no_address"),
    ("case_resolved", {}, NOWHERE, "no_address"),
]


@pytest.mark.parametrize(("topic", "document", "other", "reason"), SUPPRESSED)
def test_a_pack_spares_whom_it_should(
    book: Rulebook,
    topic: str,
    document: dict[str, Value],
    other: dict[str, object],
    reason: str,
) -> None:
    question = {"topic": topic, "reachable": EVERYWHERE, **other}
    decision = decide(book, a_question(document, **question))

    assert decision.verdict is Verdict.SUPPRESS
    assert reason in codes_of(decision)


SENT: list[tuple[str, dict[str, Value], list[Channel]]] = [
    ("phishing_awareness", {"customer.app.push_token": True}, [Channel.PUSH, Channel.SMS]),
    ("iscep_promo", {}, [Channel.EMAIL]),
    ("consent_confirmation", {}, [Channel.SMS, Channel.EMAIL]),
    ("keyword_reply", {}, [Channel.SMS]),
    ("commitment_ending", {"customer.contract.ends": "2026-03-20"}, [Channel.EMAIL, Channel.SMS]),
    ("debt_reminder", {"customer.debt.due": "2026-03-05"}, [Channel.EMAIL, Channel.SMS]),
    (
        "card_delivery",
        {"customer.card.state": "shipped"},
        [Channel.PUSH, Channel.SMS, Channel.EMAIL],
    ),
    ("security_alert", {}, [Channel.PUSH, Channel.SMS, Channel.EMAIL]),
    ("tariff_change", {}, [Channel.EMAIL, Channel.SMS]),
    ("planned_outage", {}, [Channel.PUSH, Channel.SMS, Channel.EMAIL]),
    ("outage_notice", {}, [Channel.PUSH, Channel.SMS, Channel.EMAIL]),
    ("outage_update", {}, [Channel.PUSH, Channel.SMS, Channel.EMAIL]),
    ("outage_over", {}, [Channel.PUSH, Channel.SMS, Channel.EMAIL]),
    ("outage_compensation", {}, [Channel.EMAIL, Channel.SMS, Channel.PUSH]),
    ("planned_reminder", {}, [Channel.PUSH, Channel.SMS, Channel.EMAIL]),
    ("case_opened", {}, [Channel.SMS, Channel.EMAIL]),
    ("case_resolved", {}, [Channel.SMS, Channel.EMAIL]),
]


@pytest.mark.parametrize(("topic", "document", "channels"), SENT)
def test_a_pack_speaks_to_whom_it_should(
    book: Rulebook, topic: str, document: dict[str, Value], channels: list[Channel]
) -> None:
    decision = asked(book, topic, document)

    assert decision.verdict is Verdict.SEND
    assert channels_of(decision) == channels


@pytest.mark.req("C11", "blocks")
@pytest.mark.req("C11", "allows")
@pytest.mark.parametrize(
    ("ends", "sent"),
    [("2026-03-01", False), ("2026-03-02", True), ("2026-04-01", True), ("2026-04-02", False)],
)
def test_a_commitment_is_spoken_of_in_its_last_month(book: Rulebook, ends: str, sent: bool) -> None:
    decision = asked(book, "commitment_ending", {"customer.contract.ends": ends})

    assert (decision.verdict is Verdict.SEND) is sent
    assert codes_of(decision) == ([] if sent else ["not_due"])


@pytest.mark.req("C11", "blocks")
@pytest.mark.req("C11", "allows")
def test_a_commitment_is_spoken_of_only_over_channels_that_were_agreed_to(book: Rulebook) -> None:
    document: dict[str, Value] = {"customer.contract.ends": "2026-03-20"}

    only_sms = asked(book, "commitment_ending", document, consents={Channel.SMS: True})
    none = asked(book, "commitment_ending", document, consents={})

    assert channels_of(only_sms) == [Channel.SMS]
    assert codes_of(none) == ["no_consent"]


@pytest.mark.req("C11", "blocks")
@pytest.mark.req("C11", "allows")
@pytest.mark.parametrize(("days", "sent"), [(59, False), (60, True)])
def test_a_commitment_is_spoken_of_once_whatever_the_topic(
    book: Rulebook, days: int, sent: bool
) -> None:
    taken = {"contracts.once_for_each_commitment": (AT - timedelta(days=days),)}

    decision = asked(
        book, "commitment_ending", {"customer.contract.ends": "2026-03-20"}, cap_uses=taken
    )

    assert (decision.verdict is Verdict.SEND) is sent
    assert codes_of(decision) == ([] if sent else ["commitment_cap"])


@pytest.mark.parametrize(("due", "sent"), [("2026-01-31", True), ("2026-01-30", False)])
def test_a_debt_is_reminded_of_for_thirty_days(book: Rulebook, due: str, sent: bool) -> None:
    decision = asked(book, "debt_reminder", {"customer.debt.due": due})

    assert (decision.verdict is Verdict.SEND) is sent


def test_a_debt_is_no_matter_for_sundays(book: Rulebook) -> None:
    document: dict[str, Value] = {"customer.debt.due": "2026-03-05"}
    only_sms = frozenset({Channel.SMS})
    sunday = decide(
        book, a_question(document, topic="debt_reminder", at=SUNDAY, reachable=only_sms)
    )

    assert sunday.verdict is Verdict.DEFER
    assert sunday.steps[0].not_before == datetime(2026, 3, 1, 21, tzinfo=UTC)


@pytest.mark.parametrize("topic", ["phishing_awareness", "tariff_change"])
def test_a_new_version_is_told_to_who_knows_the_old_one(book: Rulebook, topic: str) -> None:
    before = LedgerView(told_version=0, pending=False, attempts_made=1)

    assert asked(book, topic, ledger=before).verdict is Verdict.SEND


def test_nothing_stands_against_an_alarm(book: Rulebook) -> None:
    refused = dict.fromkeys(EVERYWHERE, False)

    alarm = asked(book, "security_alert", at=NIGHT, consents=refused)

    assert alarm.message_class is MessageClass.MANDATORY
    assert alarm.verdict is Verdict.SEND
    assert not alarm.cap_uses


@pytest.mark.parametrize(("days", "sent"), [(6, False), (7, True)])
def test_the_app_is_promoted_once_a_week(book: Rulebook, days: int, sent: bool) -> None:
    taken = {"iscep.promo_weekly": (AT - timedelta(days=days),)}

    assert (asked(book, "iscep_promo", cap_uses=taken).verdict is Verdict.SEND) is sent


def test_one_consent_is_enough_to_be_confirmed(book: Rulebook) -> None:
    one = asked(book, "consent_confirmation", consents={Channel.PUSH: True, Channel.SMS: False})

    assert one.verdict is Verdict.SEND
    assert one.expires_at == AT + timedelta(hours=24)


@pytest.mark.parametrize("state", [None, "ordered", "shipped"])
def test_a_card_is_spoken_of_until_it_is_there(book: Rulebook, state: str | None) -> None:
    document: dict[str, Value] = {} if state is None else {"customer.card.state": state}

    assert asked(book, "card_delivery", document).verdict is Verdict.SEND


@pytest.mark.parametrize("topic", ["outage_notice", "outage_update", "case_opened"])
def test_what_people_wait_for_comes_at_night_too(book: Rulebook, topic: str) -> None:
    assert asked(book, topic, at=NIGHT).verdict is Verdict.SEND
    assert asked(book, topic, at=NIGHT.replace(hour=3)).verdict is Verdict.SEND


@pytest.mark.req("B07", "blocks")
@pytest.mark.req("B07", "allows")
@pytest.mark.parametrize(
    "topic", ["planned_outage", "planned_reminder", "planned_cancelled", "planned_over"]
)
def test_planned_works_are_spoken_of_in_the_app_first_and_not_at_night(
    book: Rulebook, topic: str
) -> None:
    by_day, at_night = asked(book, topic), asked(book, topic, at=NIGHT)

    assert channels_of(by_day)[0] is Channel.PUSH
    assert at_night.verdict is Verdict.DEFER
    assert at_night.steps[0].not_before == datetime(2026, 3, 3, 6, tzinfo=UTC)


def test_an_all_clear_waits_for_the_morning_unless_lives_hang_on_it(book: Rulebook) -> None:
    wakes: dict[str, Value] = {"outage.life_critical": True}

    assert asked(book, "outage_over", at=NIGHT).verdict is Verdict.DEFER
    assert asked(book, "outage_over", wakes, at=NIGHT).verdict is Verdict.SEND


@pytest.mark.req("C12", "blocks")
@pytest.mark.req("C12", "allows")
@pytest.mark.parametrize(
    ("consents", "reason"),
    [
        ({}, ""),
        ({Channel.SMS: False}, "consent_refused"),
        ({Channel.SMS: True}, "consent_on_record"),
        ({Channel.EMAIL: False, Channel.PUSH: False}, ""),
    ],
)
def test_nobody_is_asked_again_for_a_channel_that_he_refused(
    book: Rulebook, consents: dict[Channel, bool], reason: str
) -> None:
    decision = decide(
        book,
        a_question(
            {"event.consent_channel": "sms"},
            topic="consent_request",
            reachable=frozenset({Channel.BANNER}),
            consents=consents,
        ),
    )

    assert codes_of(decision)[:1] == ([reason] if reason else [])
    assert (decision.verdict is Verdict.SEND) is not bool(reason)


@pytest.mark.req("C12", "blocks")
@pytest.mark.req("C12", "allows")
@pytest.mark.parametrize(
    ("asked_days_ago", "reason"),
    [
        ([], ""),
        ([31], ""),
        ([29], "consent_asked_lately"),
        ([31, 200], ""),
        ([31, 200, 364], "consent_asked_enough"),
        ([31, 200, 366], ""),
    ],
)
def test_asking_for_consent_has_a_cap_and_a_rest(
    book: Rulebook, asked_days_ago: list[int], reason: str
) -> None:
    instants = tuple(AT - timedelta(days=days) for days in sorted(asked_days_ago, reverse=True))
    caps = ("consent.consent_requests_in_a_month", "consent.consent_requests_in_a_year")
    decision = decide(
        book,
        a_question(
            {"event.consent_channel": "sms"},
            topic="consent_request",
            reachable=frozenset({Channel.BANNER}),
            consents={},
            cap_uses=dict.fromkeys(caps, instants),
        ),
    )

    assert (decision.verdict is Verdict.SEND) is not bool(reason)
    assert reason in ("", *codes_of(decision))
