"""`tellal bench groups`: fifty thousand rows of a spreadsheet into a list; a snapshot of everybody.

Beside the upload (read, checked, people found by their numbers, variables kept) stands a bare COPY
of the rows that came of it into a table with the same indexes; beside a snapshot, a bare INSERT of
as many rows.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO

import openpyxl
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rules.routing import load_routes
from rules.rulebook import Rulebook
from tellal.bench.populace import AT, Populace, settle, thirty_rules
from tellal.bench.server import on_a_server
from tellal.clock import SystemClock
from tellal.domain.groups import GroupKind
from tellal.persistence.bulk import copy_rows
from tellal.persistence.people import brand as read_brand
from tellal.persistence.session import Sessions, make_sessions
from tellal.services.groups import Groups, NewGroup
from tellal.services.member_files import read_members
from tellal.services.member_import import MemberImport, Wanted

_ROWS, _BAD_EVERY = 50_000, 100
_STORED: Mapping[str, object] = {"customer.segment": ["mass", "youth"]}
_DERIVED: Mapping[str, object] = {"fact.active": True}
_COLUMNS = ("group_id", "customer_id", "variables", "added_at")
_LIKE = "CREATE TABLE {} (LIKE group_members INCLUDING DEFAULTS INCLUDING INDEXES)"
_WHAT_CAME = text(
    "SELECT group_id, customer_id, variables::text, added_at FROM group_members ORDER BY 2"
)
_BARE_INSERT = text(
    "INSERT INTO bare_snapshot SELECT 'G', id, '{}', now() FROM customers "
    "WHERE facts ->> 'customer.segment' IN ('mass', 'youth')"
)


def run(customers: int = 333_334) -> dict[str, object]:
    """Run the benchmark on a server of its own; `ratio` is of the upload, to the bare COPY."""
    return on_a_server(partial(_run, size=customers))


async def _run(engine: AsyncEngine, size: int) -> dict[str, object]:
    sessions = make_sessions(engine)
    bench = _Bench(sessions, await settle(engine, sessions, size))
    await bench.upload()
    await bench.snapshot()
    return bench.result()


class _Book:
    """Holds the bench's rules as a process holds those in force."""

    def __init__(self) -> None:
        self.current: Rulebook = thirty_rules()


class _Bench:
    """The sides, and what each took."""

    def __init__(self, sessions: Sessions, populace: Populace) -> None:
        self._sessions, self._populace = sessions, populace
        self._groups = Groups(_Book(), load_routes(), SystemClock())  # type: ignore[arg-type]  # it is asked for no more
        self._ratio = 0.0
        self.ours: dict[str, object] = {"customers": populace.size}
        self.baseline: dict[str, object] = {}

    async def upload(self) -> None:
        """Put a spreadsheet into a list, and copy what came of it into a bare table."""
        content = _spreadsheet(_rows(self._populace.size))
        async with self._sessions() as tx, tx.begin():
            brand = await read_brand(tx, self._populace.brand_id)
            group = await self._groups.make(tx, brand, NewGroup(name="bench"), by="bench")
        began = time.perf_counter()
        read = read_members(content, brand)
        read_s = time.perf_counter() - began
        async with self._sessions() as tx, tx.begin():
            wanted = Wanted(skip_bad=True)
            done = await MemberImport(SystemClock()).take(tx, brand, group, read, wanted)
        took = time.perf_counter() - began
        if done.added != _ROWS - _ROWS // _BAD_EVERY:
            raise AssertionError(f"{done.added} of the spreadsheet's rows came in")
        bare = await self._bare_copy()
        self._ratio = bare / took
        self.ours |= {
            "rows": done.lines,
            "refused_with_line_and_reason": len(done.bad),
            "upload_read_s": round(read_s, 2),
            "upload_s": round(took, 2),
            "upload_to_bare_copy": round(took / bare, 1),
        }
        self.baseline["copy_s"] = round(bare, 2)

    async def snapshot(self) -> None:
        """Keep who meets a condition of stored values, and who one of derived facts."""
        for name, segment in (("stored", _STORED), ("derived", _DERIVED)):
            said = NewGroup(name=name, kind=GroupKind.SNAPSHOT, segment=segment)
            began = time.perf_counter()
            async with self._sessions() as tx, tx.begin():
                brand = await read_brand(tx, self._populace.brand_id)
                group = await self._groups.make(tx, brand, said, by="bench")
            self.ours[f"snapshot_{name}_s"] = round(time.perf_counter() - began, 2)
            async with self._sessions() as tx:
                number = await self._groups.members.count(tx, group)
            self.ours[f"snapshot_{name}"] = number
        async with self._sessions() as tx, tx.begin():
            await tx.execute(text(_LIKE.format("bare_snapshot")))
        began = time.perf_counter()
        async with self._sessions() as tx, tx.begin():
            await tx.execute(_BARE_INSERT)
        self.baseline["insert_as_many_as_stored_s"] = round(time.perf_counter() - began, 2)

    def result(self) -> dict[str, object]:
        """Say what the upload takes beside a bare COPY; below one is slower."""
        return {
            "bench": "groups",
            "ratio": round(self._ratio, 3),
            "ours": self.ours,
            "baseline": self.baseline,
        }

    async def _bare_copy(self) -> float:
        async with self._sessions() as tx, tx.begin():
            rows = [tuple(row) for row in await tx.execute(_WHAT_CAME)]
            await tx.execute(text(_LIKE.format("bare_members")))
        began = time.perf_counter()
        async with self._sessions() as tx, tx.begin():
            await copy_rows(tx, "bare_members", _COLUMNS, rows)
        return time.perf_counter() - began


def _rows(size: int) -> Iterator[Sequence[object]]:
    """Make rows as spreadsheets mangle them: numbers as floats; every hundredth has a mistake."""
    yield "Cep telefonu", "Borç tutarı", "Son gün", "Şube"
    step = max(1, size // _ROWS)
    for n in range(_ROWS):
        wrong = n % _BAD_EVERY == _BAD_EVERY - 1
        number = 12.0 if wrong else float(5_320_000_000 + 1 + n * step)
        yield number, 1250.5 + n, AT.strftime("%d.%m.%Y"), "Eskişehir"


def _spreadsheet(rows: Iterator[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("members")
    for row in rows:
        sheet.append(list(row))
    out = BytesIO()
    book.save(out)
    return out.getvalue()
