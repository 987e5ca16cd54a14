"""Digests on a real database: several events of one customer become one message."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.decide import Decider
from rules.holder import RulebookHolder
from tellal.domain.channels import Channel
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, ConsentState
from tellal.persistence.columns import table
from tellal.persistence.people import lock_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.digests import DigestItemRow, DigestRow
from tellal.persistence.tables.ledger import CauseRow, DecisionRow, MessageRow, OutcomeRow
from tellal.services.consents import ConsentInput, Consents
from tellal.services.deciding import Decided
from tellal.services.digests import Happened
from tellal.services.events import RecordedEvent
from tellal.services.house import House, furnish
from tellal.services.person_erasure import Persons
from templates.environment import JinjaRenderer
from tests.rules.writing import write
from tests.support.builders import a_brand, a_customer
from tests.support.desk import PlainRenderer
from tests.support.house import ROUTES, SetClock

TOPIC = "account_movements"
HOUR = timedelta(hours=1)
_digests = table(DigestRow)
_items = table(DigestItemRow)
_messages = table(MessageRow)
_decisions = table(DecisionRow)
_outcomes = table(OutcomeRow)
_causes = table(CauseRow)
_customers = table(CustomerRow)

BOOK = """
topics:
  - id: offer
    means: What he looked at
    class: commercial
    on: [looked, bought]
    digest: {at: "18:00"}
    stop_when: {customer.city: Ankara}
    expires: 1d
  - id: news
    means: What is new
    class: service
    on: [heard]
    digest: {for: 30m, most: 3}
    expires: 1d
events:
  - {type: looked}
  - {type: bought, carries: [event.surface]}
  - {type: moved, carries: [event.method], sets: {customer.city: Ankara}}
  - {type: heard}
suppress:
  - id: at_the_till
    when: {topic: offer, event.surface: branch}
    reason: at_the_till
    text: He is there
channels:
  - {id: by_mail, when: {topic: offer}, send: [email]}
  - {id: by_text, when: {topic: news}, send: [sms]}
caps:
  - id: daily
    count: {topics: [news]}
    limit: 1
    per: 1d
    on_reach: suppress
    reason: enough
    text: Enough
quiet_hours:
  - id: night
    when: {topic: news}
    channels: [sms]
    between: [21:00, 09:00]
    action: defer
    text: Night
