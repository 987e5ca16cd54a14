"""Caps and quiet hours: what they stop, what they only delay, and what becomes too late."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rules.decide import decide
from tellal.domain.channels import Channel
from tellal.domain.decisions import Verdict
from tests.rules.writing import AT, TOPIC, a_book, a_question, channels_of, codes_of, fired_of

NIGHT = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)


def _capped(on_reach: str, more: str = "") -> str:
    return f"""
caps:
  - {{id: c, count: {{class: commercial}}, limit: 2, per: 7d, on_reach: {on_reach}, reason: full,
     text: Enough{more}}}
"""


USED = (AT - timedelta(days=6), AT - timedelta(days=1))


@pytest.mark.req("A02", "blocks")
def test_a_full_cap_suppresses(tmp_path: Path) -> None:
    decision = decide(a_book(tmp_path, _capped("suppress")), a_question(cap_uses={"shop.c": USED}))

    assert (decision.verdict, codes_of(decision)) == (Verdict.SUPPRESS, ["full"])
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

    assert channels_of(decision) == [Channel.EMAIL, Channel.PUSH]
    assert decision.removed[Channel.SMS].code == "full"
    assert decision.cap_uses == ()


def test_a_deferral_beyond_the_expiry_is_a_suppression(tmp_path: Path) -> None:
    book = a_book(tmp_path, _capped("defer"), topic=TOPIC.replace("1d", "12h"))

    decision = decide(book, a_question(cap_uses={"shop.c": USED}))

    assert codes_of(decision)[0] == "expires_before_allowed"


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
    assert "shop.q" in fired_of(decision)


def test_quiet_hours_are_the_customers(tmp_path: Path) -> None:
    book = a_book(tmp_path, _night("defer"))

    decision = decide(book, a_question(at=NIGHT, timezone="America/New_York"))

    assert decision.verdict is Verdict.SEND


def test_a_cap_defers_into_the_night_and_the_night_to_the_morning(tmp_path: Path) -> None:
    book = a_book(tmp_path, _capped("defer") + _night("defer"), topic=TOPIC.replace("1d", "5d"))
    used = (NIGHT - timedelta(days=6), AT - timedelta(hours=1))

    decision = decide(book, a_question(cap_uses={"shop.c": used}))

    assert decision.steps[0].not_before == MORNING + timedelta(days=1)
