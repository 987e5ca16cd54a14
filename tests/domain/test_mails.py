"""Mails are read as people and machines write them; a machine's are told from a person's."""

import pytest
from hypothesis import given, settings, strategies as st

from tellal.domain.applications import CUT, LONGEST_TEXT
from tellal.domain.mails import MalformedMailError, read_mail

pytestmark = pytest.mark.req("E32")

PLAIN = (
    "From: =?utf-8?q?Ay=C5=9Fe_Y=C4=B1lmaz?= <Ayse@Example.com>\r\n"
    "To: info@porsuk.example\r\n"
    "Subject: =?utf-8?b?U2F5YcOnIMOnb2sgeWF6xLF5b3I=?=\r\n"
    "Message-ID: <1@example.com>\r\n"
    "{more}"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "\r\n"
    "Merhaba,\r\n\r\n\r\nsayacım çok yazıyor.\r\n"
)


def plain(*headers: str) -> bytes:
    return PLAIN.format(more="".join(f"{one}\r\n" for one in headers)).encode()


def test_a_plain_mail_says_who_writes_what() -> None:
    mail = read_mail(plain())

    assert mail.sender == "Ayse@Example.com"
    assert mail.subject == "Sayaç çok yazıyor"
    assert mail.text == "Merhaba,\n\nsayacım çok yazıyor."
    assert mail.reference == "<1@example.com>"
    assert mail.attachments == []
    assert not mail.automatic


HTML = (
    b"From: a@b.example\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/html; charset=iso-8859-9\r\n\r\n"
    b"<html><head><title>no</title><style>p{}</style></head>"
    b"<body><p>Saya\xe7 <b>yan</b>l\xfd\xfe</p>"
    b"<script>alert(1)</script><div>a &lt; b<br>c</div></body></html>\r\n"
    b"--x\r\nContent-Type: application/pdf\r\n"
    b"Content-Disposition: attachment; filename*=utf-8''fatura%20%C3%BC.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n"
    b"--x\r\nContent-Type: image/png\r\nContent-Disposition: inline; filename=logo.png\r\n\r\n\r\n"
    b"--x--\r\n"
)


def test_markup_is_left_out_and_attachments_are_noted() -> None:
    mail = read_mail(HTML)

    assert mail.text == "Sayaç yanlış\n\na < b\nc"
    assert mail.subject == "Sayaç yanlış"
    assert mail.attachments == [{"name": "fatura ü.pdf", "type": "application/pdf"}]
    assert mail.reference.startswith("sha256:")


def test_the_plain_words_win_over_those_with_markup() -> None:
    raw = (
        b"From: a@b.example\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/html\r\n\r\n<p>marked</p>\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nplain\r\n--x--\r\n"
    )

    assert read_mail(raw).text == "plain"


def test_what_is_long_is_cut_and_what_was_cut_off_is_read() -> None:
    long = read_mail(plain() + b"x" * 50_000)
    half = read_mail(HTML[: HTML.index(b"JVBER")])

    assert len(long.text) == LONGEST_TEXT
    assert long.text.endswith(CUT)
    assert half.text.startswith("Sayaç")


def test_letters_that_nobody_knows_are_read_as_far_as_they_go() -> None:
    kind = b"Content-Type: text/plain; charset=x-unknown"
    raw = b"From: a@b.example\r\n" + kind + b"\r\n\r\nsaya\xc3\xa7\x00\r\n"

    assert read_mail(raw).text == "sayaç"


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated; type=x",
        "List-Id: <news.example>",
        "List-Unsubscribe: <mailto:x@example.com>",
        "Precedence: bulk",
        "Return-Path: <>",
        "X-Autoreply: yes",
    ],
)
def test_what_no_person_writes_is_told_from_what_one_does(header: str) -> None:
    assert read_mail(plain(header)).automatic


@pytest.mark.parametrize("header", ["Auto-Submitted: no", "Return-Path: <a@b.example>"])
def test_what_a_person_writes_is_not_automatic(header: str) -> None:
    assert not read_mail(plain(header)).automatic


def test_a_report_of_a_mail_server_is_automatic() -> None:
    raw = b"From: MAILER-DAEMON@x.example\r\nContent-Type: text/plain\r\n\r\nfailed\r\n"

    assert read_mail(raw).automatic


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"Subject: nobody\r\n\r\nwrote\r\n",
        b"From: undisclosed:;\r\n\r\nx",
        b"From: a@b.example, c@d.example\r\n\r\nx",
        b"From: nowhere\r\n\r\nx",
    ],
)
def test_a_mail_of_nobody_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedMailError):
        read_mail(raw)


@settings(max_examples=300)
@given(st.binary(max_size=400), st.integers(0, len(HTML)))
def test_whatever_comes_is_a_mail_or_malformed(junk: bytes, place: int) -> None:
    for raw in (junk, b"From: a@b.example\r\n" + junk, HTML[:place] + junk + HTML[place:]):
        try:
            mail = read_mail(raw)
        except MalformedMailError:
            continue
        assert "\x00" not in mail.text + mail.subject + mail.reference
