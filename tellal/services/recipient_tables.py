"""Recipients as tables for spreadsheets: CSV, and XLSX that is written row by row.

What a caller named may begin like a formula; no spreadsheet shall reckon with it. In CSV such a
cell gets an apostrophe before it (OWASP, "CSV Injection"); in XLSX every text is stored as a text.
"""

import asyncio
import csv
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from io import TextIOWrapper
from typing import IO

import xlsxwriter

from tellal.services.campaign_recipients import Recipient

COLUMNS = tuple(part.name for part in fields(Recipient))
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_ROWS_OF_A_SHEET = 1_000_000
"""A sheet holds 1,048,576 rows."""
_MOMENT = "yyyy-mm-dd hh:mm:ss"

Batches = AsyncIterator[Sequence[Recipient]]


async def write_csv(batches: Batches, out: IO[bytes]) -> int:
    """Write a table as CSV, UTF-8 with its mark, moments in UTC; return how many rows it has."""
    text = TextIOWrapper(out, encoding="utf-8-sig", newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    number = 0
    async for some in batches:
        # In a thread: others wait for nothing while cells are written.
        await asyncio.to_thread(writer.writerows, map(_plain_row, some))
        text.flush()
        number += len(some)
    text.flush()
    text.detach()
    return number


async def write_xlsx(
    batches: Batches, out: IO[bytes], *, rows_of_a_sheet: int = _ROWS_OF_A_SHEET
) -> int:
    """Write a table as XLSX, moments in UTC; return how many rows it has.

    Rows go to the disk as they come. What does not fit on a sheet goes on on the next.
    """
    book = xlsxwriter.Workbook(out, {"constant_memory": True, "remove_timezone": True})
    sheets = _Sheets(book, rows_of_a_sheet)
    try:
        async for some in batches:
            await asyncio.to_thread(sheets.write, some)
    finally:
        # Its temporary files go with it, also when it breaks off.
        await asyncio.to_thread(book.close)
    return sheets.number


class _Sheets:
    """Sheets of a workbook, each with the names of the columns above."""

    def __init__(self, book: xlsxwriter.Workbook, rows_of_a_sheet: int) -> None:
        self._book = book
        self._most = rows_of_a_sheet
        self._moment = book.add_format({"num_format": _MOMENT})
        self.number = 0
        self._begin()

    def write(self, some: Sequence[Recipient]) -> None:
        """Write rows below those before."""
        for one in some:
            if self._row == self._most:
                self._begin()
            self._row += 1
            for place, name in enumerate(COLUMNS):
                self._cell(place, getattr(one, name))
        self.number += len(some)

    def _begin(self) -> None:
        self._sheet = self._book.add_worksheet()
        self._row = 0
        for place, name in enumerate(COLUMNS):
            self._sheet.write_string(0, place, name)

    def _cell(self, place: int, value: object) -> None:
        match value:
            case None | "":
                return
            case datetime():
                at = value.astimezone(UTC)
                self._sheet.write_datetime(self._row, place, at, self._moment)
            case int() | Decimal():
                self._sheet.write_number(self._row, place, value)
            case _:
                self._sheet.write_string(self._row, place, str(value))


def _plain_row(one: Recipient) -> list[str]:
    return [_plain(getattr(one, name)) for name in COLUMNS]


def _plain(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return value.astimezone(UTC).isoformat()
        case int() | Decimal():
            return str(value)
    written = str(value)
    return f"'{written}" if written.startswith(_FORMULA) else written
