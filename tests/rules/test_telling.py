"""What people read of a decision and of a rulebook."""

import pytest

from rules.decide import decide
from rules.rulebook import load_rulebook
from rules.telling import explain, outline, summary
from tellal.domain.errors import InvalidInputError
from tests.rules.writing import a_question


@pytest.mark.req("A05", "allows")
def test_a_decision_is_told_with_the_chain_of_its_rules() -> None:
    question = a_question({"customer.login.method": "cep_anahtar"}, topic="iscep_promo")

    told = explain(decide(load_rulebook(), question))

    assert told[0] == "iscep_promo: suppress at 2026-03-02 12:00 UTC"
    assert told[1].startswith("  because already_has_iscep: The customer uses İşCep already")
    assert told[1].endswith("(iscep.already_has_iscep, iscep.yaml:49)")
    assert any("iscep.uses_cep_anahtar (iscep.yaml:29) held" in line for line in told)


def test_a_decision_tells_what_was_missing() -> None:
    told = explain(decide(load_rulebook(), a_question(topic="phishing_awareness")))

    assert "    customer.app.push_token should be eq True, is nothing" in told


def test_an_outline_shows_the_phases_of_a_topic() -> None:
    lines = outline(load_rulebook(), "iscep_promo")

    sections = [line.partition(":")[0] for line in lines[1:] if not line.startswith(" ")]
    assert sections == ["facts", "topics", "suppress", "channels", "law", "caps", "quiet hours"]
    assert not any("outages." in line for line in lines)


def test_an_outline_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        outline(load_rulebook(), "nothing")


def test_a_summary_counts() -> None:
    book = load_rulebook()

    assert summary(book).startswith(f"{len(book.topics)} topics, {len(book.rules)} rules")
