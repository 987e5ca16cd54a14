"""What holds for every SMS."""

from hypothesis import given, strategies as st

from tellal.domain.errors import InvalidInputError
from tellal.domain.sms.alphabets import TABLES, Alphabet, capacity, missing, units
from tellal.domain.sms.folding import Folding, fold
from tellal.domain.sms.packing import Packing, packed
from tellal.domain.sms.segments import segmented
from tellal.domain.sms.signs import signs

CHARACTERS = st.sampled_from(
    "aZ \n\r@Çöèì¡€[^\fçğıİşŞĞąłóâ“”’–…`´\t\u00a0\u00ad\u200b\u200d\u0327\u0301\ufe0f"
    "\u0958\u212b\u1fef中😀👩👍🏽🇹🇷🏴\U000e0067\U000e007f"
)
# Runs reach the borders of segments, which characters drawn one by one seldom do.
RUNS = st.lists(st.tuples(CHARACTERS, st.integers(1, 160)), max_size=6).map(
    lambda runs: "".join(character * times for character, times in runs)
)
TEXTS = RUNS | st.text(CHARACTERS, max_size=40) | st.text(max_size=40)
SUFFIXES = st.integers(0, 20)
ALPHABETS = st.sampled_from(Alphabet)
ROUTES = st.frozensets(ALPHABETS).map(lambda route: route | {Alphabet.UCS2})
FOLDINGS = st.sampled_from(Folding)


def writable(text: str, alphabet: Alphabet) -> str:
    strange = missing(text, alphabet)
    return "".join(character for character in text if character not in strange)


def room(packing: Packing, alphabet: Alphabet) -> int:
    return capacity(alphabet, concatenated=len(packing.segments) > 1)


@given(TEXTS, ALPHABETS, SUFFIXES)
def test_segments_are_the_text_and_each_fits(text: str, alphabet: Alphabet, suffix: int) -> None:
    text = writable(text, alphabet)

    packing = packed(text, alphabet, suffix=suffix)

    assert "".join(packing.segments) == text
    assert packing.units == units(text, alphabet) + suffix
    assert all(units(part, alphabet) <= room(packing, alphabet) for part in packing.segments)
    assert 0 <= packing.left <= room(packing, alphabet)


@given(TEXTS, SUFFIXES)
def test_utf16_agrees_and_no_surrogate_is_alone(text: str, suffix: int) -> None:
    for segment in packed(text, Alphabet.UCS2, suffix=suffix).segments:
        written = segment.encode("utf-16-be")
        assert len(written) == 2 * units(segment, Alphabet.UCS2) <= 140
        assert written.decode("utf-16-be") == segment


@given(TEXTS, ALPHABETS, SUFFIXES, st.data())
def test_a_character_more_never_makes_fewer_segments(
    text: str, alphabet: Alphabet, suffix: int, data: st.DataObject
) -> None:
    text = writable(text, alphabet)
    place = data.draw(st.integers(0, len(text)))
    added = writable(data.draw(CHARACTERS), alphabet)

    before = packed(text, alphabet, suffix=suffix)
    after = packed(text[:place] + added + text[place:], alphabet, suffix=suffix)

    assert len(after.segments) >= len(before.segments)


@given(TEXTS, ALPHABETS, SUFFIXES)
def test_no_segment_could_have_been_spared(text: str, alphabet: Alphabet, suffix: int) -> None:
    packing = packed(writable(text, alphabet), alphabet, suffix=suffix)

    # At most one unit of a part is lost, to a pair that did not fit.
    before_the_last = len(packing.segments) - 1
    assert packing.units > before_the_last * (room(packing, alphabet) - 1) or not before_the_last


@given(TEXTS)
def test_signs_are_the_text(text: str) -> None:
    assert "".join(signs(text)) == text


@given(TEXTS, FOLDINGS)
def test_folding_twice_is_folding_once(text: str, folding: Folding) -> None:
    once = fold(text, folding).text

    assert fold(once, folding).text == once
    assert fold(once, folding).changes == ()


@given(TEXTS, FOLDINGS)
def test_changes_are_reported_when_there_are_any(text: str, folding: Folding) -> None:
    folded = fold(text, folding)

    assert bool(folded.changes) == (folded.text != text)


@given(TEXTS, ROUTES, SUFFIXES, FOLDINGS)
def test_nothing_allowed_is_cheaper(
    text: str, route: frozenset[Alphabet], suffix: int, folding: Folding
) -> None:
    sms = segmented(text, alphabets=route, reserved=suffix, folding=folding)

    for allowed in list(Folding)[: list(Folding).index(folding) + 1]:
        for alphabet in route | {Alphabet.GSM7}:
            other = fold(text, allowed).text
            if not missing(other, alphabet):
                assert sms.count <= len(packed(other, alphabet, suffix=suffix).segments)


@given(TEXTS, ROUTES, SUFFIXES, FOLDINGS)
def test_what_is_told_of_an_sms_is_so(
    text: str, route: frozenset[Alphabet], suffix: int, folding: Folding
) -> None:
    sms = segmented(text, alphabets=route, reserved=suffix, folding=folding)

    assert sms.text == fold(text, sms.folding).text
    assert sms.alphabet in route | {Alphabet.GSM7}
    assert not missing(sms.text, sms.alphabet)
    assert sms.units == units(sms.text, sms.alphabet) + suffix
    bare = segmented(text, alphabets=route, folding=folding)
    assert sms.suffix_segments == sms.count - bare.count >= 0


@given(TEXTS, st.sampled_from(list(TABLES)))
def test_a_route_without_ucs2_writes_what_its_tables_have_and_says_so_of_the_rest(
    text: str, alphabet: Alphabet
) -> None:
    try:
        sms = segmented(text, alphabets={alphabet})
    except InvalidInputError:
        assert missing(text, Alphabet.GSM7)
        assert missing(text, alphabet)
    else:
        assert sms.alphabet in {Alphabet.GSM7, alphabet}