"""


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        made = await a_brand(tx)
        contacts = {Channel.SMS: "+905320000101", Channel.EMAIL: "ayse@example.com"}
        await a_customer(tx, made, contacts=contacts, consents={Channel.EMAIL: "granted"})
        return made


@pytest.fixture
def shop(sessions: Sessions, clock: SetClock, tmp_path: Path) -> House:
    return furnish(
        sessions=sessions,
        books=RulebookHolder(write(tmp_path, BOOK)),
        decider=Decider(None),
        renderer=PlainRenderer(),
        clock=clock,
        routes=ROUTES,
    )


async def happens(
    house: House,
    brand: Brand,
    type: str = "account_movement",
    ref: str = "ayse",
    *,
    simulated: bool = False,
    **data: object,
) -> RecordedEvent:
    async with house.sessions() as tx, tx.begin():
        return await house.events.record(
            tx, brand=brand, customer_ref=ref, type=type, payload=data, simulated=simulated
        )


async def rows(house: House, of: Any, *where: Any) -> Sequence[Any]:  # noqa: ANN401 - a table
    async with house.sessions() as tx:
        return (await tx.execute(select(of).where(*where).order_by(of.c.id))).all()


async def test_several_events_become_one_message_that_tells_of_each(
    house: House, brand: Brand, clock: SetClock
) -> None:
    first = await happens(house, brand, amount="120,00 TRY", direction="out")
    clock.pass_by(timedelta(minutes=40))
    second = await happens(house, brand, amount="1.500,00 TRY", direction="in")
    early = await house.digests.work()
    clock.pass_by(timedelta(minutes=20))

    on_time = await house.digests.work()

    assert (early, on_time) == (0, 1)
    assert [(d.verdict, d.reason, d.message_id) for d in first.decisions + second.decisions] == [
        ("digest", "in_digest", None)
    ] * 2
    assert first.decisions[0].digest_id == second.decisions[0].digest_id
    [message] = await rows(house, _messages)
    said = message.variables["digest"]
    assert (said["count"], said["first_at"], said["last_at"]) == (2, "02.03. 10:00", "02.03. 10:40")
    assert [one["event"] for one in said["items"]] == [
        {"amount": "120,00 TRY", "direction": "out"},
        {"amount": "1.500,00 TRY", "direction": "in"},
    ]
    text = JinjaRenderer().render(
        topic=TOPIC,
        channel=Channel.EMAIL,
        language="tr",
        variables={**JinjaRenderer().example(TOPIC), **message.variables},
    )
    assert "02.03. 10:00: giden 120,00 TRY" in text.text
    assert "02.03. 10:40: gelen 1.500,00 TRY" in text.text


async def test_the_digest_is_found_from_the_decision_of_each_event(
    house: House, brand: Brand, clock: SetClock
) -> None:
    event = await happens(house, brand, amount="1", direction="out")
    clock.pass_by(HOUR)
    await house.digests.work()

    [waiting, told] = await rows(house, _decisions)
    [digest] = await rows(house, _digests)
    [outcome] = await rows(house, _outcomes)
    [cause] = await rows(house, _causes)
    assert (waiting.event_id, waiting.verdict, waiting.asked) == (event.id, "digest", None)
    assert (told.event_id, told.verdict) == (None, "send")
    assert waiting.body["digest_id"] == told.body["digest_id"] == digest.id
    assert (digest.state, digest.decision_id, digest.check_at) == ("decided", told.id, None)
    assert (cause.kind, cause.key) == ("digest", f"digest:{digest.id}")
    assert told.outcome_id == outcome.id


async def test_events_at_once_open_one_digest(house: House, brand: Brand) -> None:
    await asyncio.gather(*(happens(house, brand, amount=str(n), direction="out") for n in range(8)))

    [digest] = await rows(house, _digests)
    assert (digest.state, digest.events) == ("open", 8)
    assert len(await rows(house, _items)) == 8


async def test_an_event_joins_once(house: House, brand: Brand) -> None:
    event = await happens(house, brand, amount="1", direction="out")
    topic = house.books.current.topics[TOPIC]

    async def again(tx: AsyncSession) -> Decided:
        customer = await lock_customer(tx, brand.id, "ayse")
        happened = Happened(event.id, "account_movement", {}, house.clock.now())
        return await house.digests.join(tx, customer, topic, happened, simulated=False)

    async with house.sessions() as tx, tx.begin():
        repeated = await again(tx)

    [digest] = await rows(house, _digests)
    assert (digest.events, repeated.digest_id) == (1, digest.id)
    assert repeated.id == event.decisions[0].id
    assert len(await rows(house, _items)) == len(await rows(house, _decisions)) == 1


async def test_with_most_events_it_is_told_at_once_and_the_next_opens_another(
    shop: House, brand: Brand, clock: SetClock
) -> None:
    for _ in range(3):
        await happens(shop, brand, "heard")
    await happens(shop, brand, "heard")

    done = await shop.digests.work()

    assert done == 1
    [full, opened] = await rows(shop, _digests)
    assert (full.state, full.events, opened.state, opened.events) == ("decided", 3, "open", 1)
    [message] = await rows(shop, _messages)
    assert message.variables["digest"]["count"] == 3
    assert opened.due_at == clock.now() + timedelta(minutes=30)


async def test_what_was_told_before_does_not_stand_in_the_way_of_other_events(
    house: House, brand: Brand, clock: SetClock
) -> None:
    for _ in range(2):
        await happens(house, brand, amount="1", direction="out")
        clock.pass_by(HOUR)
        await house.digests.work()

    assert len(await rows(house, _messages)) == 2
    assert {one.state for one in await rows(house, _outcomes)} == {"open"}


async def test_caps_and_quiet_hours_are_those_of_the_moment_when_it_is_due(
    shop: House, brand: Brand, clock: SetClock
) -> None:
    """It opens by day and is due at night; another one of the day then finds the cap full."""
    clock.at = datetime(2026, 3, 2, 17, 45, tzinfo=UTC)
    await happens(shop, brand, "heard")
    clock.pass_by(timedelta(minutes=30))
    await shop.digests.work()
    await happens(shop, brand, "heard")
    clock.pass_by(timedelta(minutes=30))
    await shop.digests.work()

    [message] = await rows(shop, _messages)
    [_, refused] = await rows(shop, _digests)
    assert (message.state, message.not_before) == (
        "deferred",
        datetime(2026, 3, 3, 6, 0, tzinfo=UTC),
    )
    assert (refused.state, refused.reason) == ("decided", "enough")


async def test_a_refusal_meanwhile_is_respected(shop: House, brand: Brand, clock: SetClock) -> None:
    await happens(shop, brand, "looked")
    async with shop.sessions() as tx, tx.begin():
        refusal = ConsentInput(
            channel=ConsentChannel.EMAIL, state=ConsentState.REFUSED, source="HS_WEB", evidence={}
        )
        await Consents(clock).record(tx, brand=brand, ref="ayse", said=refusal, by="crm")
    clock.at = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

    await shop.digests.work()

    [digest] = await rows(shop, _digests)
    assert (digest.state, digest.reason) == ("decided", "refused")
    assert await rows(shop, _messages) == []


async def test_who_has_done_meanwhile_what_it_asks_for_is_not_asked(
    shop: House, brand: Brand, clock: SetClock
) -> None:
    await happens(shop, brand, "looked")
    await happens(shop, brand, "moved")
    clock.at = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

    await shop.digests.work()

    [digest] = await rows(shop, _digests)
    assert (digest.state, digest.reason) == ("decided", "converted")
    assert await rows(shop, _messages) == []


@pytest.mark.parametrize(("order", "silent"), [("last", True), ("first", False)])
async def test_rules_read_of_the_event_that_joined_last(
    shop: House, brand: Brand, clock: SetClock, order: str, silent: bool
) -> None:
    if order == "first":
        await happens(shop, brand, "bought", surface="branch")
    await happens(shop, brand, "looked")
    if order == "last":
        await happens(shop, brand, "bought", surface="branch")
    clock.at = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

    await shop.digests.work()

    [digest] = await rows(shop, _digests)
    assert (digest.reason == "at_the_till") is silent
    assert len(await rows(shop, _messages)) == (0 if silent else 1)


async def test_of_who_was_erased_nothing_is_told_and_nothing_is_left(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await happens(house, brand, amount="120,00 TRY", direction="out")
    async with house.sessions() as tx, tx.begin():
        await Persons(Consents(clock), house.progress, clock).erase(tx, brand, "ayse", by="dpo")
    clock.pass_by(HOUR)

    done = await house.digests.work()

    [digest] = await rows(house, _digests)
    [item] = await rows(house, _items)
    assert (done, digest.state, digest.check_at, item.variables) == (0, "erased", None, {})
    assert await rows(house, _messages) == []


async def test_workers_side_by_side_tell_once(house: House, brand: Brand, clock: SetClock) -> None:
    await happens(house, brand, amount="1", direction="out")
    [digest] = await rows(house, _digests)
    clock.pass_by(HOUR)

    decided = await asyncio.gather(*(house.digests.decide(digest.id) for _ in range(5)))

    assert sum(one is not None for one in decided) == 1
    assert len(await rows(house, _messages)) == 1


async def test_what_a_killed_worker_had_claimed_is_told_by_the_next(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await happens(house, brand, amount="1", direction="out")
    clock.pass_by(HOUR)
    claimed = await house.digests.due(10)

    at_once = await house.digests.work()
    clock.pass_by(timedelta(seconds=31))
    later = await house.digests.work()

    assert (len(claimed), at_once, later) == (1, 0, 1)
    assert len(await rows(house, _messages)) == 1


async def test_a_decision_that_fails_leaves_nothing_and_is_made_again(
    house: House, brand: Brand, clock: SetClock
) -> None:
    """The customer's time zone is broken for a while, so that no rule can be asked."""
    await happens(house, brand, amount="1", direction="out")
    clock.pass_by(HOUR)
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_customers).values(timezone="Europe/Nowhere"))
    await house.digests.work()
    between = await rows(house, _digests), await rows(house, _messages)
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_customers).values(timezone="Europe/Istanbul"))
    clock.pass_by(timedelta(seconds=31))

    await house.digests.work()

    assert [one.state for one in between[0]] == ["open"]
    assert between[1] == []
    assert len(await rows(house, _messages)) == 1


