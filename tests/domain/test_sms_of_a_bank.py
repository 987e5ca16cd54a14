"""Two texts of a bank in Turkish: what they cost as written, and what mending them saves."""

import pytest

from tellal.domain.sms.alphabets import Alphabet
from tellal.domain.sms.cost import costly_characters
from tellal.domain.sms.folding import Change, Folding
from tellal.domain.sms.segments import segmented

ALL = frozenset(Alphabet)
SINGLE_SHIFT = frozenset({Alphabet.TURKISH_SINGLE, Alphabet.UCS2})

# As such texts come out of an office program: typographic quotes around what is quoted.
AWARENESS = (
    "“Bilgilerinizi doğrulayın” diyen mesaj bizden gelmez. Bağlantıyı açmayın. Tereddüt ederseniz "
    "bize 0850 000 00 00 numaradan sorun ve acele etmeyiniz."
)
PROMOTION = (
    "Telefonunuza “IsCep” uygulamasini kurmak ister misiniz? Para transferi, fatura ve kart "
    "islemleriniz artik cebinizde."
)


@pytest.mark.req("A13", "blocks")
def test_the_awareness_text_takes_three_segments_as_it_was_written() -> None:
    sms = segmented(AWARENESS, alphabets=ALL)

    assert (len(AWARENESS), sms.alphabet, sms.count) == (148, Alphabet.UCS2, 3)
    assert [c.character for c in costly_characters(AWARENESS, alphabets=ALL)] == ["“", "”"]


@pytest.mark.req("A13", "allows")
def test_plain_quotes_bring_the_awareness_text_into_one_segment_with_its_letters_right() -> None:
    sms = segmented(AWARENESS, alphabets=SINGLE_SHIFT, folding=Folding.ASCII)

    assert (sms.alphabet, sms.units, sms.count) == (Alphabet.TURKISH_SINGLE, 155, 1)
    assert sms.folding is Folding.TYPOGRAPHIC
    assert "doğrulayın" in sms.text
    assert sms.changes == (
        Change(before="“", after='"', count=1),
        Change(before="”", after='"', count=1),
    )


@pytest.mark.req("A13", "blocks")
@pytest.mark.req("A13", "allows")
def test_the_code_of_the_operator_makes_the_awareness_text_two_segments() -> None:
    with_letters = segmented(
        AWARENESS, alphabets=SINGLE_SHIFT, reserved=5, folding=Folding.TYPOGRAPHIC
    )
    without = segmented(AWARENESS, alphabets=SINGLE_SHIFT, reserved=5, folding=Folding.ASCII)

    assert (with_letters.units, with_letters.count, with_letters.suffix_segments) == (160, 2, 1)
    assert (without.alphabet, without.units, without.count) == (Alphabet.GSM7, 153, 1)
    assert "dogrulayin" in without.text


@pytest.mark.req("A13", "blocks")
@pytest.mark.req("A13", "allows")
def test_a_text_in_ascii_pays_for_its_quotes_alone() -> None:
    as_written = segmented(PROMOTION)
    mended = segmented(PROMOTION, folding=Folding.TYPOGRAPHIC)

    assert (as_written.alphabet, as_written.count) == (Alphabet.UCS2, 2)
    assert [found.plain for found in costly_characters(PROMOTION)] == ['"', '"']
    assert (mended.alphabet, mended.count) == (Alphabet.GSM7, 1)
    assert mended.text == PROMOTION.replace("“", '"').replace("”", '"')
