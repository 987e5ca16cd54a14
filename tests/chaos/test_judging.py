"""The judge of a chaos run: it finds what is lost or doubled, and lets pass what is not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from tellal.chaos.errands import Errand
from tellal.chaos.judging import Attempt, Entry, Evidence, Message, Outcome, judge

AYSE, BORA = (Errand(customer=name, topic="notice") for name in ("ayse", "bora"))
COUNTS = dict.fromkeys(
    ("audience", "open", "told", "suppressed", "expired", "cancelled", "failed", "unknown"), 0
)


def attempt(n: int = 1, answer: str = "accepted", code: str = "") -> Attempt:
    return Attempt(n=n, answer=answer, code=code)


def message(
    id: str,
    *attempts: Attempt,
    state: str = "accepted",
    message_class: str = "service",
    code: str = "",
) -> Message:
    return Message(
        id=id,
        message_class=message_class,
        channel="push",
        state=state,
        code=code,
        attempts=attempts or (attempt(),),
    )


def outcome(
    customer: str,
    *messages: Message,
    state: str = "told",
    reason: str = "",
    cause: str = "outage:1",
) -> Outcome:
    return Outcome(
        cause=cause,
        customer=customer,
        topic="notice",
        state=state,
        reason=reason,
        messages=messages,
    )


def book(*ids: str) -> list[Entry]:
    return [Entry(message_id=id, channel="push", attempt=1) for id in ids]


def evidence(
    outcomes: Sequence[Outcome],
    taken: Sequence[Entry],
    *,
    reported: Mapping[str, Mapping[str, int]] | None = None,
    most_unknown: int = 0,
) -> Evidence:
    return Evidence(
        errands=[AYSE, BORA],
        outcomes=outcomes,
        book=taken,
        audiences={"outage:1": 2},
        reported=reported or {},
        most_unknown=most_unknown,
    )


BOTH_TOLD = (outcome("ayse", message("m1")), outcome("bora", message("m2")))


def test_a_run_in_which_everybody_was_told_once_is_good() -> None:
    reported = {"outage:1": COUNTS | {"audience": 2, "told": 2}}

    verdict = judge(evidence(BOTH_TOLD, book("m1", "m2"), reported=reported))

    assert verdict.ok
    assert [one.holds for one in verdict.identities] == [True]


def test_a_message_that_the_ledger_calls_accepted_and_no_provider_has_is_lost() -> None:
    verdict = judge(evidence(BOTH_TOLD, book("m1")))

    assert [(one.subject, one.reason) for one in verdict.lost] == [
        ("m2", "accepted in the ledger, absent from the book")
    ]
    assert not verdict.ok


def test_an_attempt_that_was_accepted_counts_whatever_became_of_its_message() -> None:
    failed = outcome("bora", message("m2", attempt(), state="undelivered"), state="unknown")

    verdict = judge(evidence([BOTH_TOLD[0], failed], book("m1"), most_unknown=1))

    assert [one.subject for one in verdict.lost] == ["m2"]


def test_an_errand_without_an_outcome_is_lost() -> None:
    verdict = judge(evidence(BOTH_TOLD[:1], book("m1")))

    assert [(one.subject, one.reason) for one in verdict.lost] == [
        ("bora/notice", "asked for, and there is no outcome")
    ]
    assert [one.holds for one in verdict.identities] == [False]
    assert not verdict.ok


def test_an_outcome_that_is_open_at_the_end_is_lost() -> None:
    left = outcome("bora", message("m2", attempt(answer=""), state="queued"), state="open")

    verdict = judge(evidence([BOTH_TOLD[0], left], book("m1")))

    assert [one.subject for one in verdict.lost] == ["bora/notice"]
    assert [one.holds for one in verdict.identities] == [False]
    assert not verdict.ok


@pytest.mark.parametrize(
    "message_class",
    [pytest.param("service", id="service"), pytest.param("commercial", id="commercial")],
)
def test_a_message_that_the_provider_has_twice_is_a_duplicate(message_class: str) -> None:
    again = message("m2", attempt(1, ""), attempt(2), message_class=message_class)
    taken = [*book("m1", "m2"), Entry(message_id="m2", channel="push", attempt=2)]

    verdict = judge(evidence([BOTH_TOLD[0], outcome("bora", again)], taken))

    assert [one.subject for one in verdict.duplicates] == ["m2"]
    assert not verdict.ok


@pytest.mark.parametrize(
    ("attempts", "named", "confessed"),
    [
        pytest.param(2, (1, 2), True, id="each time is an attempt"),
        pytest.param(2, (0, 0), True, id="the provider is not told of attempts"),
        pytest.param(1, (0, 0), False, id="more often than it was tried"),
        pytest.param(2, (1, 1), False, id="one attempt came twice"),
        pytest.param(2, (1, 3), False, id="an attempt that the ledger does not know"),
    ],
)
def test_a_mandatory_message_may_be_doubled_only_as_the_ledger_lists_it(
    attempts: int, named: tuple[int, ...], *, confessed: bool
) -> None:
    tries = [attempt(n) for n in range(1, attempts + 1)]
    told = outcome("bora", message("m2", *tries, message_class="mandatory"))
    taken = [Entry(message_id="m2", channel="push", attempt=n) for n in named]

    verdict = judge(evidence([BOTH_TOLD[0], told], [*book("m1"), *taken]))

    assert [one.subject for one in verdict.resent] == (["m2"] if confessed else [])
    assert [one.subject for one in verdict.duplicates] == ([] if confessed else ["m2"])
    assert verdict.ok is confessed


def test_two_messages_for_one_errand_are_a_duplicate() -> None:
    twice = outcome("bora", message("m2"), message("m3"))

    verdict = judge(evidence([BOTH_TOLD[0], twice], book("m1", "m2", "m3")))

    assert [one.reason for one in verdict.duplicates] == ["asked for once, left as m2, m3"]
    assert not verdict.ok


def test_two_outcomes_of_one_errand_are_a_duplicate() -> None:
    again = outcome("ayse", message("m3"), cause="event:1")

    verdict = judge(evidence([*BOTH_TOLD, again], book("m1", "m2", "m3")))

    assert [one.subject for one in verdict.duplicates] == ["ayse/notice"]
    assert not verdict.ok


@pytest.mark.parametrize("state", ["failed", "expired", "cancelled", "suppressed"])
def test_an_end_that_nobody_wished_is_bad(state: str) -> None:
    ended = outcome("bora", message("m2", attempt(answer="rejected"), state="failed"), state=state)

    verdict = judge(evidence([BOTH_TOLD[0], ended], book("m1")))

    assert [one.subject for one in verdict.spoilt] == ["bora/notice"]
    assert not verdict.ok


def test_what_the_ledger_does_not_know_is_bad() -> None:
    verdict = judge(evidence(BOTH_TOLD, book("m1", "m2", "m9")))

    assert [one.subject for one in verdict.spoilt] == ["m9"]
    assert not verdict.ok


def test_what_nobody_asked_for_is_bad() -> None:
    stranger = outcome("cem", message("m3"), cause="event:1")

    verdict = judge(evidence([*BOTH_TOLD, stranger], book("m1", "m2", "m3")))

    assert [one.subject for one in verdict.spoilt] == ["cem/notice"]
    assert not verdict.ok


@pytest.mark.parametrize(
    ("most", "code", "good"),
    [
        pytest.param(1, "timeout", True, id="as many as may be"),
        pytest.param(0, "timeout", False, id="too many"),
        pytest.param(1, "", False, id="without a reason"),
    ],
)
def test_unknown_is_counted_and_has_its_reason(most: int, code: str, *, good: bool) -> None:
    doubtful = message("m2", attempt(answer="ambiguous", code=code), state="unknown")
    left = outcome("bora", doubtful, state="unknown")

    verdict = judge(evidence([BOTH_TOLD[0], left], book("m1", "m2"), most_unknown=most))

    assert [(one.subject, one.reason) for one in verdict.unknown] == [("m2", code)]
    assert verdict.ok is good


def test_a_lost_lease_is_the_reason_of_an_attempt_that_has_none() -> None:
    doubtful = message("m2", attempt(answer=""), state="unknown", code="lease_lost")
    left = outcome("bora", doubtful, state="unknown", reason="no_answer")

    verdict = judge(evidence([BOTH_TOLD[0], left], book("m1"), most_unknown=1))

    assert [one.reason for one in verdict.unknown] == ["lease_lost, no_answer"]
    assert verdict.ok


def test_counts_of_the_api_that_differ_from_the_rows_break_the_identity() -> None:
    reported = {"outage:1": COUNTS | {"audience": 2, "told": 1, "unknown": 1}}

    verdict = judge(evidence(BOTH_TOLD, book("m1", "m2"), reported=reported))

    assert [one.holds for one in verdict.identities] == [False]
    assert not verdict.ok


def test_a_cause_that_reached_nobody_is_judged_too() -> None:
    nobody = replace(evidence((), ()), errands=())

    assert [one.holds for one in judge(nobody).identities] == [False]
