"""Holds on a real database: what they keep back, from when on, and what they let go again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from rules.holder import RulebookHolder
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.domain.holds import Hold, HoldScope
from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow
from tellal.services import hold_marking
from tellal.services.hold_marking import Marking
from tellal.services.holds import Holds, HoldView, in_force
from templates.environment import JinjaRenderer
from tests.support.builders import a_brand
from tests.support.ledger import NOON, SetClock, a_message, message
from tests.support.postgres import waits_for_a_lock
from tests.support.waiting import until

_messages = table(MessageRow).c

SMS = {"topic": "phishing", "message_class": "service", "channel": "sms"}


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def holds(clock: SetClock) -> Holds:
    return Holds(RulebookHolder(None), JinjaRenderer(), clock)


@pytest.fixture
def marking(sessions: Sessions) -> Marking:
    return Marking(sessions, JinjaRenderer())


async def waiting(sessions: Sessions, brand: Brand, **how: object) -> str:
    async with sessions() as tx, tx.begin():
        return await a_message(tx, brand, **how)  # type: ignore[arg-type]  # one table of many kinds of argument


async def of_topic(sessions: Sessions, topic: str, *ids: str) -> None:
    async with sessions() as tx, tx.begin():
        change = update(table(MessageRow)).where(_messages.id.in_(ids))
        await tx.execute(change.values(topic=topic))


async def placed(
    sessions: Sessions, holds: Holds, brand: Brand, scope: HoldScope | None = None
) -> Hold:
    async with sessions() as tx, tx.begin():
        return await holds.place(
            tx, brand.id, scope or HoldScope(), reason="wrong text", by="crm (duty officer)"
        )


async def released(sessions: Sessions, holds: Holds, hold: Hold) -> Hold:
    async with sessions() as tx, tx.begin():
        return await holds.release(tx, hold.brand_id, hold.id, by="crm")


async def viewed(sessions: Sessions, holds: Holds, hold: Hold) -> HoldView:
    async with sessions() as tx:
        return await holds.view(tx, hold.brand_id, hold.id)


async def held_by(sessions: Sessions, ids: Sequence[str]) -> list[str | None]:
    return [(await message(sessions, one)).held_by for one in ids]


def covers(hold: HoldScope, **how: str) -> bool:
    facts = {**SMS, "template": "phishing/sms.tr", "route": "", **how}
    return hold.takes_in(**facts)


@pytest.mark.parametrize(
    ("scope", "how"),
    [
        pytest.param(HoldScope(), {}, id="all"),
        pytest.param(HoldScope(topic="phishing"), {}, id="topic"),
        pytest.param(HoldScope(template="phishing/sms.tr"), {}, id="text"),
        pytest.param(HoldScope(message_class="service"), {}, id="class"),
        pytest.param(HoldScope(channel="sms"), {}, id="channel"),
        pytest.param(HoldScope(route="a"), {"route": "a"}, id="route"),
        pytest.param(HoldScope(mandatory=True), {"message_class": "mandatory"}, id="mandatory"),
    ],
)
def test_a_hold_covers_what_every_part_of_it_names(scope: HoldScope, how: dict[str, str]) -> None:
    assert covers(scope, **how)


@pytest.mark.parametrize(
    ("scope", "how"),
    [
        pytest.param(HoldScope(topic="other"), {}, id="topic"),
        pytest.param(HoldScope(template="phishing/sms.en"), {}, id="text"),
        pytest.param(HoldScope(message_class="commercial"), {}, id="class"),
        pytest.param(HoldScope(topic="phishing", channel="email"), {}, id="channel"),
        pytest.param(HoldScope(route="a"), {"route": "b"}, id="another route"),
        pytest.param(HoldScope(route="a"), {}, id="no route yet"),
        pytest.param(HoldScope(), {"message_class": "mandatory"}, id="mandatory"),
    ],
)
def test_a_hold_leaves_alone_what_one_part_of_it_excludes(
    scope: HoldScope, how: dict[str, str]
) -> None:
    assert not covers(scope, **how)


async def test_a_hold_tells_who_placed_and_who_released_it_and_why(
    sessions: Sessions, holds: Holds, brand: Brand
) -> None:
    hold = await placed(sessions, holds, brand, HoldScope(channel="sms"))
    async with sessions() as tx:
        standing = await in_force(tx, [brand.id])
    await released(sessions, holds, hold)
    async with sessions() as tx:
        afterwards = await in_force(tx, [brand.id])

    assert standing == (hold,)
    assert hold.covers(brand_id=brand.id, template="", **SMS)
    assert not hold.covers(brand_id="another", template="", **SMS)
    view = await viewed(sessions, holds, hold)
    assert (view.hold.reason, view.hold.placed_by) == ("wrong text", "crm (duty officer)")
    assert (view.hold.released_by, view.hold.released_at) == ("crm", NOON)
    assert afterwards == ()
    assert not view.hold.covers(brand_id=brand.id, template="", **SMS)


async def test_a_claim_in_flight_is_waited_for_and_the_next_one_sees_the_hold(
    sessions: Sessions, holds: Holds, brand: Brand
) -> None:
    async with sessions() as claim, claim.begin():
        seen_in_flight = await in_force(claim, [brand.id])
        placing = asyncio.create_task(placed(sessions, holds, brand))
        await until(lambda: waits_for_a_lock(sessions))
        assert not placing.done()
    hold = await placing

    async with sessions() as claim, claim.begin():
        assert await in_force(claim, [brand.id]) == (hold,)
    assert seen_in_flight == ()


async def test_a_claim_that_comes_while_a_hold_is_placed_waits_for_it_and_sees_it(
    sessions: Sessions, holds: Holds, brand: Brand
) -> None:
    async def claims() -> tuple[Hold, ...]:
        async with sessions() as tx, tx.begin():
            return await in_force(tx, [brand.id])

    async with sessions() as tx, tx.begin():
        hold = await holds.place(tx, brand.id, HoldScope(), reason="wrong text", by="crm")
        claim = asyncio.create_task(claims())
        await until(lambda: waits_for_a_lock(sessions))
        assert not claim.done()

    assert await claim == (hold,)


async def test_a_hold_does_not_wait_for_one_claim_after_the_other(
    sessions: Sessions, holds: Holds, brand: Brand
) -> None:
    """Claims overlap without a gap; whoever places a hold waits for those before him only."""
    first, second = sessions(), sessions()
    await in_force(first, [brand.id])
    placing = asyncio.create_task(placed(sessions, holds, brand))
    await until(lambda: waits_for_a_lock(sessions))
    following = asyncio.create_task(in_force(second, [brand.id]))
    await until(lambda: waits_for_a_lock(sessions, number=2))

    await first.close()
    hold = await placing

    assert await following == (hold,)
    await second.close()


async def test_claims_side_by_side_never_commit_an_intent_after_the_answer(
    sessions: Sessions, holds: Holds, brand: Brand
) -> None:
    ids = [await waiting(sessions, brand) for _ in range(60)]
    answered = asyncio.Event()
    late: list[str] = []

    async def claim(mine: Sequence[str]) -> None:
        for message_id in mine:
            async with sessions() as tx, tx.begin():
                began_after = answered.is_set()
                if await in_force(tx, [brand.id]):
                    return
                change = update(table(MessageRow)).where(_messages.id == message_id)
                await tx.execute(change.values(state="handing_over"))
                if began_after or answered.is_set():
                    late.append(message_id)

    async def stop() -> None:
        await until(lambda: some_are(sessions, "handing_over"))
        await placed(sessions, holds, brand)
        answered.set()

    await asyncio.gather(stop(), *(claim(ids[n::4]) for n in range(4)))

    assert late == []
    assert await some_are(sessions, "handing_over")


async def test_the_worker_marks_what_waits_and_stragglers_too(
    sessions: Sessions, holds: Holds, marking: Marking, brand: Brand
) -> None:
    covered = [
        await waiting(sessions, brand),
        await waiting(sessions, brand, state=MessageState.DEFERRED),
    ]
    left = [
        await waiting(sessions, brand, channel=Channel.EMAIL),
        await waiting(sessions, brand, message_class=MessageClass.MANDATORY),
        await waiting(sessions, brand, state=MessageState.ACCEPTED),
    ]
    async with sessions() as tx, tx.begin():
        other = await a_brand(tx, "another-bank")
    left.append(await waiting(sessions, other))
    hold = await placed(sessions, holds, brand, HoldScope(channel="sms"))

    first = await marking.mark_due()
    straggler = await waiting(sessions, brand)
    second = await marking.mark_due()
    third = await marking.mark_due()

    assert (first, second, third) == (2, 1, 0)
    assert await held_by(sessions, [*covered, straggler]) == [hold.id] * 3
    assert await held_by(sessions, left) == [None] * 4


async def test_mandatory_messages_are_held_if_the_hold_says_so(
    sessions: Sessions, holds: Holds, marking: Marking, brand: Brand
) -> None:
    message_id = await waiting(sessions, brand, message_class=MessageClass.MANDATORY)

    hold = await placed(sessions, holds, brand, HoldScope(mandatory=True))
    await marking.mark_due()

    assert await held_by(sessions, [message_id]) == [hold.id]


async def test_marking_goes_on_batch_by_batch_past_what_is_locked(
    sessions: Sessions,
    holds: Holds,
    marking: Marking,
    brand: Brand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hold_marking, "_BATCH", 2)
    monkeypatch.setattr(hold_marking, "_SURVEY", 3)
    ids = [await waiting(sessions, brand) for _ in range(7)]
    hold = await placed(sessions, holds, brand)

    lock = select(_messages.id).where(_messages.id == ids[0]).with_for_update(key_share=True)
    async with sessions() as tx, tx.begin():
        await tx.execute(lock)
        marked = await asyncio.wait_for(marking.mark(hold), 10)
    rest = await marking.mark_due()

    assert (marked, rest) == (6, 1)
    assert await held_by(sessions, ids) == [hold.id] * 7


async def test_a_hold_of_one_text_covers_whoever_is_told_by_it(
    sessions: Sessions, holds: Holds, marking: Marking, brand: Brand
) -> None:
    turkish, german, english = [await waiting(sessions, brand) for _ in range(3)]
    await of_topic(sessions, "phishing_awareness", turkish, german, english)
    async with sessions() as tx, tx.begin():
        for message_id, language in ((turkish, "tr-TR"), (german, "de"), (english, "en-GB")):
            change = update(table(MessageRow)).where(_messages.id == message_id)
            await tx.execute(change.values(language=language))
    fallback = JinjaRenderer().text_name(
        topic="phishing_awareness", channel=Channel.SMS, language="de"
    )
    assert fallback == "phishing_awareness/sms.en"

    hold = await placed(sessions, holds, brand, HoldScope(template=fallback))
    view = await viewed(sessions, holds, hold)
    await marking.mark_due()

    assert view.messages == 2
    assert await held_by(sessions, [turkish, german, english]) == [None, hold.id, hold.id]


async def test_a_hold_by_route_is_left_to_the_claim(
    sessions: Sessions, holds: Holds, marking: Marking, brand: Brand
) -> None:
    message_id = await waiting(sessions, brand)

    hold = await placed(sessions, holds, brand, HoldScope(route="twilio-tr"))

    assert await marking.mark_due() == 0
    assert await held_by(sessions, [message_id]) == [None]
    assert (await viewed(sessions, holds, hold)).messages == 1


async def test_it_is_seen_before_and_after_what_waits_and_what_has_expired(
    sessions: Sessions, holds: Holds, marking: Marking, brand: Brand, clock: SetClock
) -> None:
    await waiting(sessions, brand)
    await waiting(sessions, brand, expires_at=NOON + timedelta(hours=9))
    await waiting(sessions, brand, channel=Channel.EMAIL, expires_at=NOON + timedelta(hours=9))
    async with sessions() as tx:
        before = await holds.preview(tx, brand.id, HoldScope())
    hold = await placed(sessions, holds, brand)
    unmarked = await viewed(sessions, holds, hold)
    await marking.mark_due()
    clock.advance(hours=2)

    marked = await viewed(sessions, holds, hold)

    assert (before.messages, before.expired) == (3, 0)
    assert (unmarked.messages, unmarked.waiting) == (3, before.waiting)
    assert (marked.messages, marked.expired) == (3, 1)
    assert [(one.channel, one.messages, one.expired) for one in marked.waiting] == [
        ("email", 1, 0),
        ("sms", 2, 1),
    ]


async def test_a_release_frees_what_no_other_hold_covers(
    sessions: Sessions, holds: Holds, marking: Marking, brand: Brand
) -> None:
    sms = await waiting(sessions, brand)
    email = await waiting(sessions, brand, channel=Channel.EMAIL)
    first = await placed(sessions, holds, brand)
    await marking.mark_due()
    second = await placed(sessions, holds, brand, HoldScope(channel="email"))

    await released(sessions, holds, first)
    moved = await marking.mark_due()

    assert moved == 2
    assert await held_by(sessions, [sms, email]) == [None, second.id]
    await released(sessions, holds, second)
    await marking.mark_due()
    assert await held_by(sessions, [sms, email]) == [None, None]


async def test_freed_messages_wake_their_lane(
    sessions: Sessions, holds: Holds, marking: Marking, brand: Brand
) -> None:
    await waiting(sessions, brand, lane=Lane.BULK)
    hold = await placed(sessions, holds, brand)
    await marking.mark_due()
    await released(sessions, holds, hold)

    async with sessions() as tx:
        listener = (await (await tx.connection()).get_raw_connection()).driver_connection
        assert listener is not None
        await listener.set_autocommit(True)
        await listener.execute("LISTEN tellal_lane")
        await marking.mark_due()
        heard = [news.payload async for news in listener.notifies(timeout=10, stop_after=1)]
        await listener.set_autocommit(False)

    assert heard == ["bulk"]


async def test_a_mark_that_comes_after_the_release_marks_nothing(
    sessions: Sessions, holds: Holds, marking: Marking, brand: Brand
) -> None:
    message_id = await waiting(sessions, brand)
    hold = await placed(sessions, holds, brand)
    await released(sessions, holds, hold)

    assert await marking.mark(hold) == 0
    assert await held_by(sessions, [message_id]) == [None]


async def test_marking_runs_until_it_is_stopped(
    sessions: Sessions, holds: Holds, marking: Marking, brand: Brand
) -> None:
    message_id = await waiting(sessions, brand)
    hold = await placed(sessions, holds, brand)
    stop = asyncio.Event()
    running = asyncio.create_task(marking.run(stop))

    async def is_marked() -> bool:
        return await held_by(sessions, [message_id]) == [hold.id]

    await until(is_marked)
    stop.set()
    await asyncio.wait_for(running, 10)


async def test_a_hold_is_released_once_and_by_its_own_brand(
    sessions: Sessions, holds: Holds, brand: Brand
) -> None:
    hold = await placed(sessions, holds, brand)
    async with sessions() as tx, tx.begin():
        other = await a_brand(tx, "another-bank")
        with pytest.raises(NotFoundError):
            await holds.release(tx, other.id, hold.id, by="x")
        with pytest.raises(NotFoundError):
            await holds.view(tx, other.id, hold.id)
    await released(sessions, holds, hold)

    with pytest.raises(ConflictError, match="crm released"):
        await released(sessions, holds, hold)


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        pytest.param(HoldScope(topic="phishng_awareness"), "topic", id="no such topic"),
        pytest.param(HoldScope(template="phishing_awareness"), "template", id="no name"),
        pytest.param(HoldScope(template="phishing_awareness/sms.xx"), "template", id="no text"),
        pytest.param(HoldScope(template="phishing_awareness/fax.tr"), "template", id="no channel"),
        pytest.param(
            HoldScope(template="phishing_awareness/sms.tr", channel="email"),
            "template",
            id="another channel",
        ),
        pytest.param(HoldScope(message_class="mandatory"), "mandatory", id="mandatory unsaid"),
    ],
)
async def test_a_hold_that_would_stop_nothing_is_refused(
    sessions: Sessions, holds: Holds, brand: Brand, scope: HoldScope, field: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await placed(sessions, holds, brand, scope)

    assert refused.value.field == field
    assert refused.value.hint


async def test_a_topic_that_the_rulebook_gave_up_can_be_held_while_messages_of_it_wait(
    sessions: Sessions, holds: Holds, marking: Marking, brand: Brand
) -> None:
    message_id = await waiting(sessions, brand)

    hold = await placed(sessions, holds, brand, HoldScope(topic="phishing"))
    await marking.mark_due()

    assert await held_by(sessions, [message_id]) == [hold.id]


async def some_are(sessions: Sessions, state: str) -> bool:
    async with sessions() as tx:
        found = await tx.execute(select(_messages.id).where(_messages.state == state).limit(1))
        return found.one_or_none() is not None
