"""`tellal bench campaign`: a campaign decided, handed over and reported, beside bare SQL.

The campaign is planned and approved through the services; its desk decides it, and meanwhile a lane
hands it over to a provider that answers at once, all in one process, as in a worker. Slice by
slice, bare statements insert the same rows in as many transactions and change their states in as
many batches: the ratio is their time over ours. In the end how far it is is read again and again,
beside bare reads by primary key.
"""

import asyncio
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from statistics import median, quantiles

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from activities.lanes import LaneActivities, WorkLane
from rules.decide import Decider
from rules.holder import RulebookHolder
from rules.routing import load_routes
from tellal.bench.bare_campaign import BareCampaign
from tellal.bench.clientele import BEGINS, TOPIC, Clientele, settle
from tellal.bench.server import on_a_server
from tellal.bench.usage import memory_mb
from tellal.domain.channels import Channel, Lane, Receipts
from tellal.domain.handover import Answered, Doubt
from tellal.domain.messages import Answer, HandOver, OutgoingMessage
from tellal.persistence.bell import Bell
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions, make_sessions
from tellal.persistence.tables.campaigns import CampaignRoundRow
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.services.campaign_progress import read_progress
from tellal.services.campaign_reports import SNAPSHOT, CampaignReport, campaign_report
from tellal.services.campaigns import Staff
from tellal.services.handover import HandOvers
from tellal.services.house import House, furnish
from tellal.services.lane_desk import carriers_of
from tellal.services.posting import LANE_CHANNEL
from tellal.services.routes import Routes
from templates.environment import JinjaRenderer

_WARM_UP = 500
"""Some more than this are told before anything counts, of few only the first chunk: PostgreSQL then
knows that the tables are not empty, and checks references by their indexes."""
_SLICE = 8_000
_READS = 500
_SHIFT_S = 3_600.0
_AT_ONCE = 32
_LEASE = timedelta(minutes=1)
_LANE = Lane.JOURNEYS
"""The lane of the topic."""
_ADA, _EMRE = Staff(by="ada", personal=True), Staff(by="emre", personal=True)
_PLAN: Mapping[str, object] = {
    "topic": TOPIC,
    "variables": {"rate": "2.9"},
    "when": {"at": "2026-03-02T10:00", "zone": "Europe/Istanbul"},
}
_outcomes, _rounds = table(OutcomeRow), table(CampaignRoundRow)
_BARE_READ = text("SELECT * FROM customers WHERE id = :customer")
_MESSAGES = text("SELECT count(*) FROM messages WHERE cause_id = :cause")


def run(customers: int = 1_000_000) -> dict[str, object]:
    """Run the benchmark on a server of its own; `ratio` is the bare statements' time over ours."""
    return on_a_server(partial(measure, size=customers))


async def measure(engine: AsyncEngine, size: int) -> dict[str, object]:
    """Tell everybody, slice by slice, and write the same rows without Tellal after each."""
    sessions = make_sessions(engine)
    bench = _Bench(engine, sessions, await settle(engine, sessions, size))
    await bench.begin()
    warm_up = _WARM_UP if size > _SLICE else 1
    while await bench.tell(_SLICE if bench.warm else warm_up):
        await bench.bare()
        bench.count()
    await bench.read_progress()
    await bench.report()
    return bench.result()


class _Clock:
    """A clock that goes on from the hour at which the campaign begins."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def now(self) -> datetime:
        return BEGINS + timedelta(seconds=time.monotonic() - self._since)


class _AtOnce:
    """A provider of e-mail that takes everything without a moment's delay."""

    provider = "smtp"
    channel = Channel.EMAIL
    receipts = Receipts.BOUNCE_ONLY
    looks_up = False

    async def send(self, message: OutgoingMessage) -> HandOver:
        return HandOver(answer=Answer.ACCEPTED, provider=self.provider, reference=message.id)

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:  # noqa: ARG002 - as a sender
        return None

    async def close(self) -> None:
        """Keep nothing open."""


