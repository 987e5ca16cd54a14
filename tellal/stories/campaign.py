"""A campaign: a spreadsheet with every kind of dirt, two ways of saying it, three time zones.

It is approved by another than its author, paused in the middle, goes on after the worker was
killed, and is called off before the hour of the last zone has come. In the end the report, the
ledger and the carrier's own book say the same.
"""

import asyncio
import io
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast as typed
from zoneinfo import ZoneInfo

import xlsxwriter
from sqlalchemy import text

from tellal.clock import SystemClock
from tellal.ids import new_id
from tellal.persistence.session import make_engine, make_sessions
from tellal.stories.cast import APPROVER, AUTHOR, DISTRIBUTOR, Ensemble
from tellal.stories.client import Caller, Carrier, Json
from tellal.stories.scene import Scene, Stage

PEOPLE = 1_900
"""How many customers the distributor knows by their numbers."""
STRANGERS = 60
"""How many the sheet names whom nobody knows yet."""
PREFIX = "+9053077"
"""How the numbers of everybody begin."""

_GROUP = "tarife-2027"
_TWICE, _CUT_OFF, _LANDLINES, _EMPTY = 25, 10, 15, 40
_PER_SECOND = 200
_ZONES = ("Etc/GMT-5", "Etc/GMT-4", "Etc/GMT-3")
"""Where the hour came an hour ago, comes now, and comes in an hour: names count westwards."""
_LATE = 2
"""Which of the zones that is; strangers are taken to live there, too, where the brand is."""
_LOCAL = "%Y-%m-%dT%H:%M:%S"
_HAS_IT = {"accepted", "sent", "delivered"}

_CUSTOMERS = """
INSERT INTO customers (id, brand_id, ref, kind, locale, timezone, country, first_name, facts,
                       created_at, updated_at)
SELECT :ids || lpad(n::text, 10, '0'), b.id, 'meter-' || n, 'individual', 'tr-TR',
       (CAST(:zones AS text[]))[n % 3 + 1], 'TR', 'Deniz', '{}', :now, :now
FROM generate_series(1, :size) AS n, brands b WHERE b.name = :brand
"""
_POINTS = """
INSERT INTO contact_points (id, brand_id, customer_id, channel, address, bad_reason, created_at)
SELECT :points || lpad(n::text, 10, '0'), b.id, :ids || lpad(n::text, 10, '0'), 'sms',
       :prefix || lpad(n::text, 5, '0'), '', :now
FROM generate_series(1, :size) AS n, brands b WHERE b.name = :brand
"""


async def play(scene: Scene, ensemble: Ensemble) -> None:
    """Play the campaign."""
    stage, keys = scene.stage, ensemble.keys
    await _settle(stage)
    async with (
        Caller(stage.api_url, keys[DISTRIBUTOR]) as system,
        Caller(stage.api_url, keys[AUTHOR]) as author,
        Caller(stage.api_url, keys[APPROVER]) as approver,
        Carrier(stage.carrier_url) as carrier,
    ):
        office = _Office(
            scene=scene, system=system, author=author, approver=approver, carrier=carrier
        )
        await office.upload()
        campaign = await office.plan()
        await office.approve(campaign)
        await office.pause(campaign)
        await office.resume(campaign)
        left = await office.cancel(campaign)
        await office.add_up(campaign, left)


