"""The files of keywords: strict to read, and answers without a word of promotion."""

from pathlib import Path

import pytest

from rules.keyword_files import keyword_books, read_keywords
from rules.law_texts import shipped_text_laws
from rules.source import SHIPPED_LAW
from tellal.domain.errors import RulebookError
from tellal.domain.keywords import Meaning, ReplyKind, compact, fold

BOOKS = keyword_books().books
PROMOTES = (
    "kampanya", "indirim", "firsat", "hediye", "kazan", "tekrar almak", "yeniden", "promo",
    "oferta", "okazja", "rabat", "znizka", "offer", "discount", "deal", "gift", "win ", "angebot",
    "rabatt", "http", "www",
)  # fmt: skip
"""Words that have no place in an answer; none invites to come back, either."""

TEXTS = [
    pytest.param(text, id=f"{name}-{kind}-{language}")
    for name, book in BOOKS.items()
    for kind, texts in (*book.replies.items(), *book.parts.items())
    for language, text in texts.items()
]


@pytest.mark.req("D10", "blocks")
@pytest.mark.parametrize("text", TEXTS)
def test_no_answer_promotes_anything(text: str) -> None:
    assert [word for word in PROMOTES if word in fold(text)] == []


@pytest.mark.req("D06", "allows")
@pytest.mark.req("D49", "allows")
@pytest.mark.parametrize("name", BOOKS)
def test_the_word_that_footers_ask_for_is_heard_as_a_refusal(name: str) -> None:
    asked_for = shipped_text_laws().by_pack[name].stop_word

    heard = BOOKS[name].lexicon.exact(compact(asked_for))

    assert heard is not None
    assert heard.does is Meaning.REFUSE


@pytest.mark.req("D48", "blocks")
@pytest.mark.parametrize("name", BOOKS)
def test_whoever_refuses_is_asked_nothing(name: str) -> None:
    for text in BOOKS[name].replies[ReplyKind.REFUSED].values():
        assert "?" not in text
        assert not {"neden", "why", "dlaczego", "powod", "warum"} & set(fold(text).split())


@pytest.mark.req("D49", "allows")
@pytest.mark.parametrize("name", BOOKS)
def test_agreement_and_help_say_how_to_refuse_for_nothing(name: str) -> None:
    free = ("ucretsiz", "free of charge", "bezplatnie", "kostenlos")
    for kind in (ReplyKind.GRANTED, ReplyKind.HELP):
        for text in BOOKS[name].replies[kind].values():
            assert "{how}" in text
            assert any(word in fold(text) for word in free)


def test_the_languages_of_a_country_are_spoken_its_own_first() -> None:
    assert {name: book.languages for name, book in BOOKS.items()} == {
        "eu": ("en", "de"),
        "tr": ("tr", "en"),
        "pl": ("pl", "en"),
    }
    assert BOOKS["tr"].language("pl-PL", "en") == "en"
    assert BOOKS["tr"].language("pl-PL") == "tr"


@pytest.mark.parametrize(
    ("was", "becomes", "wrong"),
    [
        ("version: 1", "version: 2", "says 'version: 1'"),
        ("does: refuse", "does: refuze", "'refuze' is not one of"),
        ("[stop,", "[agree,", "'agree' means both"),
        ("[stop,", "[agre,", "'agre' is one letter away from a word of agreement"),
        ("[stop,", '["!",', "'!' is no word"),
        ("{brand}", "{brandt}", "the text of 'refused' names {brand}, and nothing else"),
        ("{brand}", "{brand", "the text of 'refused' names {brand}, and nothing else"),
        ("  - id: which\n", "  - id: wich\n", "'wich' is not one of"),
        ('      de: "Ihr Widerspruch', '      fr: "Ihr Widerspruch', "in the same languages"),
        ("most: 3", "most: many", "'most' is a whole number"),
        ("id: replies_a_day", "id: replies_an_hour", "the limits are 'replies_a_day'"),
        ("means: He wants it to end", "meens: He wants it to end", "unknown key 'meens'"),
    ],
)
def test_a_file_that_is_wrong_says_where(
    tmp_path: Path, was: str, becomes: str, wrong: str
) -> None:
    shipped = (SHIPPED_LAW / "eu" / "keywords.yaml").read_text(encoding="utf-8")
    assert was in shipped
    path = tmp_path / "keywords.yaml"
    path.write_text(shipped.replace(was, becomes, 1), encoding="utf-8")

    with pytest.raises(RulebookError) as refused:
        read_keywords(path)

    assert wrong in str(refused.value)
