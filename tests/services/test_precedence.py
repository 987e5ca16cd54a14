"""Caps are never exceeded, the higher message goes first, and what gives way is not lost."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select, update

from rules.decide import Decider
from rules.holder import RulebookHolder
from tellal.domain.channels import Channel, Lane
from tellal.domain.customers import Brand
from tellal.domain.messages import MessageState, OutcomeState
from tellal.persistence import reading
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import (
    CapUseRow,
    DecisionRow,
    MessageRow,
    OutcomeRow,
)
from tellal.services.events import RecordedEvent
from tellal.services.house import House, furnish
from tellal.services.moves import Move
from tests.support.builders import LONG_AGO, a_brand, a_customer
from tests.support.desk import PlainRenderer, a_desk
from tests.support.house import ROUTES, SetClock
from tests.support.postgres import waits_for_a_lock
from tests.support.waiting import until

_caps = table(CapUseRow)
_customers = table(CustomerRow)
_decisions = table(DecisionRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)

TOPICS = ("alarm", "news", "offer")
PRIORITY = {"alarm": 90, "news": 50, "offer": 20}

Furnish = Callable[..., House]


def rules(*, on_reach: str = "defer", per: str = "1d", limit: int = 1, expires: str = "7d") -> str:
    """Write three topics of falling priority that share the slots of one cap."""
    topics = "\n".join(
        f"  - {{id: {topic}, means: 'A message', class: service, on: [wants_{topic}], "
        f"attempts_within: 1h, expires: {expires}, priority: {PRIORITY[topic]}}}"
        for topic in TOPICS
    )
    events = "\n".join(
        f"  - {{type: wants_{topic}, means: 'Somebody wants it', carries: [event.method]}}"
        for topic in TOPICS
    )
    return f"""version: 1
package: shop
topics:
{topics}
events:
{events}
channels:
  - {{id: any, when: {{topic: [alarm, news, offer]}}, send: [sms, email]}}
caps:
  - {{id: few, count: {{class: service}}, limit: {limit}, per: {per}, on_reach: {on_reach},
     reason: enough, text: Enough for now}}
