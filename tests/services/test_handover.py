"""Handing over, on a real database: what leaves, what does not, and what a crash leaves behind."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.handover import Answered, Carrier
from tellal.domain.messages import (
    NOT_CALLED,
    Answer,
    HandOver,
    MessageState,
    OutgoingMessage,
    Remedy,
)
from tellal.persistence.columns import table
from tellal.persistence.people import lock_customer_by_id
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ContactPointRow
from tests.support.builders import a_brand, a_customer
from tests.support.desk import ACCEPTED, NOT_THERE, UNANSWERED, a_desk
from tests.support.ledger import (
    NOON,
    SetClock,
    a_cause,
    a_message,
    attempts,
    message,
    messages_of_a_brand,
    outbox,
    set_cause,
    states,
)


def rejected(remedy: Remedy, *, retry_after_s: float | None = None) -> HandOver:
    return HandOver(
        answer=Answer.REJECTED,
        provider="fake",
        code="429",
        remedy=remedy,
        retry_after_s=retry_after_s,
    )


def answered(*messages: OutgoingMessage, answer: HandOver = ACCEPTED) -> list[Answered]:
    return [Answered(message=one, answer=answer) for one in messages]


async def test_an_intent_is_in_the_ledger_before_anybody_is_called(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()

    [outgoing] = await a_desk(sessions, clock).claim(Lane.JOURNEYS, 10)

    row = await message(sessions, message_id)
    [attempt] = await attempts(sessions, message_id)
    assert (row.state, row.attempt, row.provider) == ("handing_over", 1, "fake")
    assert row.text == outgoing.text == "phishing/sms/tr"
    assert row.lease_until == NOON + timedelta(seconds=10)
    assert (attempt.n, attempt.answer, attempt.intended_at) == (1, "", NOON)
    assert outgoing.sender == "ANADOLUBANK"
    assert outgoing.validity_s == 3600


async def test_the_most_urgent_goes_first_and_other_lanes_are_left_alone(
    sessions: Sessions,
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        later = await a_message(tx, brand, priority=0)
        urgent = await a_message(tx, brand, priority=-5)
        await a_message(tx, brand, lane=Lane.BULK, priority=-9)
    desk = a_desk(sessions, SetClock())

    first = await desk.claim(Lane.JOURNEYS, 1)
    second = await desk.claim(Lane.JOURNEYS, 9)

    assert [one.id for one in (*first, *second)] == [urgent, later]


async def test_a_deferred_message_leaves_when_its_time_has_come(sessions: Sessions) -> None:
    clock = SetClock()
    await messages_of_a_brand(
        sessions, 1, state=MessageState.DEFERRED, not_before=NOON + timedelta(minutes=5)
    )
    desk = a_desk(sessions, clock)

    early = await desk.promote(Lane.JOURNEYS)
    clock.advance(minutes=5)
    assert await desk.promote(Lane.JOURNEYS) == 1
    in_time = await desk.claim(Lane.JOURNEYS, 10)

    assert (early, len(in_time)) == (0, 1)


async def test_what_has_expired_is_never_sent(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1, expires_at=NOON)

    claimed = await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10)

    assert claimed == ()
    assert (await message(sessions, message_id)).state == MessageState.EXPIRED
    assert await attempts(sessions, message_id) == []


@pytest.mark.parametrize(
    ("consents", "state"),
    [
        pytest.param({}, "cancelled", id="never given"),
        pytest.param({Channel.SMS: "refused"}, "cancelled", id="withdrawn"),
        pytest.param({Channel.EMAIL: "granted"}, "cancelled", id="for another channel"),
        pytest.param({Channel.SMS: "granted"}, "handing_over", id="given"),
    ],
)
async def test_consent_counts_as_it_is_when_the_intent_commits(
    sessions: Sessions, consents: dict[Channel, str], state: str
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        customer_id = await a_customer(tx, brand, consents=consents)
        message_id = await a_message(
            tx, brand, customer_id=customer_id, message_class=MessageClass.COMMERCIAL
        )

    await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10)

    assert (await message(sessions, message_id)).state == state


async def test_an_address_that_turned_bad_gets_nothing(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1, state=MessageState.DEFERRED)
    async with sessions() as tx, tx.begin():
        await tx.execute(update(table(ContactPointRow)).values(bad_reason="twilio:21211"))

    desk = a_desk(sessions, SetClock())
    await desk.promote(Lane.JOURNEYS)
    claimed = await desk.claim(Lane.JOURNEYS, 10)

    row = await message(sessions, message_id)
    assert claimed == ()
    assert (row.state, row.code) == (MessageState.FAILED, "bad_address")


@pytest.mark.parametrize(
    ("how", "code"),
    [
        pytest.param({"variables": {"broken": True}}, "template", id="template"),
        pytest.param({"channel": Channel.EMAIL}, "no_address", id="no address"),
        pytest.param({"channel": Channel.PUSH}, "no_carrier", id="no carrier"),
    ],
)
async def test_what_cannot_be_sent_fails_and_holds_up_nobody(
    sessions: Sessions, how: dict[str, object], code: str
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        broken = await a_message(tx, brand, priority=-1, workflow_id="nudge/1", **how)  # type: ignore[arg-type]  # one table of many kinds of argument
        whole = await a_message(tx, brand)

    claimed = await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10)

    assert [one.id for one in claimed] == [whole]
    assert (await message(sessions, broken)).code == code
    assert [row.workflow_id for row in await outbox(sessions)] == ["nudge/1"]


async def test_a_stopped_cause_sends_nothing(sessions: Sessions) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_message(tx, brand, cause_id=await a_cause(tx, brand, state="stopped"))

    assert await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10) == ()


async def test_a_stop_that_is_under_way_is_not_waited_for_and_holds_after_it(
    sessions: Sessions,
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        stopped = await a_cause(tx, brand)
        await a_message(tx, brand, cause_id=stopped, priority=-1)
        other = await a_message(tx, brand)
    desk = a_desk(sessions, SetClock())

    async with sessions() as tx, tx.begin():
        await set_cause(tx, stopped, "stopped")
        meanwhile = await asyncio.wait_for(desk.claim(Lane.JOURNEYS, 10), 5)
    afterwards = await desk.claim(Lane.JOURNEYS, 10)

    assert [one.id for one in meanwhile] == [other]
    assert afterwards == ()


async def test_two_lanes_side_by_side_claim_disjoint_messages(sessions: Sessions) -> None:
    ids = await messages_of_a_brand(sessions, 40)
    desks = [a_desk(sessions, SetClock()) for _ in range(2)]

    claims = await asyncio.gather(*(desk.claim(Lane.JOURNEYS, 10) for desk in desks * 3))

    claimed = [one.id for claim in claims for one in claim]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) <= set(ids)
    assert len(claimed) >= 10


async def test_an_accepted_message_waits_for_its_receipt(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    desk = a_desk(sessions, SetClock())

    await desk.record(answered(*await desk.claim(Lane.JOURNEYS, 1)))

    row = await message(sessions, message_id)
    [attempt] = await attempts(sessions, message_id)
    assert (row.state, row.reference) == ("accepted", "ref")
    assert row.silent_until == NOON + timedelta(seconds=60)
    assert (attempt.answer, attempt.reference, attempt.answered_at) == ("accepted", "ref", NOON)


async def test_a_throttled_message_is_tried_again_when_the_provider_said(
    sessions: Sessions,
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock)

    claimed = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record(answered(*claimed, answer=rejected(Remedy.RETRY, retry_after_s=7)))
    clock.advance(seconds=6)
    early = await desk.claim(Lane.JOURNEYS, 1)
    clock.advance(seconds=1)
    [again] = await desk.claim(Lane.JOURNEYS, 1)

    assert early == ()
    assert again.attempt == 2
    assert [one.answer for one in await attempts(sessions, message_id)] == ["rejected", ""]


async def test_retries_end_before_the_message_loses_its_use(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(
        sessions, 1, expires_at=NOON + timedelta(seconds=5), workflow_id="nudge/1"
    )
    desk = a_desk(sessions, SetClock())

    claimed = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record(answered(*claimed, answer=rejected(Remedy.RETRY, retry_after_s=30)))

    assert (await message(sessions, message_id)).state == MessageState.FAILED
    assert [row.kind for row in await outbox(sessions)] == ["progressed"]


async def test_what_nobody_was_asked_is_no_try(sessions: Sessions) -> None:
    """A provider that stalls for a while must not use up the tries of those who wait for it."""
    [message_id] = await messages_of_a_brand(sessions, 1)
    desk = a_desk(sessions, SetClock())
    given_back = HandOver(
        answer=Answer.REJECTED,
        provider="fake",
        code=NOT_CALLED,
        remedy=Remedy.RETRY,
        retry_after_s=0.0,
    )

    for _ in range(15):
        await desk.record(answered(*await desk.claim(Lane.JOURNEYS, 1), answer=given_back))

    assert await states(sessions) == {message_id: "queued"}


async def test_a_bad_address_is_remembered(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    desk = a_desk(sessions, SetClock())

    claimed = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record(answered(*claimed, answer=rejected(Remedy.BAD_ADDRESS)))

    async with sessions() as tx:
        point = (await tx.execute(table(ContactPointRow).select())).one()
    assert (await message(sessions, message_id)).state == MessageState.FAILED
    assert point.bad_reason == "fake:429"


async def test_an_unanswered_hand_over_is_looked_up_and_adopted(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock)

    claimed = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record(answered(*claimed, answer=UNANSWERED))
    unknown = await states(sessions)
    at_once = await desk.doubts(Lane.JOURNEYS, 10)
    clock.advance(seconds=5)
    [doubt] = await desk.doubts(Lane.JOURNEYS, 10)
    await desk.settle(doubt, ACCEPTED)

    assert unknown == {message_id: "unknown"}
    assert at_once == ()
    assert (doubt.message.address, doubt.since) == ("+905320000101", NOON)
    assert doubt.message.text == claimed[0].text
    assert await states(sessions) == {message_id: "accepted"}


async def test_only_a_look_up_that_proves_absence_sends_again(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock)
    await desk.record(answered(*await desk.claim(Lane.JOURNEYS, 1), answer=UNANSWERED))

    clock.advance(seconds=5)
    [doubt] = await desk.doubts(Lane.JOURNEYS, 10)
    while_unsettled = await desk.claim(Lane.JOURNEYS, 1)
    await desk.settle(doubt, NOT_THERE)
    [again] = await desk.claim(Lane.JOURNEYS, 1)

    assert while_unsettled == ()
    assert (again.id, again.attempt) == (message_id, 2)


async def test_a_doubt_is_taken_by_one_and_again_later(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock)
    await desk.record(answered(*await desk.claim(Lane.JOURNEYS, 1), answer=UNANSWERED))
    clock.advance(seconds=5)

    taken = await asyncio.gather(*(desk.doubts(Lane.JOURNEYS, 10) for _ in range(4)))
    clock.advance(seconds=5)
    later = await desk.doubts(Lane.JOURNEYS, 10)

    assert sum(len(one) for one in taken) == 1
    assert len(later) == 1


async def test_after_a_while_only_a_callback_can_settle_it_and_the_journey_hears(
    sessions: Sessions,
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1, workflow_id="nudge/1")
    clock = SetClock()
    desk = a_desk(sessions, clock)
    await desk.record(answered(*await desk.claim(Lane.JOURNEYS, 1), answer=UNANSWERED))

    clock.advance(minutes=11)
    doubts = await desk.doubts(Lane.JOURNEYS, 10)

    row = await message(sessions, message_id)
    assert doubts == ()
    assert (row.state, row.check_at) == ("unknown", None)
    assert [item.kind for item in await outbox(sessions)] == ["progressed"]


@pytest.mark.parametrize(
    ("message_class", "state"),
    [
        pytest.param(MessageClass.MANDATORY, "queued", id="mandatory is told rather twice"),
        pytest.param(MessageClass.SERVICE, "unknown", id="service is not repeated"),
    ],
)
async def test_a_provider_that_cannot_be_asked(
    sessions: Sessions, message_class: MessageClass, state: str
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1, message_class=message_class)
    clock = SetClock()
    deaf = Carrier(provider="fake", receipts=Receipts.DELIVERY, looks_up=False)
    desk = a_desk(sessions, clock, carriers={"fake": deaf})
    await desk.record(answered(*await desk.claim(Lane.JOURNEYS, 1), answer=UNANSWERED))

    clock.advance(seconds=5)
    doubts = await desk.doubts(Lane.JOURNEYS, 10)

    assert doubts == ()
    assert await states(sessions) == {message_id: state}


async def test_a_stop_leaves_open_what_nobody_knows(sessions: Sessions) -> None:
    """Not even what is mandatory goes out again, and nobody claims that it reached no one."""
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        cause = await a_cause(tx, brand)
        message_id = await a_message(
            tx, brand, cause_id=cause, message_class=MessageClass.MANDATORY
        )
    clock = SetClock()
    deaf = Carrier(provider="fake", receipts=Receipts.DELIVERY, looks_up=False)
    desk = a_desk(sessions, clock, carriers={"fake": deaf})
    await desk.record(answered(*await desk.claim(Lane.JOURNEYS, 1), answer=UNANSWERED))
    async with sessions() as tx, tx.begin():
        await set_cause(tx, cause, "stopped")

    clock.advance(seconds=5)
    await desk.doubts(Lane.JOURNEYS, 10)

    row = await message(sessions, message_id)
    assert (row.state, row.check_at) == (MessageState.UNKNOWN, None)


async def test_an_older_attempts_late_refusal_after_a_stop_does_not_cancel_the_newer_one(
    sessions: Sessions,
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        cause = await a_cause(tx, brand)
        message_id = await a_message(tx, brand, cause_id=cause)
    clock = SetClock()
    desk = a_desk(sessions, clock)
    [first] = await desk.claim(Lane.JOURNEYS, 1)
    clock.advance(seconds=10)
    await desk.recover(Lane.JOURNEYS)
    clock.advance(seconds=5)
    [doubt] = await desk.doubts(Lane.JOURNEYS, 10)
    await desk.settle(doubt, NOT_THERE)
    [second] = await desk.claim(Lane.JOURNEYS, 1)
    async with sessions() as tx, tx.begin():
        await set_cause(tx, cause, "stopped")

    await desk.record(answered(first, answer=rejected(Remedy.RETRY, retry_after_s=1)))
    in_flight = await states(sessions)
    await desk.record(answered(second))

    assert in_flight == {message_id: "handing_over"}
    assert await states(sessions) == {message_id: "accepted"}


async def test_a_lost_lease_is_a_doubt_and_not_a_free_message(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock)
    await desk.claim(Lane.JOURNEYS, 1)

    clock.advance(seconds=9)
    alive = await desk.recover(Lane.JOURNEYS)
    await desk.keep([message_id])
    clock.advance(seconds=9)
    kept = await desk.recover(Lane.JOURNEYS)
    clock.advance(seconds=1)
    lost = await desk.recover(Lane.JOURNEYS)

    assert (alive, kept, lost) == (0, 0, 1)
    assert await states(sessions) == {message_id: "unknown"}
    assert await desk.claim(Lane.JOURNEYS, 1) == ()


async def test_an_older_attempts_late_refusal_does_not_fail_the_newer_one(
    sessions: Sessions,
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock)
    [first] = await desk.claim(Lane.JOURNEYS, 1)
    clock.advance(seconds=10)
    await desk.recover(Lane.JOURNEYS)
    clock.advance(seconds=5)
    [doubt] = await desk.doubts(Lane.JOURNEYS, 10)
    await desk.settle(doubt, NOT_THERE)
    await desk.claim(Lane.JOURNEYS, 1)

    await desk.record(answered(first, answer=rejected(Remedy.BAD_ADDRESS)))

    assert await states(sessions) == {message_id: "handing_over"}


async def test_a_claim_during_a_decision_about_the_customer_does_not_wait(
    sessions: Sessions,
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        customer_id = await a_customer(tx, brand)
        message_id = await a_message(tx, brand, customer_id=customer_id)
    desk = a_desk(sessions, SetClock())

    async with sessions() as tx, tx.begin():
        await lock_customer_by_id(tx, customer_id)
        meanwhile = await asyncio.wait_for(desk.claim(Lane.JOURNEYS, 1), 5)
    [afterwards] = await desk.claim(Lane.JOURNEYS, 1)

    assert meanwhile == ()
    assert afterwards.id == message_id


async def test_a_change_of_the_brands_keys_holds_up_no_message(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    desk = a_desk(sessions, SetClock())

    async with sessions() as tx, tx.begin():
        await tx.execute(text("SELECT id FROM brands FOR NO KEY UPDATE"))
        claimed = await asyncio.wait_for(desk.claim(Lane.JOURNEYS, 10), 5)

    assert [one.id for one in claimed] == [message_id]
