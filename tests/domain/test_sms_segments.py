"""How many segments a text takes, in which alphabet, and what it costs."""

from decimal import Decimal

import pytest

from tellal.domain.errors import InvalidInputError
from tellal.domain.sms.alphabets import Alphabet, capacity
from tellal.domain.sms.cost import CostlyCharacter, costly_characters, price_of
from tellal.domain.sms.folding import Folding
from tellal.domain.sms.packing import packed
from tellal.domain.sms.segments import segmented

PANGRAM = "Pijamalı hasta yağız şoföre çabucak güvendi."
ALL = frozenset(Alphabet)
SINGLE_SHIFT = frozenset({Alphabet.TURKISH_SINGLE, Alphabet.UCS2})
SEVEN_BIT_ONLY = frozenset({Alphabet.GSM7})


@pytest.mark.parametrize(
    ("alphabet", "whole", "part"),
    [
        (Alphabet.GSM7, 160, 153),
        (Alphabet.TURKISH_SINGLE, 155, 149),
        (Alphabet.TURKISH_LOCKING, 155, 149),
        (Alphabet.TURKISH_BOTH, 152, 146),
        (Alphabet.UCS2, 70, 67),
    ],
)
def test_a_header_takes_room_from_the_text(alphabet: Alphabet, whole: int, part: int) -> None:
    assert capacity(alphabet, concatenated=False) == whole
    assert capacity(alphabet, concatenated=True) == part


@pytest.mark.parametrize(
    ("text", "alphabet", "count", "left"),
    [
        pytest.param("", Alphabet.GSM7, 1, 160, id="an empty text is sent all the same"),
        pytest.param("a" * 160, Alphabet.GSM7, 1, 0, id="160"),
        pytest.param("a" * 161, Alphabet.GSM7, 2, 145, id="161"),
        pytest.param("a" * 306, Alphabet.GSM7, 2, 0, id="306"),
        pytest.param("a" * 307, Alphabet.GSM7, 3, 152, id="307"),
        pytest.param("€" * 80, Alphabet.GSM7, 1, 0, id="80 euros"),
        pytest.param("€" * 81, Alphabet.GSM7, 2, 143, id="81 euros, 76 to a part"),
        pytest.param("a" * 152 + "€" + "a" * 20, Alphabet.GSM7, 2, 131, id="a pair at 153"),
        pytest.param("a" * 152 + "€" + "a" * 152, Alphabet.GSM7, 3, 152, id="a septet lost"),
        pytest.param("Ç" * 160, Alphabet.GSM7, 1, 0, id="capital Ç is at home"),
        pytest.param("ç" * 10, Alphabet.UCS2, 1, 60, id="small ç is not"),
        pytest.param("ş" * 70, Alphabet.UCS2, 1, 0, id="70 ş"),
        pytest.param("ş" * 71, Alphabet.UCS2, 2, 63, id="71 ş"),
        pytest.param("ł" * 134, Alphabet.UCS2, 2, 0, id="134 ł"),
        pytest.param("ł" * 135, Alphabet.UCS2, 3, 66, id="135 ł"),
        pytest.param("😀" * 35, Alphabet.UCS2, 1, 0, id="35 emoji"),
        pytest.param("😀" * 36, Alphabet.UCS2, 2, 61, id="36 emoji, 33 to a part"),
    ],
)
def test_known_counts(text: str, alphabet: Alphabet, count: int, left: int) -> None:
    sms = segmented(text)

    assert (sms.alphabet, sms.count, sms.left) == (alphabet, count, left)
    assert sms.text == text


def test_an_escape_and_its_code_stay_together() -> None:
    sms = segmented("a" * 152 + "€" + "b" * 20)

    assert sms.segments == ("a" * 152, "€" + "b" * 20)
    assert sms.units == 174


def test_surrogates_stay_together() -> None:
    assert segmented("ş" * 66 + "😀" + "ş" * 10).segments == ("ş" * 66, "😀" + "ş" * 10)


@pytest.mark.parametrize(
    "sign",
    [
        pytest.param("👩\u200d👩\u200d👧", id="family"),
        pytest.param("👍🏽", id="skin tone"),
        pytest.param("🇹🇷", id="flag"),
        pytest.param(
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", id="Scotland"
        ),
        pytest.param("s\u0327", id="cedilla of its own"),
        pytest.param("\r\n", id="end of a line"),
    ],
)
def test_a_sign_is_not_cut(sign: str) -> None:
    assert segmented("ş" * 66 + sign + "ş" * 10).segments == ("ş" * 66, sign + "ş" * 10)


def test_two_flags_are_two_signs() -> None:
    sms = segmented("ş" * 63 + "🇹🇷🇵🇱" + "ş" * 10)

    assert sms.segments == ("ş" * 63 + "🇹🇷", "🇵🇱" + "ş" * 10)


def test_a_sign_is_cut_where_that_saves_a_segment() -> None:
    sms = segmented("ş" * 65 + "👍🏽" + "ş" * 65)

    assert sms.segments == ("ş" * 65 + "👍", "🏽" + "ş" * 65)


def test_a_sign_longer_than_a_segment_is_cut() -> None:
    towering = "s" + "\u0327" * 100

    assert segmented(towering).segments == (towering[:67], towering[67:])


@pytest.mark.parametrize(
    ("alphabet", "units"),
    [
        (Alphabet.TURKISH_SINGLE, 49),
        (Alphabet.TURKISH_LOCKING, 44),
        (Alphabet.TURKISH_BOTH, 44),
        (Alphabet.UCS2, 44),
    ],
)
def test_the_pangram_in_each_alphabet(alphabet: Alphabet, units: int) -> None:
    sms = segmented(PANGRAM, alphabets={alphabet})

    assert (sms.alphabet, sms.units, sms.text) == (alphabet, units, PANGRAM)


