"""Texts taken segment by segment, on a real database: told when all are there, lost with one."""

import asyncio
from dataclasses import replace
from itertools import permutations

import pytest
from sqlalchemy import select, update

from tellal.domain.channels import Channel, Lane, Receipts as Told
from tellal.domain.handover import Answered, Carrier
from tellal.domain.messages import Answer, HandOver, MessageState, OutgoingMessage, Receipt, Remedy
from tellal.domain.routes import Route, RouteTable
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import AttemptRow, MessageRow, OutcomeRow, ReceiptRow
from tellal.services.handover import HandOvers
from tellal.services.progress import Progress
from tellal.services.receipts import Receipts
from tests.support.desk import EVERYWHERE, a_desk
from tests.support.ledger import NOON, SetClock, message, messages_of_a_brand, states

DELIVERED, UNDELIVERED, SENT = MessageState.DELIVERED, MessageState.UNDELIVERED, MessageState.SENT


def taken(*references: str) -> HandOver:
    return HandOver(
        answer=Answer.ACCEPTED, provider="fake", reference=references[0], parts=references
    )


async def in_three(sessions: Sessions) -> str:
    """Have a text taken in three segments, and return its id."""
    [message_id] = await messages_of_a_brand(sessions, 1)
    desk = a_desk(sessions, SetClock())
    await hand_over(desk, taken("a", "b", "c"))
    return message_id


async def hand_over(desk: HandOvers, answer: HandOver) -> OutgoingMessage:
    [claimed] = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record([Answered(message=claimed, answer=answer)])
    return claimed


def of(reference: str, state: MessageState = DELIVERED) -> Receipt:
    lost = state is UNDELIVERED
    return Receipt(
        provider="fake",
        reference=reference,
        message_id="",
        state=state,
        code="EXPIRED" if lost else "",
        remedy=Remedy.NEXT_CHANNEL if lost else None,
        received_at=NOON,
    )


async def take(sessions: Sessions, *receipts: Receipt) -> list[Receipt]:
    """Take receipts in together; return those that are of nothing."""
    clock = SetClock()
    async with sessions() as tx, tx.begin():
        return await Receipts(clock, Progress(clock)).take(tx, receipts)


async def told(sessions: Sessions) -> str:
    async with sessions() as tx:
        return str((await tx.execute(select(table(OutcomeRow).c.state))).scalar_one())


@pytest.mark.parametrize("order", list(permutations("abc")), ids="".join)
async def test_a_person_is_told_with_the_last_segment_whichever_it_is(
    sessions: Sessions, order: tuple[str, ...]
) -> None:
    message_id = await in_three(sessions)

    for reference in order[:-1]:
        assert await take(sessions, of(reference)) == []
        assert await told(sessions) == "open"
        assert (await message(sessions, message_id)).state == "accepted"
    await take(sessions, of(order[-1]))

    row = await message(sessions, message_id)
    assert (row.state, row.reference) == ("delivered", "a")
    assert await told(sessions) == "told"


async def test_segments_that_come_together_are_one_text(sessions: Sessions) -> None:
    message_id = await in_three(sessions)

    await take(sessions, of("c"), of("a"), of("b"), of("b"))

    assert (await message(sessions, message_id)).state == "delivered"
    async with sessions() as tx:
        kept = (await tx.execute(select(table(ReceiptRow).c.reference))).scalars()
        assert sorted(kept) == ["a", "b", "c"]


async def test_one_segment_that_is_lost_is_the_text(sessions: Sessions) -> None:
    message_id = await in_three(sessions)

    await take(sessions, of("a"), of("b", UNDELIVERED))

    row = await message(sessions, message_id)
    assert (row.state, row.code, row.reference) == ("undelivered", "EXPIRED", "a")
    await take(sessions, of("c"))
    assert (await message(sessions, message_id)).state == "undelivered"


async def test_a_segment_that_comes_after_all_makes_the_text_whole(sessions: Sessions) -> None:
    message_id = await in_three(sessions)
    await take(sessions, of("a"), of("b", UNDELIVERED), of("c"))

    await take(sessions, of("b"))

    assert (await message(sessions, message_id)).state == "delivered"


async def test_a_segment_that_is_there_stays_there(sessions: Sessions) -> None:
    message_id = await in_three(sessions)

    await take(sessions, of("a"), of("a", UNDELIVERED), of("b"), of("c"))

    assert (await message(sessions, message_id)).state == "delivered"


async def test_what_is_under_way_with_one_segment_is_under_way(sessions: Sessions) -> None:
    message_id = await in_three(sessions)

    await take(sessions, of("b", SENT))

    row = await message(sessions, message_id)
    assert (row.state, row.reference) == ("sent", "a")


async def test_segments_of_an_attempt_that_was_given_up_do_not_lose_the_next(
    sessions: Sessions,
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock)
    await hand_over(desk, taken("a", "b"))
    async with sessions() as tx, tx.begin():
        # It goes out again while receipts of the first attempt are on their way.
        await tx.execute(update(table(MessageRow)).values(state="queued"))
    await hand_over(desk, taken("c", "d"))

    await take(sessions, of("b", UNDELIVERED))
    assert (await message(sessions, message_id)).state == "accepted"
    await take(sessions, of("c"), of("d"))

    assert (await message(sessions, message_id)).state == "delivered"


async def test_the_route_is_blamed_for_a_segment_that_it_lost(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 1)
    line = "smpp_operator"
    desk = a_desk(
        sessions,
        SetClock(),
        carriers={line: Carrier(provider=line, receipts=Told.DELIVERY, looks_up=False)},
        routes=RouteTable(
            routes=(Route(name="text", provider=line, channel=Channel.SMS, carries=EVERYWHERE),)
        ),
    )
    await hand_over(desk, replace(taken("a", "b"), provider=line))

    refused = replace(of("b", UNDELIVERED), provider=line, code="UNDELIV")
    await take(sessions, refused)

    async with sessions() as tx:
        assert (await tx.execute(select(table(AttemptRow).c.fault))).scalar_one() is True


async def test_two_workers_that_take_in_a_text_each_a_half_tell_once(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 20)
    desk = a_desk(sessions, SetClock())
    claimed = await desk.claim(Lane.JOURNEYS, 20)
    await desk.record(
        [Answered(message=one, answer=taken(f"{one.id}/1", f"{one.id}/2")) for one in claimed]
    )

    halves = [take(sessions, of(f"{one.id}/{n}")) for one in claimed for n in (1, 2)]
    await asyncio.gather(*halves)

    assert set((await states(sessions)).values()) == {"delivered"}


async def test_an_answer_that_is_recorded_again_changes_nothing(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    desk = a_desk(sessions, SetClock())
    answered = Answered(message=(await desk.claim(Lane.JOURNEYS, 1))[0], answer=taken("a", "b"))
    await desk.record([answered])

    # A lane records again what it does not know to be recorded, as after a lost connection.
    await desk.record([answered])

    await take(sessions, of("a"), of("b"))
    assert (await message(sessions, message_id)).state == "delivered"