class _Counted:
    """A desk that counts what a lane does at it."""

    def __init__(self, desk: HandOvers) -> None:
        self._desk = desk
        self.claims = self.answers = self.answered = 0
        self.moved = asyncio.Event()

    @property
    def keep_every_s(self) -> float:
        return self._desk.keep_every_s

    async def claim(self, lane: Lane, limit: int) -> Sequence[OutgoingMessage]:
        claimed = await self._desk.claim(lane, limit)
        self.claims += bool(claimed)
        return claimed

    async def keep(self, message_ids: Sequence[str]) -> None:
        await self._desk.keep(message_ids)

    async def record(self, answered: Sequence[Answered]) -> None:
        await self._desk.record(answered)
        self.answers += 1
        self.answered += len(answered)
        self.moved.set()

    async def promote(self, lane: Lane) -> int:
        return await self._desk.promote(lane)

    async def recover(self, lane: Lane) -> int:
        return await self._desk.recover(lane)

    async def doubts(self, lane: Lane, limit: int) -> Sequence[Doubt]:
        return await self._desk.doubts(lane, limit)

    async def settle(self, doubt: Doubt, found: HandOver) -> None:
        await self._desk.settle(doubt, found)

    def rings(self, lane: Lane) -> int:
        return self._desk.rings(lane)

    async def wait(self, lane: Lane, seen: int, timeout_s: float) -> None:
        await self._desk.wait(lane, seen, timeout_s)


@dataclass(slots=True, kw_only=True)
class _Taken:
    """What it took, in seconds and in batches."""

    decided_s: float = 0.0
    told_s: float = 0.0
    reported_s: float = 0.0
    decided: int = 0
    handed_over: int = 0
    chunks: int = 0
    claims: int = 0
    answers: int = 0


