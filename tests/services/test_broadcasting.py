"""A round's audience decided in chunks: as one by one, once, in order, stopped at any moment."""

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.decide import Decider
from rules.holder import RulebookHolder
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.messages import MessageState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import lock_page
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow, CustomerRow
from tellal.persistence.tables.delivery import CauseCountRow
from tellal.persistence.tables.ledger import (
    CapUseRow,
    CauseRow,
    DecisionRow,
    MessageRow,
    OutcomeRow,
)
from tellal.persistence.tables.outages import OutageNoticeRow, OutageRow
from tellal.services.asking import Circumstances
from tellal.services.broadcasting import Portion
from tellal.services.entries import Matter
from tellal.services.house import House, furnish
from tellal.services.round_reading import go_through_again
from tellal.services.stopping import stop_cause
from tests.rules.writing import write
from tests.support.builders import LONG_AGO, a_brand, a_customer
from tests.support.desk import PlainRenderer
from tests.support.house import ROUTES, SetClock

_causes = table(CauseRow)
_customers = table(CustomerRow)
_messages = table(MessageRow)
_notices = table(OutageNoticeRow)
_outcomes = table(OutcomeRow)

VARIABLES = {"area": "Tepebaşı", "expected_end": "18:30", "workaround": "-", "hotline": "186"}
HERE = {"customer.district": "tepebasi"}
EVERYBODY: Mapping[str, object] = {"name": "everybody", "segment": HERE}


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        return await a_brand(tx, "porsuk-edas")


async def some_people(house: House, brand: Brand, number: int, **how: Any) -> list[str]:  # noqa: ANN401 - as a_customer
    async with house.sessions() as tx, tx.begin():
        return [
            await a_customer(
                tx,
                brand,
                new_id(),
                contacts=how.get("contacts", {Channel.SMS: f"+9053500{n:05}"}),
                facts=how.get("facts", HERE),
            )
            for n in range(number)
        ]


async def a_round(
    house: House, brand: Brand, *parts: Mapping[str, object], outage: str = "", **values: object
) -> tuple[str, str]:
    """Write a confirmed outage with a round that is to be decided; return the round and cause."""
    notice, cause = new_id(), new_id()
    topic = values.pop("topic", "outage_notice")
    simulated = bool(values.pop("simulated", False))
    async with house.sessions() as tx, tx.begin():
        now = house.clock.now()
        await tx.execute(
            insert(_causes).values(
                id=cause,
                brand_id=brand.id,
                kind="outage",
                key=notice,
                topic=topic,
                state="running",
                counted=True,
                created_at=now,
            )
        )
        if not outage:
            outage = new_id()
            await tx.execute(
                insert(table(OutageRow)).values(
                    id=outage,
                    brand_id=brand.id,
                    title="Transformer",
                    topic=topic,
                    segment={},
                    variables=VARIABLES,
                    state="confirmed",
                    in_flight_at_stop=0,
                    simulated=simulated,
                    declared_at=now,
                )
            )
        made = {
            "id": notice,
            "outage_id": outage,
            "brand_id": brand.id,
            "number": 1,
            "kind": "notice",
            "topic": topic,
            "cause_id": cause,
            "variables": VARIABLES,
            "parts": [dict(part) for part in parts or (EVERYBODY,)],
            "state": "deciding",
            "simulated": simulated,
            "created_at": now,
        }
        await tx.execute(insert(_notices).values(**made | values))
    return notice, cause


async def decide_all(house: House, notice: str, limit: int = 3) -> list[Portion]:
    portions: list[Portion] = []
    while not portions or not portions[-1].done:
        portions.append(await house.broadcasting.decide_chunk(notice, limit))
        assert len(portions) < 200
    return portions


async def outcomes(house: House, cause: str) -> dict[str, Any]:
    async with house.sessions() as tx:
        rows = await tx.execute(select(_outcomes).where(_outcomes.c.cause_id == cause))
        return {row.customer_id: row for row in rows}


async def stands(house: House, cause: str) -> dict[str, tuple[str, str]]:
    return {who: (one.state, one.reason) for who, one in (await outcomes(house, cause)).items()}


async def channels(house: House, cause: str) -> dict[str, str]:
    async with house.sessions() as tx:
        query = select(_messages).where(_messages.c.cause_id == cause).order_by(_messages.c.id)
        return {row.customer_id: row.channel for row in await tx.execute(query)}


