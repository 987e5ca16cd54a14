"""Shares of routes on a real database: what moves them, who decides, and what follows."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError

from tellal.domain.channels import Lane
from tellal.domain.errors import ConflictError, NotFoundError
from tellal.domain.handover import Answered
from tellal.domain.messages import Answer, HandOver, MessageState, OutgoingMessage, Receipt, Remedy
from tellal.domain.route_learning import Mode, Share, Why
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import RouteMovementRow, RouteStateRow
from tellal.persistence.tables.ledger import AttemptRow, MessageRow, ReceiptRow
from tellal.services.handover import HandOvers
from tellal.services.progress import Progress
from tellal.services.receipts import Receipts
from tellal.services.route_learning import RouteLearning
from tellal.services.route_steering import RouteSteering
from tests.support.builders import a_brand
from tests.support.desk import TWO_WAYS, a_desk
from tests.support.ledger import NOON, SetClock, a_message

_states = table(RouteStateRow)
_attempts = table(AttemptRow)
REFUSED = HandOver(answer=Answer.REJECTED, provider="twilio", code="21611", remedy=Remedy.RETRY)
WRONG_NUMBER = HandOver(
    answer=Answer.REJECTED, provider="twilio", code="21211", remedy=Remedy.BAD_ADDRESS
)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def learning(sessions: Sessions, clock: SetClock) -> RouteLearning:
    return RouteLearning(sessions, clock, TWO_WAYS)


@pytest.fixture
def desk(sessions: Sessions, clock: SetClock) -> HandOvers:
    return a_desk(sessions, clock, routes=TWO_WAYS)


def accepted(one: OutgoingMessage) -> HandOver:
    return HandOver(answer=Answer.ACCEPTED, provider=one.provider, reference=f"ref-{one.id}")


async def texts(sessions: Sessions, number: int) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, new_id())
        for _ in range(number):
            await a_message(tx, brand)


async def handed_over(
    sessions: Sessions, desk: HandOvers, number: int, answer: HandOver | None = None
) -> list[OutgoingMessage]:
    """Hand texts over; those by the route abroad are answered so, the others are taken."""
    await texts(sessions, number)
    claimed = await desk.claim(Lane.JOURNEYS, number)
    await desk.record(
        [
            Answered(
                message=one,
                answer=answer if answer is not None and one.route == "abroad" else accepted(one),
            )
            for one in claimed
        ]
    )
    return [one for one in claimed if one.route == "abroad"]


async def share(sessions: Sessions, route: str = "abroad") -> float:
    async with sessions() as tx:
        found = await tx.scalar(select(_states.c.factor).where(_states.c.route == route))
    return 1.0 if found is None else float(found)


async def steered(sessions: Sessions, clock: SetClock, mode: Mode, route: str = "abroad") -> Share:
    async with sessions() as tx, tx.begin():
        return await RouteSteering(TWO_WAYS, clock).steer(tx, route, mode, reason="works", by="me")


async def ways(sessions: Sessions, clock: SetClock, number: int = 60) -> Counter[str]:
    """Count the routes of new messages, seen by a worker that has just begun."""
    await texts(sessions, number)
    claimed = await a_desk(sessions, clock, routes=TWO_WAYS).claim(Lane.JOURNEYS, 500)
    return Counter(one.route for one in claimed)


async def test_failures_of_a_route_move_its_share_and_say_so(
    sessions: Sessions, desk: HandOvers, learning: RouteLearning, clock: SetClock
) -> None:
    failed = await handed_over(sessions, desk, 60, REFUSED)
    clock.advance(seconds=5)

    [(moved, why)] = await learning.look()

    assert (moved.route, why) == ("abroad", Why.ERRORS)
    assert await share(sessions) == moved.factor < 0.1
    async with sessions() as tx:
        [movement] = await RouteSteering(TWO_WAYS, clock).movements(tx, "abroad")
    assert (movement.judged, movement.faults) == (len(failed), len(failed))
    assert (movement.before, movement.after, movement.by) == (1.0, moved.factor, "")
    assert await learning.look() == [], "what was paid for is not paid for twice"


async def test_persons_who_cannot_be_reached_say_nothing_of_a_route(
    sessions: Sessions, desk: HandOvers, learning: RouteLearning, clock: SetClock
) -> None:
    await handed_over(sessions, desk, 60, WRONG_NUMBER)
    clock.advance(seconds=5)

    assert await learning.look() == []


@pytest.mark.parametrize(
    ("code", "remedy", "moves"),
    [
        pytest.param("30008", Remedy.NEXT_CHANNEL, True, id="nobody knows why"),
        pytest.param("30003", Remedy.NEXT_CHANNEL, False, id="phones that are off"),
        pytest.param("30005", Remedy.BAD_ADDRESS, False, id="wrong numbers"),
        pytest.param("30002", Remedy.HALT, True, id="our account"),
    ],
)
async def test_what_receipts_say_later_counts_if_it_is_the_routes_doing(
    sessions: Sessions,
    desk: HandOvers,
    learning: RouteLearning,
    clock: SetClock,
    *,
    code: str,
    remedy: Remedy,
    moves: bool,
) -> None:
    taken = await handed_over(sessions, desk, 60)
    clock.advance(seconds=5)
    async with sessions() as tx, tx.begin():
        lost = [
            Receipt(
                provider=one.provider,
                reference=f"ref-{one.id}",
                message_id=one.id,
                state=MessageState.UNDELIVERED,
                code=code,
                remedy=remedy,
                received_at=clock.now(),
            )
            for one in taken
        ]
        await Receipts(clock, Progress(clock)).take(tx, lost)

    assert bool(await learning.look()) is moves


async def receipts(sessions: Sessions, taken: Sequence[OutgoingMessage], at: datetime) -> None:
    rows = [
        {
            "id": new_id(),
            "message_id": one.id,
            "provider": one.provider,
            "reference": f"ref-{one.id}",
            "state": "delivered",
            "code": "",
            "received_at": at,
        }
        for one in taken
    ]
    async with sessions() as tx, tx.begin():
        await tx.execute(insert(table(ReceiptRow)), rows)


async def test_late_receipts_move_a_share_once_it_is_known_what_is_usual(
    sessions: Sessions, desk: HandOvers, learning: RouteLearning, clock: SetClock
) -> None:
    taken = await handed_over(sessions, desk, 80)
    await receipts(sessions, taken, clock.now() + timedelta(seconds=10))
    clock.advance(seconds=120)
    assert await learning.look() == []
    async with sessions() as tx:
        usual = await tx.scalar(select(_states.c.usual_s).where(_states.c.route == "abroad"))
    assert usual == 10

    clock.advance(seconds=600)
    async with sessions() as tx, tx.begin():
        await tx.execute(update(table(MessageRow)).values(state="delivered"))
    slow = await handed_over(sessions, desk, 80)
    await receipts(sessions, slow, clock.now() + timedelta(seconds=41))
    clock.advance(seconds=60)

    [(moved, why)] = await learning.look()
    assert (moved.route, why) == ("abroad", Why.LATE_RECEIPTS)


async def test_one_worker_at_a_time_learns(
    sessions: Sessions, desk: HandOvers, learning: RouteLearning, clock: SetClock
) -> None:
    assert await learning.look() == []
    await handed_over(sessions, desk, 60, REFUSED)
    clock.advance(seconds=5)

    other = RouteLearning(sessions, clock, TWO_WAYS)
    assert await other.look() == []
    assert len(await learning.look()) == 1


async def test_a_small_share_takes_few_messages_and_none_is_lost(
    sessions: Sessions, clock: SetClock, learning: RouteLearning
) -> None:
    await learning.look()
    async with sessions() as tx, tx.begin():
        await tx.execute(update(_states).where(_states.c.route == "abroad").values(factor=0.02))

    found = await ways(sessions, clock, 200)

    assert found.total() == 200
    assert found["abroad"] < 20


async def test_a_drained_route_gets_nothing_and_what_it_alone_carries_waits(
    sessions: Sessions, clock: SetClock
) -> None:
    await steered(sessions, clock, Mode.DRAINED)
    assert await ways(sessions, clock) == {"turkish": 60}

    await steered(sessions, clock, Mode.DRAINED, "turkish")
    await texts(sessions, 3)
    fresh = a_desk(sessions, clock, routes=TWO_WAYS)
    assert await fresh.claim(Lane.JOURNEYS, 10) == ()

    await steered(sessions, clock, Mode.AUTO, "turkish")
    clock.advance(seconds=10)
    assert await ways(sessions, clock, 0) == {"turkish": 3}


async def test_a_pinned_route_gets_all_that_it_may_carry_while_it_works(
    sessions: Sessions, clock: SetClock
) -> None:
    await steered(sessions, clock, Mode.PINNED)
    assert await ways(sessions, clock) == {"abroad": 60}

    async with sessions() as tx, tx.begin():
        later = NOON + timedelta(minutes=5)
        await tx.execute(
            update(_states).where(_states.c.route == "abroad").values(open_until=later)
        )
    assert await ways(sessions, clock) == {"turkish": 60}


async def test_who_decides_is_told_what_does_not_change_and_what_is_not_there(
    sessions: Sessions, clock: SetClock
) -> None:
    with pytest.raises(ConflictError, match="is auto already"):
        await steered(sessions, clock, Mode.AUTO)
    with pytest.raises(NotFoundError, match="there are: abroad, turkish"):
        await steered(sessions, clock, Mode.DRAINED, "nowhere")


async def test_movements_are_only_ever_added_to(sessions: Sessions, clock: SetClock) -> None:
    await steered(sessions, clock, Mode.DRAINED)

    with pytest.raises(DBAPIError, match="only ever added to"):
        async with sessions() as tx, tx.begin():
            await tx.execute(update(table(RouteMovementRow)).values(note="another"))
