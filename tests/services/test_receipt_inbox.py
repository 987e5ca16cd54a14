"""The inbox of receipts: on disk before a callback is answered, worked in by whoever is there."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tellal.domain.channels import Lane
from tellal.domain.handover import Answered
from tellal.domain.messages import MessageState, Receipt, Remedy
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import ReceiptInboxRow
from tellal.persistence.tables.ledger import ReceiptRow
from tellal.services.progress import Progress
from tellal.services.receipt_inbox import InboxWork, ReceiptInbox
from tellal.services.receipts import Receipts
from tests.support.desk import ACCEPTED, a_desk
from tests.support.ledger import NOON, SetClock, message, messages_of_a_brand, states


def a_receipt(
    state: MessageState, *, message_id: str = "", reference: str = "ref", code: str = ""
) -> Receipt:
    return Receipt(
        provider="fake",
        reference=reference,
        message_id=message_id,
        state=state,
        code=code,
        remedy=Remedy.BAD_ADDRESS if code else None,
        received_at=NOON,
    )


def work_of(sessions: Sessions, clock: SetClock) -> InboxWork:
    return InboxWork(sessions, clock, Receipts(clock, Progress(clock)))


async def waiting(sessions: Sessions) -> int:
    async with sessions() as tx:
        query = select(func.count()).select_from(table(ReceiptInboxRow))
        return int((await tx.execute(query)).scalar_one())


async def handed_over(sessions: Sessions, count: int) -> list[str]:
    ids = await messages_of_a_brand(sessions, count)
    desk = a_desk(sessions, SetClock())
    claimed = await desk.claim(Lane.JOURNEYS, count)
    await desk.record([Answered(message=one, answer=ACCEPTED) for one in claimed])
    return ids


async def test_what_is_put_is_on_disk_and_nothing_has_moved_yet(sessions: Sessions) -> None:
    [message_id] = await handed_over(sessions, 1)

    await ReceiptInbox(sessions).put(a_receipt(MessageState.SENT, message_id=message_id))

    assert await waiting(sessions) == 1
    assert (await message(sessions, message_id)).state == "accepted"


async def test_callbacks_that_come_together_all_count(sessions: Sessions) -> None:
    ids = await handed_over(sessions, 40)
    inbox = ReceiptInbox(sessions)

    await asyncio.gather(
        *(inbox.put(a_receipt(MessageState.DELIVERED, message_id=one)) for one in ids)
    )
    done = await work_of(sessions, SetClock()).work()

    assert done == 40
    assert await waiting(sessions) == 0
    assert await states(sessions) == dict.fromkeys(ids, "delivered")


async def test_a_callback_that_cannot_be_kept_takes_no_other_with_it(sessions: Sessions) -> None:
    """PostgreSQL keeps no NUL; carriers do not repeat a callback that somebody else spoilt."""
    ids = await handed_over(sessions, 3)
    inbox = ReceiptInbox(sessions)
    spoilt = a_receipt(MessageState.DELIVERED, message_id=new_id(), reference="a\0b")
    good = [a_receipt(MessageState.DELIVERED, message_id=one) for one in ids]

    kept = await asyncio.gather(
        *(inbox.put(one) for one in [good[0], good[1], spoilt, good[2]]), return_exceptions=True
    )

    assert [isinstance(one, Exception) for one in kept] == [False, False, True, False]
    assert await waiting(sessions) == 3


async def test_several_steps_of_one_message_in_one_batch(sessions: Sessions) -> None:
    [message_id] = await handed_over(sessions, 1)
    inbox = ReceiptInbox(sessions)

    for state in (MessageState.SENT, MessageState.DELIVERED, MessageState.SENT):
        await inbox.put(a_receipt(state, message_id=message_id))
    await work_of(sessions, SetClock()).work()

    async with sessions() as tx:
        kept = (await tx.execute(select(table(ReceiptRow).c.state))).scalars().all()
    assert (await message(sessions, message_id)).state == "delivered"
    assert sorted(kept) == ["delivered", "sent"]


@pytest.mark.req("D61")
async def test_a_message_that_was_taken_and_then_lost_keeps_its_slot_and_its_instant(
    sessions: Sessions,
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    [claimed] = await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 1)
    inbox = ReceiptInbox(sessions)

    await inbox.put(a_receipt(MessageState.SENT, message_id=claimed.id))
    await inbox.put(a_receipt(MessageState.UNDELIVERED, message_id=claimed.id, code="30005"))
    await work_of(sessions, SetClock()).work()

    row = await message(sessions, message_id)
    assert (row.state, row.code, row.handed_at) == ("undelivered", "30005", NOON)


async def test_a_callback_by_reference_that_outruns_the_answer_is_not_lost(
    sessions: Sessions,
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock)
    claimed = await desk.claim(Lane.JOURNEYS, 1)
    await ReceiptInbox(sessions).put(a_receipt(MessageState.DELIVERED))
    work = work_of(sessions, clock)

    assert await work.work() == 1
    too_early = (await message(sessions, message_id)).state
    await desk.record([Answered(message=one, answer=ACCEPTED) for one in claimed])
    clock.advance(seconds=1)
    await work.work()

    assert too_early == "handing_over"
    assert (await message(sessions, message_id)).state == "delivered"
    assert await waiting(sessions) == 0


async def test_a_strangers_receipt_is_dropped_after_some_minutes(sessions: Sessions) -> None:
    clock = SetClock()
    await ReceiptInbox(sessions).put(a_receipt(MessageState.DELIVERED, message_id=new_id()))
    work = work_of(sessions, clock)

    looks = 0
    while await waiting(sessions):
        looks += await work.work()
        clock.advance(minutes=5)

    assert looks == 10
    assert clock.now() - NOON == timedelta(minutes=50)


async def test_two_workers_share_the_inbox(sessions: Sessions) -> None:
    ids = await handed_over(sessions, 30)
    clock = SetClock()
    await ReceiptInbox(sessions).put_all(
        [a_receipt(MessageState.DELIVERED, message_id=one) for one in ids]
    )

    await asyncio.gather(*(work_of(sessions, clock).work() for _ in range(3)))

    assert await states(sessions) == dict.fromkeys(ids, "delivered")
    assert await waiting(sessions) == 0