async def set_messages(house: House, cause: str, state: MessageState, *whose: str) -> None:
    async with house.sessions() as tx, tx.begin():
        mine = update(_messages).where(_messages.c.cause_id == cause)
        await tx.execute(mine.where(_messages.c.customer_id.in_(whose)).values(state=state.value))


async def refuse(house: House, brand: Brand, customer: str, channel: Channel) -> None:
    async with house.sessions() as tx, tx.begin():
        await tx.execute(
            insert(table(ConsentRow)).values(
                id=new_id(),
                brand_id=brand.id,
                customer_id=customer,
                channel=channel.value,
                state="refused",
                source="app",
                evidence={},
                recorded_at=LONG_AGO,
            )
        )


_IDS = {"id", "outcome_id", "message_id", "cause_id"}
_NAMED = {"message", "displaced_by"}


def unnamed(value: object) -> object:
    """Leave out the ids of rows, wherever they stand, but not that there is one."""
    if isinstance(value, Mapping):
        return {
            key: bool(one) if key in _NAMED and isinstance(one, str | None) else unnamed(one)
            for key, one in value.items()
            if key not in _IDS
        }
    return [unnamed(one) for one in value] if isinstance(value, list) else value


async def written(tx: AsyncSession, *causes: str) -> list[object]:
    """Return all that causes have in the ledger, without the ids of rows."""
    of_them = _outcomes.c.cause_id.in_(causes)
    uses, decisions = table(CapUseRow), table(DecisionRow)
    queries: list[Select[Any]] = [
        select(_outcomes).where(of_them),
        select(decisions).join(_outcomes, _outcomes.c.id == decisions.c.outcome_id).where(of_them),
        select(_messages).where(_messages.c.cause_id.in_(causes)),
        select(uses)
        .join(_messages, _messages.c.id == uses.c.message_id)
        .where(_messages.c.cause_id.in_(causes)),
    ]
    found: list[object] = []
    for query in queries:
        rows = [unnamed(dict(row._mapping)) for row in await tx.execute(query)]
        found.append(sorted(rows, key=repr))
    return found


async def a_population(house: House, brand: Brand, seed: str, number: int = 60) -> None:
    """Write people with all that a decision may depend on."""
    chance = random.Random(seed)
    async with house.sessions() as tx, tx.begin():
        for n in range(number):
            addresses = {
                Channel.SMS: f"+90535{chance.choice(['', '1', '22'])}{n:06}"[:13],
                Channel.EMAIL: f"p{n}@example.com",
                Channel.PUSH: f"token-{n:06}",
            }
            ages: Mapping[str, object] = {
                "customer.age": chance.randint(10, 80),
                "customer.birth_date": f"{chance.randint(1940, 2015)}-05-0{chance.randint(1, 9)}",
            }
            customer = await a_customer(
                tx,
                brand,
                f"p{n}",
                contacts={one: to for one, to in addresses.items() if chance.random() < 0.7},
                facts={
                    "customer.district": chance.choice(["tepebasi", "tepebasi", "odunpazari"]),
                    "customer.life_support": chance.random() < 0.2,
                    "customer.segment": chance.choice(["mass", "private"]),
                    **{path: said for path, said in ages.items() if chance.random() < 0.7},
                },
                consents={
                    one: chance.choice(["granted", "refused"])
                    for one in Channel
                    if one is not Channel.CALL and chance.random() < 0.4
                },
                locale=chance.choice(["tr-TR", "en-GB"]),
            )
            points = table(ContactPointRow)
            if chance.random() < 0.1:
                spoil = update(points).where(points.c.customer_id == customer)
                await tx.execute(spoil.values(bad_reason="gone"))
            await tx.execute(
                update(_customers)
                .where(_customers.c.id == customer)
                .values(
                    timezone=chance.choice(["Europe/Istanbul", "America/New_York"]),
                    service_only=chance.random() < 0.2,
                    topics_off=chance.choice([[], [], ["planned_outage"], ["iscep_promo"]]),
                    complained=chance.choice([[], [], [], ["outage_notice"]]),
                )
            )


