"""Who a sender is in law: numbers with their checks, and at least one way to reach it."""

from dataclasses import replace

import pytest

from tellal.domain.errors import InvalidInputError
from tellal.domain.senders import (
    SenderKind,
    SenderProfile,
    ShortCode,
    check_profile,
    doubts_of,
    is_tax_number,
    is_tckn,
)

COMPANY = SenderProfile(
    trade_name="Anadolu Bankası A.Ş.", mersis="0481005859000012", phone="0850 000 00 01"
)
TRADER = SenderProfile(
    kind=SenderKind.SOLE_TRADER,
    trade_name="",
    owner="Ayşe Yılmaz",
    tckn="10000000146",
    email="ayse@example.com",
)


def refused(profile: SenderProfile) -> str:
    with pytest.raises(InvalidInputError) as caught:
        check_profile(profile)
    assert caught.value.hint
    return caught.value.field


@pytest.mark.req("D41", "allows")
@pytest.mark.parametrize("profile", [COMPANY, TRADER], ids=["company", "trader"])
def test_who_says_who_he_is_may_send(profile: SenderProfile) -> None:
    check_profile(profile)

    assert doubts_of(profile) == ()


@pytest.mark.req("D41", "blocks")
@pytest.mark.parametrize(
    ("profile", "field"),
    [
        pytest.param(replace(COMPANY, mersis="048100585900001"), "mersis", id="15 digits"),
        pytest.param(replace(COMPANY, mersis="048100585900001٢"), "mersis", id="another digit"),
        pytest.param(replace(COMPANY, mersis=""), "mersis", id="no MERSIS"),
        pytest.param(replace(COMPANY, trade_name=" "), "trade_name", id="no name"),
        pytest.param(replace(COMPANY, tckn="10000000146"), "tckn", id="both"),
        pytest.param(replace(TRADER, tckn="10000000147"), "tckn", id="a slip of the pen"),
        pytest.param(replace(TRADER, tckn="00000000000"), "tckn", id="zeros"),
        pytest.param(replace(TRADER, owner="Ayşe"), "owner", id="no surname"),
        pytest.param(replace(TRADER, mersis="12"), "mersis", id="half a MERSIS"),
    ],
)
def test_who_does_not_say_who_he_is_may_not(profile: SenderProfile, field: str) -> None:
    assert refused(profile) == field


@pytest.mark.req("D46", "blocks")
@pytest.mark.req("D46", "allows")
def test_who_lacks_his_number_is_told_where_it_is_shown() -> None:
    check_profile(COMPANY)
    with pytest.raises(InvalidInputError) as caught:
        check_profile(replace(COMPANY, mersis=""))

    assert "MERSİS" in caught.value.hint


@pytest.mark.req("D42", "blocks")
@pytest.mark.req("D42", "allows")
@pytest.mark.parametrize(
    "way", [{"phone": "08500000001"}, {"email": "a@example.com"}, {"short_number": "4605"}]
)
def test_readers_can_reach_the_sender_in_some_way(way: dict[str, str]) -> None:
    nobody = replace(COMPANY, phone="")

    assert refused(nobody) == "phone"
    check_profile(replace(nobody, **way))  # type: ignore[arg-type]


@pytest.mark.req("D05", "blocks")
@pytest.mark.parametrize(
    "codes",
    [
        pytest.param((ShortCode(code="46O5"),), id="letter"),
        pytest.param((ShortCode(code="4605", keyword="A B"),), id="two words"),
        pytest.param((ShortCode(code="4605"), ShortCode(code="4605")), id="twice"),
    ],
)
def test_short_codes_that_cannot_be_are_refused(codes: tuple[ShortCode, ...]) -> None:
    check_profile(replace(COMPANY, short_codes=(ShortCode(code="4605", keyword="ANADOLU"),)))

    assert refused(replace(COMPANY, short_codes=codes)) == "short_codes"


def test_a_mersis_number_without_a_tax_number_in_it_is_doubted_and_taken() -> None:
    odd = replace(COMPANY, mersis="0481005859100012")

    check_profile(odd)

    assert "tax number" in doubts_of(odd)[0]


def test_a_slip_in_one_digit_of_a_checked_number_shows() -> None:
    for good, is_good in (("10000000146", is_tckn), ("4810058590", is_tax_number)):
        assert is_good(good)
        for place, digit in enumerate(good):
            for other in set("0123456789") - {digit}:
                slipped = good[:place] + other + good[place + 1 :]
                assert not is_good(slipped), slipped
