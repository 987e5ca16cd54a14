"""`tellal bench outage`: from confirmation to the first text, and from the end to the last one.

A million customers, two hundred thousand of them without power. The operator's commands are those
of the API, and the stack's worker does the rest. The baseline is a chunk that nobody decides: one
bare statement that selects as many of those affected and inserts as many rows, committed; and a
text to the carrier without a ledger, one after another. The hand-overs are read in the simulator's
book.
"""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import text

from activities.providers.twilio.sms import TwilioSms
from rules.decide import Decider
from rules.holder import RulebookHolder
from rules.routing import load_routes
from tellal.bench.bare_texts import texts
from tellal.bench.crowd import VARIABLES, plan
from tellal.bench.district import BARE, SEGMENT, District, add_cause, bare_values, settle
from tellal.clock import SystemClock
from tellal.domain.channels import Lane
from tellal.domain.outages import OutageCommand
from tellal.persistence.session import Sessions, make_engine, make_sessions
from tellal.services.house import House, furnish
from tellal.services.outage_sayings import Declaration, Go
from tellal.settings import Settings
from tellal.stack.stack import Stack
from tellal.stories.client import Carrier
from templates.environment import JinjaRenderer

_CHUNK = 2_000
_FIRST = 200
_ROUNDS = 3
_CALLS = 60
_LOOK_EVERY_S = 0.02
_QUIET_S = 3.0
_PATIENCE_S = 120.0

_SUMS = text("""
SELECT sum(open) + sum(told) + sum(suppressed) + sum(expired) + sum(cancelled) + sum(failed)
     + sum(unknown) AS audience
FROM cause_counts WHERE cause_id = :cause
""")
_CLEARED = text("""
SELECT NOT EXISTS (
    SELECT 1 FROM messages WHERE cause_id = :cause AND state IN ('queued', 'deferred')
)
""")
_DECIDED = text("SELECT decided_at IS NOT NULL FROM outage_notices WHERE cause_id = :cause")
_CAUSE_OF = text("SELECT cause_id FROM outage_notices WHERE outage_id = :outage AND number = 1")
_OF_CAUSE = text("SELECT id FROM messages WHERE cause_id = :cause AND id = ANY(:ids)")


