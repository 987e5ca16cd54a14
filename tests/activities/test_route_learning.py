"""A route that degrades loses its traffic and gets it back, over real adapters and real HTTP."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import func, select
from temporalio.testing import ActivityEnvironment

from activities.lanes import LaneActivities, WorkLane
from activities.providers.netgsm.sms import NetgsmSms
from activities.providers.twilio.sms import TwilioSms
from tellal.clock import SystemClock
from tellal.domain.channels import Channel, Lane
from tellal.domain.customers import Brand
from tellal.domain.handover import Carrier
from tellal.domain.messages import MessageState, Receipt
from tellal.domain.route_learning import Lessons
from tellal.domain.routes import RouteTable
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import RouteMovementRow
from tellal.persistence.tables.ledger import AttemptRow, MessageRow, OutcomeRow
from tellal.ports import Sender
from tellal.services.progress import Progress
from tellal.services.receipts import Receipts
from tellal.services.route_learning import RouteLearning
from tests.support.builders import a_brand, a_customer
from tests.support.carrier import CarrierProbe
from tests.support.desk import TWO_WAYS, a_desk
from tests.support.ledger import a_message
from tests.support.waiting import until

FOR_EVER = datetime(2100, 1, 1, tzinfo=UTC)
QUICK = Lessons(
    window=timedelta(seconds=4), quiet=timedelta(seconds=4), settle=timedelta(seconds=0.3)
)
_attempts = table(AttemptRow).c
_outcomes = table(OutcomeRow).c
_LATEST = 60


class Traffic:
    """Texts that come without an end, and where the latest of them went."""

    def __init__(self, sessions: Sessions, brand: Brand) -> None:
        self._sessions, self._brand, self._numbers = sessions, brand, count(1)

    async def flow(self) -> None:
        while True:
            async with self._sessions() as tx, tx.begin():
                for _ in range(5):
                    number = next(self._numbers)
                    address = {Channel.SMS: f"+90532{number:07}"}
                    who = await a_customer(tx, self._brand, f"c{number}", contacts=address)
                    await a_message(tx, self._brand, customer_id=who, expires_at=FOR_EVER)
            await asyncio.sleep(0.1)

    async def shares(self, since: float) -> Counter[str]:
        """Count the routes of the latest first attempts after an instant (seconds of 1970)."""
        query = (
            select(_attempts.route)
            .where(_attempts.n == 1, _attempts.intended_at > datetime.fromtimestamp(since, UTC))
            .order_by(_attempts.intended_at.desc())
            .limit(_LATEST)
        )
        async with self._sessions() as tx:
            return Counter((await tx.execute(query)).scalars())


@asynccontextmanager
async def at_work(
    sessions: Sessions, carrier: CarrierProbe, routes: RouteTable
) -> AsyncIterator[None]:
    """Keep a lane with both adapters at work, and what learns of their routes."""
    senders: list[Sender] = [
        TwilioSms(carrier.twilio(), status_callback_url="http://127.0.0.1:9/"),
        NetgsmSms(carrier.netgsm()),
    ]
    known = {
        one.provider: Carrier(provider=one.provider, receipts=one.receipts, looks_up=one.looks_up)
        for one in senders
    }
    desk = a_desk(sessions, SystemClock(), carriers=known, routes=routes)
    lanes = LaneActivities(desk, {one.provider: one for one in senders}, {Lane.JOURNEYS: 8})
    learning = RouteLearning(sessions, SystemClock(), routes, lessons=QUICK)
    environment = ActivityEnvironment()
    order = WorkLane(lane=Lane.JOURNEYS, shift_s=300)

    async def learn() -> None:
        while True:
            await learning.look()
            await asyncio.sleep(0.2)

    async with AsyncExitStack() as held:
        for one in senders:
            held.push_async_callback(one.close)
        working = asyncio.create_task(environment.run(lanes.work, order))
        looking = asyncio.create_task(learn())
        try:
            yield
        finally:
            looking.cancel()
            environment.worker_shutdown()
            await asyncio.wait_for(working, 20)
        with pytest.raises(asyncio.CancelledError):
            await looking


async def test_a_route_that_degrades_loses_its_traffic_and_gets_it_back(
    sessions: Sessions, carrier: CarrierProbe
) -> None:
    async with sessions() as tx, tx.begin():
        traffic = Traffic(sessions, await a_brand(tx))

    async def carries(since: float, least: float, most: float) -> bool:
        shares = await traffic.shares(since)
        part = shares["abroad"] / _LATEST
        return shares.total() == _LATEST and least <= part <= most

    async with at_work(sessions, carrier, TWO_WAYS):
        flowing = asyncio.create_task(traffic.flow())
        began = time.time()
        await until(lambda: carries(began, 0.3, 0.7))
        # A third of its hand-overs fail: too few for its breaker, which opens at more.
        carrier.fault("error", {"provider": "twilio"}, code="21611", rate=0.3)
        degraded = time.time()
        await until(lambda: carries(degraded, 0.0, 0.1), timeout_s=60)
        carrier.http.delete("/_carrier/faults").raise_for_status()
        healed = time.time()
        await until(lambda: carries(healed, 0.4, 0.7), timeout_s=90)
        flowing.cancel()
        await until(lambda: _all_accepted(sessions), timeout_s=60)

    told = await _deliver_all(sessions)
    moves = await _movements(sessions)
    assert {one.reason for one in moves} >= {"errors", "healed"}
    assert all(
        one.route == "abroad" and one.judged >= 10 for one in moves if one.reason == "errors"
    )
    assert min(one.after for one in moves) < 0.2
    assert carrier.http.get("/_carrier/book/taken", params={"least": 2}).json()["messages"] == {}
    assert await _ledger(sessions) == {"told": told}


async def _all_accepted(sessions: Sessions) -> bool:
    messages = table(MessageRow).c
    async with sessions() as tx:
        query = select(func.count()).where(messages.state != "accepted")
        return not (await tx.execute(query)).scalar_one()


async def _deliver_all(sessions: Sessions) -> int:
    """Bring the receipts that the providers owe, one of each text; return how many."""
    messages = table(MessageRow).c
    async with sessions() as tx, tx.begin():
        rows = (await tx.execute(select(messages.id, messages.provider, messages.reference))).all()
        receipts = [
            Receipt(
                provider=row.provider,
                reference=row.reference,
                message_id=row.id,
                state=MessageState.DELIVERED,
                code="",
                remedy=None,
                received_at=datetime.now(UTC),
            )
            for row in rows
        ]
        left = await Receipts(SystemClock(), Progress(SystemClock())).take(tx, receipts)
    assert left == []
    return len(rows)


async def _movements(sessions: Sessions) -> list[RouteMovementRow]:
    rows = table(RouteMovementRow)
    async with sessions() as tx:
        return [
            RouteMovementRow(**row._mapping)
            for row in await tx.execute(select(rows).order_by(rows.c.id))
        ]


async def _ledger(sessions: Sessions) -> dict[str, int]:
    async with sessions() as tx:
        query = select(_outcomes.state, func.count()).group_by(_outcomes.state)
        return {state: number for state, number in await tx.execute(query)}  # noqa: C416 - typed so