@dataclass(kw_only=True)
class _Office:
    """Who plans, who approves, and what the carrier has."""

    scene: Scene
    system: Caller
    author: Caller
    approver: Caller
    carrier: Carrier

    async def upload(self) -> None:
        """Upload a spreadsheet as it comes from somewhere else."""
        scene = self.scene
        scene.say("A spreadsheet of some 2,000 lines comes, with all that spreadsheets do.")
        await self.system.write("/groups", {"name": _GROUP, "kind": "list"})
        path = f"/groups/{_GROUP}/upload?create=true&skip_bad=true"
        report = await self.system.upload(path, _a_sheet())
        again = await self.system.upload(path, _a_sheet())
        scene.expect("every line that names somebody is taken", PEOPLE + STRANGERS, report["added"])
        scene.expect("whom nobody knew is made known", STRANGERS, report["created"])
        scene.expect("every bad line is refused", _CUT_OFF + _LANDLINES, report["refused"])
        hints = {bool(one["message"] and one["hint"]) for one in report["bad"]}
        scene.expect("with the reason, and how to mend it", {True}, hints)
        scene.expect("who stands there twice is taken once", _TWICE, report["repeats"])
        scene.expect("and the same file again adds nobody", 0, again["added"])

    async def plan(self) -> Json:
        """Plan it: two variants, some held out, each customer at the hour of his own zone."""
        scene = self.scene
        at = datetime.now(ZoneInfo(_ZONES[1])) + timedelta(seconds=6)
        scene.say(f"An author plans: at {at:%H:%M:%S} where each lives, in two wordings.")
        campaign = await self.author.write(
            "/campaigns",
            {
                "name": "new-tariff",
                "topic": "tariff_change",
                "audience": {"groups": [_GROUP]},
                "when": {"at": at.strftime(_LOCAL), "zone": "local", "catch_up_s": 7_200},
                "variants": [
                    {"name": "plain", "share": 50, "variables": {"tone": "plain"}},
                    {"name": "warm", "share": 50, "variables": {"tone": "warm"}},
                ],
                "hold_out": 5,
                "pace": {"per_second": _PER_SECOND},
            },
        )
        said = await self.author.get(f"/campaigns/{campaign['id']}/preview")
        told, held, silent = said["told"], said["held_out"], _sum(said["silent"])
        scene.expect("the preview adds up", said["audience"], told + held + silent)
        scene.expect("to everybody of the group", PEOPLE + STRANGERS, said["audience"])
        scene.expect("it shows ten texts", 10, sum(bool(one["text"]) for one in said["samples"]))
        return campaign

    async def approve(self, campaign: Json) -> None:
        """Have it approved, which its author cannot."""
        path = f"/campaigns/{campaign['id']}"
        await self.author.write(f"{path}/submit", {})
        own = await self.author.attempt(f"{path}/approve", {})
        self.scene.expect("its author cannot approve it", 403, own.status_code)
        approved = await self.approver.write(f"{path}/approve", {}, times=2)
        self.scene.expect("a second person can", "approved", approved["state"])

    async def pause(self, campaign: Json) -> None:
        """Pause it in the middle; nothing leaves, and nothing is lost."""
        scene, path = self.scene, f"/campaigns/{campaign['id']}"
        await scene.until(self._taken, lambda taken: len(taken) >= _PER_SECOND)
        await scene.moment("campaigning")
        paused = await self.author.write(f"{path}/pause", {"reason": "A slip in the text"})
        scene.say(
            f"Paused in the middle: {paused['left']} have left, "
            f"{paused['in_flight']} are being handed over."
        )
        before = await scene.settled(self._taken)
        scene.say("The worker is killed and started again, and time goes by.")
        stage = scene.stage
        await asyncio.to_thread(stage.worker.kill)
        await asyncio.to_thread(stage.worker.start)
        after = await scene.settled(self._taken)
        scene.expect("while it is paused nothing leaves", len(before), len(after))
        scene.expect("and nobody has it twice", len(set(after)), len(after))

    async def resume(self, campaign: Json) -> None:
        """Let it go on until both zones are through whose hour has come."""
        scene, path = self.scene, f"/campaigns/{campaign['id']}"
        resumed = await self.author.write(f"{path}/resume", {})
        scene.expect("it goes on", "running", resumed["state"])

        async def counts() -> Json:
            found = await self.author.get(path)
            return typed(Json, found["run"]["counts"])

        due = sum(n % 3 != _LATE for n in range(1, PEOPLE + 1))
        seen = await scene.until(
            counts, lambda found: found["audience"] >= due and not found["open"]
        )
        scene.expect(
            "two zones are through, and the third waits for its hour", due, seen["audience"]
        )

    async def cancel(self, campaign: Json) -> int:
        """Call it off before the last zone's hour."""
        ended = await self.author.write(f"/campaigns/{campaign['id']}/cancel", {}, times=2)
        self.scene.expect("called off it is over", "cancelled", ended["state"])
        taken = await self.scene.settled(self._taken)
        self.scene.expect("the answer said exactly how many had left", len(taken), ended["left"])
        return int(ended["left"])

    async def add_up(self, campaign: Json, left: int) -> None:
        """Compare the report with the ledger and with the carrier's own book."""
        scene, path = self.scene, f"/campaigns/{campaign['id']}"
        report = await self.author.get(f"{path}/report")
        taken = await self._taken()
        people = report["people"]["totals"]
        scene.expect("the ledger's identity holds", True, report["identity"]["holds"])
        scene.expect("nobody has it twice", {1}, set(Counter(taken).values()))
        scene.expect("told are as many as the carrier has", len(taken), people["told"])
        recipients = await self._recipients(path)
        has_it = [one for one in recipients if one["state"] in _HAS_IT]
        scene.expect("and one by one the report names them", left, len(has_it))
        held = sum(one["reason"] == "hold_out" for one in recipients)
        scene.expect("who was held out was told nothing", people["suppressed"], held)
        shares = Counter(one["variant"] for one in recipients)
        even = abs(shares["plain"] - shares["warm"]) < len(recipients) // 5
        scene.expect("both wordings had about as many", True, even)

    async def _taken(self) -> list[str]:
        """Return the numbers of those of the campaign whom the carrier has texts for."""
        book = await self.carrier.book(limit=100_000)
        return sorted(one["to"] for one in book if one["to"].startswith(PREFIX))

    async def _recipients(self, path: str) -> list[Json]:
        found: list[Json] = []
        after = ""
        while True:
            page = await self.author.get(f"{path}/recipients", limit=200, after=after)
            found += page["items"]
            after = page.get("next") or ""
            if not after:
                return found