async def one_by_one(
    tx: AsyncSession, house: House, brand: Brand, *, cause: str, topic: str, around: Circumstances
) -> None:
    """Decide everybody of the district alone, as an event's customer would be decided."""
    for customer in await lock_page(tx, brand.id, after="", limit=1_000):
        if customer.facts.get("customer.district") != "tepebasi":
            continue
        matter = Matter(
            topic=topic,
            cause_kind="outage",
            cause_key="",
            cause_id=cause,
            variables={"outage": VARIABLES},
            around=around,
            workflow_id="",
        )
        await house.deciding.decide(tx, brand, customer, matter)


async def displaced(house: House) -> int:
    async with house.sessions() as tx:
        gone = select(func.count()).where(_messages.c.displaced_by.is_not(None))
        return int((await tx.execute(gone)).scalar_one())


FIELDS = """
version: 1
fields:
  customer.district: {type: text}
  customer.life_support: {type: bool, pii: true}
  customer.age: {type: int, pii: true}
  customer.birth_date: {type: date, pii: true}
  customer.segment: {type: text}
  customer.app.push_token: {type: bool}
  outage.kind: {type: text}
"""
BOOK = """
topics:
  - {id: alarm, means: An alarm, class: service, expires: 12h, priority: 90}
  - {id: offer, means: An offer, class: commercial, expires: 2d, priority: 20, on: [login],
     attempts: 3, every: 1d, stop_when: {customer.life_support: true}}
  - {id: news, means: News, class: service, expires: 9d, priority: 50}
events:
  - {type: login}
counts:
  - {id: told, of: messages, topics: [alarm, offer, news], within: 7d}
facts:
  - {id: modern, when: {any: [{customer.app.push_token: true}, {count.told: {gte: 2}}]}}
suppress:
  - {id: ill, when: {topic: news, customer.life_support: true}, reason: ill, text: Ill}
  - id: young
    when: {any: [{customer.birth_date: {years: {lt: 18}}},
                 {customer.age: {lt: 18}, customer.birth_date: {exists: false}}]}
    reason: young
    text: Young
  - {id: rich, when: {topic: offer, customer.segment: private, customer.age: {gte: 60}},
     reason: rich, text: Rich}
  - {id: meant, when: {topic: news, outage.kind: planned}, reason: meant, text: Meant}
channels:
  - {id: a, when: {fact.modern: true}, send: [push, sms, email], wait_for: any}
  - {id: b, when: {topic: [alarm, news, offer]}, send: [sms, email]}
law:
  - {id: iys, when: {class: commercial}, channels: [sms, email], requires: consent,
     reason: no_consent, text: No consent}
caps:
  - {id: texts, count: {topics: [alarm, news, offer]}, limit: 1, per: 24h, channel: sms,
     on_reach: next_channel, reason: enough, text: Enough}
  - {id: weekly, count: {topics: [news, offer]}, limit: 1, per: calendar_week, on_reach: defer,
     reason: enough, text: Enough}
  - {id: monthly, count: {topics: [offer]}, limit: 1, per: 30d, on_reach: suppress,
     reason: fatigue, text: Fatigue}
quiet_hours:
  - {id: night, when: {topic: [news, offer]}, channels: [sms, push], between: [21:00, 09:00],
     action: defer, text: Night}
"""


@pytest.fixture
def shop(sessions: Sessions, clock: SetClock, tmp_path: Path) -> House:
    """Furnish a house with a rulebook of every kind of rule."""
    (tmp_path / "fields.yaml").write_text(FIELDS, encoding="utf-8")
    return furnish(
        sessions=sessions,
        books=RulebookHolder(write(tmp_path, BOOK)),
        decider=Decider(None),
        renderer=PlainRenderer(),
        clock=clock,
        routes=ROUTES,
    )