async def test_a_topic_that_is_gone_is_dropped(
    shop: House, brand: Brand, clock: SetClock, tmp_path: Path
) -> None:
    await happens(shop, brand, "heard")
    (tmp_path / "other").mkdir()
    other = BOOK.replace("news", "other")
    shop.deciding.asking.books = RulebookHolder(write(tmp_path / "other", other))
    clock.pass_by(HOUR)

    await shop.digests.work()

    [digest] = await rows(shop, _digests)
    assert (digest.state, digest.reason) == ("dropped", "no_such_topic")


async def test_a_rehearsal_has_a_digest_of_its_own(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await happens(house, brand, amount="1", direction="out")
    await happens(house, brand, amount="2", direction="out", simulated=True)
    clock.pass_by(HOUR)

    await house.digests.work()

    told = await rows(house, _messages)
    assert sorted((one.simulated, one.variables["digest"]["count"]) for one in told) == [
        (False, 1),
        (True, 1),
    ]


@pytest.mark.parametrize(
    ("opened", "due"),
    [
        (datetime(2026, 3, 28, 18, 0, tzinfo=UTC), datetime(2026, 3, 29, 16, 0, tzinfo=UTC)),
        (datetime(2026, 10, 24, 18, 0, tzinfo=UTC), datetime(2026, 10, 25, 17, 0, tzinfo=UTC)),
    ],
    ids=["a short night", "a long night"],
)
async def test_six_in_the_evening_is_six_after_the_night_on_which_clocks_change(
    shop: House, brand: Brand, clock: SetClock, opened: datetime, due: datetime
) -> None:
    async with shop.sessions() as tx, tx.begin():
        await a_customer(
            tx,
            brand,
            "ola",
            contacts={Channel.EMAIL: "ola@example.com"},
            consents={Channel.EMAIL: "granted"},
            timezone="Europe/Warsaw",
        )
    clock.at = opened
    await happens(shop, brand, "looked", ref="ola")
    clock.at = due - timedelta(seconds=1)
    early = await shop.digests.work()
    clock.at = due

    on_time = await shop.digests.work()

    assert (early, on_time) == (0, 1)
    assert len(await rows(shop, _messages)) == 1
