"""Tables as people keep them: CSV, and the spreadsheets of 1997 (XLS) and 2007 (XLSX)."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from io import BytesIO, StringIO

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from tellal.domain.errors import InvalidInputError
from tellal.services.formulas import errors_in, meant

Cell = str | int | float | bool | date | datetime | time | timedelta

_XLSX, _XLS = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_LETTERS = {
    "cp1254": frozenset("çğıöşüÇĞİÖŞÜâîûÂÎÛ"),
    "cp1250": frozenset("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ"),
}
"""Letters that the languages of the old code pages of Windows have besides those of English."""
_CODE_PAGES = {"TR": ("cp1254", "cp1250"), "PL": ("cp1250", "cp1254")}
_SIGNS = frozenset("€£§°’‘“”„–—…«»·• \u00a0")

_SCIENTIFIC = re.compile(r"(\d)(?:[.,](\d+))?E\+?(\d+)", re.IGNORECASE)
_WITH_POINT_ZERO = re.compile(r"\+?\d{7,15}[.,]0+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: where it begins in the file (1-based), and its cells."""

    number: int
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table; `kind` is xlsx, xls or csv, `encoding` and `separator` are how a CSV was read.

    Empty lines are there, without cells.
    """

    kind: str
    lines: Iterator[Line]
    encoding: str = ""
    separator: str = ""


def code_pages(country: str) -> tuple[str, ...]:
    """Return the old code pages in which spreadsheets of a country may have written a CSV."""
    return _CODE_PAGES.get(country, ("cp1254", "cp1250"))


def read_lines(content: bytes) -> Iterator[Line]:
    """Yield the lines that are not empty; what kind of file it is, its first bytes say.

    Of a workbook the first sheet is read.

    Raises:
        InvalidInputError: It is none of these, or breaks off.
    """
    return (line for line in open_sheet(content).lines if line.cells)


def open_sheet(content: bytes, pages: Sequence[str] = ()) -> Sheet:
    """Open a table, whose lines are read as they are asked for.

    Of a workbook the first sheet is read. A CSV that is not UTF-8 is taken for one of the `pages`,
    if all its letters are of the languages of one; the earlier of them is rather believed.

    Raises:
        InvalidInputError: It is none of these; reading raises it, too, where it breaks off.
    """
    if content.startswith(_XLSX):
        return Sheet("xlsx", _of_workbook(content))
    if content.startswith(_XLS):
        return Sheet("xls", _of_workbook(content))
    text, encoding = _decoded(content, pages)
    header, _, _ = text.partition("\n")
    separator = max(";,\t", key=header.count)
    return Sheet("csv", _of_text(text, separator), encoding, separator)


def _of_workbook(content: bytes) -> Iterator[Line]:
    broken = errors_in(content) if content.startswith(_XLSX) else {}
    try:
        sheet = CalamineWorkbook.from_filelike(BytesIO(content)).get_sheet_by_index(0)
        for number, cells in enumerate(sheet.to_python(skip_empty_area=False), start=1):
            for column, shown in broken.get(number, {}).items():
                cells[column] = shown
            yield Line(number, cells if any(cell != "" for cell in cells) else [])
    except PasswordError as error:
        raise InvalidInputError(
            "the workbook is locked by a password", hint="save it without one"
        ) from error
    except CalamineError as error:
        raise InvalidInputError(
            f"this workbook cannot be read: {error}", hint="save it anew as XLSX or as CSV UTF-8"
        ) from error


def _of_text(text: str, separator: str) -> Iterator[Line]:
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
    begins = 1
    try:
        for cells in reader:
            holds = any(cell.strip() for cell in cells)
            yield Line(begins, [meant(cell) for cell in cells] if holds else [])
            begins = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInputError(f"after line {begins}: {error}") from error


def _decoded(content: bytes, pages: Sequence[str]) -> tuple[str, str]:
    """Return a text, and the encoding in which it was written."""
    if content.startswith(_UTF_16):
        try:
            return content.decode("utf-16"), "utf-16"
        except UnicodeDecodeError as error:
            raise InvalidInputError("this is no UTF-16", hint="save it as CSV UTF-8") from error
    try:
        return content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        for page in pages:
            if _is_of(content, page):
                return content.decode(page), page
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(
            f"line {line} is not UTF-8", hint="save the file as CSV UTF-8, or as XLSX"
        ) from error


def _is_of(content: bytes, page: str) -> bool:
    """Say whether a text makes sense in a code page: nearly every byte does in nearly every one."""
    try:
        strange = {sign for sign in content.decode(page) if not sign.isascii()}
    except UnicodeDecodeError:
        return False
    return strange <= _LETTERS[page] | _SIGNS


def as_text(cell: Cell) -> str:
    """Write a cell as its author meant it: spreadsheets turn numbers into 5321234567.0."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        # As spreadsheets do: fifteen digits, so that 0.1 + 0.2 is 0.3.
        return str(int(cell)) if cell.is_integer() else format(cell, ".15g")
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    return str(cell).replace("\u00a0", " ").strip()


def as_number(text: str, field: str) -> str:
    """Return a phone number as its author meant it: without 'apostrophe, .0 and 5.32E+09.

    Raises:
        InvalidInputError: The spreadsheet has cut digits off, which nobody can know any more.
    """
    text = text.lstrip("'’")
    cut = _SCIENTIFIC.fullmatch(text)
    if cut is not None:
        first, rest, power = cut[1], cut[2] or "", int(cut[3])
        if len(rest) < power:
            raise InvalidInputError(
                f"the spreadsheet has cut the number off: {text}",
                field=field,
                hint="format the column as text, and export it again",
            )
        return first + rest[:power]
    return re.split(r"[.,]", text)[0] if _WITH_POINT_ZERO.fullmatch(text) else text
