"""The rulebook as others ask it: events, attributes, revisions, and what a broken file does."""

import logging
import shutil
from pathlib import Path

import pytest

from rules.holder import RulebookHolder
from rules.lint import check
from rules.rulebook import load_rulebook
from rules.situations import Situation, zone_of
from rules.source import SHIPPED
from rules.standing import belongs, parse_segment
from tellal.domain.errors import InvalidInputError, RulebookError
from tests.rules.writing import AT, a_book


def test_the_book_that_ships_is_in_order() -> None:
    assert check() == ()


def test_a_login_is_read_and_remembered() -> None:
    payload = {"method": "cep_anahtar", "surface": "web", "can_show_banner": False}

    event, updates = load_rulebook().event_facts("login", payload)

    assert event == {
        "event.type": "login",
        "event.method": "cep_anahtar",
        "event.surface": "web",
        "event.can_show_banner": False,
    }
    assert updates == {"customer.login.method": "cep_anahtar"}


def test_what_an_event_does_not_say_is_not_remembered() -> None:
    assert load_rulebook().event_facts("login", {"method": None})[1] == {}


def test_an_event_can_take_a_fact_away() -> None:
    assert load_rulebook().event_facts("app_removed", {})[1] == {"customer.app.installed": None}


@pytest.mark.parametrize(
    ("type", "payload", "message", "hint"),
    [
        pytest.param("logn", {}, "unknown event 'logn'", "login", id="type"),
        pytest.param("login", {"metod": "x"}, "does not carry 'metod'", "'method'", id="field"),
        pytest.param("login", {"method": "cep"}, "not one of", "", id="value"),
        pytest.param("login", {"can_show_banner": "yes"}, "is bool", "true or false", id="kind"),
    ],
)
def test_a_wrong_event_is_refused_with_advice(
    type: str, payload: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        load_rulebook().event_facts(type, payload)

    assert hint in caught.value.hint


def test_attributes_become_facts() -> None:
    facts = load_rulebook().attribute_facts(
        {"segment": "mass", "app": {"installed": True}, "products": ["card"], "city": None}
    )

    assert facts == {
        "customer.segment": "mass",
        "customer.app.installed": True,
        "customer.products": ("card",),
    }


@pytest.mark.parametrize(
    ("attributes", "field", "hint"),
    [
        pytest.param({"segmnt": "mass"}, "segmnt", "'segment'", id="name"),
        pytest.param({"app": {"instaled": True}}, "app.instaled", "'app.installed'", id="nested"),
        pytest.param({"segment": "mas"}, "segment", "'mass'", id="value"),
        pytest.param({"city": "\ud800"}, "city", "", id="no text that can be written"),
        pytest.param({"products": "card"}, "products", "", id="no list"),
        pytest.param({"age": 2**60}, "age", "", id="too large"),
    ],
)
def test_wrong_attributes_are_refused_with_advice(
    attributes: dict[str, object], field: str, hint: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load_rulebook().attribute_facts(attributes)

    assert (caught.value.field, hint in caught.value.hint) == (field, True)


def test_a_personal_value_is_not_repeated_in_an_error() -> None:
    with pytest.raises(InvalidInputError) as caught:
        load_rulebook().attribute_facts({"no": 5_551_234})

    assert "5551234" not in str(caught.value)


def test_topics_on_an_event_come_in_the_order_of_the_files() -> None:
    assert [t.id for t in load_rulebook().topics_on("login")] == [
        "iscep_promo",
        "phishing_awareness",
    ]


def test_the_same_files_have_the_same_revision_anywhere(tmp_path: Path) -> None:
    copied = shutil.copytree(SHIPPED, tmp_path / "book")
    for path in copied.glob("*.yaml"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert load_rulebook(copied).revision == load_rulebook().revision


def test_all_facts_are_derived_for_a_segment(tmp_path: Path) -> None:
    book = a_book(
        tmp_path,
        """
facts:
  - {id: c, when: {fact.b: true, topic: offer}}
  - {id: b, when: {fact.a: true}}
  - {id: a, when: {customer.city: Ankara}}
  - {id: d, when: {fact.a: false}}
""",
    )

    def facts(**document: str) -> set[str]:
        known = {path.replace("_", "."): value for path, value in document.items()}
        here = Situation(at=AT, zone=zone_of("Europe/Istanbul"), country="TR")
        asked = {name: parse_segment(book, {f"fact.{name}": True}) for name in "abcd"}
        return {name for name, when in asked.items() if belongs(book, when, known, here)}

    assert facts(customer_city="Ankara", topic="offer") == {"a", "b", "c"}
    assert facts() == {"d"}
    assert facts(customer_city="Ankara", topic="another") == {"a", "b"}


def test_a_broken_file_leaves_the_last_good_book_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(SHIPPED, tmp_path / "book")
    holder = RulebookHolder(folder)
    good, text = holder.current, (folder / "iscep.yaml").read_text(encoding="utf-8")

    (folder / "iscep.yaml").write_text(text.replace("class:", "clas:"), encoding="utf-8")
    with caplog.at_level(logging.ERROR):
        findings = holder.reload()

    assert any("unknown key 'clas' (did you mean 'class'?)" in str(one) for one in findings)
    assert holder.current is good
    assert holder.findings == findings == holder.reload()

    (folder / "iscep.yaml").write_text(text.replace("expires: 3d", "expires: 4d"), encoding="utf-8")

    assert holder.reload() == ()
    assert holder.current.revision != good.revision
    assert holder.current.topics["iscep_promo"].expires.days == 4


def test_without_a_good_book_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("version: 1\n", encoding="utf-8")

    with pytest.raises(RulebookError, match="'package' is missing"):
        RulebookHolder(tmp_path)
