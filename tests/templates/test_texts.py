"""What the texts that ship with Tellal say, and what they never say."""

import re
from collections.abc import Iterator
from datetime import date

import pytest

from rules.law_texts import load_text_laws
from rules.rulebook import load_rulebook
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.errors import InvalidInputError
from tellal.domain.footers import Setting, broken_duties
from tellal.domain.senders import SenderProfile
from tellal.domain.sms.alphabets import Alphabet
from tellal.domain.sms.segments import segmented
from tellal.domain.text_law import WordKind
from tellal.ports import Rendered
from templates.environment import JinjaRenderer
from templates.footing import footed
from templates.naming import TemplateName

TURKISH = load_text_laws().of("TR")
TODAY = date(2026, 11, 2)
RENDERER = JinjaRenderer()
NAMES = RENDERER.list_templates()
TOPICS = sorted({name.topic for name in NAMES})
COMMERCIAL = sorted(
    topic.id
    for topic in load_rulebook().topics.values()
    if topic.message_class is MessageClass.COMMERCIAL
)
WITH_POLISH = [topic for topic in TOPICS if topic != "iscep_promo"]

ADDRESS = re.compile(
    r"https?:|www\.|\b[a-z0-9-]+\.(?:com|net|org|tr|pl|ly|gl)(?:/|\b)", re.IGNORECASE
)