@pytest.mark.req("B11")
@pytest.mark.parametrize("narrowed", [False, True])
@pytest.mark.parametrize("topic", ["alarm", "news", "offer"])
async def test_a_chunk_writes_what_one_decision_after_another_writes(
    shop: House, brand: Brand, clock: SetClock, topic: str, narrowed: bool
) -> None:
    """Also with slots of caps that others have, higher and lower ones, at night, until an hour."""
    clock.pass_by(timedelta(hours=12))
    await a_population(shop, brand, f"{topic} {narrowed}")
    before = []
    for earlier, every in (("news", 3), ("offer", 2), ("alarm", 4)):
        _, held = await a_round(shop, brand, topic=earlier)
        before.append(held)
        async with shop.sessions() as tx, tx.begin():
            for customer in (await lock_page(tx, brand.id, after="", limit=1_000))[::every]:
                matter = Matter(
                    topic=earlier, cause_kind="outage", cause_key="", cause_id=held, workflow_id=""
                )
                await shop.deciding.decide(tx, brand, customer, matter)
    clock.pass_by(timedelta(minutes=10))
    over = clock.now() + timedelta(hours=3) if narrowed else None
    planned = frozenset({Channel.SMS, Channel.PUSH}) if narrowed else frozenset(Channel)
    part = {"segment": HERE, "channels": sorted(planned) if narrowed else None}
    notice, cause = await a_round(shop, brand, part, topic=topic, expires_at=over)
    around = Circumstances(
        document={"outage.kind": "failure"}, unplanned=frozenset(Channel) - planned, until=over
    )
    async with shop.sessions() as tx:
        await one_by_one(tx, shop, brand, cause=cause, topic=topic, around=around)
        expected = await written(tx, cause, *before)
        await tx.rollback()

    earlier_ones = await displaced(shop)
    await decide_all(shop, notice, limit=17)

    async with shop.sessions() as tx:
        assert await written(tx, cause, *before) == expected
    assert len(await outcomes(shop, cause)) > 20
    assert (await displaced(shop) > earlier_ones) or topic != "alarm"


async def test_the_first_chunk_is_small_and_all_of_them_make_one_audience(
    house: House, brand: Brand
) -> None:
    await some_people(house, brand, 230)
    await some_people(house, brand, 5, facts={"customer.district": "odunpazari"})
    notice, cause = await a_round(house, brand)

    portions = await decide_all(house, notice, limit=1_000)

    assert portions == [Portion(decided=100, done=False), Portion(decided=130, done=True)]
    assert len(await channels(house, cause)) == 230


@pytest.mark.req("B11", "blocks")
async def test_a_round_that_is_decided_twice_changes_nothing(house: House, brand: Brand) -> None:
    people = await some_people(house, brand, 7)
    notice, cause = await a_round(house, brand)
    await decide_all(house, notice)
    async with house.sessions() as tx:
        first = await written(tx, cause)

    assert await decide_all(house, notice) == [Portion(decided=0, done=True)]
    async with house.sessions() as tx, tx.begin():
        assert await go_through_again(tx, notice)
    more = await some_people(house, brand, 2)
    again = await decide_all(house, notice)

    assert sum(portion.decided for portion in again) == 2
    assert set(await outcomes(house, cause)) == {*people, *more}
    async with house.sessions() as tx, tx.begin():
        await tx.execute(
            delete(table(DecisionRow)).where(table(DecisionRow).c.customer_id.in_(more))
        )
        await tx.execute(delete(_messages).where(_messages.c.customer_id.in_(more)))
        await tx.execute(delete(_outcomes).where(_outcomes.c.customer_id.in_(more)))
        assert await written(tx, cause) == first


