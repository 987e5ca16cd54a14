"""Texts that WhatsApp has approved: how a topic names them, and how mistakes are answered."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError
from templates.environment import JinjaRenderer

SID = "HX" + "0123456789abcdef" * 2
EXAMPLE = {"case": {"number": "7", "tags": ["a"]}, "customer": {"first_name": "Ayşe"}}
DECLARED = {"content": SID, "variables": {"1": "customer.first_name", "2": "case.number"}}


def a_folder(folder: Path, whatsapp: object) -> Path:
    topic = folder / "note"
    topic.mkdir()
    texts = {
        "whatsapp.en.j2": 'Case {{ case.number }}{{ customer.first_name | default("") }}\n\nBye\n',
        "whatsapp.tr.j2": "{{ case.number }}",
        "sms.en.j2": "{{ case.number }}",
        "topic.json": json.dumps({"languages": ["en", "tr"], "whatsapp": whatsapp}),
        "example.json": json.dumps(EXAMPLE),
    }
    for name, text in texts.items():
        (topic / name).write_text(text, encoding="utf-8")
    return folder


def test_an_approved_text_comes_with_the_words_and_what_fills_it_in(tmp_path: Path) -> None:
    renderer = JinjaRenderer(a_folder(tmp_path, {"en": DECLARED}))
    variables = {"case": {"number": 417}, "customer": {"first_name": " Ayşe\n Nur "}}

    rendered = renderer.render(
        topic="note", channel=Channel.WHATSAPP, language="en", variables=variables
    )

    assert rendered.text.startswith("Case 417")
    assert rendered.text.endswith("\n\nBye")
    assert rendered.content == SID
    assert rendered.content_variables == {"1": "Ayşe Nur", "2": "417"}


@pytest.mark.parametrize(
    ("channel", "language"),
    [
        pytest.param(Channel.WHATSAPP, "tr", id="language without one"),
        pytest.param(Channel.SMS, "en", id="another channel"),
    ],
)
def test_without_an_approved_text_there_are_words_alone(
    tmp_path: Path, channel: Channel, language: str
) -> None:
    renderer = JinjaRenderer(a_folder(tmp_path, {"en": DECLARED}))

    rendered = renderer.render(topic="note", channel=channel, language=language, variables=EXAMPLE)

    assert rendered.text == "7"
    assert (rendered.content, rendered.content_variables) == ("", {})


@pytest.mark.parametrize(
    ("customer", "why"),
    [
        pytest.param({}, "which is missing", id="missing"),
        pytest.param({"first_name": " "}, "which is blank", id="blank"),
    ],
)
def test_what_fills_an_approved_text_in_is_required_even_if_the_words_do_without(
    tmp_path: Path, customer: Mapping[str, object], why: str
) -> None:
    renderer = JinjaRenderer(a_folder(tmp_path, {"en": DECLARED}))

    with pytest.raises(InvalidInputError, match=why) as refused:
        renderer.render(
            topic="note",
            channel=Channel.WHATSAPP,
            language="en",
            variables={**EXAMPLE, "customer": customer},
        )

    assert refused.value.field == "customer.first_name"
    assert renderer.required_variables(topic="note", channel=Channel.WHATSAPP, language="en") == (
        "case.number",
        "customer.first_name",
    )


@pytest.mark.parametrize(
    ("declared", "message", "hint"),
    [
        pytest.param([], "whatsapp: it is no JSON object", "", id="list"),
        pytest.param(
            {"pl": DECLARED}, "whatsapp.pl: the topic has no text", "whatsapp.pl.j2", id="no text"
        ),
        pytest.param({"en": SID}, "whatsapp.en: it is no JSON object", "", id="bare SID"),
        pytest.param(
            {"en": {**DECLARED, "variabels": {}}},
            "whatsapp.en: there is no field 'variabels'",
            "'variables'",
            id="field",
        ),
        pytest.param({"en": {}}, "whatsapp.en.content: it is no ContentSid", "HX", id="no SID"),
        pytest.param(
            {"en": {"content": SID.upper()}}, "whatsapp.en.content: it is no", "HX", id="wrong SID"
        ),
        pytest.param(
            {"en": {"content": SID, "variables": {"1": "case.number", "3": "case.number"}}},
            "whatsapp.en.variables: they are not numbered",
            '"1"',
            id="gap",
        ),
        pytest.param(
            {"en": {"content": SID, "variables": {"1": "customer.frist_name"}}},
            "whatsapp.en.variables.1: the topic's example has no value at 'customer.frist_name'",
            "'customer.first_name'",
            id="unknown path",
        ),
        pytest.param(
            {"en": {"content": SID, "variables": {"1": "case"}}},
            "whatsapp.en.variables.1: the topic's example has no value at 'case'",
            "",
            id="path to several",
        ),
        pytest.param(
            {"en": {"content": SID, "variables": {"1": 7}}}, "no value at 7", "", id="no path"
        ),
        pytest.param(
            {"en": {"content": SID, "variables": {"1": "case.tags"}}},
            "no value at 'case.tags'",
            "",
            id="path to a list",
        ),
    ],
)
def test_a_mistake_is_refused_when_the_texts_are_loaded(
    tmp_path: Path, declared: object, message: str, hint: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        JinjaRenderer(a_folder(tmp_path, declared))

    assert str(refused.value).startswith("note/topic.json: ")
    assert message in str(refused.value)
    assert hint in refused.value.hint