def run(customers: int = 1_000_000, affected: int | None = None) -> dict[str, object]:
    """Run the benchmark on a stack of its own; `ratio` is of a bare chunk and the first text."""
    with Stack(settings=Settings(), ui=False) as stack:
        return asyncio.run(measure(stack, customers, affected or customers // 5))


async def measure(stack: Stack, customers: int, affected: int) -> dict[str, object]:
    """Tell those affected until the outage is over, in the middle of the telling."""
    async with AsyncExitStack() as held:
        carrier = await held.enter_async_context(Carrier(stack.carrier_url))
        await carrier.fault(fault="no_callbacks")
        engine = make_engine(stack.database_url, pool=3)
        held.push_async_callback(engine.dispose)
        sessions = make_sessions(engine)
        district = await settle(engine, sessions, customers, affected)
        bench = _Outage(stack, carrier, sessions, district)
        await bench.warm_up()
        await bench.bare()
        await bench.tell()
        await bench.stop()
        await bench.clear()
    return bench.result()


@dataclass(slots=True, kw_only=True)
class _Taken:
    """What it took, in seconds."""

    bare_first_s: float = 0.0
    bare_chunk_s: float = 0.0
    round_trip_s: float = 0.0
    confirmed_s: float = 0.0
    first_handover_s: float = 0.0
    decided_s: float = 0.0
    acknowledged_s: float = 0.0
    stop_s: float = 0.0
    cleared_s: float = 0.0


class _Outage:
    """Both sides, and what each took."""

    def __init__(
        self, stack: Stack, carrier: Carrier, sessions: Sessions, district: District
    ) -> None:
        self._stack, self._carrier = stack, carrier
        self._sessions, self._district = sessions, district
        self._house = _house(sessions)
        self._took = _Taken()
        self._chunks: list[float] = []
        self._handed_over = 0
        self._in_flight = 0
        self._outage = ""
        self._cause = ""

    async def warm_up(self) -> None:
        """Tell some and end it, so that both sides run warm; their outcomes are other causes'."""
        for _ in range(2):
            await self._declare(few=True)
            await self._confirm()
            await self._until(_DECIDED)
            await self._resolve()
            await self._until(_CLEARED)

    async def bare(self) -> None:
        """Insert chunks that nobody decides, and send texts that nobody writes down."""
        for _ in range(_ROUNDS):
            self._took.bare_first_s = await self._bare_chunk(_FIRST)
            self._chunks.append(await self._bare_chunk(_CHUNK))
        self._took.bare_chunk_s = median(self._chunks)
        sender = TwilioSms(
            self._stack.settings.twilio,
            status_callback_url=f"{self._stack.settings.public_url}/v1/hooks/twilio/status",
        )
        trips = []
        for message in texts(_CALLS):
            began = time.perf_counter()
            await sender.send(message)
            trips.append(time.perf_counter() - began)
        await sender.close()
        self._took.round_trip_s = median(trips)

    async def tell(self) -> None:
        """Confirm, and wait until everybody is decided, while lanes hand over."""
        await self._declare()
        asked = _now()
        confirmed = await self._confirm()
        watching = asyncio.create_task(self._first_since(asked))
        began = time.perf_counter()
        await self._until(_DECIDED)
        self._took.decided_s = time.perf_counter() - began
        self._took.confirmed_s = (confirmed - asked).total_seconds()
        self._took.first_handover_s = (await watching - confirmed).total_seconds()

    async def stop(self) -> None:
        """End it while most of the texts are still to be sent; see what was begun after that."""
        began, asked = time.perf_counter(), _now()
        ended = await self._resolve()
        self._took.acknowledged_s = time.perf_counter() - began
        await asyncio.sleep(_QUIET_S)
        book = await self._carrier.book(channel="sms", since=asked.isoformat(), limit=100_000)
        async with self._sessions() as tx:
            found = await tx.execute(
                _OF_CAUSE, {"cause": self._cause, "ids": [one["message_id"] for one in book]}
            )
            notices = set(found.scalars())
        late = [datetime.fromisoformat(one["at"]) for one in book if one["message_id"] in notices]
        self._took.stop_s = max(0.0, (max(late, default=ended) - ended).total_seconds())
        self._handed_over = sum(at > ended for at in late)

    async def clear(self) -> None:
        """Wait until the worker has cleared away what was not sent, and add up the ledger."""
        began = time.perf_counter()
        await self._until(_CLEARED)
        self._took.cleared_s = time.perf_counter() - began + _QUIET_S
        audience = await self._one(_SUMS)
        if audience != self._district.affected:
            raise AssertionError(f"the ledger adds up to {audience}")

    def result(self) -> dict[str, object]:
        """Say how the first text compares with a bare chunk; a third is what is aimed at."""
        took = self._took
        allowed = 2 * took.round_trip_s + 1
        return {
            "bench": "outage",
            "ratio": round(took.bare_chunk_s / took.first_handover_s, 3),
            "ours": {
                "customers": self._district.size,
                "affected": self._district.affected,
                "first_handover_s": round(took.first_handover_s, 3),
                "confirmed_s": round(took.confirmed_s, 3),
                "decided_s": round(took.decided_s, 1),
                "decided_per_second": round(self._district.affected / took.decided_s),
                "acknowledged_s": round(took.acknowledged_s, 3),
                "stop_s": round(took.stop_s, 3),
                "stop_of_allowed": round(took.stop_s / allowed, 3),
                "begun_after_the_stop_was_asked": self._handed_over,
                "in_flight_at_stop": self._in_flight,
                "cleared_s": round(took.cleared_s, 1),
            },
            "baseline": {
                "first_chunk_s": round(took.bare_first_s, 3),
                "chunk_s": round(took.bare_chunk_s, 3),
                "chunk": _CHUNK,
                "round_trip_s": round(took.round_trip_s, 4),
            },
        }

    async def _bare_chunk(self, size: int) -> float:
        documents = json.dumps(SEGMENT), json.dumps(plan(Lane.CRITICAL)), json.dumps(VARIABLES)
        async with self._sessions() as tx, tx.begin():
            cause = await add_cause(tx, self._district)
        values = bare_values(self._district, cause, size, _now(), documents)
        began = time.perf_counter()
        async with self._sessions() as tx, tx.begin():
            await tx.execute(BARE, values)
        return time.perf_counter() - began

    async def _first_since(self, since: datetime) -> datetime:
        """Wait for the first text that a carrier is given, and return when that was."""
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                book = await self._carrier.book(channel="sms", since=since.isoformat(), limit=1_000)
                if book:
                    return min(datetime.fromisoformat(one["at"]) for one in book)
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _declare(self, *, few: bool = False) -> None:
        segment = {**SEGMENT, "customer.age": 40} if few else SEGMENT
        said = Declaration(
            title="Tepebaşı",
            segment=segment,
            variables=VARIABLES["outage"],
            expected_end=_now() + timedelta(hours=4),
            anyway=True,
        )
        async with self._sessions() as tx, tx.begin():
            brand = self._district.brand
            self._outage = (await self._house.outages.declare(tx, brand=brand, said=said)).id

    async def _confirm(self) -> datetime:
        """Confirm it and return when that was answered; everybody is told by SMS."""
        go = Go(break_glass="a bench has no second person")
        async with self._sessions() as tx, tx.begin():
            await self._house.outages.confirm(
                tx, brand=self._district.brand, outage_id=self._outage, go=go
            )
        confirmed = _now()
        async with self._sessions() as tx:
            found = await tx.execute(_CAUSE_OF, {"outage": self._outage})
            self._cause = str(found.scalar_one())
        return confirmed

    async def _resolve(self) -> datetime:
        async with self._sessions() as tx, tx.begin():
            over = await self._house.outages.end(
                tx,
                brand=self._district.brand,
                outage_id=self._outage,
                command=OutageCommand.RESOLVE,
            )
        self._in_flight = over.in_flight_at_stop
        return _now()

    async def _until(self, question: object) -> None:
        """Look until a question about the cause is answered with yes."""
        async with asyncio.timeout(_PATIENCE_S):
            while not await self._one(question):  # noqa: ASYNC110 - another process answers
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _one(self, question: object) -> int:
        async with self._sessions() as tx:
            found = await tx.execute(question, {"cause": self._cause})  # type: ignore[call-overload]
            return int(found.first()[0])


def _house(sessions: Sessions) -> House:
    return furnish(
        sessions=sessions,
        books=RulebookHolder(None),
        decider=Decider(None),
        renderer=JinjaRenderer(),
        clock=SystemClock(),
        routes=load_routes().with_providers({"twilio", "smtp", "fcm"}),
    )


def _now() -> datetime:
    return SystemClock().now()
