"""What folding puts in place of what."""

import pytest

from tellal.domain.sms.alphabets import Alphabet, missing
from tellal.domain.sms.folding import Change, Folding, fold


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("‘a’ “b” «c» ‹d›", "'a' \"b\" \"c\" 'd'"),
        ("1–2 — 3 ‐ −4", "1-2 - 3 - -4"),
        ("bekleyin…", "bekleyin..."),
        ("10\u00a0000\u202f\u2009\tTL", "10 000   TL"),
        ("so\u00adft \u200bwidth\ufeff", "soft width"),
        ("İstanbul`da ğüşıöç", "İstanbul'da ğüşıöç"),
        ("Łódź", "Łódź"),
        pytest.param("s\u0327 o\u0308 s\u200b\u0327", "ş ö ş", id="letters in pieces"),
        pytest.param("\u212b \u2126", "Å Ω", id="units of measure"),
        pytest.param("\u0958 \U0001d15e", "\u0958 \U0001d15e", id="never taken apart"),
        pytest.param("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧", id="joined emoji"),
    ],
)
def test_typographic_folding_leaves_letters_alone(text: str, plain: str) -> None:
    assert fold(text, Folding.TYPOGRAPHIC).text == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("ğĞ şŞ ıİ ç", "gG sS iI c"),
        ("âîû ÂÎÛ", "aiu AIU"),
        ("ąćęłńóśźż ĄĆĘŁŃÓŚŹŻ", "acelnoszz ACELNOSZZ"),
        ("öüÇ éè ñ ß", "öüÇ éè ñ ß"),
        ("“Şifre…”", '"Sifre..."'),
        pytest.param("s\u0327\u0301 ł\u0301", "s l", id="two accents"),
        pytest.param("Дα中😀", "Дα中😀", id="other scripts stay"),
    ],
)
def test_ascii_folding_takes_only_letters_that_gsm7_has_not(text: str, plain: str) -> None:
    assert fold(text, Folding.ASCII).text == plain


def test_every_turkish_and_polish_letter_finds_a_place_in_gsm7() -> None:
    letters = "abcçdefgğhıijklmnoöprsştuüvyzâîû" + "aąbcćdeęfghijklłmnńoóprsśtuwyzźż"
    capitals = "ABCÇDEFGĞHIİJKLMNOÖPRSŞTUÜVYZÂÎÛ" + "AĄBCĆDEĘFGHIJKLŁMNŃOÓPRSŚTUWYZŹŻ"

    folded = fold(letters + capitals, Folding.ASCII).text

    assert not missing(folded, Alphabet.GSM7)
    assert len(folded) == len(letters + capitals)


def test_what_was_changed_is_reported_in_the_order_of_the_text() -> None:
    assert fold("Şu “ş” ve “ı”", Folding.ASCII).changes == (
        Change(before="Ş", after="S", count=1),
        Change(before="“", after='"', count=2),
        Change(before="ş", after="s", count=1),
        Change(before="”", after='"', count=2),
        Change(before="ı", after="i", count=1),
    )


@pytest.mark.req("A13", "blocks")
def test_never_is_never() -> None:
    folded = fold("“ş”", Folding.NEVER)

    assert (folded.text, folded.changes) == ("“ş”", ())
