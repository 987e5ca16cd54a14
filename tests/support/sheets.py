"""Tables as other programs write them: XLSX by openpyxl, XLS by xlwt."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from io import BytesIO

import openpyxl
import xlwt

_DATE, _PLAIN = xlwt.easyxf(num_format_str="DD.MM.YYYY HH:MM"), xlwt.easyxf()


def as_csv(rows: Iterable[Sequence[object]], separator: str = ",") -> bytes:
    return "\r\n".join(separator.join(map(str, row)) for row in rows).encode()


def as_xlsx(rows: Iterable[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("izinler")
    for row in rows:
        sheet.append(list(row))
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def as_xls(rows: Iterable[Sequence[object]]) -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("izinler")
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            # The format of 1997 keeps a date as a number; its style says that it is one.
            sheet.write(y, x, cell, _DATE if isinstance(cell, datetime) else _PLAIN)
    out = BytesIO()
    book.save(out)
    return out.getvalue()
