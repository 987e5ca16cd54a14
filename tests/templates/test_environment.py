"""The sandbox, the fallbacks and the answers to mistakes, on texts made for it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError
from tellal.ports import Rendered, Renderer
from templates.environment import JinjaRenderer

Say = Callable[..., Rendered]


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """Render one source, written as `note/<file>`."""

    def render(
        source: str,
        variables: Mapping[str, object],
        file: str = "sms.en.j2",
        channel: Channel = Channel.SMS,
    ) -> Rendered:
        write(tmp_path, {f"note/{file}": source})
        renderer: Renderer = JinjaRenderer(tmp_path)
        return renderer.render(topic="note", channel=channel, language="en", variables=variables)

    return render


def write(folder: Path, contents: Mapping[str, str]) -> None:
    for path, content in contents.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        pytest.param("tr", "selam", id="as asked"),
        pytest.param("tr-TR", "selam", id="without the country"),
        pytest.param("tr_TR", "selam", id="written as a locale"),
        pytest.param("TR", "selam", id="in capitals"),
        pytest.param("pt-BR", "oi", id="with the country where there is one"),
        pytest.param("pt", "cześć", id="the country's text is not the language's"),
        pytest.param("ar", "cześć", id="the topic's first language"),
        pytest.param("", "cześć", id="no language at all"),
    ],
)
def test_a_language_falls_back(tmp_path: Path, asked: str, answered: str) -> None:
    write(
        tmp_path,
        {
            "note/topic.json": '{"languages": ["pl", "tr"]}',
            "note/sms.tr.j2": "selam",
            "note/sms.pl.j2": "cześć",
            "note/sms.pt-br.j2": "oi",
        },
    )

    rendered = JinjaRenderer(tmp_path).render(
        topic="note", channel=Channel.SMS, language=asked, variables={}
    )

    assert rendered.text == answered


def test_a_topic_that_declares_no_languages_falls_back_on_english(tmp_path: Path) -> None:
    write(tmp_path, {"note/sms.en.j2": "hello", "note/sms.tr.j2": "selam"})

    rendered = JinjaRenderer(tmp_path).render(
        topic="note", channel=Channel.SMS, language="de", variables={}
    )

    assert rendered.text == "hello"


def test_an_sms_is_one_paragraph_and_a_mail_keeps_its_own(say: Say) -> None:
    source = "One  line \n\n\n\n and another \n"

    assert say(source, {}).text == "One line and another"
    assert say(source, {}, "email.en.j2", Channel.EMAIL).text == "One  line\n\n and another"


def test_a_subject_stands_before_the_text_and_cannot_be_broken_out_of(say: Say) -> None:
    source = "Subject: About {{ case.number }}\n\nSee {{ case.number }}."

    rendered = say(source, {"case": {"number": "7\r\nBcc: x"}}, "push.en.j2", Channel.PUSH)

    assert rendered.subject == "About 7 Bcc: x"
    assert rendered.text == "See 7 Bcc: x."


def test_html_is_escaped_and_text_is_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "note/email.en.j2": "Subject: s\n\n{{ case.result | sentence }}",
            "note/email.en.html.j2": "<p>{{ case.result | sentence }}</p>",
        },
    )

    rendered = JinjaRenderer(tmp_path).render(
        topic="note",
        channel=Channel.EMAIL,
        language="en",
        variables={"case": {"result": "<b>1 & 2</b>"}},
    )

    assert rendered.text == "<b>1 & 2</b>."
    assert rendered.html == "<p>&lt;b&gt;1 &amp; 2&lt;/b&gt;.</p>"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{{ case.__class__ }}", id="class"),
        pytest.param("{{ case.__class__.__mro__[1].__subclasses__() }}", id="subclasses"),
        pytest.param("{{ case['__init__'].__globals__ }}", id="globals by item"),
        pytest.param("{{ case | attr('__class__') }}", id="attr filter"),
        pytest.param("{{ ''.__class__.__base__ }}", id="class of a constant"),
        pytest.param("{{ '{0.__class__}'.format(case) }}", id="format string"),
        pytest.param("{{ case.update({'number': 8}) }}", id="changing what was given"),
        pytest.param("{{ range(9) | list }}", id="global function"),
        pytest.param("{{ lipsum() }}", id="global text"),
        pytest.param("{{ self.__init__.__globals__ }}", id="the template itself"),
    ],
)
def test_the_sandbox_refuses_tricks(say: Say, source: str) -> None:
    with pytest.raises(InvalidInputError):
        say(source, {"case": {"number": "7"}})


def test_an_item_named_like_a_method_is_the_item(say: Say) -> None:
    assert say("{{ outage.update }}", {"outage": {"update": "at 20:00"}}).text == "at 20:00"


def test_a_missing_variable_is_named_with_what_was_meant(say: Say) -> None:
    with pytest.raises(InvalidInputError) as refused:
        say("Until {{ outage.expected_end }}", {"outage": {"expectd_end": "21:30"}})

    assert str(refused.value) == "note/sms.en.j2 needs outage.expected_end, which is missing"
    assert refused.value.field == "outage.expected_end"
    assert refused.value.hint == "did you mean 'expectd_end'?"


def test_a_whole_object_that_is_missing_is_named_too(say: Say) -> None:
    with pytest.raises(InvalidInputError) as refused:
        say("{{ case.number }}", {"cases": {}})

    assert refused.value.field == "case.number"


@pytest.mark.parametrize("blank", [None, "", "  \n"], ids=["none", "empty", "spaces"])
def test_a_blank_variable_is_as_good_as_none(say: Say, blank: object) -> None:
    with pytest.raises(InvalidInputError, match="blank"):
        say("Call {{ brand.phone }}.", {"brand": {"phone": blank}})


def test_zero_and_no_are_values(say: Say) -> None:
    assert say("{{ n }} {{ yes }}", {"n": 0, "yes": False}).text == "0 False"


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        pytest.param("{{ a.b }} {{ a['c'] }}", ("a.b", "a.c"), id="dots and brackets"),
        pytest.param("{{ a.b | default('') }}{{ c }}", ("c",), id="may be absent"),
        pytest.param("{% if a is defined %}{{ a }}{% endif %}{{ b }}", ("b",), id="asked first"),
        pytest.param("{% if a %}{{ b }}{% else %}{{ c }}{% endif %}", ("a",), id="branches"),
        pytest.param("{{ a if b else c }}", ("b",), id="conditional expression"),
        pytest.param("{% set n = a.b %}{{ n }}", ("a.b",), id="own names"),
        pytest.param("{% for n in a.b %}{{ n.c }}{% endfor %}", ("a.b",), id="loops"),
        pytest.param("Subject: {{ a }}\n\n{{ b | upper }}", ("a", "b"), id="subject and filters"),
    ],
)
def test_it_knows_what_a_text_cannot_do_without(
    tmp_path: Path, source: str, needed: tuple[str, ...]
) -> None:
    write(tmp_path, {"note/push.en.j2": source})

    found = JinjaRenderer(tmp_path).required_variables(
        topic="note", channel=Channel.PUSH, language="en"
    )

    assert found == needed


@pytest.mark.parametrize(
    ("source", "where"),
    [
        pytest.param("line one\n{% if x %}", "note/sms.en.j2:2:", id="unclosed block"),
        pytest.param("Subject: a\n\n{{ b c }}", "note/sms.en.j2:3:", id="below a subject"),
        pytest.param("{{ a | nosuch }}", "note/sms.en.j2:1:", id="unknown filter"),
        pytest.param("{% extends 'layouts/nosuch.j2' %}", "note/sms.en.j2:", id="no such layout"),
    ],
)
def test_a_broken_text_is_refused_with_its_place(say: Say, source: str, where: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        say(source, {"a": 1, "b": 2, "x": 3})

    assert str(refused.value).startswith(where)


def test_an_unknown_topic_or_channel_says_what_there_is() -> None:
    renderer = JinjaRenderer()

    with pytest.raises(InvalidInputError, match="phishing_awarenes") as no_topic:
        renderer.render(topic="phishing_awarenes", channel=Channel.SMS, language="tr", variables={})
    with pytest.raises(InvalidInputError, match="no text for banner") as no_channel:
        renderer.render(topic="case_opened", channel=Channel.BANNER, language="tr", variables={})

    assert no_topic.value.hint == "did you mean 'phishing_awareness'?"
    assert no_channel.value.hint == "it has texts for email, sms"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "note/example.json:1:", id="no JSON"),
        pytest.param("[]", "note/example.json is no JSON object", id="no object"),
        pytest.param(None, "there is no note/example.json", id="no file"),
    ],
)
def test_a_broken_example_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    write(tmp_path, {"note/sms.en.j2": "hello"})
    if content is not None:
        write(tmp_path, {"note/example.json": content})

    with pytest.raises(InvalidInputError, match=message):
        JinjaRenderer(tmp_path).example("note")


def test_a_text_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, {"note/sms.en.j2": "first"})
    renderer = JinjaRenderer(tmp_path)

    first = renderer.render(topic="note", channel=Channel.SMS, language="en", variables={})
    write(tmp_path, {"note/sms.en.j2": "second"})
    again = renderer.render(topic="note", channel=Channel.SMS, language="en", variables={})

    assert first == again