"""


@pytest.fixture
def furnished(sessions: Sessions, clock: SetClock, tmp_path: Path) -> Furnish:
    """Furnish a house with a rulebook of one cap."""

    def furnish_with(*, more: str = "", at: Sessions = sessions, **how: Any) -> House:  # noqa: ANN401 - as `rules`
        (tmp_path / "shop.yaml").write_text(rules(**how) + more, encoding="utf-8")
        return furnish(
            sessions=at,
            books=RulebookHolder(tmp_path),
            decider=Decider(None),
            renderer=PlainRenderer(),
            clock=clock,
            routes=ROUTES,
        )

    return furnish_with


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        contacts = {Channel.SMS: "+905320000103", Channel.EMAIL: "ayse@example.com"}
        await a_customer(tx, brand, "ayse", contacts=contacts)
        return brand


async def wants(house: House, brand: Brand, topic: str, **how: Any) -> RecordedEvent:  # noqa: ANN401 - as `record`
    async with house.sessions() as tx, tx.begin():
        return await house.events.record(
            tx, brand=brand, customer_ref="ayse", type=f"wants_{topic}", payload={}, **how
        )


async def told(house: House, event: RecordedEvent) -> None:
    """End the journey of an event, so that another one about the topic may begin."""
    async with house.sessions() as tx, tx.begin():
        ids = [one.outcome_id for one in event.decisions]
        of_event = update(_outcomes).where(_outcomes.c.id.in_(ids))
        await tx.execute(of_event.values(state="told", created_at=LONG_AGO))


async def message_of(house: House, event: RecordedEvent) -> Row[Any]:
    async with house.sessions() as tx:
        query = select(_messages).where(_messages.c.id == event.decisions[0].message_id)
        return (await tx.execute(query)).one()


async def slots(house: House) -> list[tuple[str, datetime]]:
    """Return who holds slots of the cap, and for when."""
    async with house.sessions() as tx:
        query = (
            select(_messages.c.topic, _caps.c.used_at)
            .join(_messages, _messages.c.id == _caps.c.message_id)
            .where(_caps.c.released_at.is_(None))
            .order_by(_caps.c.used_at, _messages.c.topic)
        )
        return [(row.topic, row.used_at) for row in await tx.execute(query)]


async def decision_about(house: House, event: RecordedEvent) -> Mapping[str, Any]:
    """Return the newest decision of the journey that an event began."""
    async with house.sessions() as tx:
        query = (
            select(_decisions.c.body)
            .where(_decisions.c.outcome_id == event.decisions[0].outcome_id)
            .order_by(_decisions.c.id.desc())
            .limit(1)
        )
        body: Mapping[str, Any] = (await tx.execute(query)).scalar_one()
        return body


async def leaves(house: House, event: RecordedEvent, *, state: MessageState) -> None:
    """Have a provider answer for a message, as if a lane had just handed it over."""
    message_id = event.decisions[0].message_id
    assert message_id is not None
    async with house.sessions() as tx, tx.begin():
        await tx.execute(
            update(_messages)
            .where(_messages.c.id == message_id)
            .values(state=MessageState.HANDING_OVER, receipts="delivery", provider="fake")
        )
        await house.progress.move(tx, [Move(message_id=message_id, state=state, code="x")])


@pytest.mark.req("A02", "blocks")
@pytest.mark.req("A02", "allows")
async def test_a_higher_message_takes_the_slot_and_the_lower_one_waits(
    furnished: Furnish, brand: Brand, clock: SetClock
) -> None:
    house = furnished()
    offer = await wants(house, brand, "offer")

    alarm = await wants(house, brand, "alarm")

    tomorrow = clock.now() + timedelta(days=1)
    first, second = await message_of(house, alarm), await message_of(house, offer)
    assert alarm.decisions[0].verdict == "send"
    assert (first.state, first.not_before) == ("queued", clock.now())
    assert (second.state, second.not_before) == ("deferred", tomorrow)
    assert (second.code, second.displaced_by) == ("displaced", first.id)
    assert await slots(house) == [("alarm", clock.now()), ("offer", tomorrow)]


@pytest.mark.req("A02")
async def test_both_records_say_who_took_whose_place(furnished: Furnish, brand: Brand) -> None:
    house = furnished()
    offer = await wants(house, brand, "offer")

    alarm = await wants(house, brand, "alarm")

    first, second = await message_of(house, alarm), await message_of(house, offer)
    why, taken = await decision_about(house, offer), await decision_about(house, alarm)
    assert why["displaced_by"] == {"message": first.id, "topic": "alarm"}
    assert [(one["code"], one["text"]) for one in why["delays"]] == [
        ("enough", "Enough for now (taken by alarm)")
    ]
    assert taken["displaced"] == [{"message": second.id, "topic": "offer"}]
    async with house.sessions() as tx:
        shown = await reading.message(tx, brand.id, first.id)
        gone = await reading.message(tx, brand.id, second.id)
    assert shown.displaced == (second.id,)
    assert gone.message.displaced_by == first.id


@pytest.mark.req("A02", "blocks")
@pytest.mark.parametrize(
    ("on_reach", "verdict", "reasons"),
    [("suppress", "suppress", "reasons"), ("defer", "defer", "delays")],
)
async def test_a_lower_message_that_comes_later_hears_who_has_the_slot(
    furnished: Furnish, brand: Brand, on_reach: str, verdict: str, reasons: str
) -> None:
    house = furnished(on_reach=on_reach)
    await wants(house, brand, "alarm")

    offer = await wants(house, brand, "offer")

    assert offer.decisions[0].verdict == verdict
    async with house.sessions() as tx:
        query = select(_decisions.c.body).where(_decisions.c.id == offer.decisions[0].id)
        body = (await tx.execute(query)).scalar_one()
    assert [one["text"] for one in body[reasons]] == ["Enough for now (taken by alarm)"]


@pytest.mark.req("A02", "blocks")
@pytest.mark.parametrize(
    "state", [MessageState.ACCEPTED, MessageState.UNKNOWN, MessageState.UNDELIVERED]
)
async def test_what_has_left_gives_way_to_nobody(
    furnished: Furnish, brand: Brand, clock: SetClock, state: MessageState
) -> None:
    house = furnished()
    offer = await wants(house, brand, "offer")
    await leaves(house, offer, state=state)

    alarm = await wants(house, brand, "alarm")

    assert (await message_of(house, alarm)).not_before == clock.now() + timedelta(days=1)
    assert (await message_of(house, offer)).displaced_by is None


@pytest.mark.req("A02", "allows")
@pytest.mark.parametrize(
    "state", [MessageState.FAILED, MessageState.EXPIRED, MessageState.CANCELLED]
)
async def test_what_reached_nobody_gives_its_slot_back(
    furnished: Furnish, brand: Brand, clock: SetClock, state: MessageState
) -> None:
    house = furnished()
    alarm = await wants(house, brand, "alarm")
    await leaves(house, alarm, state=state)

    offer = await wants(house, brand, "offer")

    assert (await message_of(house, offer)).state == "queued"
    assert await slots(house) == [("offer", clock.now())]


@pytest.mark.req("A02", "blocks")
@pytest.mark.req("A02", "allows")
async def test_equal_messages_keep_the_order_in_which_they_came(
    furnished: Furnish, brand: Brand, clock: SetClock
) -> None:
    house = furnished()
    first = await wants(house, brand, "news")
    await told(house, first)

    second = await wants(house, brand, "news")

    assert (await message_of(house, first)).state == "queued"
    assert (await message_of(house, second)).not_before == clock.now() + timedelta(days=1)


@pytest.mark.req("A02", "blocks")
@pytest.mark.req("A02", "allows")
async def test_the_lowest_gives_way_and_of_equals_the_later(
    furnished: Furnish, brand: Brand
) -> None:
    house = furnished(limit=3)
    news = await wants(house, brand, "news")
    early = await wants(house, brand, "offer")
    await told(house, early)
    late = await wants(house, brand, "offer")

    await wants(house, brand, "alarm")

    assert [(await message_of(house, one)).state for one in (news, early, late)] == [
        "queued",
        "queued",
        "deferred",
    ]


@pytest.mark.req("A02")
async def test_who_gives_way_may_take_the_place_of_one_still_lower(
    furnished: Furnish, brand: Brand, clock: SetClock
) -> None:
    house = furnished()
    news = await wants(house, brand, "news")
    offer = await wants(house, brand, "offer")
    assert (await message_of(house, offer)).not_before == clock.now() + timedelta(days=1)

    alarm = await wants(house, brand, "alarm")

    days = [clock.now() + timedelta(days=number) for number in range(3)]
    assert await slots(house) == list(zip(("alarm", "news", "offer"), days, strict=True))
    first, second = await message_of(house, alarm), await message_of(house, news)
    assert second.displaced_by == first.id
    assert (await message_of(house, offer)).displaced_by == second.id
    assert (await decision_about(house, news))["displaced"][0]["topic"] == "offer"


@pytest.mark.req("A02")
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        pytest.param({"on_reach": "suppress"}, "enough", id="the cap stops"),
        pytest.param({"per": "9d"}, "expires_before_allowed", id="too late to wait"),
    ],
)
async def test_what_can_not_wait_ends_with_its_reason(
    furnished: Furnish, brand: Brand, how: Mapping[str, Any], reason: str
) -> None:
    house = furnished(**how)
    offer = await wants(house, brand, "offer")

    alarm = await wants(house, brand, "alarm")

    lost = await message_of(house, offer)
    assert (lost.state, lost.code) == ("expired", "displaced")
    assert lost.displaced_by == (await message_of(house, alarm)).id
    step = await house.journeys.advance(lost.outcome_id)
    assert step.state is OutcomeState.FAILED
    async with house.sessions() as tx:
        query = select(_outcomes.c.reason).where(_outcomes.c.id == lost.outcome_id)
        assert (await tx.execute(query)).scalar_one() == reason


@pytest.mark.req("A02")
async def test_a_cap_of_one_channel_sends_who_gives_way_on_to_the_next(
    furnished: Furnish, brand: Brand
) -> None:
    by_text = """
  - {id: texts, count: {class: service}, limit: 1, per: 1d, channel: sms, on_reach: next_channel,
     reason: enough_texts, text: Enough texts}