async def _settle(stage: Stage) -> None:
    """Write the distributor's customers, a third of them in each zone."""
    engine = make_engine(stage.database_url, pool=1)
    rows = {
        "ids": new_id()[:16],
        "points": new_id()[:16],
        "brand": DISTRIBUTOR,
        "size": PEOPLE,
        "prefix": PREFIX,
        "zones": list(_ZONES),
        "now": SystemClock().now(),
    }
    async with make_sessions(engine)() as tx, tx.begin():
        for statement in (_CUSTOMERS, _POINTS):
            await tx.execute(text(statement), rows)
    await engine.dispose()


def _a_sheet() -> bytes:
    """Write an XLSX file as people make them: numbers in every shape, twice, cut off, and blank."""
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ("Sıra", "Cep Telefonu", "Borç Tutarı"))
    line = 1
    for n in range(1, PEOPLE + STRANGERS + 1):
        sheet.write_row(line, 0, (n, _written(n), f"{n},50"))
        line += 1 if n % 50 else 2
    for n in range(1, _TWICE + 1):
        sheet.write_row(line + n, 0, (n, f"0{_number(n)}", "1,00"))
    line += _TWICE + _EMPTY
    for n in range(1, _CUT_OFF + 1):
        sheet.write_row(line + n, 0, (n, "5.31E+09", "1,00"))
    line += _CUT_OFF
    for n in range(1, _LANDLINES + 1):
        sheet.write_row(line + n, 0, (n, f"0222 555 {n:04}", "1,00"))
    book.close()
    return held.getvalue()


def _number(n: int) -> str:
    return f"{PREFIX}{n:05}".removeprefix("+90")


def _written(n: int) -> object:
    """Write a number in one of the shapes that spreadsheets and people give it."""
    number = _number(n)
    shapes: tuple[object, ...] = (
        float(number),
        f"0{number}",
        f"+90 {number[:3]} {number[3:6]} {number[6:]}",
        f"0090{number}",
        f"90{number}",
        f"({number[:3]}) {number[3:6]}-{number[6:8]}-{number[8:]}",
        f"'{number}",
    )
    return shapes[n % len(shapes)]


def _sum(shares: list[Json]) -> int:
    return sum(one["number"] for one in shares)
