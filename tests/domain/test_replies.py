"""Answers to an all-clear: however it is spelled, and nothing else."""

import unicodedata

import pytest
from hypothesis import given, strategies as st

from tellal.domain.replies import means_still_out

ANSWERS = ["yok", "hala yok", "off", "still off", "still out", "nie ma", "niema", "brak"]
MARKS = st.text(alphabet=" \t\n.,!?…'\"-", max_size=4)


def cases(letter: str) -> st.SearchStrategy[str]:
    """Write a letter as phones do, in Turkish or not."""
    written = {letter, letter.upper()}
    written |= {"i": {"İ", "ı"}, "a": {"â", "Â", "A"}}.get(letter, set())
    return st.sampled_from(sorted(written))


@st.composite
def spelled(draw: st.DrawFn) -> str:
    """Spell an answer in any case, with any marks around, composed or not."""
    words = draw(st.sampled_from(ANSWERS)).split()
    written = ["".join(draw(cases(letter)) for letter in word) for word in words]
    blank = draw(st.sampled_from([" ", "  ", "\n", " - "]))
    said = draw(MARKS) + blank.join(written) + draw(MARKS)
    return unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), said)


@given(spelled())
def test_an_answer_is_understood_however_it_is_spelled(text: str) -> None:
    assert means_still_out(text)


@given(spelled(), st.text(alphabet="abcdeghjk ", min_size=1).filter(str.strip))
def test_whoever_says_more_means_something_else(text: str, more: str) -> None:
    assert not means_still_out(f"{text} {more}")


@given(st.text(max_size=40))
def test_any_text_may_come(text: str) -> None:
    assert means_still_out(text) in {True, False}


@pytest.mark.parametrize(
    "text", ["YOK", "Yok.", "OFF", "NIE MA", "Nie ma!", "HÂLÂ YOK", "hâlâ yok"]
)
def test_what_the_all_clear_invites_is_understood(text: str) -> None:
    assert means_still_out(text)


@pytest.mark.parametrize(
    "text", ["", "…", "geldi", "yoktu", "yo k", "of f", "offer", "ma", "nie", "var", "STOP", "TAK"]
)
def test_other_words_are_not(text: str) -> None:
    assert not means_still_out(text)