@pytest.mark.parametrize(
    ("alphabet", "times", "count"),
    [
        (Alphabet.TURKISH_SINGLE, 3, 1),
        (Alphabet.TURKISH_SINGLE, 4, 2),
        (Alphabet.TURKISH_LOCKING, 6, 2),
        (Alphabet.TURKISH_LOCKING, 7, 3),
        (Alphabet.TURKISH_BOTH, 6, 2),
        (Alphabet.UCS2, 3, 2),
        (Alphabet.UCS2, 4, 3),
    ],
)
def test_pangrams_in_a_row(alphabet: Alphabet, times: int, count: int) -> None:
    assert segmented(PANGRAM * times, alphabets={alphabet}).count == count


def test_the_pangram_in_gsm7_loses_its_letters_only_if_that_is_allowed() -> None:
    with pytest.raises(InvalidInputError, match="not in GSM-7: ç ğ ı ş"):
        segmented(PANGRAM, alphabets=SEVEN_BIT_ONLY)

    sms = segmented(PANGRAM, alphabets=SEVEN_BIT_ONLY, folding=Folding.ASCII)

    assert sms.text == "Pijamali hasta yagiz soföre cabucak güvendi."
    assert sms.units == 44


@pytest.mark.parametrize(
    ("text", "alphabet"),
    [
        pytest.param("a" * 155, Alphabet.GSM7, id="nothing Turkish"),
        pytest.param("ş" * 77, Alphabet.TURKISH_SINGLE, id="single shift is enough"),
        pytest.param("ş" * 78, Alphabet.TURKISH_LOCKING, id="locking shift saves one"),
        pytest.param("ş" * 60 + "à" * 35, Alphabet.TURKISH_SINGLE, id="both tables have à"),
        pytest.param("ş" * 70 + "ì", Alphabet.TURKISH_SINGLE, id="locking shift has no ì"),
        pytest.param("ş" * 60 + "ą", Alphabet.UCS2, id="Polish and Turkish"),
    ],
)
def test_the_cheapest_alphabet_is_taken(text: str, alphabet: Alphabet) -> None:
    assert segmented(text, alphabets=ALL).alphabet is alphabet


@pytest.mark.parametrize(
    ("length", "count"), [(155, 1), (156, 2), (301, 2), (302, 3), (454, 3), (455, 4), (607, 4)]
)
def test_the_code_of_turkish_operators_counts(length: int, count: int) -> None:
    assert segmented("a" * length, reserved=5).count == count


def test_a_suffix_that_makes_another_segment_is_told() -> None:
    beside = segmented("a" * 155, reserved=5)
    beyond = segmented("a" * 160, reserved=5)
    alone = segmented("a" * 306, reserved=5)

    assert (beside.count, beside.suffix_segments, beside.left) == (1, 0, 0)
    assert (beyond.count, beyond.suffix_segments, beyond.units) == (2, 1, 165)
    assert alone.segments == ("a" * 153, "a" * 153, "")
    assert (alone.suffix_segments, alone.left) == (1, 148)


def test_a_suffix_is_counted_in_units_of_the_alphabet() -> None:
    assert segmented("ş" * 65, reserved=5).left == 0
    assert segmented("ş" * 66, reserved=5).suffix_segments == 1


def test_no_sms_is_longer_than_255_segments() -> None:
    longest = "a" * 255 * 153

    assert segmented(longest).count == 255
    with pytest.raises(InvalidInputError, match="takes 256 segments"):
        segmented(longest + "a")


def test_the_price_is_known_before_sending() -> None:
    sms = segmented("ş" * 71)

    assert price_of(sms.count, Decimal("0.0435")) == Decimal("0.0870")


def test_the_characters_that_cost_are_named() -> None:
    costly = costly_characters("İyi günler… 😀…")

    assert costly == (
        CostlyCharacter(
            character="İ", name="LATIN CAPITAL LETTER I WITH DOT ABOVE", count=1, plain="I"
        ),
        CostlyCharacter(character="…", name="HORIZONTAL ELLIPSIS", count=2, plain="..."),
        CostlyCharacter(character="😀", name="GRINNING FACE", count=1, plain=None),
    )


@pytest.mark.parametrize(
    ("text", "alphabets", "named"),
    [
        pytest.param("Plain: €5", ALL, "", id="nothing"),
        pytest.param(PANGRAM, SEVEN_BIT_ONLY, "ığşç", id="Turkish on a route without it"),
        pytest.param(PANGRAM, SINGLE_SHIFT, "", id="Turkish where it is known"),
        pytest.param(PANGRAM + "“", ALL, "“", id="only what no table has"),
        pytest.param("ğì", frozenset({Alphabet.TURKISH_LOCKING}), "ğ", id="one table is not both"),
        pytest.param("\x00", ALL, "\x00", id="a character without a name"),
    ],
)
def test_only_what_forces_ucs2_is_named(
    text: str, alphabets: frozenset[Alphabet], named: str
) -> None:
    costly = costly_characters(text, alphabets=alphabets)

    assert "".join(found.character for found in costly) == named
    assert all(found.name for found in costly)


def test_letters_are_kept_where_folding_saves_nothing() -> None:
    sms = segmented("Elektrik kesintisi “sürüyor”…", folding=Folding.ASCII)

    assert sms.text == "Elektrik kesintisi “sürüyor”…"
    assert (sms.folding, sms.changes) == (Folding.NEVER, ())


def test_folding_never_makes_an_sms_longer() -> None:
    dots = "…" * 70

    sms = segmented(dots, folding=Folding.ASCII)

    assert (sms.text, sms.count) == (dots, 1)
    assert packed("..." * 70, Alphabet.GSM7).left == 96
