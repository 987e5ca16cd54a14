"""Texts are checked with their examples before anybody gets them."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from rules.law_texts import load_text_laws
from rules.routing import load_routes
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.routes import RouteTable
from tellal.domain.senders import SenderProfile
from templates.gaps import gaps
from templates.lawfulness import Law
from templates.lint import Checked, Ways, check

TABLE = load_routes()
EVERY_LAW = Law(laws=load_text_laws().all, day=date(2026, 11, 2))
SERVICE = {"note": MessageClass.SERVICE}


def a_text(
    folder: Path, text: str, *providers: str, file: str = "sms.tr.j2", table: RouteTable = TABLE
) -> Checked:
    """Check one text of the topic `note`, which is a service."""
    (folder / "note").mkdir(exist_ok=True)
    (folder / "note" / file).write_text(text, encoding="utf-8")
    (folder / "note" / "example.json").write_text('{"case": {"number": "7"}}', encoding="utf-8")
    [checked] = check(
        Ways(table=table, providers=providers, classes=SERVICE, law=EVERY_LAW), folder
    )
    return checked


def told(checked: Checked) -> list[str]:
    return [str(finding) for finding in checked.findings]


def test_the_texts_that_ship_are_in_order() -> None:
    checked = check(Ways(table=TABLE, providers=(), classes={}, law=EVERY_LAW))

    assert len(checked) > 30
    assert [finding for one in checked for finding in one.findings] == []


def test_a_missing_variable_is_told_at_its_line(tmp_path: Path) -> None:
    checked = a_text(tmp_path, "Kayit\n{{ case.nummer }}\n")

    assert told(checked) == [
        (
            "note/sms.tr.j2:2:1: note/sms.tr.j2 needs case.nummer, which is missing "
            "(did you mean 'number'?)"
        )
    ]


def test_a_text_that_is_no_template_is_told(tmp_path: Path) -> None:
    [finding] = a_text(tmp_path, "{% if case %}").findings

    assert "note/sms.tr.j2" in finding.message


def test_a_topic_without_an_example_is_told(tmp_path: Path) -> None:
    (tmp_path / "note").mkdir()
    (tmp_path / "note" / "sms.tr.j2").write_text("x", encoding="utf-8")

    [checked] = check(Ways(table=TABLE, providers=(), classes=SERVICE, law=EVERY_LAW), tmp_path)

    assert told(checked) == ["note/sms.tr.j2:1:1: there is no note/example.json"]


def test_a_broken_declaration_is_told_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "note").mkdir()
    (tmp_path / "note" / "sms.tr.j2").write_text("x", encoding="utf-8")
    (tmp_path / "note" / "topic.json").write_text("{}", encoding="utf-8")

    [checked] = check(Ways(table=TABLE, providers=(), classes=SERVICE, law=EVERY_LAW), tmp_path)

    assert told(checked) == ["note/topic.json:1:1: note/topic.json names no languages"]


LINKED = "Kayit {{ case.number }}\nAyrintilar ornek.com.tr adresinde\n"


def test_a_link_that_does_not_reach_a_country_is_a_warning(tmp_path: Path) -> None:
    checked = a_text(tmp_path, LINKED, "twilio")

    assert told(checked) == [
        "note/sms.tr.j2:2:1: warning: its link does not reach TR: twilio carries no links to TR"
    ]
    assert a_text(tmp_path, LINKED).findings == ()


def test_a_link_that_comes_out_of_a_variable_is_found(tmp_path: Path) -> None:
    (tmp_path / "note").mkdir()
    (tmp_path / "note" / "sms.tr.j2").write_text("Bkz. {{ where }}", encoding="utf-8")
    (tmp_path / "note" / "example.json").write_text('{"where": "www.x.pl"}', encoding="utf-8")

    [checked] = check(
        Ways(table=TABLE, providers={"twilio"}, classes=SERVICE, law=EVERY_LAW), tmp_path
    )

    assert [(one.line, one.warns) for one in checked.findings] == [(1, True)]


def test_a_link_that_nobody_carries_anywhere_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(
        "version: 1\nroutes:\n"
        "  - {id: r, provider: p, channel: sms, carries: [{classes: [service]}]}\n",
        encoding="utf-8",
    )
    folder = tmp_path / "texts"
    folder.mkdir()

    checked = a_text(folder, LINKED, table=load_routes(path))

    assert told(checked) == [
        (
            "note/sms.tr.j2:2:1: no route carries its link: "
            "r carries no links to an unknown country (take the link out)"
        )
    ]


def test_a_mail_may_hold_links(tmp_path: Path) -> None:
    assert a_text(tmp_path, "Subject: s\n\nornek.com", file="email.tr.j2").findings == ()


@pytest.mark.parametrize(
    ("text", "note"),
    [
        pytest.param("Kayit acildi", "1 segment (gsm7) over twilio to TR, twilio", id="plain"),
        pytest.param(
            "Kayıt açıldı",
            "1 segment (ucs2) for ı ç over twilio to TR, twilio",
            id="letters that cost",
        ),
        pytest.param(
            "ş" * 66,
            "2 segments (ucs2) for ş over twilio to TR; 1 segment (ucs2) for ş over twilio",
            id="what operators append",
        ),
    ],
)
def test_an_sms_says_what_it_takes_on_the_air(tmp_path: Path, text: str, note: str) -> None:
    assert a_text(tmp_path, text, "twilio").note == note


def test_a_turkish_operator_writes_turkish_for_less(tmp_path: Path) -> None:
    assert a_text(tmp_path, "Kayıt açıldı", "netgsm").note == (
        "1 segment (turkish_single) over netgsm to TR"
    )


@pytest.mark.req("A13", "blocks")
def test_a_text_that_no_sms_can_hold_is_a_mistake(tmp_path: Path) -> None:
    [finding] = a_text(tmp_path, "ş" * 20_000).findings

    assert "an SMS has at most 255" in finding.message


@pytest.mark.req("A09", "blocks")
def test_a_service_text_that_promotes_is_a_mistake(tmp_path: Path) -> None:
    [finding] = a_text(tmp_path, "Kaydınız alındı. Bu ay İNDİRİM var!").findings

    assert not finding.warns
    assert "a service text promotes nothing, and this one says 'indirim'" in finding.message


@pytest.mark.req("A08", "blocks")
@pytest.mark.req("A08", "allows")
def test_a_commercial_text_that_hides_its_sender_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "note").mkdir()
    example = '{"brand": {"trade_name": "Deneme A.Ş."}}'
    (tmp_path / "note" / "example.json").write_text(example, encoding="utf-8")
    text = tmp_path / "note" / "sms.tr.j2"
    nobody = SenderProfile(trade_name="Deneme A.Ş.", email="a@deneme.example")
    ways = Ways(
        table=TABLE,
        providers=(),
        classes={"note": MessageClass.COMMERCIAL},
        law=replace(EVERY_LAW, sender=nobody),
    )

    text.write_text("Yeni kampanya!", encoding="utf-8")
    [hidden] = check(ways, tmp_path)
    [named] = check(replace(ways, law=EVERY_LAW), tmp_path)

    assert [finding.message for finding in hidden.findings if not finding.warns] == [
        "sent by a company: the brand's profile has no MERSIS number"
    ]
    assert named.findings == ()


def test_a_text_that_is_missing_is_told_by_channel_and_language(tmp_path: Path) -> None:
    a_text(tmp_path, "Kayit")
    (tmp_path / "note" / "topic.json").write_text('{"languages": ["tr", "en"]}', encoding="utf-8")

    found = gaps({"note": [Channel.SMS, Channel.EMAIL], "other": [Channel.SMS]}, tmp_path)

    assert all(finding.warns for finding in found)
    assert [(finding.file, finding.message) for finding in found[:2]] == [
        ("note", "there is no text for email in tr, en"),
        ("note", "there is no text for sms in en"),
    ]
    assert "there are no texts for a topic 'other'" in found[2].message


@pytest.mark.parametrize(
    ("text", "digested", "words"),
    [
        ("{{ digest.count }} hareket", {"note"}, ""),
        ("{% for one in digest.items %}{{ one.at }} {% endfor %}", {"note"}, ""),
        ("Bir hareket oldu", {"note"}, "note/sms.tr.j2:1:1: 'note' is a digest"),
        ("Hareket:\n{{ digest.count }}", set(), "note/sms.tr.j2:2:1: 'note' is no digest"),
        ("Bir hareket oldu", set(), ""),
    ],
)
def test_a_text_of_a_digest_tells_what_was_gathered_and_no_other_does(
    tmp_path: Path, text: str, digested: set[str], words: str
) -> None:
    example = '{"digest": {"count": 2, "items": [{"at": "10:00"}]}}'
    (tmp_path / "note").mkdir()
    (tmp_path / "note" / "sms.tr.j2").write_text(text, encoding="utf-8")
    (tmp_path / "note" / "example.json").write_text(example, encoding="utf-8")

    [checked] = check(
        Ways(table=TABLE, providers=(), classes=SERVICE, law=EVERY_LAW, digested=digested),
        tmp_path,
    )

    assert [one.startswith(words) for one in told(checked)] == ([True] if words else [])
