"""The outbox, on a real database: delivered at least once, in order, and nothing waits behind."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import psycopg
import pytest

from tellal.clock import SystemClock
from tellal.domain.outbox import OutboxItem, OutboxKind, WorkflowGoneError
from tellal.persistence.session import Sessions
from tellal.services.dispatching import Dispatcher, backoff
from tellal.services.outbox import enqueue
from tests.support.ledger import NOON, SetClock, outbox

_PATIENCE_S = 10.0


class Ears:
    """Takes deliveries; says `away` or `gone` for workflows that the test names."""

    def __init__(self) -> None:
        self.heard: list[OutboxItem] = []
        self.tried: Counter[str] = Counter()
        self.away: set[str] = set()
        self.gone: set[str] = set()
        self.spoken_to = asyncio.Event()

    async def __call__(self, item: OutboxItem) -> None:
        self.tried[item.workflow_id] += 1
        if item.workflow_id in self.away:
            raise ConnectionError("Temporal is away")
        if item.workflow_id in self.gone:
            raise WorkflowGoneError(item.workflow_id)
        self.heard.append(item)
        self.spoken_to.set()

    @property
    def words(self) -> list[tuple[str, str, object]]:
        return [(one.workflow_id, one.kind.value, one.body.get("state")) for one in self.heard]


async def say(
    sessions: Sessions,
    *words: tuple[str, OutboxKind, dict[str, object]],
    clock: SetClock | None = None,
) -> None:
    for workflow_id, kind, body in words:
        async with sessions() as tx, tx.begin():
            await enqueue(
                tx,
                brand_id="brand",
                kind=kind,
                workflow_id=workflow_id,
                body=body,
                now=clock.now() if clock else NOON,
            )
        if clock:
            clock.advance(milliseconds=1)


def opened(case: str) -> tuple[str, OutboxKind, dict[str, object]]:
    return (f"case/{case}", OutboxKind.CASE_OPENED, {"case_id": case})


def changed(case: str, state: str) -> tuple[str, OutboxKind, dict[str, object]]:
    return (f"case/{case}", OutboxKind.CASE_CHANGED, {"case_id": case, "state": state})


def progressed(case: str, outcome: str, state: str) -> tuple[str, OutboxKind, dict[str, object]]:
    body: dict[str, object] = {"outcome_id": outcome, "state": state}
    return (f"case/{case}", OutboxKind.PROGRESSED, body)


async def test_what_is_rolled_back_is_never_said(sessions: Sessions) -> None:
    ears, clock = Ears(), SetClock()
    dispatcher = Dispatcher(sessions, clock, ears)

    async with sessions() as tx:
        workflow_id, kind, body = opened("1")
        await enqueue(
            tx, brand_id="b", kind=kind, workflow_id=workflow_id, body=body, now=clock.now()
        )
        await tx.rollback()

    assert await dispatcher.deliver_due() == 0
    assert ears.heard == []


async def test_one_workflow_hears_in_order_and_only_the_newest_of_the_same(
    sessions: Sessions,
) -> None:
    ears, clock = Ears(), SetClock()
    await say(
        sessions,
        opened("1"),
        changed("1", "routed"),
        progressed("1", "a", "open"),
        progressed("1", "b", "open"),
        changed("1", "answered"),
        progressed("1", "a", "told"),
        clock=clock,
    )

    await Dispatcher(sessions, clock, ears).deliver_due()

    assert ears.words == [
        ("case/1", "case_opened", None),
        ("case/1", "progressed", "open"),
        ("case/1", "case_changed", "answered"),
        ("case/1", "progressed", "told"),
    ]
    assert all(row.done_at is not None for row in await outbox(sessions))


async def test_a_failure_is_put_off_and_blocks_nobody_else(sessions: Sessions) -> None:
    ears, clock = Ears(), SetClock()
    ears.away = {"case/1"}
    await say(sessions, opened("1"), changed("1", "routed"), opened("2"), clock=clock)
    dispatcher = Dispatcher(sessions, clock, ears)

    await dispatcher.deliver_due()
    at_once = await dispatcher.deliver_due()
    waiting = [row for row in await outbox(sessions) if row.done_at is None]
    ears.away = set()
    clock.advance(seconds=1)
    await dispatcher.deliver_due()

    assert at_once == 0
    assert [(row.workflow_id, row.error, row.tries) for row in waiting] == [
        ("case/1", "ConnectionError", 1),
        ("case/1", "ConnectionError", 1),
    ]
    assert ears.words == [
        ("case/2", "case_opened", None),
        ("case/1", "case_opened", None),
        ("case/1", "case_changed", "routed"),
    ]


def test_waits_grow_and_stay_within_bounds() -> None:
    waits = [backoff(tries) for tries in range(1, 40)]

    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=0.5), timedelta(seconds=10))


async def test_news_for_a_workflow_that_ended_is_settled(sessions: Sessions) -> None:
    ears, clock = Ears(), SetClock()
    await say(sessions, opened("1"), clock=clock)
    dispatcher = Dispatcher(sessions, clock, ears)
    await dispatcher.deliver_due()
    ears.gone = {"case/1"}

    await say(sessions, progressed("1", "a", "told"), clock=clock)
    await dispatcher.deliver_due()

    assert all(row.done_at is not None for row in await outbox(sessions))


async def test_news_that_overtakes_a_start_waits_for_it(sessions: Sessions) -> None:
    """Another dispatcher may hold the start while this one holds the news."""
    ears, clock = Ears(), SetClock()
    ears.away = {"case/1"}
    await say(sessions, opened("1"), clock=clock)
    dispatcher = Dispatcher(sessions, clock, ears)
    await dispatcher.deliver_due()
    ears.away, ears.gone = set(), {"case/1"}

    await say(sessions, changed("1", "routed"), clock=clock)
    await dispatcher.deliver_due()
    news = (await outbox(sessions))[1]
    ears.gone = set()
    clock.advance(seconds=1)
    await dispatcher.deliver_due()

    assert (news.done_at, news.error) == (None, "not_started")
    assert ears.words == [("case/1", "case_opened", None), ("case/1", "case_changed", "routed")]


async def test_what_a_killed_dispatcher_had_claimed_is_delivered_by_another(
    sessions: Sessions,
) -> None:
    clock = SetClock()
    await say(sessions, opened("1"), clock=clock)
    reached = asyncio.Event()

    async def never_returns(_: OutboxItem) -> None:
        reached.set()
        await asyncio.Event().wait()

    dying = asyncio.create_task(Dispatcher(sessions, clock, never_returns).deliver_due())
    await asyncio.wait_for(reached.wait(), _PATIENCE_S)
    dying.cancel()
    ears = Ears()
    survivor = Dispatcher(sessions, clock, ears)
    at_once = await survivor.deliver_due()
    clock.advance(seconds=16)
    later = await survivor.deliver_due()

    assert (at_once, later) == (0, 1)
    assert ears.words == [("case/1", "case_opened", None)]


async def test_dispatchers_side_by_side_deliver_each_item_once(sessions: Sessions) -> None:
    ears, clock = Ears(), SetClock()
    await say(sessions, *(opened(str(n)) for n in range(120)))

    dispatchers = [Dispatcher(sessions, clock, ears) for _ in range(3)]
    await asyncio.gather(*(one.deliver_due() for one in dispatchers))
    await dispatchers[0].deliver_due()

    assert Counter(one.workflow_id for one in ears.heard) == {f"case/{n}": 1 for n in range(120)}


@pytest.mark.parametrize("loses_its_connection", [False, True])
async def test_a_running_dispatcher_is_woken_by_the_database(
    sessions: Sessions, database_url: str, loses_its_connection: bool
) -> None:
    ears, stop = Ears(), asyncio.Event()
    running = asyncio.create_task(Dispatcher(sessions, SystemClock(), ears).run(stop))

    if loses_its_connection:
        await _cut_listeners(database_url)
    await say(sessions, opened("1"))
    await asyncio.wait_for(ears.spoken_to.wait(), _PATIENCE_S)
    stop.set()
    await asyncio.wait_for(running, _PATIENCE_S)

    assert ears.words == [("case/1", "case_opened", None)]


async def _cut_listeners(database_url: str) -> None:
    """Wait until somebody listens, and end his connection."""
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE 'LISTEN %' AND datname = current_database()"
    )
    address = database_url.replace("+psycopg", "")
    async with (
        asyncio.timeout(_PATIENCE_S),
        await psycopg.AsyncConnection.connect(address, autocommit=True) as connection,
    ):
        cut_off: Sequence[object] = ()
        while not cut_off:
            cut_off = await (await connection.execute(cut)).fetchall()
