"""Texts as octets and back, by the tables of 3GPP and with headers as phones read them."""

import pytest
from hypothesis import given, strategies as st

from tellal.domain.sms.alphabets import TABLES, Alphabet, capacity
from tellal.domain.sms.packing import packed
from tellal.smpp.pdus import UnreadableError
from tellal.smpp.texts import HAS_HEADER, UCS2, Place, segments_of, written_in

SEVEN_BITS = list(TABLES)


def read_back(text: str, alphabet: Alphabet) -> str:
    return "".join(
        written_in(one.octets, esm_class=one.esm_class, data_coding=one.data_coding).text
        for one in segments_of(text, alphabet, name="m1")
    )


@pytest.mark.parametrize("alphabet", SEVEN_BITS)
def test_each_letter_of_our_tables_is_where_3gpp_has_it(alphabet: Alphabet) -> None:
    table = TABLES[alphabet]
    for letter in table.basic | table.extension:
        [octets] = segments_of(letter, alphabet, name="m1")
        header = octets.octets[0] + 1 if octets.esm_class & HAS_HEADER else 0
        width = len(octets.octets) - header
        assert width == (1 if letter in table.basic else 2), letter
        assert read_back(letter, alphabet) == letter


@given(text=st.text(sorted(TABLES[Alphabet.TURKISH_BOTH].basic), max_size=700))
def test_a_turkish_text_comes_back_as_it_was(text: str) -> None:
    assert read_back(text, Alphabet.TURKISH_LOCKING) == text


@given(text=st.text(max_size=400).filter(lambda one: one.isprintable()))
def test_any_text_comes_back_as_it_was_in_ucs2(text: str) -> None:
    assert read_back(text, Alphabet.UCS2) == text


@pytest.mark.parametrize(
    ("alphabet", "header"),
    [
        (Alphabet.GSM7, ""),
        (Alphabet.TURKISH_SINGLE, "03240101"),
        (Alphabet.TURKISH_LOCKING, "03250101"),
        (Alphabet.TURKISH_BOTH, "06240101250101"),
        (Alphabet.UCS2, ""),
    ],
)
def test_a_short_text_tells_its_table_and_nothing_else(alphabet: Alphabet, header: str) -> None:
    [octets] = segments_of("Ali", alphabet, name="m1")

    wide = alphabet is Alphabet.UCS2
    assert octets.octets.hex() == header + ("Ali".encode("utf-16-be") if wide else b"Ali").hex()
    assert octets.data_coding == (UCS2 if wide else 0)
    assert octets.esm_class == (HAS_HEADER if header else 0)


@pytest.mark.parametrize("alphabet", [*SEVEN_BITS, Alphabet.UCS2])
def test_a_long_text_is_cut_where_it_is_priced_and_says_which_part_is_which(
    alphabet: Alphabet,
) -> None:
    text = "Elektrik kesintisi 14.00'te sona erecek. " * 12
    pieces = packed(text, alphabet).segments

    segments = segments_of(text, alphabet, name="m1")

    found = [
        written_in(one.octets, esm_class=one.esm_class, data_coding=one.data_coding)
        for one in segments
    ]
    assert [one.text for one in found] == list(pieces)
    keys = {one.place.key for one in found if one.place}
    assert len(keys) == 1
    assert [one.place for one in found] == [
        Place(key=keys.copy().pop(), number=number, total=len(pieces))
        for number in range(1, len(pieces) + 1)
    ]
    # What the air carries: septets packed, behind the header.
    for one in segments:
        header = one.octets[0] + 1
        units = (len(one.octets) - header) // (2 if alphabet is Alphabet.UCS2 else 1)
        assert units <= capacity(alphabet, concatenated=True)


def test_the_same_message_has_the_same_key_when_it_is_sent_again() -> None:
    text = "x" * 400
    again = segments_of(text, Alphabet.GSM7, name="01J")

    assert segments_of(text, Alphabet.GSM7, name="01J") == again
    assert segments_of(text, Alphabet.GSM7, name="01K") != again


def test_a_key_of_two_octets_is_read_as_well() -> None:
    header = bytes([6, 0x08, 4, 0x12, 0x34, 2, 1])

    found = written_in(header + b"RET", esm_class=HAS_HEADER, data_coding=0)

    assert (found.text, found.place) == ("RET", Place(key=0x1234, number=1, total=2))


@pytest.mark.parametrize(
    ("octets", "esm_class", "data_coding"),
    [
        pytest.param(b"\x20ab", HAS_HEADER, 0, id="a header longer than the text"),
        pytest.param(b"", HAS_HEADER, 0, id="a header that is not there"),
        pytest.param(b"\x01\x02", 0, 0x04, id="binary"),
    ],
)
def test_what_is_no_text_is_refused(octets: bytes, esm_class: int, data_coding: int) -> None:
    with pytest.raises(UnreadableError):
        written_in(octets, esm_class=esm_class, data_coding=data_coding)


@given(octets=st.binary(max_size=200), esm_class=st.integers(0, 255), coding=st.integers(0, 255))
def test_whatever_comes_is_read_or_refused(octets: bytes, esm_class: int, coding: int) -> None:
    try:
        found = written_in(octets, esm_class=esm_class, data_coding=coding)
    except UnreadableError:
        return
    assert found.place is None or 1 <= found.place.number <= found.place.total
