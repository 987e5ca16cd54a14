"""Words as phones write them: any case, any accents, blanks and marks, and slips of the thumb."""

import pytest
from hypothesis import given, strategies as st

from rules.keyword_files import keyword_books
from tellal.domain.keywords import (
    MOST_WORDS,
    Lexicon,
    Meaning,
    compact,
    fold,
    hear,
    matching,
    near,
)

BOOKS = keyword_books().books
TURKISH, POLISH = BOOKS["tr"].lexicon, BOOKS["pl"].lexicon
KEYWORDS = ["MARKA", "ŞOK", "İLERİ"]
WORDS = sorted(
    (name, word.compact, word.does)
    for name, book in BOOKS.items()
    for word in book.lexicon.words
    if word.does is not Meaning.NOTHING
)


def heard(text: str, lexicon: Lexicon = TURKISH) -> tuple[str, str] | None:
    found = hear(text, lexicon, KEYWORDS)
    return None if found is None else (found.does.value, found.keyword)


def turkish_capitals(text: str) -> str:
    """Write in capitals as a Turkish phone does."""
    return text.replace("i", "İ").replace("ı", "I").upper()


def turkish_small(text: str) -> str:
    return text.replace("I", "ı").replace("İ", "i").lower()


@pytest.mark.req("D09", "blocks")
@pytest.mark.parametrize(
    "text",
    [
        "RET", "ret", "Ret.", "  rEt !", "R E T", "RETT", "«ret»", "Red", "İPTAL", "IPTAL", "iptal",
        "ıptal", "İptall", "iptla", "STOP", "stop.", "S T O P", "Lütfen mesaj göndermeyin",
        "MESAJ GONDERME", "HAYIR", "Hayır", "unsubscribe", "unsubscibe", "UNSUBSCRİBE", "XYZ RET",
    ],
)  # fmt: skip
def test_a_refusal_is_heard_however_it_is_written(text: str) -> None:
    assert heard(text) == ("refuse", "")


@pytest.mark.req("D09", "blocks")
@pytest.mark.req("D04", "allows")
@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("MARKA RET", "MARKA"), ("marka ret", "MARKA"), ("MARKARET", "MARKA"),
        ("Marka, ret!", "MARKA"), ("RET MARKA", "MARKA"), ("ret-marka", "MARKA"),
        ("mraka ret", "MARKA"), ("marca ret", "MARKA"), ("sok ret", "ŞOK"), ("ŞOK STOP", "ŞOK"),
        ("ILERI RET", "İLERİ"), ("ileri ret", "İLERİ"), ("ıleri ret", "İLERİ"),
        ("Ileri Ret", "İLERİ"),
    ],
)  # fmt: skip
def test_a_refusal_names_its_brand(text: str, keyword: str) -> None:
    assert heard(text) == ("refuse", keyword)


@pytest.mark.req("D08", "blocks")
@pytest.mark.req("D08", "allows")
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("MARKA", ("grant", "MARKA")),
        ("marka onay", ("grant", "MARKA")),
        ("ONAY MARKA", ("grant", "MARKA")),
        ("ileri", ("grant", "İLERİ")),
        ("ONAY", ("grant", "")),
        ("START", ("grant", "")),
        ("onya", ("grant", "")),
        ("onaylamıyorum", ("refuse", "")),
        ("kabul etmiyorum", ("refuse", "")),
    ],
)
def test_agreement_is_heard_where_it_is_said(text: str, meant: tuple[str, str]) -> None:
    assert heard(text) == meant


@pytest.mark.req("D08", "blocks")
@pytest.mark.req("D09", "allows")
@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "?!", "Teşekkürler", "yok", "OFF", "evet", "tamam", "ONAZ", "onaylarim", "MARKO",
        "MARKA nerede", "kredi başvurum ne oldu", "ret " * (MOST_WORDS + 1), "👍",
        "Dün söylediğiniz gibi bugün ret cevabı aldım",
    ],
)  # fmt: skip
def test_what_may_mean_anything_means_nothing(text: str) -> None:
    assert heard(text) is None


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("Rezygnuję", "refuse"), ("REZYGNUJE", "refuse"), ("rezygnuej", "refuse"),
        ("nie chcę", "refuse"), ("WYŁĄCZ", "refuse"), ("wylacz", "refuse"), ("Zgoda", "grant"),
        ("ZGADZAM SIĘ", "grant"), ("brak zgody", "refuse"), ("Pomoc", "help"),
    ],
)  # fmt: skip
def test_polish_is_heard_with_and_without_its_accents(text: str, does: str) -> None:
    found = hear(text, POLISH)

    assert found is not None
    assert found.does == does


def test_nie_ma_is_left_to_those_who_are_without_supply() -> None:
    assert hear("NIE MA", POLISH) is None
    assert hear("NIE", POLISH) is not None


@given(word=st.sampled_from(WORDS), blanks=st.text(" .,!-\n", max_size=4), data=st.data())
def test_case_blanks_and_marks_never_matter(
    word: tuple[str, str, Meaning], blanks: str, data: st.DataObject
) -> None:
    name, said, does = word
    case = data.draw(st.sampled_from([str.upper, str.lower, turkish_capitals, turkish_small]))
    cut = data.draw(st.integers(0, len(said)))

    found = hear(
        f"{blanks}{case(said[:cut])}{blanks}{case(said[cut:])}{blanks}", BOOKS[name].lexicon
    )

    assert found is not None
    assert found.does is does


@given(st.text(max_size=60))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert compact(text) == compact(compact(text))


@given(st.text("abcçdefgğhıijklmnoöprsştuüvyzABCÇDEFGĞHIİJKLMNOÖPRSŞTUÜVYZ ", max_size=30))
def test_turkish_letters_are_the_same_in_every_case(text: str) -> None:
    for written in (turkish_capitals(text), turkish_small(text), text.upper(), text.lower()):
        assert fold(written) == fold(text)


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=3))
def test_any_text_at_all_is_heard_or_not(text: str, keywords: list[str]) -> None:
    found = hear(text, TURKISH, keywords)

    assert found is None or found.keyword in ("", *keywords)


@given(word=st.sampled_from([w for w in WORDS if w[2] is Meaning.REFUSE]), data=st.data())
def test_a_slip_in_a_refusal_never_becomes_agreement(
    word: tuple[str, str, Meaning], data: st.DataObject
) -> None:
    name, said, _ = word
    place = data.draw(st.integers(0, len(said) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnoprstuvyz"))
    slips = [said[:place] + letter + said[place + 1 :], said[:place] + letter + said[place:]]

    for slip in slips:
        found = hear(slip, BOOKS[name].lexicon)
        assert found is None or found.does is not Meaning.GRANT


@pytest.mark.parametrize(
    ("one", "other", "is_near"),
    [
        ("iptal", "iptal", True), ("iptal", "iptla", True), ("iptal", "ipta", True),
        ("iptal", "iptall", True), ("iptal", "iptel", True), ("iptal", "itpla", False),
        ("iptal", "ip", False), ("iptal", "optel", False), ("", "a", True),
    ],
)  # fmt: skip
def test_one_slip_is_near_and_two_are_not(one: str, other: str, *, is_near: bool) -> None:
    assert near(one, other) is near(other, one) is is_near


def test_keywords_that_differ_in_accents_only_are_told_apart_by_them() -> None:
    brands = {"SOK": "a", "ŞOK": "b"}

    assert matching("ŞOK", brands) == ["b"]
    assert matching("şok", brands) == ["a", "b"]
