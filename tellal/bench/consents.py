"""`tellal bench consents`: how one stands among a million; fifty thousand rows of a spreadsheet.

Beside the state of one stands a bare look along the same index; beside the import (read, checked,
people found or made known, nothing written twice) a bare COPY of the rows that came of it into a
table with the same indexes.
"""

import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from statistics import median, quantiles

import openpyxl
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from tellal.bench.populace import AT, CONSENTS_EACH, Populace, settle
from tellal.bench.server import on_a_server
from tellal.clock import SystemClock
from tellal.domain.consents import ConsentChannel
from tellal.persistence.bulk import copy_rows
from tellal.persistence.people import brand as read_brand
from tellal.persistence.session import Sessions, make_sessions
from tellal.services.consent_files import read_consents
from tellal.services.consent_import import ConsentImport
from tellal.services.consents import Consents

_ASKED = 2_000
_ROWS, _BAD_EVERY = 50_000, 100
_PART = 10_000
_HEADER = ("address", "channel", "state", "given_at")
_COLUMNS = (
    "id", "brand_id", "customer_id", "channel", "state", "recipient_type", "source", "purposes",
    "delegation", "whole", "address", "evidence", "given_at", "valid_until", "recorded_at",
    "recorded_by",
)  # fmt: skip
_BARE_LOOK = text(
    "SELECT state FROM consents WHERE customer_id = :customer AND channel = 'sms' "
    "ORDER BY given_at DESC LIMIT 1"
)
_WHAT_CAME = text(
    "SELECT id, brand_id, customer_id, channel, state, recipient_type, source, purposes::text, "
    "delegation::text, whole, address, evidence::text, given_at, valid_until, recorded_at, "
    "recorded_by FROM consents WHERE recorded_by = 'bench' ORDER BY id"
)
_LIKE = text("CREATE TABLE bare_consents (LIKE consents INCLUDING DEFAULTS INCLUDING INDEXES)")


def run(customers: int = 333_334) -> dict[str, object]:
    """Run the benchmark on a server of its own; `ratio` is of the import, to the bare COPY."""
    return on_a_server(partial(_run, size=customers))


async def _run(engine: AsyncEngine, size: int) -> dict[str, object]:
    sessions = make_sessions(engine)
    bench = _Bench(sessions, await settle(engine, sessions, size))
    await bench.ask()
    await bench.take_in()
    return bench.result()


class _Bench:
    """The sides, and what each took."""

    def __init__(self, sessions: Sessions, populace: Populace) -> None:
        self._sessions, self._populace = sessions, populace
        self._ratio = 0.0
        self.ours: dict[str, object] = {"consents": populace.size * CONSENTS_EACH}
        self.baseline: dict[str, object] = {}

    async def ask(self) -> None:
        """Ask how some stand, one after another, and look the same up without Tellal."""
        consents, brand = Consents(SystemClock()), self._populace.brand_id
        numbers = random.Random(6).choices(range(1, self._populace.size + 1), k=_ASKED)  # noqa: S311 - the same every time

        async def stand(tx: AsyncSession, number: int) -> None:
            found = await consents.standing(tx, brand, f"p{number}", ConsentChannel.SMS)
            # A merchant's record as an individual, as every eleventh has it here, settles nothing.
            if found.record is None and number % 11:
                raise AssertionError(f"nothing is known of customer {number}")

        async def look(tx: AsyncSession, number: int) -> None:
            (await tx.execute(_BARE_LOOK, {"customer": f"P{number:025}"})).one()

        ours, bare = [], []
        for number in numbers:
            bare.append(await self._timed(partial(look, number=number)))
            ours.append(await self._timed(partial(stand, number=number)))
        for side, took in ((self.ours, ours), (self.baseline, bare)):
            side["state_of_one_ms"] = round(1000 * median(took), 3)
            side["state_of_one_p99_ms"] = round(1000 * quantiles(took, n=100)[-1], 3)
        self.ours["state_of_one_to_bare"] = round(median(ours) / median(bare), 2)

    async def take_in(self) -> None:
        """Import a spreadsheet, and copy what came of it into a bare table."""
        content = _spreadsheet(_rows())
        began = time.perf_counter()
        async with self._sessions() as tx, tx.begin():
            brand = await read_brand(tx, self._populace.brand_id)
            said = read_consents(content, brand, at=SystemClock().now())
            ledger = ConsentImport(SystemClock(), brand)
            found = await ledger.settle(tx, said)
        read_s = time.perf_counter() - began
        for start in range(0, len(found.lines), _PART):
            async with self._sessions() as tx, tx.begin():
                await ledger.put(tx, found.lines[start : start + _PART], by="bench")
        took = time.perf_counter() - began
        bare = await self._bare_copy()
        self._ratio = bare / took
        self.ours |= {
            "rows": len(found.lines) + len(found.bad),
            "recorded": len(found.lines),
            "refused_with_line_and_reason": len(found.bad),
            "first_refused": str(found.bad[0]) if found.bad else "",
            "import_read_s": round(read_s, 2),
            "import_s": round(took, 2),
            "import_to_bare_copy": round(took / bare, 1),
        }
        self.baseline["copy_s"] = round(bare, 2)

    def result(self) -> dict[str, object]:
        """Say what the import takes beside a bare COPY; below one is slower."""
        return {
            "bench": "consents",
            "ratio": round(self._ratio, 3),
            "ours": self.ours,
            "baseline": self.baseline,
        }

    async def _bare_copy(self) -> float:
        async with self._sessions() as tx, tx.begin():
            rows = [tuple(row) for row in await tx.execute(_WHAT_CAME)]
            await tx.execute(_LIKE)
        if len(rows) != _ROWS - _ROWS // _BAD_EVERY:
            raise AssertionError(f"{len(rows)} of the spreadsheet's rows came in")
        began = time.perf_counter()
        async with self._sessions() as tx, tx.begin():
            await copy_rows(tx, "bare_consents", _COLUMNS, rows)
        return time.perf_counter() - began

    async def _timed(self, do: Callable[[AsyncSession], Awaitable[None]]) -> float:
        async with self._sessions() as tx:
            began = time.perf_counter()
            await do(tx)
            return time.perf_counter() - began


def _rows() -> Iterator[Sequence[object]]:
    """Make rows as spreadsheets mangle them: numbers as floats; every hundredth has a mistake."""
    yield _HEADER
    for n in range(_ROWS):
        wrong = n % _BAD_EVERY == _BAD_EVERY - 1
        number = 12.0 if wrong else float(5_420_000_000 + n)
        yield number, "sms", "granted", AT.strftime("%Y-%m-%d %H:%M:%S")


def _spreadsheet(rows: Iterator[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("consents")
    for row in rows:
        sheet.append(list(row))
    out = BytesIO()
    book.save(out)
    return out.getvalue()
