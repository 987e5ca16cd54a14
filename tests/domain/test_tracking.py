"""Tracking codes are read as people write them, and only codes are."""

import pytest
from hypothesis import given, strategies as st

from tellal.domain.tracking import grouped, read_code
from tellal.ids import new_tracking_code

pytestmark = pytest.mark.req("E18")

CODE = "01AB8KXYZ0917"


@pytest.mark.parametrize(
    "written",
    [
        "01AB8KXYZ0917",
        "01ab8kxyz0917",
        " 01AB-8KXY-Z0917 ",
        "01AB 8KXY Z0917\n",
        "OIAB8KXYZO9I7",
        "olab8kxyzo9l7",
        "0ıab8kxyz09İ7",
        "01AB–8KXY—Z0917",
        "01AB.8KXY.Z0917",
        "01AB\u00ad8KXY\u200bZ0917",  # noqa: RUF100 - what word processors put in
        "０１ＡＢ８ＫＸＹＺ０９１７",
    ],
)
def test_a_code_is_read_as_it_is_written(written: str) -> None:
    assert read_code(written) == CODE


@pytest.mark.parametrize(
    "written",
    ["", "01AB8KXYZ091", "01AB8KXYZ09177", "01AB8KXYZ091U", "01AB8KXYZ091'", "é" * 13, CODE * 9],
)
def test_what_can_be_no_code_is_none(written: str) -> None:
    assert read_code(written) == ""


@given(st.text(max_size=80))
def test_whatever_is_written_is_a_code_or_nothing(written: str) -> None:
    code = read_code(written)

    assert code == "" or (len(code) == 13 and read_code(code) == code)


def test_a_code_of_ours_is_read_in_groups() -> None:
    code = new_tracking_code()

    assert [len(part) for part in grouped(code).split("-")] == [4, 4, 5]
    assert read_code(grouped(code).lower()) == code
    assert grouped("") == ""
