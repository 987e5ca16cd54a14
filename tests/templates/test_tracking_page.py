"""Every state, step and channel of a case has plain words for whoever follows it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rules.profiles import load_profiles
from tellal.domain.cases import CaseState
from tellal.services.tracking import Reach, TrackedCase, TrackedStep
from templates.open_pages import open_page
from templates.tracking import TrackingPages

pytestmark = pytest.mark.req("E18")

LANGUAGES = ("tr", "en", "pl")
AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
PAGES = TrackingPages("https://tellal.example", {"pigeon": "Carrier pigeon"})
CASE = TrackedCase(
    code="7K9M2XWQ4T8ZB",
    channel="web",
    state="routed",
    steps=[TrackedStep(command="open", at=AT)],
    opened_at=AT,
    resolved_at=None,
    due_at=None,
    simulated=False,
    brand=Reach(
        trade_name="Porsuk <EDAŞ>",
        phone="186",
        email="",
        country="TR",
        timezone="Europe/Istanbul",
    ),
)


@pytest.mark.parametrize("page", ["tracking", "apply"])
def test_the_languages_say_the_same_things(page: str) -> None:
    _, words = open_page(page)

    def keys(said: object) -> object:
        return {k: keys(v) for k, v in said.items()} if isinstance(said, dict) else None

    assert keys(words["tr"]) == keys(words["en"]) == keys(words["pl"])


def test_every_state_and_every_intake_channel_has_words() -> None:
    _, words = open_page("tracking")

    for language in LANGUAGES:
        assert {state.value for state in CaseState} <= words[language]["states"].keys()
        assert load_profiles().keys() <= words[language]["channels"].keys()


def test_what_has_no_plain_word_is_the_house_s_own_affair() -> None:
    steps: Sequence[TrackedStep] = [
        TrackedStep(command="open", at=AT),
        TrackedStep(command="remind", at=AT),
        TrackedStep(command="something", at=AT),
    ]

    page = PAGES.case("en", replace(CASE, steps=steps, state="strange", channel="pigeon"))

    assert page.count("<li>") == 3 + 1
    assert "We are working on your application" in page
    assert "Carrier pigeon" in page
    assert "remind" not in page
    assert "something" not in page


@pytest.mark.parametrize(
    ("command", "words"),
    [("resolve", "is concluded"), ("withdraw", "was withdrawn"), ("merge", "was joined with")],
)
def test_a_case_that_is_over_says_how_it_ended(command: str, words: str) -> None:
    steps = [TrackedStep(command=one, at=AT) for one in ("open", "resolve", "reopen", command)]

    assert f"Your application {words}" in PAGES.case(
        "en", replace(CASE, steps=steps, state="resolved")
    )


def test_a_deadline_and_a_rehearsal_are_said() -> None:
    due = replace(CASE, due_at=datetime(2026, 3, 20, 14, 0, tzinfo=UTC), simulated=True)

    page = PAGES.case("en", due)

    assert "To be answered by" in page
    assert "20 March 2026, 17:00" in page
    assert "REHEARSAL" in page
    assert "To be answered by" not in PAGES.case("en", CASE)
    assert "REHEARSAL" not in PAGES.case("en", CASE)


def test_a_brand_s_name_is_shown_as_words() -> None:
    page = PAGES.case("tr", CASE)

    assert "Porsuk &lt;EDAŞ&gt;" in page
    assert "mailto:" not in page
