"""The marks of a tracking code are read by a reader of bar codes, and ask for nothing."""

import re

import pytest
import zxingcpp

from tellal.ids import new_tracking_code
from templates.marks import code_128, tracking_marks

pytestmark = [pytest.mark.req("E14"), pytest.mark.req("E18")]

CODE = "7K9M2XWQ4T8ZB"
_BAR = re.compile(r"M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z")
_SCALE = 3


def drawn(svg: str) -> memoryview:
    """Draw the dark rectangles of a mark as a picture: a byte for each point, enlarged."""
    found = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    assert found is not None
    width, height = int(found[1]) * _SCALE, int(found[2]) * _SCALE
    picture = bytearray(b"\xff" * width * height)
    for x, y, wide, high, back in _BAR.findall(svg):
        assert wide == back
        for line in range(int(y) * _SCALE, (int(y) + int(high)) * _SCALE):
            begin = line * width + int(x) * _SCALE
            picture[begin : begin + int(wide) * _SCALE] = b"\x00" * (int(wide) * _SCALE)
    return memoryview(picture).cast("B", (height, width))


def read(svg: str) -> list[tuple[str, str]]:
    return [(str(one.format), one.text) for one in zxingcpp.read_barcodes(drawn(svg))]


def test_a_reader_finds_the_code_and_a_telephone_the_address() -> None:
    marks = tracking_marks(CODE, "https://tellal.example/")

    ((kind, code),) = read(marks.code128)
    ((other, address),) = read(marks.qr)
    assert (kind.replace(" ", ""), code) == ("Code128", CODE)
    assert (other.replace(" ", ""), address) == ("QRCode", f"https://tellal.example/track/{CODE}")
    assert (marks.code, marks.grouped) == (CODE, "7K9M-2XWQ-4T8ZB")


@pytest.mark.parametrize(
    "code",
    ["0000000000000", "1A2B3C4D5E6F7", "123A456789012", "ZZZZZZZZZZZZZ", "9876543210ABC"],
)
def test_every_code_can_be_read(code: str) -> None:
    assert [text for _, text in read(code_128(code))] == [code]


def test_codes_of_all_kinds_can_be_read() -> None:
    codes = [new_tracking_code() for _ in range(40)]

    assert [text for code in codes for _, text in read(code_128(code))] == codes


def test_a_mark_is_told_to_those_who_do_not_see_it_and_loads_nothing() -> None:
    marks = tracking_marks(CODE, "https://tellal.example")

    for svg in (marks.code128, marks.qr):
        assert 'role="img"' in svg
        assert "7K9M-2XWQ-4T8ZB" in svg
        assert not re.search(r"<script|href|url\(|<image|<style", svg)
