"""The table of Twilio's codes, row by row, and what is not in it."""

import pytest

from activities.providers.twilio.codes import CODES, remedy_for, remedy_of_receipt
from tellal.domain.messages import Remedy

EXPECTED = {
    Remedy.HALT: ("20003 20005 20404 21609 21701 21703 30002 63001 63007 63008 63020 63022"),
    Remedy.NEXT_ROUTE: (
        "21408 21603 21606 21608 21612 21659 21660 21910 30034 63002 13227 21210 21212 21215 21219"
    ),
    Remedy.RETRY: "20429 21611 14107 63017 63018 10004",
    Remedy.BAD_ADDRESS: "21211 21214 21217 21614 21635 30005 30006 63003 13224 13225",
    Remedy.OPTED_OUT: "21610 63014",
    Remedy.NEXT_CHANNEL: (
        "21602 21604 21617 21654 21655 21656 30001 30003 30004 30007 30008 30009 30010"
        " 30036 63005 63013 63016 63024 63027 63028 12100 12200 21216"
    ),
}
ROWS = [
    pytest.param(code, remedy, id=code)
    for remedy, codes in EXPECTED.items()
    for code in codes.split()
]


@pytest.mark.parametrize(("code", "remedy"), ROWS)
def test_each_code_has_its_remedy(code: str, remedy: Remedy) -> None:
    assert remedy_for(code, 400) is remedy


def test_no_row_goes_untested() -> None:
    assert {code for codes in EXPECTED.values() for code in codes.split()} == set(CODES)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        pytest.param(400, Remedy.NEXT_CHANNEL, id="bad request"),
        pytest.param(401, Remedy.HALT, id="not authenticated"),
        pytest.param(403, Remedy.HALT, id="forbidden"),
        pytest.param(429, Remedy.RETRY, id="too many"),
    ],
)
def test_an_unlisted_code_is_judged_by_the_status(status: int, remedy: Remedy) -> None:
    assert remedy_for("99999", status) is remedy


def test_a_429_is_never_processed_whatever_its_code() -> None:
    assert remedy_for("21211", 429) is Remedy.RETRY


@pytest.mark.parametrize("code", [pytest.param(code, id=code) for code in sorted(CODES)])
def test_a_receipt_never_asks_for_the_same_message_again(code: str) -> None:
    assert remedy_of_receipt(code) not in {Remedy.RETRY, Remedy.NEXT_ROUTE}


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        pytest.param("30034", Remedy.NEXT_CHANNEL, id="sender not registered"),
        pytest.param("30008", Remedy.NEXT_CHANNEL, id="unknown error"),
        pytest.param("30005", Remedy.BAD_ADDRESS, id="unknown subscriber"),
        pytest.param("30002", Remedy.HALT, id="account suspended"),
    ],
)
def test_a_receipt_says_what_follows_a_loss(code: str, remedy: Remedy) -> None:
    assert remedy_of_receipt(code) is remedy
