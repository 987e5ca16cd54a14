"""Magic addresses: nobody's, accepted as addresses, and each with a fate that its page names."""

from pathlib import Path

import phonenumbers
import pytest

from tellal.addresses import country_of, normalise
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.errors import InvalidInputError
from tellal.domain.routes import Load
from tellal.domain.simulation import (
    BY_LAST_DIGIT,
    MAIL_DOMAIN,
    NUMBERS,
    PUSH_STEM,
    Fate,
    NumberRange,
    fate_of,
    is_magic,
    simulated_route,
)

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "rehearsing.md"
ADDRESSED = (Channel.SMS, Channel.WHATSAPP, Channel.EMAIL, Channel.PUSH)


def of_every_range() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("numbers", [pytest.param(r, id=r.country) for r in NUMBERS])


@of_every_range()
def test_the_numbering_plans_give_these_numbers_to_nobody(numbers: NumberRange) -> None:
    """If this fails after an update of phonenumbers, somebody may have them: choose others."""
    for address in (numbers.first, numbers.last):
        assert not phonenumbers.is_valid_number(phonenumbers.parse(address))


@of_every_range()
def test_the_numbers_are_taken_as_addresses_of_their_country(numbers: NumberRange) -> None:
    for address in (numbers.first, numbers.last):
        assert normalise(Channel.SMS, address, region="TR") == address
        assert country_of(address) == numbers.country


def test_a_magic_number_may_be_written_as_people_write_it() -> None:
    written = normalise(Channel.SMS, "07700 900001", region="GB")

    assert written == "+447700900001"
    assert fate_of(Channel.SMS, written) is Fate.UNDELIVERED


@of_every_range()
def test_numbers_beside_a_range_are_not_magic(numbers: NumberRange) -> None:
    outside = (numbers.first[:-1], numbers.first + "0", numbers.stem[:-1] + "9" * 4)

    assert [number for number in outside if is_magic(Channel.SMS, number)] == []
    with pytest.raises(InvalidInputError):
        normalise(Channel.SMS, outside[-1], region="TR")


@pytest.mark.parametrize("fate", Fate)
def test_every_fate_can_be_had_on_every_channel(fate: Fate) -> None:
    digit = BY_LAST_DIGIT.index(fate)
    mail = normalise(Channel.EMAIL, f"{fate}@{MAIL_DOMAIN.upper()}", region="TR")
    token = normalise(Channel.PUSH, f"{PUSH_STEM}{fate}", region="TR")

    found = {
        fate_of(Channel.SMS, f"+44770090012{digit}"),
        fate_of(Channel.WHATSAPP, f"+90599000012{digit}"),
        fate_of(Channel.EMAIL, mail),
        fate_of(Channel.PUSH, token),
    }

    assert found == {fate}


def test_many_customers_can_have_addresses_of_their_own_with_one_fate() -> None:
    assert fate_of(Channel.EMAIL, f"silent+42@{MAIL_DOMAIN}") is Fate.SILENT
    assert fate_of(Channel.PUSH, f"{PUSH_STEM}slow.42") is Fate.SLOW


@pytest.mark.parametrize(
    ("channel", "address"),
    [(Channel.EMAIL, f"delivred@{MAIL_DOMAIN}"), (Channel.PUSH, f"{PUSH_STEM}delivred")],
)
def test_a_slip_of_the_pen_does_not_look_like_a_success(channel: Channel, address: str) -> None:
    assert fate_of(channel, address) is Fate.REFUSED


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        (Channel.SMS, "+905320000101"),
        (Channel.EMAIL, "silent@example.com"),
        (Channel.EMAIL, f"silent@{MAIL_DOMAIN}.com"),
        (Channel.EMAIL, f"silent@mail.{MAIL_DOMAIN}"),
        (Channel.PUSH, f"dGVzdA:{PUSH_STEM}silent"),
        (Channel.BANNER, ""),
    ],
)
def test_addresses_of_others_are_not_magic_and_are_delivered(
    channel: Channel, address: str
) -> None:
    assert not is_magic(channel, address)
    assert fate_of(channel, address) is Fate.DELIVERED


@pytest.mark.parametrize("channel", ADDRESSED)
@pytest.mark.parametrize("message_class", MessageClass)
def test_everything_may_take_the_simulated_route(
    channel: Channel, message_class: MessageClass
) -> None:
    load = Load(channel=channel, country="TR", message_class=message_class, has_link=True)

    route = simulated_route(channel)

    assert route.refuses(load) == ""
    assert (route.name, route.provider, route.rate) == ("simulated", "simulated", None)


def test_the_page_lists_the_ranges_and_the_fates() -> None:
    text = PAGE.read_text(encoding="utf-8")
    ranges = [f"| {one.country} | `{one.first}` to `{one.last}` | {one.why} |" for one in NUMBERS]
    fates = [
        f"| {fate} | {', '.join(str(d) for d, f in enumerate(BY_LAST_DIGIT) if f is fate)} "
        f"| `{fate}@{MAIL_DOMAIN}` | `{PUSH_STEM}{fate}` |"
        for fate in Fate
    ]

    rows = [line for line in text.splitlines() if line.startswith("| ") and "`" in line]

    assert [row for row in rows if " to `+" in row] == ranges
    shown = [row for row in rows if MAIL_DOMAIN in row]
    assert len(shown) == len(fates)
    assert [
        (row, start) for row, start in zip(shown, fates, strict=True) if not row.startswith(start)
    ] == []
