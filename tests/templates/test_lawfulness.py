"""What a text leaves unsaid, promotes or tells of somebody is found before anybody gets it."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from rules.law_texts import load_text_laws
from rules.routing import load_routes
from rules.rulebook import load_rulebook
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.errors import Finding
from tellal.domain.footers import IncompleteSenderError, Setting, broken_duties
from tellal.domain.senders import SenderKind, SenderProfile, ShortCode
from tellal.domain.text_law import DutyKind
from tellal.ports import Rendered
from templates.environment import JinjaRenderer
from templates.footing import footed, visible
from templates.lawfulness import Law, Reading, as_it_leaves, offences, senders
from templates.lint import Ways, check
from templates.naming import TemplateName

LAWS = load_text_laws()
TURKISH = LAWS.of("TR")
TODAY = date(2026, 11, 2)
TABLE = load_routes()
BOOK = load_rulebook()
BRAND = {"trade_name": "Deneme A.Ş.", "mersis": "0123456789000017", "phone": "0850 555 01 02"}
COMPANY = SenderProfile(
    trade_name="Deneme A.Ş.",
    mersis="0123456789000017",
    phone="0850 555 01 02",
    email="iletisim@deneme.example",
    short_codes=(ShortCode(code="4605", keyword="DENEME"),),
)
TRADER = SenderProfile(
    kind=SenderKind.SOLE_TRADER,
    trade_name="",
    owner="Elif Deneme",
    tckn="10000000146",
    email="elif@deneme.example",
)
COMMERCIAL = [
    pytest.param(name, id=name.path)
    for name in JinjaRenderer().list_templates()
    if name.topic in BOOK.topics
    and BOOK.topics[name.topic].message_class is MessageClass.COMMERCIAL
]


def found(
    folder: Path,
    text: str,
    *,
    kind: MessageClass = MessageClass.SERVICE,
    file: str = "sms.tr.j2",
    topic: object = None,
    law: Law | None = None,
) -> list[Finding]:
    """Lint one text of the topic `note`."""
    (folder / "note").mkdir(exist_ok=True)
    (folder / "note" / file).write_text(text, encoding="utf-8")
    example = {"brand": BRAND, "customer": {"tckn": "x"}}
    (folder / "note" / "example.json").write_text(json.dumps(example), encoding="utf-8")
    if topic is not None:
        (folder / "note" / "topic.json").write_text(json.dumps(topic), encoding="utf-8")
    ways = Ways(
        table=TABLE,
        providers=(),
        classes={"note": kind},
        law=law or Law(laws=LAWS.all, day=TODAY),
    )
    [checked] = check(ways, folder)
    return list(checked.findings)


def a_setting(
    sender: SenderProfile = COMPANY, channel: Channel = Channel.SMS, language: str = "tr"
) -> Setting:
    return Setting(law=TURKISH, sender=sender, channel=channel, language=language, day=TODAY)


@pytest.mark.req("D41", "allows")
@pytest.mark.req("D42", "allows")
@pytest.mark.req("D45", "allows")
@pytest.mark.req("D47", "allows")
@pytest.mark.req("D01", "allows")
@pytest.mark.req("D12", "allows")
@pytest.mark.parametrize("name", COMMERCIAL)
def test_every_commercial_text_is_whole_for_every_kind_of_sender_under_every_law(
    name: TemplateName,
) -> None:
    renderer = JinjaRenderer()
    reading = Reading(
        renderer=renderer,
        name=name,
        classes=(MessageClass.COMMERCIAL,),
        routes=TABLE,
        example=renderer.example(name.topic),
    )
    law = Law(laws=LAWS.all, day=TODAY)
    kinds = set()
    for one in LAWS.all:
        for sender in senders(reading, law):
            kinds.add(sender.kind)
            left = as_it_leaves(reading, one, sender, TODAY)
            setting = Setting(
                law=one, sender=sender, channel=name.channel, language=name.language, day=TODAY
            )
            assert list(broken_duties(setting, left.text)) == []
            assert not left.html or list(broken_duties(setting, visible(left.html))) == []
    assert kinds == set(SenderKind)
    assert list(offences(reading, law)) == []


@pytest.mark.req("D41", "allows")
@pytest.mark.req("D42", "allows")
def test_a_company_gives_its_mersis_number_and_a_trader_his_own() -> None:
    plain = Rendered(subject="", text="Kampanya: yeni tarife.")

    company = footed(plain, a_setting()).text
    trader = footed(plain, a_setting(TRADER)).text

    assert "Deneme A.Ş. Mersis 0123456789000017" in company
    assert "Elif Deneme TCKN 10000000146" in trader
    assert "elif@deneme.example" in trader


@pytest.mark.parametrize(
    ("changes", "channel", "told"),
    [
        pytest.param(
            {"mersis": ""},
            Channel.SMS,
            "no MERSIS number",
            id="MERSIS",
            marks=pytest.mark.req("D41", "blocks"),
        ),
        pytest.param(
            {"trade_name": ""},
            Channel.EMAIL,
            "no trade name",
            id="name",
            marks=pytest.mark.req("D45", "blocks"),
        ),
        pytest.param(
            {"email": "", "short_codes": ()},
            Channel.SMS,
            "no way to refuse",
            id="refusal",
            marks=[pytest.mark.req(row, "blocks") for row in ("D01", "D06", "D47")],
        ),
        pytest.param(
            {"email": "", "phone": ""},
            Channel.EMAIL,
            "no short number or phone or e-mail address",
            id="contact",
            marks=pytest.mark.req("D42", "blocks"),
        ),
    ],
)
def test_nothing_commercial_is_written_for_a_sender_who_lacks_something(
    changes: dict[str, object], channel: Channel, told: str
) -> None:
    sender = replace(COMPANY, **changes)  # type: ignore[arg-type]

    with pytest.raises(IncompleteSenderError, match=told):
        footed(Rendered(subject="", text="Kampanya"), a_setting(sender, channel))


@pytest.mark.req("D02", "allows")
@pytest.mark.req("D12", "allows")
def test_a_text_message_ends_with_the_short_code_that_costs_nothing() -> None:
    shared = footed(Rendered(subject="", text="Kampanya"), a_setting()).text
    alone = replace(COMPANY, short_codes=(ShortCode(code="7890"),))
    own = footed(Rendered(subject="", text="Kampanya"), a_setting(alone)).text

    assert shared.endswith("Ret: DENEME RET yaz, 4605 numarasına ücretsiz gönder")
    assert own.endswith("Ret: RET yaz, 7890 numarasına ücretsiz gönder")


@pytest.mark.req("D12", "blocks")
def test_a_way_to_refuse_that_is_not_said_to_cost_nothing_does_not_do() -> None:
    told = "Deneme A.Ş. Mersis 0123456789000017 0850 555 01 02 Ret: 4605'e DENEME RET"

    silent = [duty.kind for duty in broken_duties(a_setting(), told)]
    free = list(broken_duties(a_setting(), f"{told}, ücretsiz"))

    assert (silent, free) == ([DutyKind.REFUSAL], [])


@pytest.mark.req("D02", "blocks")
@pytest.mark.req("D02", "allows")
def test_the_footer_counts_in_the_segments(tmp_path: Path) -> None:
    def note(kind: MessageClass) -> str:
        (tmp_path / "note").mkdir(exist_ok=True)
        (tmp_path / "note" / "sms.tr.j2").write_text("Kampanya " + "a" * 100, encoding="utf-8")
        (tmp_path / "note" / "example.json").write_text("{}", encoding="utf-8")
        law = Law(laws=(TURKISH,), day=TODAY, sender=COMPANY)
        [checked] = check(
            Ways(table=TABLE, providers={"netgsm"}, classes={"note": kind}, law=law), tmp_path
        )
        return checked.note

    assert note(MessageClass.COMMERCIAL).startswith("2 segments")
    assert note(MessageClass.SERVICE).startswith("1 segment ")


@pytest.mark.req("D02", "blocks")
def test_nothing_is_said_twice() -> None:
    once = footed(Rendered(subject="", text="Kampanya"), a_setting())
    own = Rendered(
        subject="", text="Kampanya. Deneme A.Ş. 0123456789000017 Ret (ücretsiz): 4605 DENEME RET"
    )

    assert footed(once, a_setting()) == once
    assert footed(own, a_setting()) == own


@pytest.mark.req("D45", "allows")
@pytest.mark.req("D47", "allows")
def test_a_mail_has_its_footer_in_words_and_in_html_which_is_escaped() -> None:
    sender = replace(COMPANY, trade_name="A & B <A.Ş.>")
    mail = Rendered(subject="Kampanya", text="Merhaba", html="<html><body><p>x</p></body></html>")

    left = footed(mail, a_setting(sender, Channel.EMAIL))

    assert left.text.startswith("Merhaba\n\n--\nA & B <A.Ş.> · Mersis No: 0123456789000017\n")
    assert "reddedebilirsiniz: iletisim@deneme.example" in left.text
    assert "A &amp; B &lt;A.Ş.&gt; · Mersis No" in left.html
    assert left.html.endswith("</p>\n</body></html>")


@pytest.mark.req("D47", "allows")
def test_a_reader_is_told_in_the_language_of_the_text() -> None:
    polish = footed(Rendered(subject="", text="Oferta"), a_setting(language="pl-PL")).text
    others = footed(Rendered(subject="", text="Offer"), a_setting(language="de")).text

    assert "Rezygnacja: DENEME RET na 4605, bezpłatnie" in polish
    assert "Stop: text DENEME RET to 4605, free" in others


@pytest.mark.req("D47", "blocks")
def test_an_approved_text_must_tell_of_refusal_itself() -> None:
    approved = Rendered(subject="", text="Kampanya", content="HX" + "0" * 32)
    setting = a_setting(channel=Channel.WHATSAPP)

    assert footed(approved, setting) == approved
    kinds = {duty.kind for duty in broken_duties(setting, approved.text)}
    assert kinds == {DutyKind.IDENTITY, DutyKind.CONTACT, DutyKind.REFUSAL}


@pytest.mark.req("A08", "blocks")
@pytest.mark.req("A09", "blocks")
@pytest.mark.req("C09", "blocks")
@pytest.mark.req("D25", "blocks")
def test_a_service_text_that_promotes_risks_the_fine_of_many_recipients(tmp_path: Path) -> None:
    [finding] = found(tmp_path, "Kaydınız alındı.\nBu ay İNDİRİM var!")

    assert (finding.severity, finding.line, finding.gravity) == ("error", 2, "grave")
    assert finding.fine == "up to 143090 TRY (2026)"
    assert "Law 6563, art. 6" in finding.source
    assert "make the topic commercial" in finding.hint
    assert "[Law 6563" in str(finding)


@pytest.mark.req("D25", "allows")
@pytest.mark.req("A09", "allows")
def test_a_service_text_that_informs_is_in_order(tmp_path: Path) -> None:
    assert found(tmp_path, "Kaydınız alındı. Sonucu yazacağız.") == []
    assert found(tmp_path, "Faturanız: {{ brand.phone }}", kind=MessageClass.MANDATORY) == []


@pytest.mark.req("D25", "allows")
def test_an_author_may_dispute_that_it_promotes_and_his_reason_is_shown(tmp_path: Path) -> None:
    reason = "the campaign is the customer's own contract"
    topic = {"languages": ["tr"], "promotion": {"disputed": reason}}

    [finding] = found(tmp_path, "Kampanya taahhüdünüz sürüyor.", topic=topic)

    assert finding.severity == "warning"
    assert finding.message.endswith(f"its author disputes that it promotes: {reason}")


@pytest.mark.req("D25", "blocks")
@pytest.mark.parametrize("said", ["", "no", 7, None, {"because": "x y z"}])
def test_a_dispute_without_a_reason_is_refused(tmp_path: Path, said: object) -> None:
    promotion = said if isinstance(said, dict) else {"disputed": said}
    topic = {"languages": ["tr"], "promotion": promotion}

    [finding] = found(tmp_path, "Kampanya", topic=topic)

    assert finding.severity == "error"
    assert "it gives no reason" in finding.message


@pytest.mark.req("D34", "blocks")
@pytest.mark.parametrize("kind", list(MessageClass))
def test_nobody_is_asked_for_consent_by_a_message(tmp_path: Path, kind: MessageClass) -> None:
    asked = found(tmp_path, "Bilgilendirme: ONAY VERMEK için yazın.", kind=kind)
    errors = [one for one in asked if not one.warns]

    assert errors
    assert all("nobody is asked for consent by a message" in one.message for one in errors)


@pytest.mark.req("D34", "allows")
def test_a_page_may_ask_and_a_message_may_confirm(tmp_path: Path) -> None:
    banner = "Subject: Onay\n\nOnay vermek ister misiniz?"
    assert found(tmp_path, banner, file="banner.tr.j2") == []
    (tmp_path / "note" / "banner.tr.j2").unlink()
    assert found(tmp_path, "Onayınız bugün kaydedildi.") == []


@pytest.mark.req("D43", "blocks")
@pytest.mark.req("D43", "allows")
def test_a_commercial_text_that_nobody_can_tell_for_one_is_a_warning(tmp_path: Path) -> None:
    kind = MessageClass.COMMERCIAL

    [finding] = found(tmp_path, "Yeni mağazamız açıldı.", kind=kind)

    assert finding.severity == "warning"
    assert "by a word at its beginning" in finding.message
    assert found(tmp_path, "Bilgilendirme: yeni mağazamız açıldı.", kind=kind) == []


@pytest.mark.req("D44", "blocks")
@pytest.mark.req("D44", "allows")
@pytest.mark.parametrize("where", ["{{ brand.phone }}", "www.deneme.example/kosullar"])
def test_a_discount_needs_a_place_where_its_conditions_are_found(
    tmp_path: Path, where: str
) -> None:
    kind, file = MessageClass.COMMERCIAL, "email.tr.j2"

    [finding] = found(tmp_path, "Subject: Kampanya\n\nYarın indirim!", kind=kind, file=file)
    shown = found(tmp_path, f"Subject: Kampanya\n\nYarın indirim: {where}", kind=kind, file=file)

    assert (finding.severity, finding.fine) == ("error", "up to 42930 TRY (2026)")
    assert "says 'indirim' and does not" in finding.message
    assert shown == []


@pytest.mark.req("D44", "blocks")
@pytest.mark.req("D44", "allows")
def test_a_link_that_no_route_carries_to_turkey_shows_no_conditions(tmp_path: Path) -> None:
    (tmp_path / "note").mkdir()
    text = "Kampanya: indirim! www.deneme.example"
    (tmp_path / "note" / "sms.tr.j2").write_text(text, encoding="utf-8")
    (tmp_path / "note" / "example.json").write_text(json.dumps({"brand": BRAND}), encoding="utf-8")
    law = Law(laws=(TURKISH,), day=TODAY)
    classes = {"note": MessageClass.COMMERCIAL}

    def errors(provider: str) -> list[str]:
        ways = Ways(table=TABLE, providers={provider}, classes=classes, law=law)
        [checked] = check(ways, tmp_path)
        return [one.message for one in checked.findings if not one.warns]

    assert any("does not" in one for one in errors("twilio"))
    assert errors("netgsm") == []


@pytest.mark.req("E19", "blocks")
def test_a_text_holds_no_identity_number_and_reads_none(tmp_path: Path) -> None:
    held = found(tmp_path, "Kimlik no 10000000146 kayıtlı.")
    read = found(tmp_path, "Kimlik no {{ customer.tckn }} kayıtlı.")

    assert [one.message for one in held] == [
        "a text holds no more of a person than it needs, and this one holds a tckn number"
    ]
    assert [one.message for one in read] == [
        "a text holds no more of a person than it needs, and this one reads customer.tckn"
    ]


@pytest.mark.req("D41", "blocks")
@pytest.mark.req("D41", "allows")
def test_a_brand_that_lacks_its_identity_is_told_by_the_law_of_its_country(tmp_path: Path) -> None:
    nameless = replace(COMPANY, mersis="")
    kind = MessageClass.COMMERCIAL

    turkish = found(
        tmp_path, "Kampanya!", kind=kind, law=Law(laws=(TURKISH,), day=TODAY, sender=nameless)
    )
    polish = found(
        tmp_path, "Kampanya!", kind=kind, law=Law(laws=(LAWS.of("PL"),), day=TODAY, sender=nameless)
    )

    assert [one.message for one in turkish] == [
        "sent by a company: the brand's profile has no MERSIS number"
    ]
    assert polish == []
