"""Routes as workers share them, on a real database: pauses, breakers, tokens, and the choice."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.handover import Answered
from tellal.domain.messages import NOT_CALLED, Answer, HandOver, OutgoingMessage, Remedy
from tellal.domain.routes import Route, RouteTable
from tellal.metrics import EVENTS
from tellal.persistence.session import Sessions
from tellal.services.handover import HandOvers
from tellal.services.routes import Routes
from tests.support.builders import a_brand, a_customer
from tests.support.desk import (
    ABROAD,
    ACCEPTED,
    EVERYWHERE,
    ROUTES,
    TURKISH,
    TWO_WAYS,
    UNANSWERED,
    a_desk,
)
from tests.support.ledger import (
    NOON,
    SetClock,
    a_message,
    attempts,
    message,
    messages_of_a_brand,
    states,
)
from tests.support.waiting import until

ONLY = RouteTable(routes=(ABROAD,))


def rejected(remedy: Remedy, code: str = "refused", pause_s: float | None = None) -> HandOver:
    return HandOver(
        answer=Answer.REJECTED, provider="p", code=code, remedy=remedy, retry_after_s=pause_s
    )


THROTTLED = rejected(Remedy.RETRY, "429", 7)
BROKEN = rejected(Remedy.RETRY, "503")
NOWHERE = rejected(Remedy.NEXT_ROUTE, "unreachable")
WRONG = rejected(Remedy.HALT, "20003")


def answered(messages: Sequence[OutgoingMessage], answer: HandOver) -> list[Answered]:
    return [Answered(message=one, answer=answer) for one in messages]


def by_route(messages: Sequence[OutgoingMessage]) -> dict[str, int]:
    return dict(Counter(one.route for one in messages))


async def claim(desk: HandOvers, most: int = 100) -> tuple[OutgoingMessage, ...]:
    return await desk.claim(Lane.JOURNEYS, most)


async def sees(routes: Routes, route: str) -> None:
    """Wait until a worker has heard from another how a route is doing."""

    async def heard() -> bool:
        return (await routes.choice()).rests_until(route) is not None

    await until(heard)


async def learned(sessions: Sessions, routes: Routes, answers: Sequence[Answered]) -> None:
    async with sessions() as tx, tx.begin():
        await routes.learn(tx, answers)


# ---------------------------------------------------------------- which way a message takes


@pytest.mark.parametrize(
    ("address", "how", "providers"),
    [
        pytest.param("+905320000101", {}, {"twilio", "netgsm"}, id="a service text to Turkey"),
        pytest.param(
            "+905320000101",
            {"message_class": MessageClass.COMMERCIAL},
            {"netgsm"},
            id="a promotion to Turkey",
        ),
        pytest.param(
            "+905320000101",
            {"variables": {"text": "Bkz. ornek.com.tr"}},
            {"netgsm"},
            id="a link to Turkey",
        ),
        pytest.param(
            "+48512345678",
            {"message_class": MessageClass.COMMERCIAL, "variables": {"text": "Na ornek.pl"}},
            {"twilio"},
            id="a promotion with a link to Poland",
        ),
    ],
)
async def test_the_country_and_the_class_decide_who_carries_a_text(
    sessions: Sessions, address: str, how: dict[str, object], providers: set[str]
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        for n in range(12):
            customer_id = await a_customer(
                tx,
                brand,
                f"c-{n}",
                contacts={Channel.SMS: address},
                consents={Channel.SMS: "granted"},
            )
            await a_message(tx, brand, customer_id=customer_id, **how)  # type: ignore[arg-type]  # one table of many kinds of argument

    claimed = await claim(a_desk(sessions, SetClock(), routes=TWO_WAYS))

    assert len(claimed) == 12
    assert {one.provider for one in claimed} == providers
    row = await message(sessions, claimed[0].id)
    assert (row.route, row.provider) == (claimed[0].route, claimed[0].provider)


async def test_what_no_route_may_carry_fails_and_holds_up_nobody(sessions: Sessions) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        linked = await a_message(tx, brand, priority=-1, variables={"text": "https://x.example"})
        plain = await a_message(tx, brand)

    claimed = await claim(a_desk(sessions, SetClock(), routes=ONLY))

    assert [one.id for one in claimed] == [plain]
    row = await message(sessions, linked)
    assert (row.state, row.code) == ("failed", "no_route")
    assert await attempts(sessions, linked) == []


async def test_routes_share_by_weight(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 200)
    table = RouteTable(routes=(ABROAD, replace(TURKISH, weight=300)))

    shares = by_route(await claim(a_desk(sessions, SetClock(), routes=table), 200))

    assert shares["abroad"] == pytest.approx(50, abs=25)
    assert shares["abroad"] + shares["turkish"] == 200


# ---------------------------------------------------------------- pauses


async def test_a_pause_slows_every_worker_and_loses_nothing(sessions: Sessions) -> None:
    ids = await messages_of_a_brand(sessions, 10)
    clock = SetClock()
    mine, other = (a_desk(sessions, clock, routes=ONLY) for _ in range(2))

    await mine.record(answered(await claim(mine, 2), THROTTLED))
    during = [await claim(mine), await claim(other)]
    clock.advance(seconds=7)
    afterwards = await claim(other)

    assert during == [(), ()]
    assert {one.id for one in afterwards} == set(ids)
    assert set((await states(sessions)).values()) == {"handing_over"}


async def test_a_worker_hears_of_a_pause_while_it_works(sessions: Sessions) -> None:
    clock = SetClock()
    await messages_of_a_brand(sessions, 1)
    mine, other = (Routes(sessions, clock, ONLY) for _ in range(2))
    assert (await other.choice()).rests_until("abroad") is None
    [one] = await claim(a_desk(sessions, clock, routes=ONLY))

    await learned(sessions, mine, answered([one], THROTTLED))

    assert (await mine.choice()).rests_until("abroad") == NOON + timedelta(seconds=7)
    await sees(other, "abroad")


async def test_while_one_channel_rests_others_go_on(sessions: Sessions) -> None:
    clock = SetClock()
    letter = Route(name="letter", provider="fake-mail", channel=Channel.EMAIL, carries=EVERYWHERE)
    desk = a_desk(sessions, clock, routes=RouteTable(routes=(ABROAD, letter)))
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        customer_id = await a_customer(
            tx,
            brand,
            contacts={Channel.SMS: "+905320000101", Channel.EMAIL: "ayse@example.com"},
        )
        text = await a_message(tx, brand, customer_id=customer_id, priority=-1)
    await desk.record(answered(await claim(desk), THROTTLED))
    async with sessions() as tx, tx.begin():
        mail = await a_message(tx, brand, customer_id=customer_id, channel=Channel.EMAIL)

    assert [one.id for one in await claim(desk)] == [mail]
    assert (await states(sessions))[text] == "queued"


async def test_what_finds_all_its_routes_resting_is_put_off_and_others_pass(
    sessions: Sessions,
) -> None:
    clock = SetClock()
    away = replace(
        ABROAD, name="away", carries=(replace(EVERYWHERE[0], countries=frozenset({"PL"})),)
    )
    desk = a_desk(sessions, clock, routes=RouteTable(routes=(TURKISH, away)))
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_message(tx, brand, priority=-2)
        home = await a_message(tx, brand, priority=-1)
        polish = await a_customer(tx, brand, "jan", contacts={Channel.SMS: "+48512345678"})
        abroad = await a_message(tx, brand, customer_id=polish)
    await desk.record(answered(await claim(desk, 1), THROTTLED))

    passing = await claim(desk)
    put_off = await message(sessions, home)
    clock.advance(seconds=7)

    assert [one.id for one in passing] == [abroad]
    assert (put_off.state, put_off.not_before) == ("queued", NOON + timedelta(seconds=7))
    assert put_off.attempt == 0
    assert home in {one.id for one in await claim(desk)}


async def test_a_throttled_text_does_not_wait_where_another_route_is_open(
    sessions: Sessions,
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock, routes=TWO_WAYS)

    [first] = await claim(desk)
    await desk.record(answered([first], replace(THROTTLED, retry_after_s=200)))
    clock.advance(seconds=1)
    [second] = await claim(desk)

    assert {first.route, second.route} == {"abroad", "turkish"}
    assert second.id == message_id


# ---------------------------------------------------------------- failing over


async def test_a_route_with_wrong_settings_is_left_and_its_texts_go_by_the_other(
    sessions: Sessions,
) -> None:
    ids = await messages_of_a_brand(sessions, 30)
    clock = SetClock()
    desk = a_desk(sessions, clock, routes=TWO_WAYS)

    claimed = await claim(desk)
    wrong = [one for one in claimed if one.route == "abroad"]
    right = [one for one in claimed if one.route == "turkish"]
    await desk.record([*answered(wrong, WRONG), *answered(right, ACCEPTED)])
    again = await claim(desk)

    assert wrong
    assert {one.id for one in again} == {one.id for one in wrong}
    assert by_route(again) == {"turkish": len(wrong)}
    assert len(wrong) + len(right) == len(ids)
    health = (await Routes(sessions, clock, TWO_WAYS).choice()).health["abroad"]
    assert (health.reason, health.open_until) == ("20003", NOON + timedelta(minutes=5))


async def test_a_route_that_does_not_reach_somebody_is_never_asked_for_him_again(
    sessions: Sessions,
) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    desk = a_desk(sessions, SetClock(), routes=TWO_WAYS)

    [first] = await claim(desk)
    await desk.record(answered([first], NOWHERE))
    [second] = await claim(desk)
    await desk.record(answered([second], NOWHERE))

    assert first.has_other_route
    assert not second.has_other_route
    assert {first.route, second.route} == {"abroad", "turkish"}
    assert await claim(desk) == ()
    row = await message(sessions, message_id)
    assert (row.state, row.code) == ("failed", "unreachable")
    health = (await Routes(sessions, SetClock(), TWO_WAYS).choice()).health
    assert health == {}, "it says nothing of the route"


async def test_a_text_that_was_not_processed_goes_by_another_route(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock, routes=TWO_WAYS)

    [first] = await claim(desk)
    await desk.record(answered([first], BROKEN))
    clock.advance(seconds=1)
    [second] = await claim(desk)
    await desk.record(answered([second], BROKEN))
    clock.advance(seconds=2)
    [third] = await claim(desk)

    assert first.route != second.route
    assert third.route == first.route, "a failure does not exclude a route for good"


# ---------------------------------------------------------------- the breaker


async def test_two_workers_fill_one_breaker(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 10)
    clock = SetClock()
    claimed = await claim(a_desk(sessions, clock, routes=ONLY))
    workers = [Routes(sessions, clock, ONLY) for _ in range(2)]

    for n, one in enumerate(claimed):
        await learned(sessions, workers[n % 2], answered([one], UNANSWERED))

    health = (await Routes(sessions, clock, ONLY).choice()).health["abroad"]
    assert health.open_until == NOON + timedelta(seconds=10)
    assert (health.opened_times, health.reason) == (1, "timeout")
    for worker in workers:
        await sees(worker, "abroad")


async def test_workers_that_begin_to_learn_at_once_lose_nothing(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 8)
    clock = SetClock()
    claimed = await claim(a_desk(sessions, clock, routes=ONLY))
    workers = [Routes(sessions, clock, ONLY) for _ in claimed]

    await asyncio.gather(
        *(
            learned(sessions, worker, answered([one], BROKEN))
            for worker, one in zip(workers, claimed, strict=True)
        )
    )

    assert (await Routes(sessions, clock, ONLY).choice()).health["abroad"].failures == 16


async def test_what_was_learned_in_vain_is_learned_again(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    claimed = await claim(a_desk(sessions, clock, routes=ONLY))
    routes = Routes(sessions, clock, ONLY)

    async with sessions() as tx:
        await routes.learn(tx, answered(claimed, BROKEN))
        await tx.rollback()
    await learned(sessions, routes, answered(claimed, BROKEN))

    assert (await Routes(sessions, clock, ONLY).choice()).health["abroad"].failures == 2


async def test_a_message_that_was_never_handed_over_says_nothing(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 20)
    clock = SetClock()
    claimed = await claim(a_desk(sessions, clock, routes=ONLY))
    routes = Routes(sessions, clock, ONLY)

    await learned(sessions, routes, answered(claimed, rejected(Remedy.RETRY, NOT_CALLED, 0.0)))
    await learned(sessions, routes, answered(claimed, ACCEPTED))

    assert (await Routes(sessions, clock, ONLY).choice()).health == {}


async def opened(sessions: Sessions, clock: SetClock, table: RouteTable = ONLY) -> None:
    """Have the route abroad fail until its breaker opens."""
    await messages_of_a_brand(sessions, 10)
    texts = answered(await claim(a_desk(sessions, clock, routes=ONLY)), UNANSWERED)
    await learned(sessions, Routes(sessions, clock, table), texts)


async def test_on_probation_one_message_of_all_workers_gets_through(sessions: Sessions) -> None:
    clock = SetClock()
    await opened(sessions, clock)
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, "another")
        for _ in range(20):
            await a_message(tx, brand)
    desks = [a_desk(sessions, clock, routes=ONLY) for _ in range(3)]

    while_open = [await claim(desk) for desk in desks]
    clock.advance(seconds=10)
    tried = [one for got in await asyncio.gather(*(claim(d, 5) for d in desks)) for one in got]
    meanwhile = [await claim(desk, 5) for desk in desks]
    await desks[0].record(answered(tried, ACCEPTED))
    healed = await claim(desks[0], 100)

    assert while_open == [(), (), ()]
    assert len(tried) == 1
    assert meanwhile == [(), (), ()]
    assert len(healed) == 19


async def test_a_probe_that_fails_keeps_the_route_closed_for_longer(sessions: Sessions) -> None:
    clock = SetClock()
    await opened(sessions, clock)
    clock.advance(seconds=10)
    async with sessions() as tx, tx.begin():
        await a_message(tx, await a_brand(tx, "another"))
    desk = a_desk(sessions, clock, routes=ONLY)

    await desk.record(answered(await claim(desk), UNANSWERED))

    health = (await Routes(sessions, clock, ONLY).choice()).health["abroad"]
    assert (health.opened_times, health.open_until) == (2, clock.at + timedelta(seconds=20))


async def test_a_probe_of_which_nobody_hears_is_followed_by_another(sessions: Sessions) -> None:
    clock = SetClock()
    await opened(sessions, clock)
    routes = Routes(sessions, clock, ONLY)
    clock.advance(seconds=10)

    first = [await routes.may_probe(ABROAD) for _ in range(3)]
    clock.advance(seconds=20)

    assert first == [True, False, False]
    assert await routes.may_probe(ABROAD)


async def test_a_healthy_route_needs_no_probe(sessions: Sessions) -> None:
    assert not await Routes(sessions, SetClock(), ONLY).may_probe(ABROAD)


async def test_a_route_heals_though_another_is_sound(sessions: Sessions) -> None:
    clock = SetClock()
    await opened(sessions, clock)
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, "another")
        for _ in range(60):
            await a_message(tx, brand)
    desk = a_desk(sessions, clock, routes=TWO_WAYS)

    while_open = by_route(await claim(desk, 20))
    clock.advance(seconds=10)
    trying = await claim(desk, 20)
    await desk.record(answered(trying, ACCEPTED))
    healed = by_route(await claim(desk, 40))

    assert while_open == {"turkish": 20}
    assert by_route(trying)["abroad"] == 1
    assert healed["abroad"] > 1


# ---------------------------------------------------------------- the rate


@pytest.mark.parametrize("rate", [3, 100, 2000])
async def test_the_rate_is_kept_over_all_workers(sessions: Sessions, rate: int) -> None:
    clock = SetClock()
    route = replace(ABROAD, rate=float(rate))
    table = RouteTable(routes=(route,))
    workers = [Routes(sessions, clock, table) for _ in range(2)]
    seconds, steps = 8, 80

    taken = 0
    for _ in range(steps):
        clock.advance(seconds=seconds / steps)
        granted = await asyncio.gather(*(one.take_tokens(route, rate) for one in workers))
        taken += sum(granted)

    assert taken <= rate * seconds
    assert taken >= rate * seconds * 0.95 - 2


async def test_what_was_not_used_is_not_saved_up(sessions: Sessions) -> None:
    clock = SetClock()
    route = replace(ABROAD, rate=100.0)
    routes = Routes(sessions, clock, RouteTable(routes=(route,)))
    await routes.take_tokens(route, 1)

    clock.advance(hours=1)

    assert await routes.take_tokens(route, 1000) == 21


async def test_lanes_of_a_worker_share_what_one_of_them_leased(sessions: Sessions) -> None:
    clock = SetClock()
    route = replace(ABROAD, rate=100.0)
    routes = Routes(sessions, clock, RouteTable(routes=(route,)))
    await routes.take_tokens(route, 1)
    clock.advance(seconds=0.2)

    together = await asyncio.gather(*(routes.take_tokens(route, 4) for _ in range(4)))
    rest = await routes.take_tokens(route, 10)

    assert sum(together) + rest == 20


async def test_a_clock_that_goes_back_gives_nothing_twice(sessions: Sessions) -> None:
    clock = SetClock()
    route = replace(ABROAD, rate=100.0)
    routes = Routes(sessions, clock, RouteTable(routes=(route,)))
    await routes.take_tokens(route, 1)
    clock.advance(seconds=0.2)
    assert await routes.take_tokens(route, 20) == 20

    clock.advance(seconds=-0.2)
    early = await routes.take_tokens(route, 20)
    clock.advance(seconds=0.2)

    assert early == 0
    assert await routes.take_tokens(route, 20) == 0


async def test_a_route_without_a_rate_needs_no_tokens(sessions: Sessions) -> None:
    assert await Routes(sessions, SetClock(), ONLY).take_tokens(ABROAD, 5000) == 5000


async def test_what_a_route_has_no_tokens_for_waits_and_counts_no_attempt(
    sessions: Sessions,
) -> None:
    ids = await messages_of_a_brand(sessions, 30)
    clock = SetClock()
    desk = a_desk(sessions, clock, routes=RouteTable(routes=(replace(ABROAD, rate=100.0),)))
    await claim(desk, 1)
    clock.advance(seconds=0.1)

    first = await claim(desk)
    clock.advance(seconds=0.2)
    second = await claim(desk)

    assert (len(first), len(second)) == (10, 20)
    assert {one.id for one in (*first, *second)} == set(ids)
    assert {one.attempt for one in (*first, *second)} == {1}


async def test_a_channel_without_tokens_keeps_back_no_other(sessions: Sessions) -> None:
    texts = await messages_of_a_brand(sessions, 40)
    async with sessions() as tx, tx.begin():
        mailing = await a_brand(tx, "mailing")
        reader = await a_customer(tx, mailing, contacts={Channel.EMAIL: "ayse@example.com"})
        letters = [
            await a_message(tx, mailing, customer_id=reader, channel=Channel.EMAIL)
            for _ in range(5)
        ]
    clock = SetClock()
    slow = RouteTable(routes=(replace(ABROAD, rate=20.0), *ROUTES.routes[1:]))
    desk = a_desk(sessions, clock, routes=slow)
    early = {one.id for one in await claim(desk, 1)}
    clock.advance(seconds=0.1)

    first = {one.id for one in await claim(desk, 32)}
    clock.advance(seconds=0.1)
    second = {one.id for one in await claim(desk, 32)}

    assert early | first >= set(letters)
    assert len((early | first | second) & set(texts)) == 4


async def test_a_lane_looks_again_soon_when_tokens_are_awaited(sessions: Sessions) -> None:
    await messages_of_a_brand(sessions, 10)
    slow = RouteTable(routes=(replace(ABROAD, rate=5.0),))
    desk = a_desk(sessions, SetClock(), routes=slow)
    await claim(desk)

    async with asyncio.timeout(1.0):
        await desk.wait(Lane.JOURNEYS, desk.rings(Lane.JOURNEYS), 30.0)


# ---------------------------------------------------------------- what is seen of it


def gauge(name: str, route: str) -> float | None:
    return EVENTS.get_sample_value(name, {"route": route})


async def test_the_metrics_say_how_routes_stand(sessions: Sessions) -> None:
    clock = SetClock()
    seen = replace(ABROAD, name="seen_abroad")
    table = RouteTable(routes=(seen,))
    await messages_of_a_brand(sessions, 10)
    texts = answered(await claim(a_desk(sessions, clock, routes=table)), UNANSWERED)
    routes = Routes(sessions, clock, table)
    await routes.choice()
    before = gauge("tellal_route_open", "seen_abroad")

    await learned(sessions, routes, texts)

    assert before == 0
    assert gauge("tellal_route_open", "seen_abroad") == 1
    until_s = gauge("tellal_route_paused_until_seconds", "seen_abroad")
    assert until_s == (NOON + timedelta(seconds=10)).timestamp()
    clock.advance(seconds=10)

    async def closed() -> bool:
        await routes.choice()
        return gauge("tellal_route_open", "seen_abroad") == 0

    await until(closed)
    assert gauge("tellal_route_paused_until_seconds", "seen_abroad") == 0