async def test_a_chunk_that_breaks_off_leaves_nothing_and_is_decided_again(
    house: House, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_people(house, brand, 9)
    notice, cause = await a_round(house, brand)
    await house.broadcasting.decide_chunk(notice, 3)

    async def fails(*_: object, **__: object) -> bool:
        raise ConnectionError("the worker is gone")

    with monkeypatch.context() as broken:
        broken.setattr("tellal.services.round_reading.OutageRounds.move", fails)
        with pytest.raises(ConnectionError):
            await house.broadcasting.decide_chunk(notice, 3)

    assert len(await outcomes(house, cause)) == 3
    await decide_all(house, notice)
    assert len(await outcomes(house, cause)) == len(await channels(house, cause)) == 9


@pytest.mark.req("D62")
async def test_a_stop_in_the_middle_ends_the_round_and_the_ledger_adds_up(
    house: House, brand: Brand
) -> None:
    people = await some_people(house, brand, 9)
    notice, cause = await a_round(house, brand)
    await house.broadcasting.decide_chunk(notice, 6)
    await set_messages(house, cause, MessageState.HANDING_OVER, *people[:2])

    async with house.sessions() as tx, tx.begin():
        in_flight = await stop_cause(tx, cause, code="superseded", now=house.clock.now())

    assert in_flight == 2
    assert await house.broadcasting.decide_chunk(notice, 6) == Portion(decided=0, done=True)
    found = await stands(house, cause)
    assert sorted(found.values()) == [("cancelled", "superseded")] * 4 + [("open", "")] * 2
    assert await counted(house, cause) == {"open": 2, "cancelled": 4}


async def counted(house: House, cause: str) -> dict[str, int]:
    counts = table(CauseCountRow)
    names = [one.name for one in counts.c if one.name not in {"cause_id", "slot"}]
    sums = [func.coalesce(func.sum(counts.c[name]), 0).label(name) for name in names]
    async with house.sessions() as tx:
        row = (await tx.execute(select(*sums).where(counts.c.cause_id == cause))).one()
    return {name: int(number) for name, number in row._mapping.items() if number}


@pytest.mark.req("B11")
async def test_a_simulated_outage_stays_simulated(house: House, brand: Brand) -> None:
    await some_people(house, brand, 2)
    notice, cause = await a_round(house, brand, simulated=True)

    await decide_all(house, notice)

    async with house.sessions() as tx:
        rows = (await tx.execute(select(_messages).where(_messages.c.cause_id == cause))).all()
    assert [row.simulated for row in rows] == [True, True]
    assert all(one.plan["simulated"] for one in (await outcomes(house, cause)).values())


@pytest.mark.req("B11", "allows")
async def test_those_who_come_first_are_decided_first_and_over_their_channels(
    house: House, brand: Brand
) -> None:
    both = {Channel.SMS: "+905350000001", Channel.EMAIL: "a@example.com"}
    later = await some_people(house, brand, 3, contacts=both)
    ill = await some_people(
        house,
        brand,
        2,
        contacts={Channel.EMAIL: "b@example.com", Channel.PUSH: "token-0001"},
        facts={**HERE, "customer.segment": "private"},
    )
    mute = await some_people(
        house,
        brand,
        1,
        contacts={Channel.SMS: "+905350000002"},
        facts={**HERE, "customer.segment": "private"},
    )
    first: Mapping[str, object] = {
        "name": "priority",
        "segment": {"all": [HERE, {"customer.segment": "private"}]},
        "channels": ["push", "email"],
    }
    notice, cause = await a_round(house, brand, first, EVERYBODY, topic="planned_outage")

    await house.broadcasting.decide_chunk(notice, 100)

    assert await channels(house, cause) == dict.fromkeys(ill, "push")
    assert (await stands(house, cause))[mute[0]] == ("suppressed", "channel_not_planned")
    await decide_all(house, notice)
    assert await channels(house, cause) == {
        **dict.fromkeys(ill, "push"),
        **dict.fromkeys(later, "sms"),
    }
    plans = {who: one.plan["steps"] for who, one in (await outcomes(house, cause)).items()}
    assert [step["channel"] for step in plans[ill[0]]] == ["push", "email"]


async def test_a_round_without_parts_is_through(house: House, brand: Brand) -> None:
    notice, _ = await a_round(house, brand, parts=[])

    assert await decide_all(house, notice) == [Portion(decided=0, done=True)]


@pytest.mark.req("B13", "blocks")
@pytest.mark.req("B13", "allows")
async def test_the_all_clear_goes_to_whom_something_was_handed_over_and_the_same_way(
    house: House, brand: Brand
) -> None:
    both = {Channel.SMS: "+905350000001", Channel.EMAIL: "a@example.com"}
    people = await some_people(house, brand, 7, contacts=both)
    told, unknown, going, lost, unsent, refused, by_mail = people
    notice, cause = await a_round(house, brand, topic="planned_outage")
    await decide_all(house, notice)
    await set_messages(house, cause, MessageState.DELIVERED, told, refused, by_mail)
    await set_messages(house, cause, MessageState.UNKNOWN, unknown)
    await set_messages(house, cause, MessageState.HANDING_OVER, going)
    await set_messages(house, cause, MessageState.UNDELIVERED, lost)
    async with house.sessions() as tx, tx.begin():
        mine = update(_messages).where(_messages.c.customer_id == by_mail)
        await tx.execute(mine.values(channel="email"))
    await some_people(house, brand, 2)
    async with house.sessions() as tx, tx.begin():
        await tx.execute(
            update(_customers)
            .where(_customers.c.id == refused)
            .values(topics_off=["planned_outage"])
        )

    over, all_clear = await a_round(
        house, brand, {"told_by": [cause]}, topic="planned_outage", kind="all_clear"
    )
    await decide_all(house, over)

    assert await channels(house, all_clear) == {
        told: "sms",
        unknown: "sms",
        by_mail: "email",
    }
    assert set(await stands(house, all_clear)) == {told, unknown, by_mail, refused}
    assert going not in await stands(house, all_clear)
    assert (await stands(house, all_clear))[refused] == ("suppressed", "topic_off")
    assert unsent not in await stands(house, all_clear)


async def test_two_outages_do_not_tell_a_person_twice_nor_too_early_that_it_is_over(
    house: House, brand: Brand
) -> None:
    people = await some_people(house, brand, 4)
    north, first = await a_round(house, brand)
    await decide_all(house, north)
    await set_messages(house, first, MessageState.DELIVERED, *people)
    later = await some_people(house, brand, 2)
    south, second = await a_round(house, brand, {"segment": HERE, "not_told_by": [first]})

    await decide_all(house, south)

    found = await stands(house, second)
    assert {found[one] for one in people} == {("suppressed", "told_already")}
    assert set(await channels(house, second)) == set(later)

    async with house.sessions() as tx:
        outage = select(_notices.c.outage_id).where(_notices.c.id == south)
        southern = (await tx.execute(outage)).scalar_one()
        north_id = (
            await tx.execute(select(_notices.c.outage_id).where(_notices.c.id == north))
        ).scalar_one()
    await set_messages(house, second, MessageState.DELIVERED, *later)
    clear: Sequence[Mapping[str, object]] = [
        {"told_by": [first], "still_affected_by": [southern]},
        {"told_by": [second], "still_affected_by": [north_id]},
    ]
    of_north, north_clear = await a_round(house, brand, clear[0])
    of_south, south_clear = await a_round(house, brand, clear[1])
    await decide_all(house, of_north)
    await decide_all(house, of_south)
    assert set((await stands(house, north_clear)).values()) == {("open", "")}
    assert set((await stands(house, south_clear)).values()) == {("open", "")}

    both, withheld = await a_round(
        house, brand, {"told_by": [first], "still_affected_by": [north_id]}
    )
    await decide_all(house, both)
    assert set((await stands(house, withheld)).values()) == {("suppressed", "still_affected")}


async def test_nobody_hears_of_it_later_than_it_is_expected_to_end(
    house: House, brand: Brand
) -> None:
    everywhere = {
        Channel.PUSH: "a-token",
        Channel.SMS: "+905350000001",
        Channel.EMAIL: "a@example.com",
    }
    await some_people(house, brand, 1, contacts=everywhere)
    now = house.clock.now()
    soon, cause = await a_round(house, brand, expires_at=now + timedelta(minutes=40))
    late, other = await a_round(house, brand, expires_at=now + timedelta(days=2))
    past, third = await a_round(house, brand, expires_at=now - timedelta(minutes=1))

    for notice in (soon, late, past):
        await decide_all(house, notice)

    async with house.sessions() as tx:
        query = select(_messages.c.cause_id, _messages.c.expires_at - _messages.c.created_at)
        left = {row[0]: row[1] for row in await tx.execute(query)}
    assert left == {cause: timedelta(minutes=40), other: timedelta(hours=4)}
    [one] = (await outcomes(house, third)).values()
    assert (one.state, one.reason) == ("suppressed", "expires_before_allowed")


async def test_a_segment_that_no_query_can_ask_is_decided_all_the_same(
    house: House, brand: Brand
) -> None:
    """Derived facts, consents and the calendar are no stored values."""
    people = await some_people(house, brand, 5)
    await refuse(house, brand, people[1], Channel.SMS)
    await refuse(house, brand, people[3], Channel.SMS)
    segment = {"all": [HERE, {"consent.sms": "refused"}, {"calendar.weekday": "mon"}]}
    notice, cause = await a_round(house, brand, {"segment": segment})
    either = {"any": [{"consent.sms": "refused"}, {"customer.district": "elsewhere"}]}
    other, second = await a_round(house, brand, {"segment": either})

    await decide_all(house, notice, limit=2)
    await decide_all(house, other, limit=2)

    assert set(await outcomes(house, cause)) == {people[1], people[3]}
    assert set(await outcomes(house, second)) == {people[1], people[3]}