class _Bench:
    """Both sides, and what each took."""

    def __init__(self, engine: AsyncEngine, sessions: Sessions, clientele: Clientele) -> None:
        self._engine, self._sessions, self._clientele = engine, sessions, clientele
        self._clock = _Clock()
        self._house = _house(sessions, self._clock)
        self._desk = _desk(sessions, self._house)
        self._took = _Taken()
        self.warm = False
        self._batches = (0, 0, 0)
        self._after = ""
        self._rss: list[float] = []
        self._progress: list[float] = []
        self._reads: list[float] = []
        self._bare: BareCampaign
        self._report: CampaignReport
        self._campaign = self._run = self._cause = ""

    async def begin(self) -> None:
        """Plan the campaign, have it approved, and begin its run."""
        brand = self._clientele.brand
        async with self._sessions() as tx, tx.begin():
            made = await self._house.campaigns.make(
                tx, brand=brand, name="bench", plan=dict(_PLAN), who=_ADA
            )
            self._campaign = made.id
            await self._house.campaigns.submit(tx, brand=brand, campaign_id=made.id, who=_ADA)
            await self._house.campaigns.approve(tx, brand=brand, campaign_id=made.id, who=_EMRE)
        self._run = (await self._house.campaign_desk.look(self._campaign)).run_id
        async with self._sessions() as tx:
            query = select(_rounds.c.cause_id).where(_rounds.c.run_id == self._run)
            self._cause = (await tx.execute(query)).scalar_one()
        self._bare = BareCampaign(self._sessions, self._cause)
        await self._bare.prepare()

    def count(self) -> None:
        """Count from now on, if what came before was to get warm."""
        if self.warm:
            return
        self.warm = True
        self._took = _Taken()
        self._bare.inserted_s = self._bare.moved_s = 0.0
        self._bare.rows = 0
        self._rss.clear()

    async def tell(self, at_least: int) -> bool:
        """Have the next slice decided while a lane hands it over; False if nobody is left."""
        desk, took, sender = self._desk, self._took, _AtOnce()
        claims, answers, chunks = desk.claims, desk.answers, took.chunks
        lanes = LaneActivities(desk, {sender.provider: sender}, {_LANE: _AT_ONCE})
        order = WorkLane(lane=_LANE, shift_s=_SHIFT_S)
        began = time.perf_counter()
        at_work = asyncio.ensure_future(ActivityEnvironment().run(lanes.work, order))
        decided = await self._decide(at_least)
        took.decided_s += time.perf_counter() - began
        counted = time.perf_counter()
        async with self._sessions() as tx:
            wanted = (await tx.execute(_MESSAGES, {"cause": self._cause})).scalar_one()
        counting_s = time.perf_counter() - counted
        while desk.answered < wanted and not at_work.done():
            desk.moved.clear()
            await desk.moved.wait()
        took.told_s += time.perf_counter() - began - counting_s
        at_work.cancel()
        await asyncio.gather(at_work, return_exceptions=True)
        took.decided += decided
        took.claims += desk.claims - claims
        took.answers += desk.answers - answers
        self._batches = took.chunks - chunks, desk.claims - claims, desk.answers - answers
        return decided > 0

    async def _decide(self, at_least: int) -> int:
        decided = 0
        while decided < at_least:
            turn = await self._house.campaign_desk.decide_some(self._run)
            decided += turn.decided
            self._took.chunks += turn.decided > 0
            if turn.done:
                break
        return decided

    async def bare(self) -> None:
        """Write the same rows without Tellal."""
        chunks, claims, answers = self._batches
        async with self._sessions() as tx:
            query = select(_outcomes.c.customer_id).where(
                _outcomes.c.cause_id == self._cause, _outcomes.c.customer_id > self._after
            )
            told = sorted((await tx.execute(query)).scalars())
        self._after = told[-1]
        messages = await self._bare.write(told, batches=chunks)
        self._took.handed_over += len(messages)
        await self._bare.move(messages, claims=claims, answers=answers)
        self._rss.append(memory_mb(os.getpid()))
        async with self._engine.connect() as connection:
            single = await connection.execution_options(isolation_level="AUTOCOMMIT")
            tables = "causes, outcomes, decisions, messages, attempts, cap_uses"
            await single.execute(text(f"ANALYZE {tables}"))

    async def read_progress(self) -> None:
        """Ask how far it is, in turns with bare reads of customers by their primary key."""
        numbers = random.Random(7).choices(range(1, self._clientele.size + 1), k=_READS)  # noqa: S311 - the same every time
        for number in numbers:
            async with self._sessions() as tx:
                began = time.perf_counter()
                await tx.execute(_BARE_READ, {"customer": self._clientele.customer_id(number)})
                self._reads.append(time.perf_counter() - began)
            async with self._sessions() as tx:
                began = time.perf_counter()
                await read_progress(tx, self._clientele.brand.id, self._campaign, self._clock.now())
                self._progress.append(time.perf_counter() - began)

    async def report(self) -> None:
        """Read the report; its numbers must add up to the audience."""
        began = time.perf_counter()
        async with self._sessions() as tx, tx.begin():
            await tx.execute(SNAPSHOT)
            self._report = await campaign_report(
                tx,
                self._house.books.current,
                self._clientele.brand,
                self._campaign,
                self._clock.now(),
            )
        self._took.reported_s = time.perf_counter() - began
        found = self._report.identity
        if not found.holds or found.audience != self._clientele.size:
            raise AssertionError(f"the report does not add up: {found}")

    def result(self) -> dict[str, object]:
        """Say how long a campaign takes beside the bare statements; below one is slower."""
        took, bare = self._took, self._bare
        ours_s = took.told_s + took.reported_s
        bare_s = bare.inserted_s + bare.moved_s
        reads, progress = (_p99(one) for one in (self._reads, self._progress))
        return {
            "bench": "campaign",
            "ratio": round(bare_s / ours_s, 3),
            "ours": {
                "customers": self._clientele.size,
                "decided": took.decided,
                "handed_over": took.handed_over,
                "per_second": round(took.decided / ours_s),
                "decided_s": round(took.decided_s, 2),
                "handed_over_s": round(took.told_s, 2),
                "reported_s": round(took.reported_s, 3),
                "chunks": took.chunks,
                "claims": took.claims,
                "answers": took.answers,
                "rss_first_mb": round(self._rss[0], 1),
                "rss_max_mb": round(max(self._rss), 1),
                "rss_end_mb": round(self._rss[-1], 1),
                "rss_max_to_first": round(max(self._rss) / self._rss[0], 3),
                "progress_ms": round(1000 * median(self._progress), 3),
                "progress_p99_ms": round(1000 * progress, 3),
                "progress_p99_to_read": round(progress / reads, 2),
            },
            "baseline": {
                "rows": bare.rows,
                "inserted_s": round(bare.inserted_s, 2),
                "moved_s": round(bare.moved_s, 2),
                "read_ms": round(1000 * median(self._reads), 3),
                "read_p99_ms": round(1000 * reads, 3),
            },
        }


def _p99(took: Sequence[float]) -> float:
    return quantiles(took, n=100)[-1]


def _house(sessions: Sessions, clock: _Clock) -> House:
    return furnish(
        sessions=sessions,
        books=RulebookHolder(None),
        decider=Decider(None),
        renderer=JinjaRenderer(),
        clock=clock,
        routes=load_routes().with_providers({"smtp", "twilio", "netgsm", "fcm"}),
    )


def _desk(sessions: Sessions, house: House) -> _Counted:
    return _Counted(
        HandOvers(
            sessions,
            house.clock,
            progress=house.progress,
            renderer=JinjaRenderer(),
            carriers=carriers_of({"smtp": _AtOnce()}),
            routes=Routes(sessions, house.clock, load_routes().with_providers({"smtp"})),
            bell=Bell(sessions, LANE_CHANNEL),
            lease=_LEASE,
            reconcile_after=_LEASE,
            refusal_url="https://tellal.example/u/{}".format,
        )
    )
