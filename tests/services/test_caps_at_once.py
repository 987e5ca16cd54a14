"""Caps when everything happens at once: fifty workers, batches that meet, and any order of events.

Whatever happens in whatever order: no window holds more messages than its limit, and every message
and every outcome ends in a state that says why.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, func, select

from rules.decide import Decider
from rules.definitions import Cap
from rules.holder import RulebookHolder
from rules.situations import zone_of
from tellal.domain.channels import Lane
from tellal.domain.customers import Brand
from tellal.domain.handover import Answered
from tellal.domain.messages import (
    UNSENT,
    Answer,
    HandOver,
    MessageState,
    OutcomeState,
    Remedy,
)
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions, make_engine, make_sessions
from tellal.persistence.tables.ledger import CapUseRow, DecisionRow, MessageRow, OutcomeRow
from tellal.services.events import RecordedEvent
from tellal.services.handover import HandOvers
from tellal.services.house import House, furnish
from tellal.services.reserving import Taken, reserve, take
from tellal.services.slots import fits
from tests.support.builders import a_brand, a_customer
from tests.support.desk import PlainRenderer, a_desk
from tests.support.house import ROUTES, SetClock
from tests.support.ledger import a_message

_caps = table(CapUseRow)
_decisions = table(DecisionRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)

WORKERS = 50
CAP = "shop.few"
CONSUMING = {
    MessageState.HANDING_OVER,
    MessageState.ACCEPTED,
    MessageState.SENT,
    MessageState.DELIVERED,
    MessageState.UNDELIVERED,
    MessageState.UNKNOWN,
}


def rules(priorities: Sequence[int], *, limit: int, per: str, on_reach: str) -> str:
    """Write a topic for each priority, all of which share the slots of one cap."""
    topics = [f"t{number}" for number in range(len(priorities))]
    listed = "\n".join(
        f"  - {{id: {topic}, means: A message, class: service, on: [wants_{topic}], "
        f"attempts_within: 1h, expires: 5d, priority: {priority}}}"
        for topic, priority in zip(topics, priorities, strict=True)
    )
    events = "\n".join(
        f"  - {{type: wants_{topic}, means: Somebody wants it, carries: [event.method]}}"
        for topic in topics
    )
    return f"""version: 1
package: shop
topics:
{listed}
events:
{events}
channels:
  - {{id: any, when: {{topic: [{", ".join(topics)}]}}, send: [sms]}}
caps:
  - {{id: few, count: {{class: service}}, limit: {limit}, per: {per}, on_reach: {on_reach},
     reason: enough, text: Enough for now}}