def every(names: Iterator[TemplateName] | tuple[TemplateName, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", [pytest.param(n, id=n.path) for n in names])


def filled_in(name: TemplateName, **changes: object) -> Rendered:
    return RENDERER.render(
        topic=name.topic,
        channel=name.channel,
        language=name.language,
        variables={**RENDERER.example(name.topic), **changes},
    )


def of_topic(topic: str) -> tuple[TemplateName, ...]:
    return tuple(name for name in NAMES if name.topic == topic)


def without(variables: dict[str, object], path: str) -> dict[str, object]:
    head, _, rest = path.partition(".")
    inner = variables[head]
    if not rest:
        return {key: value for key, value in variables.items() if key != head}
    assert isinstance(inner, dict)
    return {**variables, head: without(inner, rest)}


@every(NAMES)
def test_a_text_can_be_filled_in_with_its_example(name: TemplateName) -> None:
    rendered = filled_in(name)

    assert rendered.text == rendered.text.strip()
    assert "  " not in rendered.text
    assert bool(rendered.subject) == (name.channel not in {Channel.SMS, Channel.WHATSAPP})
    assert bool(rendered.html) == (name.channel is Channel.EMAIL)


@every(tuple(n for n in NAMES if n.channel is Channel.WHATSAPP))
def test_a_text_for_whatsapp_has_an_approved_one_that_is_filled_in_whole(
    name: TemplateName,
) -> None:
    rendered = filled_in(name)

    assert rendered.content.startswith("HX")
    assert set(rendered.content_variables) == {"1", "2"}
    assert all(value in rendered.text for value in rendered.content_variables.values())


@every(tuple(n for n in NAMES if n.channel is not Channel.WHATSAPP))
def test_only_whatsapp_wants_approved_texts(name: TemplateName) -> None:
    rendered = filled_in(name)

    assert (rendered.content, rendered.content_variables) == ("", {})


@every(NAMES)
def test_a_text_is_refused_without_each_variable_that_it_needs(name: TemplateName) -> None:
    needed = RENDERER.required_variables(
        topic=name.topic, channel=name.channel, language=name.language
    )

    for path in needed:
        with pytest.raises(InvalidInputError, match="is missing") as refused:
            RENDERER.render(
                topic=name.topic,
                channel=name.channel,
                language=name.language,
                variables=without(RENDERER.example(name.topic), path),
            )
        assert refused.value.field == path
    assert needed


@pytest.mark.parametrize("topic", TOPICS)
def test_every_channel_of_a_topic_has_the_language_to_fall_back_on(topic: str) -> None:
    first = RENDERER.library.languages(topic)[0]

    assert {n.channel for n in of_topic(topic)} == {
        n.channel for n in of_topic(topic) if n.language == first
    }


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_speaks_its_declared_languages_turkish_and_english_among_them(
    topic: str,
) -> None:
    spoken = {name.language for name in of_topic(topic)}

    assert spoken == set(RENDERER.library.languages(topic))
    assert {"tr", "en"} <= spoken


@pytest.mark.parametrize("topic", WITH_POLISH)
def test_service_topics_speak_the_same_languages_on_every_channel(topic: str) -> None:
    by_channel: dict[Channel, set[str]] = {}
    for name in of_topic(topic):
        by_channel.setdefault(name.channel, set()).add(name.language)

    assert all(languages == {"tr", "en", "pl"} for languages in by_channel.values())


@every(tuple(n for n in NAMES if n.channel is not Channel.EMAIL))
def test_no_sms_push_or_banner_holds_an_address_of_the_web(name: TemplateName) -> None:
    # Operators in Türkiye do not deliver SMS from abroad with one, and a bank's text that
    # carries a link teaches people to trust the next one.
    if name.topic in {*COMMERCIAL, "consent_confirmation"}:  # the brand's address of mail
        assert "http" not in filled_in(name).text
    else:
        assert not ADDRESS.search(filled_in(name).text)


@every(tuple(n for n in NAMES if n.channel is Channel.EMAIL))
def test_no_mail_holds_a_link(name: TemplateName) -> None:
    rendered = filled_in(name)

    assert "http" not in rendered.text + rendered.html
    assert "<a " not in rendered.html


@pytest.mark.req("A03", "allows")
@every(of_topic("phishing_awareness"))
def test_awareness_names_the_false_text_and_the_number_to_call(name: TemplateName) -> None:
    brand = {**dict(brand_of("phishing_awareness")), "phone": "0850 724 07 24"}

    rendered = filled_in(name, brand=brand)

    assert "Bilgilerinizi doğrulayın" in rendered.text
    assert "0850 724 07 24" in rendered.text
    assert name.channel is not Channel.EMAIL or "0850 724 07 24" in rendered.html


@pytest.mark.req("A03", "blocks")
@every(of_topic("phishing_awareness"))
def test_awareness_is_refused_without_a_number_to_call(name: TemplateName) -> None:
    brand = {**dict(brand_of("phishing_awareness")), "phone": " "}

    with pytest.raises(InvalidInputError, match=r"needs brand\.phone, which is blank"):
        filled_in(name, brand=brand)


@pytest.mark.req("A09", "allows")
@every(tuple(n for n in NAMES if n.topic not in COMMERCIAL))
def test_a_service_text_promotes_nothing(name: TemplateName) -> None:
    rendered = filled_in(name)

    said = f"{rendered.subject} {rendered.text} {rendered.html}"

    assert TURKISH.said(WordKind.PROMOTION, said) == ()


def test_the_list_of_promotional_words_knows_a_promotion() -> None:
    for name in (name for topic in COMMERCIAL for name in of_topic(topic)):
        filled = filled_in(name)
        assert TURKISH.said(WordKind.PROMOTION, f"{filled.subject} {filled.text}")


@pytest.mark.req("A08", "allows")
@every(tuple(name for topic in COMMERCIAL for name in of_topic(topic)))
def test_a_commercial_text_says_who_sends_it_and_how_to_refuse(name: TemplateName) -> None:
    brand = {key: str(value) for key, value in brand_of(name.topic).items()}
    sender = SenderProfile(
        trade_name=brand["trade_name"], mersis=brand["mersis"], email=brand["email"]
    )
    setting = Setting(
        law=TURKISH, sender=sender, channel=name.channel, language=name.language, day=TODAY
    )

    left = footed(filled_in(name), setting)

    for text in filter(None, (left.text, left.html)):
        assert brand["trade_name"] in text
        assert brand["mersis"] in text
        assert brand["email"] in text
        assert list(broken_duties(setting, text)) == []


@pytest.mark.req("B12", "allows")
@every(of_topic("outage_notice"))
def test_an_outage_text_says_what_one_can_do_meanwhile_and_whom_to_call(
    name: TemplateName,
) -> None:
    outage = {
        "area": "Tepebaşı",
        "expected_end": "23:15",
        "workaround": "Use the branch at the square",
        "hotline": "186",
    }

    rendered = filled_in(name, outage=outage)

    said = f"{rendered.subject} {rendered.text}"
    assert all(value in said for value in outage.values())
    assert "Use the branch at the square." in rendered.text


TELLING = ("outage_notice", "outage_update", "planned_outage", "planned_reminder")
OVER = ("outage_over", "planned_over")
REPLIES = {"tr": "YOK", "en": "OFF", "pl": "NIE MA"}


def of_topics(*topics: str) -> tuple[TemplateName, ...]:
    return tuple(name for name in NAMES if name.topic in topics)


def outage_of(topic: str, **changes: object) -> dict[str, object]:
    """Return a topic's example of an outage; what is changed to None is left out."""
    example = RENDERER.example(topic)["outage"]
    assert isinstance(example, dict)
    return {key: value for key, value in {**example, **changes}.items() if value is not None}


@pytest.mark.req("B12", "blocks")
@every(of_topics(*TELLING))
@pytest.mark.parametrize("said", [None, "", " "])
def test_every_text_that_tells_of_an_outage_needs_a_workaround(
    name: TemplateName, said: str | None
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        filled_in(name, outage=outage_of(name.topic, workaround=said))

    assert refused.value.field == "outage.workaround"


@pytest.mark.req("B12", "allows")
@every(of_topics(*TELLING))
def test_whoever_says_that_no_workaround_is_known_need_not_name_one(name: TemplateName) -> None:
    known = filled_in(name, outage=outage_of(name.topic, workaround="Use the other bank"))
    none = filled_in(name, outage=outage_of(name.topic, workaround=None, no_workaround=True))

    assert "Use the other bank." in known.text
    assert none.text
    assert len(none.text) < len(known.text)


@pytest.mark.req("B06", "allows")
@every(of_topics(*TELLING, *OVER, "outage_compensation", "planned_cancelled"))
def test_every_text_of_an_outage_names_the_hotline(name: TemplateName) -> None:
    assert "444 1 186" in filled_in(name, outage=outage_of(name.topic, hotline="444 1 186")).text


@pytest.mark.req("B06", "blocks")
@every(of_topics(*TELLING))
def test_no_text_tells_of_an_outage_without_a_hotline(name: TemplateName) -> None:
    with pytest.raises(InvalidInputError) as refused:
        filled_in(name, outage=outage_of(name.topic, hotline=" "))

    assert refused.value.field == "outage.hotline"


@pytest.mark.req("B08")
@every(tuple(n for n in of_topics(*TELLING) if n.channel is Channel.EMAIL))
def test_a_mail_gives_the_reason_if_it_is_told(name: TemplateName) -> None:
    told = filled_in(name, outage=outage_of(name.topic, reason="A tree on the line"))
    untold = filled_in(name, outage=outage_of(name.topic, reason=None))

    assert "A tree on the line." in told.text
    assert "A tree on the line." in told.html
    assert len(untold.text) < len(told.text)


@pytest.mark.req("B08")
@every(tuple(n for n in of_topics("planned_outage") if n.channel is Channel.SMS))
def test_planned_works_give_their_reason_by_text_message_too(name: TemplateName) -> None:
    assert "New cables." in filled_in(name, outage=outage_of(name.topic, reason="New cables")).text


@every(of_topics(*TELLING))
def test_words_are_told_in_the_language_of_who_reads_them(name: TemplateName) -> None:
    words = {"tr": "Suyu kapatın", "en": "Close the tap"}

    text = filled_in(name, outage=outage_of(name.topic, workaround=words)).text

    assert ("Suyu kapatın." if name.language == "tr" else "Close the tap.") in text
    assert "{" not in text


@every(tuple(n for n in of_topics(*OVER) if n.channel is Channel.SMS))
def test_an_all_clear_asks_for_an_answer_from_whom_it_is_not_over(name: TemplateName) -> None:
    assert REPLIES[name.language] in filled_in(name).text


@every(tuple(n for n in of_topics(*TELLING, *OVER) if n.channel is Channel.EMAIL))
def test_sentences_of_a_mail_do_not_run_into_each_other(name: TemplateName) -> None:
    outage = outage_of(name.topic, since="18:05", reason="Works")

    assert not re.search(r"[a-zıłęą0-9][.:][A-ZÇĞİÖŞÜ]", filled_in(name, outage=outage).text)


@every(of_topics("outage_notice"))
def test_an_outage_says_since_when_if_that_is_known(name: TemplateName) -> None:
    assert "17:55" in filled_in(name, outage=outage_of(name.topic, since="17:55")).text
    assert "17:55" not in filled_in(name, outage=outage_of(name.topic, since=None)).text


@pytest.mark.req("B12", "blocks")
@every(of_topic("outage_notice"))
def test_an_outage_text_is_refused_without_a_workaround(name: TemplateName) -> None:
    outage = {"area": "Tepebaşı", "expected_end": "23:15", "workaround": "", "hotline": "186"}

    with pytest.raises(InvalidInputError, match=r"outage\.workaround, which is blank"):
        filled_in(name, outage=outage)


@every(of_topic("outage_notice"))
def test_an_outage_without_an_expected_end_says_when_more_will_be_known(
    name: TemplateName,
) -> None:
    outage = {"area": "Tepebaşı", "workaround": "Wait", "hotline": "186"}

    assert "20:00" in filled_in(name, outage={**outage, "next_update": "20:00"}).text
    with pytest.raises(InvalidInputError, match=r"outage\.next_update, which is missing"):
        filled_in(name, outage=outage)


@pytest.mark.req("E39", "allows")
@every(of_topic("case_resolved_with_result"))
def test_the_result_of_a_web_case_is_told(name: TemplateName) -> None:
    case = {"number": "2026-000001", "result": "The meter was replaced"}

    text = filled_in(name, case=case).text

    assert "The meter was replaced." in text
    assert "2026-000001" in text


@every(tuple(n for n in NAMES if n.topic.startswith("case_")))
def test_a_case_text_names_no_person_beyond_the_greeting_of_a_mail(name: TemplateName) -> None:
    secret = {"first_name": "Zeliha"}

    rendered = filled_in(name, customer=secret)

    greeting, *rest = rendered.text.split("\n")
    assert "Zeliha" not in rendered.subject + "".join(rest)
    assert name.channel is Channel.EMAIL or "Zeliha" not in greeting


def brand_of(topic: str) -> dict[str, object]:
    brand = RENDERER.example(topic)["brand"]
    assert isinstance(brand, dict)
    return brand


SEGMENTS_AT_MOST = {
    "account_movements": 3,
    "card_delivery": 3,
    "case_informed": 1,
    "case_instant": 1,
    "case_merged": 1,
    "case_opened": 1,
    "case_opened_tracked": 1,
    "case_reopened": 1,
    "case_resolved": 1,
    "case_resolved_with_result": 1,
    "case_survey": 1,
    "case_withdrawn": 1,
    "commitment_ending": 3,
    "consent_confirmation": 4,
    "debt_reminder": 3,
    "iscep_promo": 3,
    "keyword_reply": 3,
    "outage_compensation": 2,
    "outage_notice": 3,
    "outage_over": 2,
    "outage_update": 3,
    "phishing_awareness": 3,
    "planned_cancelled": 2,
    "planned_outage": 3,
    "planned_over": 2,
    "planned_reminder": 3,
    "security_alert": 3,
    "tariff_change": 2,
}
GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def segments(text: str) -> int:
    """Count as a carrier without Turkish tables does: one odd letter makes all of it UCS-2."""
    whole, part = (160, 153) if set(text) <= GSM7 else (70, 67)
    return 1 if len(text) <= whole else -(-len(text) // part)


@every(
    tuple(
        n
        for n in of_topics(*TELLING, *OVER, "outage_compensation", "planned_cancelled")
        if n.channel is Channel.SMS and n.language == "tr"
    )
)
def test_a_turkish_text_of_an_outage_takes_two_segments_at_most_with_turkish_tables(
    name: TemplateName,
) -> None:
    alphabets = frozenset({Alphabet.GSM7, Alphabet.TURKISH_SINGLE, Alphabet.UCS2})

    assert segmented(filled_in(name).text, alphabets=alphabets, reserved=5).count <= 2


@pytest.mark.req("A13", "allows")
@every(tuple(n for n in NAMES if n.channel is Channel.SMS))
def test_an_sms_stays_short(name: TemplateName) -> None:
    assert segments(filled_in(name).text) <= SEGMENTS_AT_MOST[name.topic]
