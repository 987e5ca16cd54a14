"""Texts that a spreadsheet would take for formulas, and cells whose formulas went wrong.

A text of a CSV file that begins with =, +, - or @ is computed by whoever opens it, and may call out
(CWE-1236). An apostrophe before it keeps it a text; reading takes that away again, so that nothing
is lost. Plain numbers are left as they are: `+905321234567` computes nothing.
"""

import re
import zipfile
from collections.abc import Mapping
from io import BytesIO
from xml.etree import ElementTree as ET

from tellal.domain.errors import InvalidInputError

_DANGEROUS = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
_WENT_WRONG = re.compile(
    r"#(?:DIV/0!|N/A|NAME\?|NULL!|NUM!|REF!|VALUE!|SPILL!|CALC!"
    r"|SAYI/0!|YOK|AD\?|BOŞ!|SAYI!|BAŞV!|DEĞER!"
    r"|DZIEL/0!|N/D!?|NAZWA\?|ZERO!|LICZBA!|ADR!|ARG!)"
)
"""As English, Turkish and Polish spreadsheets write it."""

_LARGEST = 400_000_000
_ERROR_CELL = re.compile(rb'<c\b([^>]*\bt="e"[^>]*)>(?:(?!</c>).)*?<v>([^<]*)</v>', re.DOTALL)
_REFERENCE = re.compile(rb'\br="([A-Z]+)(\d+)"')
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINKS = "xl/_rels/workbook.xml.rels"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def neutral(text: str) -> str:
    """Write a text so that no spreadsheet computes it; `meant` gives it back."""
    dangerous = _DANGEROUS.match(text) and not _NUMBER.fullmatch(text)
    return f"'{text}" if dangerous else text


def meant(text: str) -> str:
    """Take away the apostrophe that `neutral` has put before a text."""
    return text[1:] if text[:1] == "'" and _DANGEROUS.match(text) else text


def went_wrong(text: str) -> bool:
    """Say whether a cell shows that its formula has no result."""
    return _WENT_WRONG.fullmatch(text) is not None


def errors_in(workbook: bytes) -> Mapping[int, Mapping[int, str]]:
    """Find the cells of the first sheet of an XLSX file whose formulas have no result.

    By row (from 1) and column (from 0). Who reads values alone takes such a cell for an empty one.

    Raises:
        InvalidInputError: Unpacked it is larger than any sheet of a million lines.
    """
    try:
        with zipfile.ZipFile(BytesIO(workbook)) as packed:
            if sum(one.file_size for one in packed.infolist()) > _LARGEST:
                raise InvalidInputError(
                    "unpacked the workbook is too large", hint="save it as CSV UTF-8"
                )
            sheet = packed.read(_first_sheet(packed))
    except (zipfile.BadZipFile, KeyError, ET.ParseError, StopIteration):
        return {}  # whoever reads its values says what is wrong with it
    found: dict[int, dict[int, str]] = {}
    for cell in _ERROR_CELL.finditer(sheet) if b't="e"' in sheet else ():
        place = _REFERENCE.search(cell[1])
        if place is not None:
            found.setdefault(int(place[2]), {})[_column(place[1])] = cell[2].decode()
    return found


def _first_sheet(packed: zipfile.ZipFile) -> str:
    """Return where the first sheet lies in the package (ECMA-376, part 1, 12.3.24)."""
    book = ET.fromstring(packed.read("xl/workbook.xml"))  # noqa: S314 - bounded
    first = next(book.iter(f"{_MAIN}sheet")).get(_LINK)
    links = ET.fromstring(packed.read(_LINKS))  # noqa: S314
    target = next(link.get("Target", "") for link in links if link.get("Id") == first)
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number - 1