"""


def a_house(
    folder: Path,
    sessions: Sessions,
    clock: SetClock,
    priorities: Sequence[int],
    *,
    limit: int = 1,
    per: str = "1d",
    on_reach: str = "suppress",
) -> House:
    text = rules(priorities, limit=limit, per=per, on_reach=on_reach)
    (folder / "shop.yaml").write_text(text, encoding="utf-8")
    return furnish(
        sessions=sessions,
        books=RulebookHolder(folder),
        decider=Decider(None),
        renderer=PlainRenderer(),
        clock=clock,
        routes=ROUTES,
    )


Furnish = Callable[..., House]


@pytest.fixture
def free_house(sessions: Sessions, clock: SetClock, tmp_path: Path) -> Furnish:
    """Furnish a house for few, with topics of the given priorities."""
    return partial(a_house, tmp_path, sessions, clock)


def cap_of(house: House) -> Cap:
    return house.books.current.caps_of("t0")[0]


@pytest.fixture
async def crowd(database_url: str) -> AsyncIterator[Sessions]:
    """Sessions for fifty at once, each with a connection of its own, and some for lanes."""
    engine = make_engine(database_url, pool=WORKERS + 4)
    yield make_sessions(engine)
    await engine.dispose()


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


async def somebody(sessions: Sessions, brand: Brand, ref: str) -> str:
    async with sessions() as tx, tx.begin():
        return await a_customer(tx, brand, ref)


async def wants(house: House, brand: Brand, ref: str, topic: str) -> RecordedEvent:
    async with house.sessions() as tx, tx.begin():
        return await house.events.record(
            tx, brand=brand, customer_ref=ref, type=f"wants_{topic}", payload={}
        )


async def messages_of(house: House, customer_id: str) -> list[Row[Any]]:
    async with house.sessions() as tx:
        query = select(_messages).where(_messages.c.customer_id == customer_id)
        return list((await tx.execute(query.order_by(_messages.c.id))).all())


@pytest.mark.req("A02", "blocks")
@pytest.mark.req("A02", "allows")
async def test_fifty_workers_one_customer_one_slot_one_message(
    crowd: Sessions, brand: Brand, clock: SetClock, tmp_path: Path
) -> None:
    house = a_house(tmp_path, crowd, clock, [50] * WORKERS)
    for number in range(5):
        ref = f"customer-{number}"
        customer_id = await somebody(crowd, brand, ref)

        events = await asyncio.gather(
            *(wants(house, brand, ref, f"t{worker}") for worker in range(WORKERS))
        )

        verdicts = [event.decisions[0].verdict for event in events]
        assert (verdicts.count("send"), verdicts.count("suppress")) == (1, WORKERS - 1)
        assert {event.decisions[0].reason for event in events} == {"", "enough"}
        assert len(await messages_of(house, customer_id)) == 1


@pytest.mark.req("A02", "blocks")
@pytest.mark.req("A02", "allows")
async def test_fifty_workers_of_all_priorities_while_lanes_claim(
    crowd: Sessions, brand: Brand, clock: SetClock, tmp_path: Path
) -> None:
    """One leaves at most, and nothing goes without a word; without lanes the highest has it."""
    house = a_house(tmp_path, crowd, clock, list(range(WORKERS)))
    desk = a_desk(crowd, clock)
    for number in range(6):
        ref = f"customer-{number}"
        customer_id = await somebody(crowd, brand, ref)
        order = list(range(WORKERS))
        random.Random(number).shuffle(order)
        over = asyncio.Event()
        lanes = [asyncio.create_task(_claim_until(desk, over)) for _ in range(number % 3)]

        events = await asyncio.gather(*(wants(house, brand, ref, f"t{worker}") for worker in order))
        over.set()
        await asyncio.gather(*lanes)

        left = [one for one in await messages_of(house, customer_id) if one.state != "expired"]
        assert len(left) == 1
        if not lanes:
            assert left[0].topic == f"t{WORKERS - 1}"
        for event in events:
            assert event.decisions[0].verdict == "send" or event.decisions[0].reason == "enough"
        for one in await messages_of(house, customer_id):
            if one.id != left[0].id:
                assert (one.code, bool(one.displaced_by)) == ("displaced", True)


async def _claim_until(desk: HandOvers, over: asyncio.Event) -> None:
    while not over.is_set():
        await desk.claim(Lane.JOURNEYS, 10)
        await asyncio.sleep(0.002)


@pytest.mark.req("A02", "blocks")
@pytest.mark.req("A02", "allows")
async def test_two_batches_in_opposite_order_take_turns(
    crowd: Sessions, brand: Brand, clock: SetClock, tmp_path: Path
) -> None:
    house = a_house(tmp_path, crowd, clock, [50])
    ids = [await somebody(crowd, brand, f"customer-{number}") for number in range(40)]

    async def batch(customers: Sequence[str]) -> frozenset[str]:
        async with crowd() as tx, tx.begin():
            free = await reserve(tx, cap_of(house), customers, clock.now())
            slots = [
                Taken(
                    customer_id=one,
                    cap=CAP,
                    message_id=await a_message(tx, brand, customer_id=one),
                    used_at=clock.now(),
                )
                for one in sorted(free)
            ]
            await take(tx, slots)
            return free

    async with asyncio.timeout(30):
        taken = await asyncio.gather(*(batch(ids[::step]) for step in (1, -1) * 4))

    assert sorted(len(free) for free in taken) == [0] * 7 + [len(ids)]
    async with crowd() as tx:
        assert (await tx.execute(select(func.count(_caps.c.id)))).scalar_one() == len(ids)


@pytest.mark.req("A02", "blocks")
@pytest.mark.req("A02", "allows")
@pytest.mark.parametrize(("hours", "free"), [(3, 0), (15, 1)])
async def test_a_batch_counts_by_the_customers_calendar(
    brand: Brand, free_house: Furnish, hours: int, free: int
) -> None:
    """Ten in the morning: three hours later is the same day in Istanbul, fifteen the next."""
    house = free_house([50], per="calendar_day")
    customer_id = await somebody(house.sessions, brand, "ayse")
    await wants(house, brand, "ayse", "t0")
    await a_desk(house.sessions, house.clock).claim(Lane.JOURNEYS, 1)

    async with house.sessions() as tx, tx.begin():
        later = house.clock.now() + timedelta(hours=hours)
        assert len(await reserve(tx, cap_of(house), [customer_id], later)) == free


class Story:
    """One customer, and whatever may happen to his messages, in any order."""

    def __init__(self, house: House, brand: Brand, ref: str, clock: SetClock, seed: int) -> None:
        self.house = house
        self.brand = brand
        self.ref = ref
        self.clock = clock
        self.chance = random.Random(seed)
        self.desk = a_desk(house.sessions, clock)

    async def happens(self) -> None:
        """Let one thing happen."""
        await self.chance.choice(
            [self._wants, self._wants, self._leaves, self._is_called_off, self._passes]
        )()

    async def _wants(self) -> None:
        await wants(self.house, self.brand, self.ref, f"t{self.chance.randrange(6)}")

    async def _leaves(self) -> None:
        for message in await self.desk.claim(Lane.JOURNEYS, 1):
            answer = self.chance.choice(list(Answer))
            remedies = {
                Answer.REJECTED: Remedy.NEXT_CHANNEL,
                Answer.AMBIGUOUS: Remedy.RECONCILE,
            }
            handed = HandOver(answer=answer, provider="fake", code="x", remedy=remedies.get(answer))
            await self.desk.record([Answered(message=message, answer=handed)])

    async def _is_called_off(self) -> None:
        async with self.house.sessions() as tx, tx.begin():
            query = select(_outcomes.c.id).where(_outcomes.c.state == OutcomeState.OPEN)
            ids = sorted((await tx.execute(query.with_for_update())).scalars())
            if ids:
                one = self.chance.choice(ids)
                await self.house.progress.cancel_unsent(tx, [one], "called_off")

    async def _passes(self) -> None:
        """Time passes, and lanes keep up: what comes due leaves when it does."""
        end = self.clock.now() + timedelta(hours=self.chance.choice([1, 5, 14, 30]))
        while True:
            await self.desk.promote(Lane.JOURNEYS)
            while await self.desk.claim(Lane.JOURNEYS, 10):
                pass
            await self.settle()
            async with self.house.sessions() as tx:
                query = select(func.min(_messages.c.not_before)).where(
                    _messages.c.state == MessageState.DEFERRED
                )
                due = (await tx.execute(query)).scalar_one()
            if due is None or due >= end:
                break
            self.clock.at = max(due, self.clock.now())
        self.clock.at = end

    async def settle(self) -> None:
        """Advance every open journey, as workflows do."""
        async with self.house.sessions() as tx:
            query = select(_outcomes.c.id).where(_outcomes.c.state == OutcomeState.OPEN)
            ids = (await tx.execute(query.order_by(_outcomes.c.id))).scalars().all()
        for one in ids:
            await self.house.journeys.advance(one)

    async def check(self, customer_id: str) -> None:
        """No window is over its limit; what consumes has a slot, and what is lost has none."""
        async with self.house.sessions() as tx:
            query = (
                select(_messages, _caps.c.used_at, _caps.c.released_at)
                .join(_caps, _caps.c.message_id == _messages.c.id)
                .where(_messages.c.customer_id == customer_id)
            )
            rows = (await tx.execute(query)).all()
        cap, zone = cap_of(self.house), zone_of("Europe/Istanbul")
        standing = [row for row in rows if row.released_at is None]
        for row in standing:
            others = [one.used_at for one in standing if one.id != row.id]
            assert fits(cap, row.used_at, others, zone), (row.topic, row.used_at, others)
        for row in rows:
            consumes = row.state in CONSUMING or row.state in UNSENT
            assert consumes == (row.released_at is None), row.state
            if row.state in UNSENT:
                assert row.used_at == row.not_before < row.expires_at
            if row.state in {"expired", "cancelled", "failed"}:
                assert row.code
            if row.displaced_by is not None:
                by = next(one for one in rows if one.id == row.displaced_by)
                assert by.priority < row.priority


@pytest.mark.req("A02")
@pytest.mark.parametrize("per", ["1d", "calendar_day"])
@pytest.mark.parametrize("how", [(1, "defer"), (2, "defer"), (2, "suppress")])
async def test_whatever_happens_no_window_is_exceeded_and_nothing_is_lost(
    brand: Brand, free_house: Furnish, clock: SetClock, per: str, how: tuple[int, str]
) -> None:
    house = free_house([10, 10, 30, 50, 70, 90], limit=how[0], per=per, on_reach=how[1])
    sessions = house.sessions
    for seed in range(4):
        ref = f"customer-{seed}"
        customer_id = await somebody(sessions, brand, ref)
        story = Story(house, brand, ref, clock, seed)
        for _ in range(40):
            await story.happens()
            await story.check(customer_id)
        clock.pass_by(timedelta(days=9))
        await story.settle()
        await story.settle()
        async with sessions() as tx:
            query = select(_outcomes).where(_outcomes.c.customer_id == customer_id)
            outcomes = (await tx.execute(query)).all()
            waiting = select(func.count()).where(
                _messages.c.customer_id == customer_id, _messages.c.state.in_(list(UNSENT))
            )
            assert (await tx.execute(waiting)).scalar_one() == 0
        assert outcomes
        for outcome in outcomes:
            if outcome.state == OutcomeState.OPEN:
                # A provider has it, and says nothing: reconciling knows until when to ask.
                continue
            assert outcome.state == OutcomeState.TOLD or outcome.reason