"""
    house = furnished(limit=9, more=by_text)
    offer = await wants(house, brand, "offer")

    await wants(house, brand, "alarm")
    lost = await message_of(house, offer)
    await house.journeys.advance(lost.outcome_id)

    async with house.sessions() as tx:
        query = select(_messages.c.channel, _messages.c.state).where(_messages.c.topic == "offer")
        found = (await tx.execute(query.order_by(_messages.c.id))).all()
    assert [tuple(row) for row in found] == [("sms", "expired"), ("email", "queued")]


QUIET = """
quiet_hours:
  - {id: night, channels: [sms, email], between: ['21:00', '09:00'], action: defer, text: Night,
     when: {topic: [news, offer]}}
"""


@pytest.mark.req("A02")
async def test_who_gives_way_keeps_to_the_quiet_hours(furnished: Furnish, brand: Brand) -> None:
    house = furnished(more=QUIET, per="12h")
    offer = await wants(house, brand, "offer")

    await wants(house, brand, "alarm")

    # Ten in the morning and twelve hours are ten in the evening; quiet until nine in Istanbul.
    nine = datetime(2026, 3, 3, 6, tzinfo=UTC)
    assert (await message_of(house, offer)).not_before == nine
    assert ("offer", nine) in await slots(house)


@pytest.mark.req("A02")
async def test_who_waits_for_the_morning_takes_a_slot_of_that_day(
    furnished: Furnish, brand: Brand, clock: SetClock
) -> None:
    """Free today, but full on the day on which quiet hours end: the day after."""
    house = furnished(more=QUIET, per="calendar_day")
    clock.at = datetime(2026, 3, 2, 19, tzinfo=UTC)
    nine = datetime(2026, 3, 3, 6, tzinfo=UTC)
    offer = await wants(house, brand, "offer")
    assert (await message_of(house, offer)).not_before == nine
    await told(house, offer)

    again = await wants(house, brand, "offer")

    assert (await message_of(house, again)).not_before == nine + timedelta(days=1)


@pytest.mark.req("A02")
async def test_the_events_own_facts_count_when_it_is_decided_again(
    furnished: Furnish, brand: Brand, tmp_path: Path
) -> None:
    house = furnished()
    text = (tmp_path / "shop.yaml").read_text(encoding="utf-8")
    only = text.replace("{topic: [alarm, news, offer]}", "{event.method: {exists: true}}")
    (tmp_path / "shop.yaml").write_text(only, encoding="utf-8")
    assert house.books.reload() == ()
    events = []
    for topic in ("offer", "alarm"):
        async with house.sessions() as tx, tx.begin():
            events.append(
                await house.events.record(
                    tx,
                    brand=brand,
                    customer_ref="ayse",
                    type=f"wants_{topic}",
                    payload={"method": "password"},
                )
            )

    assert (await message_of(house, events[0])).state == "deferred"


@pytest.mark.req("A02")
async def test_a_rehearsal_displaces_nothing_in_earnest(furnished: Furnish, brand: Brand) -> None:
    house = furnished()
    offer = await wants(house, brand, "offer")
    news = await wants(house, brand, "news", simulated=True)

    await wants(house, brand, "alarm", simulated=True)

    assert (await message_of(house, offer)).state == "queued"
    assert (await message_of(house, news)).state == "deferred"


@pytest.mark.req("A02")
async def test_a_claim_at_the_same_moment_has_taken_the_slot(
    furnished: Furnish, brand: Brand, clock: SetClock
) -> None:
    """The lane shares the customer until its intent commits: the higher one waits, and looks."""
    house = furnished()
    await wants(house, brand, "offer")
    async with house.sessions() as lane, lane.begin():
        await lane.execute(select(_customers.c.id).with_for_update(read=True))
        await lane.execute(select(_messages.c.id).with_for_update())
        arriving = asyncio.create_task(wants(house, brand, "alarm"))
        await until(partial(waits_for_a_lock, house.sessions))
        await lane.execute(update(_messages).values(state=MessageState.HANDING_OVER))
    alarm = await arriving

    assert alarm.decisions[0].verdict == "defer"
    assert (await message_of(house, alarm)).not_before == clock.now() + timedelta(days=1)


@pytest.mark.req("A02")
@pytest.mark.parametrize(
    ("long", "state"), [pytest.param(0.05, "queued", id="a moment"), pytest.param(60, "deferred")]
)
async def test_what_somebody_is_at_is_waited_for_a_moment_and_then_left_alone(
    furnished: Furnish, brand: Brand, long: float, state: str
) -> None:
    """Nobody waits for its lock, so that nobody can lock himself out."""
    house = furnished()
    offer = await wants(house, brand, "offer")
    async with house.sessions() as other, other.begin():
        await other.execute(select(_messages.c.id).with_for_update())
        arriving = asyncio.create_task(wants(house, brand, "alarm"))
        await asyncio.wait([arriving], timeout=long)
    alarm = await arriving

    assert (await message_of(house, alarm)).state == state
    assert (await message_of(house, offer)).state == ("deferred" if long < 1 else "queued")


@pytest.mark.req("A02")
async def test_what_left_late_counts_from_when_it_left(
    furnished: Furnish, brand: Brand, clock: SetClock
) -> None:
    house = furnished()
    await wants(house, brand, "offer")
    clock.pass_by(timedelta(hours=23))
    await a_desk(house.sessions, clock).claim(Lane.JOURNEYS, 1)
    left_at = clock.now()
    clock.pass_by(timedelta(hours=3))

    news = await wants(house, brand, "news")

    assert (await message_of(house, news)).not_before == left_at + timedelta(days=1)


@pytest.mark.req("A02", "blocks")
async def test_what_has_not_left_yet_is_still_to_come(
    furnished: Furnish, brand: Brand, clock: SetClock
) -> None:
    """A hold keeps it back for longer than the window; the slot is not free meanwhile."""
    house = furnished()
    await wants(house, brand, "alarm")
    clock.pass_by(timedelta(days=2))

    news = await wants(house, brand, "news")

    assert (await message_of(house, news)).not_before == clock.now() + timedelta(days=1)
