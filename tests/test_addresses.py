"""Addresses are written in one way."""

import phonenumbers
import pytest
from hypothesis import given, strategies as st

from tellal.addresses import country_of, email_address, mobile_number, normalise
from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError
from tellal.domain.simulation import number_range


@pytest.mark.parametrize(
    ("raw", "region", "written"),
    [
        pytest.param("0532 123 45 67", "TR", "+905321234567", id="as people write it"),
        pytest.param("(532) 123-4567", "TR", "+905321234567", id="without the zero"),
        pytest.param("+90 532 123 45 67", "PL", "+905321234567", id="its own country wins"),
        pytest.param("00905321234567", "TR", "+905321234567", id="international prefix"),
        pytest.param("512 345 678", "PL", "+48512345678", id="Polish"),
        pytest.param("+1 201 555 0123", "TR", "+12015550123", id="where mobiles look alike"),
    ],
)
def test_a_mobile_number_is_written_in_e164(raw: str, region: str, written: str) -> None:
    assert mobile_number(raw, region=region) == written


@given(
    region=st.sampled_from(["TR", "PL", "DE", "GB", "IT", "US", "RU", "AR", "MX"]),
    national=st.text("0123456789", min_size=7, max_size=11),
    leading=st.sampled_from(["", "0", "+90", "+48", "+44", "+1"]),
)
def test_what_is_read_quickly_is_read_as_slowly(region: str, national: str, leading: str) -> None:
    raw = leading + national
    try:
        quick = mobile_number(raw, region=region)
    except InvalidInputError:
        quick = ""
    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        number = phonenumbers.PhoneNumber()
    kinds = phonenumbers.PhoneNumberType
    texts = {kinds.MOBILE, kinds.FIXED_LINE_OR_MOBILE, kinds.PAGER}
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    carries = phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) in texts

    assert quick in ({written} if carries or number_range(written) else {""})


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        pytest.param(" ayse@EXAMPLE.com ", "ayse@example.com", id="domain in lower case"),
        pytest.param("Ayse.K+x@example.com", "Ayse.K+x@example.com", id="name as it is"),
        pytest.param("a@münchen.example", "a@xn--mnchen-3ya.example", id="domain in ASCII"),
    ],
)
def test_an_address_is_written_for_mail_servers(raw: str, written: str) -> None:
    assert email_address(raw) == written


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "@",
        "a@",
        "@example.com",
        "a b@example.com",
        "a..b@example.com",
        ".a@example.com",
        "a@example..com",
        "a@b@example.com",
        "a@example.com\nBcc: x@example.com",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 64}.com",
        f"a@{'.'.join(['b' * 50] * 6)}.com",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(raw: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        email_address(raw)

    assert "example" not in str(refused.value)
    assert refused.value.hint


@given(channel=st.sampled_from([Channel.SMS, Channel.EMAIL, Channel.PUSH]), raw=st.text())
def test_whatever_comes_is_refused_or_written_for_good(channel: Channel, raw: str) -> None:
    try:
        written = normalise(channel, raw, region="TR")
    except InvalidInputError:
        return

    assert written.isascii()
    assert normalise(channel, written, region="TR") == written


@given(digits=st.integers(min_value=5_300_000_000, max_value=5_599_999_999))
def test_a_turkish_mobile_number_is_turkish_however_it_is_written(digits: int) -> None:
    national = str(digits)
    try:
        written = mobile_number(f"0{national}", region="TR")
    except InvalidInputError:
        return

    assert written == f"+90{national}" == mobile_number(written, region="PL")
    assert country_of(written) == "TR"


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_a_numbers_country_is_the_one_that_the_numbering_plan_names(region: str) -> None:
    example = phonenumbers.example_number(region)
    assert example is not None
    written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)

    assert country_of(written) == phonenumbers.region_code_for_number(example)
