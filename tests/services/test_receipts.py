"""Receipts, on a real database: they repeat, come late, come early and out of order."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from tellal.domain.channels import Channel, Lane
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.domain.handover import Answered
from tellal.domain.messages import MessageState, Receipt, Remedy
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ConsentRow
from tellal.persistence.tables.ledger import OutcomeRow, ReceiptRow
from tellal.services.progress import Progress
from tellal.services.receipts import Receipts
from tests.support.builders import a_brand
from tests.support.desk import ACCEPTED, NOT_THERE, UNANSWERED, a_desk
from tests.support.ledger import (
    NOON,
    SetClock,
    a_message,
    message,
    messages_of_a_brand,
    outbox,
)


def a_receipt(state: MessageState, *, message_id: str = "", reference: str = "ref") -> Receipt:
    return Receipt(
        provider="fake",
        reference=reference,
        message_id=message_id,
        state=state,
        code="",
        remedy=None,
        received_at=NOON,
    )


async def take(sessions: Sessions, *receipts: Receipt) -> list[bool]:
    clock = SetClock()
    taking = Receipts(clock, Progress(clock))
    known = []
    for receipt in receipts:
        async with sessions() as tx, tx.begin():
            known.append(not await taking.take(tx, [receipt]))
    return known


async def kept(sessions: Sessions) -> int:
    async with sessions() as tx:
        query = select(func.count()).select_from(table(ReceiptRow))
        return int((await tx.execute(query)).scalar_one())


async def an_accepted_message(sessions: Sessions) -> str:
    [message_id] = await messages_of_a_brand(sessions, 1, workflow_id="nudge/1")
    desk = a_desk(sessions, SetClock())
    [claimed] = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record([Answered(message=claimed, answer=ACCEPTED)])
    return message_id


async def test_a_delivery_closes_the_outcome_and_tells_its_workflow(sessions: Sessions) -> None:
    message_id = await an_accepted_message(sessions)

    await take(sessions, a_receipt(MessageState.DELIVERED))

    async with sessions() as tx:
        outcome = (await tx.execute(select(table(OutcomeRow)))).one()
    assert (await message(sessions, message_id)).state == "delivered"
    assert outcome.state == "told"
    assert [(row.workflow_id, row.body["state"]) for row in await outbox(sessions)] == [
        ("nudge/1", "told")
    ]


async def test_repeats_change_nothing_and_are_kept_once(sessions: Sessions) -> None:
    await an_accepted_message(sessions)
    delivered = a_receipt(MessageState.DELIVERED)

    await take(sessions, delivered, delivered, delivered)

    assert await kept(sessions) == 1
    assert len(await outbox(sessions)) == 1


@pytest.mark.req("D62", "blocks")
async def test_a_status_that_comes_late_does_not_go_backwards(sessions: Sessions) -> None:
    message_id = await an_accepted_message(sessions)

    await take(sessions, a_receipt(MessageState.DELIVERED), a_receipt(MessageState.SENT))

    assert (await message(sessions, message_id)).state == "delivered"
    assert await kept(sessions) == 2


async def test_a_callback_that_outruns_the_answer_counts(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    desk = a_desk(sessions, SetClock())
    [claimed] = await desk.claim(Lane.JOURNEYS, 1)

    await take(sessions, a_receipt(MessageState.DELIVERED, message_id=message_id))
    await desk.record([Answered(message=claimed, answer=ACCEPTED)])

    row = await message(sessions, message_id)
    assert (row.state, row.reference) == ("delivered", "ref")


async def test_a_callback_settles_what_was_unanswered(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock)
    [claimed] = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record([Answered(message=claimed, answer=UNANSWERED)])

    await take(sessions, a_receipt(MessageState.SENT, message_id=message_id))
    clock.advance(minutes=1)
    doubts = await desk.doubts(Lane.JOURNEYS, 10)

    row = await message(sessions, message_id)
    assert (row.state, row.reference) == ("sent", "ref")
    assert doubts == ()


async def test_the_failure_of_an_attempt_that_was_replaced_is_kept_and_does_not_count(
    sessions: Sessions,
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock)
    [first] = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record([Answered(message=first, answer=UNANSWERED)])
    clock.advance(seconds=5)
    [doubt] = await desk.doubts(Lane.JOURNEYS, 1)
    await desk.settle(doubt, NOT_THERE)
    [second] = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record([Answered(message=second, answer=replace(ACCEPTED, reference="second"))])

    await take(sessions, a_receipt(MessageState.FAILED, message_id=message_id, reference="first"))

    assert (await message(sessions, message_id)).state == "accepted"
    assert await kept(sessions) == 1


async def test_a_refusal_at_the_carrier_is_a_refusal_here(sessions: Sessions) -> None:
    message_id = await an_accepted_message(sessions)
    refused = replace(a_receipt(MessageState.UNDELIVERED), code="21610", remedy=Remedy.OPTED_OUT)

    await take(sessions, refused)

    row = await message(sessions, message_id)
    assert (row.state, row.code) == ("undelivered", "21610")
    async with sessions() as tx:
        consents = (await tx.execute(select(table(ConsentRow)))).all()
    assert [(one.state, one.source) for one in consents] == [("refused", "carrier:fake")]


@pytest.mark.req("D62", "blocks")
async def test_receipts_of_others_are_not_ours(sessions: Sessions) -> None:
    await an_accepted_message(sessions)

    known = await take(
        sessions,
        a_receipt(MessageState.DELIVERED, reference="theirs"),
        a_receipt(MessageState.DELIVERED, message_id=new_id()),
    )

    assert known == [False, False]
    assert await kept(sessions) == 0


@pytest.mark.req("A12", "allows")
@pytest.mark.parametrize("state", ["shown", "acknowledged"])
async def test_a_banner_counts_once_its_surface_says_so(sessions: Sessions, state: str) -> None:
    brand_id, banner = await _a_banner(sessions)
    taking = Receipts(SetClock(), Progress(SetClock()))

    for _ in range(2):
        async with sessions() as tx, tx.begin():
            await taking.surface(tx, brand_id=brand_id, message_id=banner, state=state)

    assert (await message(sessions, banner)).state == "delivered"
    assert await kept(sessions) == 1


@pytest.mark.req("A12", "blocks")
async def test_only_a_brands_own_banner_can_be_shown(sessions: Sessions) -> None:
    brand_id, banner = await _a_banner(sessions)
    text = await an_accepted_message_of(sessions, brand_id)
    taking = Receipts(SetClock(), Progress(SetClock()))

    async with sessions() as tx, tx.begin():
        with pytest.raises(NotFoundError):
            await taking.surface(tx, brand_id=new_id(), message_id=banner, state="shown")
        with pytest.raises(NotFoundError):
            await taking.surface(tx, brand_id=brand_id, message_id=text, state="shown")
        with pytest.raises(InvalidInputError, match="no state"):
            await taking.surface(tx, brand_id=brand_id, message_id=banner, state="clicked")


async def _a_banner(sessions: Sessions) -> tuple[str, str]:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        banner = await a_message(tx, brand, channel=Channel.BANNER, state=MessageState.ACCEPTED)
        return brand.id, banner


async def an_accepted_message_of(sessions: Sessions, brand_id: str) -> str:
    async with sessions() as tx, tx.begin():
        brand = replace(await a_brand(tx, "other-bank"), id=brand_id)
        return await a_message(tx, brand, state=MessageState.ACCEPTED)
