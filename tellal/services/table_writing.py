"""Writes tables line by line: CSV, or XLSX; of a million lines none stays in memory."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from tellal.domain.errors import InvalidInputError
from tellal.services.formulas import neutral

Write = Callable[[Sequence[object]], None]
"""Writes one line; every cell is a text in the end."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SHEET_ENDS = 1_048_576


@contextmanager
def table_to(path: Path) -> Iterator[Write]:
    """Open a table; the end of its name says of which kind it is.

    What a spreadsheet would compute is kept a text; `tellal.services.sheets` reads it as it was.

    Raises:
        InvalidInputError: The name ends in neither .csv nor .xlsx.
    """
    match path.suffix.lower():
        case ".csv":
            # Spreadsheets take a file without the mark for one of their country's code page.
            with path.open("w", encoding="utf-8-sig", newline="") as out:
                writer = csv.writer(out)
                yield lambda cells: writer.writerow([neutral(_text(cell)) for cell in cells])
        case ".xlsx":
            yield from _workbook(path)
        case _:
            raise InvalidInputError(
                f"{path.name} is neither a .csv nor an .xlsx file",
                field="file",
                hint="let its name end in .csv or .xlsx",
            )


def _workbook(path: Path) -> Iterator[Write]:
    # Write-only, it keeps its lines in a temporary file.
    book = Workbook(write_only=True)
    sheet = book.create_sheet("tellal")
    number = 0

    def write(cells: Sequence[object]) -> None:
        nonlocal number
        number += 1
        if number > _SHEET_ENDS:
            raise InvalidInputError(
                f"a sheet ends after {_SHEET_ENDS} lines", field="file", hint="write a .csv file"
            )
        sheet.append([_plain(sheet, _UNPRINTABLE.sub(" ", _text(cell))) for cell in cells])

    yield write
    book.save(path)


def _plain(sheet: WriteOnlyWorksheet, text: str) -> object:
    """Return a cell that holds a text, though it begins with =; nothing for an empty one."""
    if not text.startswith("="):
        return text or None
    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"
    return cell


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return {True: "yes", False: "no"}[cell] if isinstance(cell, bool) else str(cell)
