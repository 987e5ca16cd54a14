"""Tables as people keep them: CSV, and the spreadsheets of 1997 (XLS) and 2007 (XLSX)."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from io import BytesIO, StringIO

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from tellal.domain.errors import InvalidInputError

Cell = str | int | float | bool | date | datetime | time | timedelta

_XLSX, _XLS = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: where it begins in the file (1-based), and its cells."""

    number: int
    cells: list[Cell]


def read_lines(content: bytes) -> Iterator[Line]:
    """Yield the lines that are not empty; what kind of file it is, its first bytes say.

    Of a workbook the first sheet is read.

    Raises:
        InvalidInputError: It is none of these, or breaks off.
    """
    if content.startswith((_XLSX, _XLS)):
        return _of_workbook(content)
    return _of_text(content)


def _of_workbook(content: bytes) -> Iterator[Line]:
    try:
        sheet = CalamineWorkbook.from_filelike(BytesIO(content)).get_sheet_by_index(0)
        for number, cells in enumerate(sheet.to_python(skip_empty_area=False), start=1):
            if any(cell != "" for cell in cells):
                yield Line(number, cells)
    except PasswordError as error:
        raise InvalidInputError(
            "the workbook is locked by a password", hint="save it without one"
        ) from error
    except CalamineError as error:
        raise InvalidInputError(
            f"this workbook cannot be read: {error}", hint="save it anew as XLSX or as CSV UTF-8"
        ) from error


def _of_text(content: bytes) -> Iterator[Line]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(
            f"line {line} is not UTF-8", hint="save the file as CSV UTF-8, or as XLSX"
        ) from error
    header, _, _ = text.partition("\n")
    delimiter = max(";,\t", key=header.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Line(begins, list(cells))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInputError(f"after line {begins}: {error}") from error


def as_text(cell: Cell) -> str:
    """Write a cell as its author meant it: spreadsheets turn numbers into 5321234567.0."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).replace("\u00a0", " ").strip()
