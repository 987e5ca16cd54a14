"""Credit on a real database: reserved, settled, given back, and never more than there is."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Lane, MessageClass
from tellal.domain.credit import EntryKind, Want
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError
from tellal.domain.handover import Answered
from tellal.domain.messages import Answer, HandOver, MessageState, Receipt, Remedy
from tellal.ids import new_id
from tellal.persistence.session import Sessions
from tellal.services.answers import Answers
from tellal.services.credit import Credit, Terms
from tellal.services.credit_freeing import NOTHING_MORE_COMES_AFTER, CreditFreeing
from tellal.services.credit_reserving import Asked, reserve
from tellal.services.handover import HandOvers
from tellal.services.moves import Move
from tellal.services.progress import Progress
from tellal.services.receipts import Receipts
from tellal.services.routes import Routes
from tests.support.builders import a_brand
from tests.support.credit import (
    MAIN,
    PRICE,
    PRICED,
    alerts,
    an_account,
    kinds,
    pay_in,
    stands,
    sums,
)
from tests.support.desk import ACCEPTED, a_desk
from tests.support.ledger import SetClock, a_message, message
from tests.support.postgres import waits_for_a_lock
from tests.support.waiting import until

REFUSED = HandOver(answer=Answer.REJECTED, provider="fake", code="x", remedy=Remedy.NEXT_CHANNEL)
BUSY = HandOver(answer=Answer.REJECTED, provider="fake", code="429", remedy=Remedy.RETRY)
UNSURE = HandOver(answer=Answer.AMBIGUOUS, provider="fake", code="t", remedy=Remedy.RECONCILE)
_K = EntryKind
ONE, NONE = Decimal(1), Decimal(0)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


@pytest.fixture
def desk(sessions: Sessions, clock: SetClock) -> HandOvers:
    return a_desk(sessions, clock, routes=PRICED)


async def with_credit(
    sessions: Sessions, brand: Brand, clock: SetClock, credit: str, terms: Terms | None = None
) -> None:
    async with sessions() as tx, tx.begin():
        await an_account(tx, brand, clock, credit, terms=terms or Terms())


async def written(
    sessions: Sessions, brand: Brand, number: int = 1, **how: MessageClass
) -> list[str]:
    async with sessions() as tx, tx.begin():
        return [
            await a_message(tx, brand, message_class=how.get("kind", MessageClass.SERVICE))
            for _ in range(number)
        ]


def a_receipt(message_id: str, state: MessageState, clock: SetClock, code: str = "") -> Receipt:
    return Receipt(
        provider="fake",
        reference="ref",
        message_id=message_id,
        state=state,
        code=code,
        remedy=None,
        received_at=clock.now(),
    )


class CrashError(Exception):
    """Stands for a process that dies."""


def dies() -> None:
    raise CrashError


async def report(
    sessions: Sessions, clock: SetClock, *receipts: Receipt, crash: bool = False
) -> None:
    with suppress(CrashError):
        async with sessions() as tx, tx.begin():
            await Receipts(clock, Progress(clock)).take(tx, receipts)
            if crash:
                dies()


# ---------------------------------------------------------------- the life of a reservation


@pytest.mark.req("D61")
async def test_a_message_is_reserved_before_it_leaves_and_settled_on_delivery(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    await with_credit(sessions, brand, clock, "1.00")
    [message_id] = await written(sessions, brand)

    [outgoing] = await desk.claim(Lane.JOURNEYS, 10)
    leaving = await stands(sessions, brand, clock)
    await desk.record([Answered(message=outgoing, answer=ACCEPTED)])
    accepted = await stands(sessions, brand, clock)
    await report(sessions, clock, a_receipt(message_id, MessageState.DELIVERED, clock))
    delivered = await stands(sessions, brand, clock)

    assert (leaving.balance, leaving.reserved, leaving.available) == (ONE, PRICE, Decimal("0.90"))
    assert accepted == leaving
    assert (delivered.balance, delivered.reserved) == (Decimal("0.90"), NONE)
    assert await kinds(sessions, message_id) == ["reserve", "settle"]


@pytest.mark.req("D61", "allows")
async def test_what_failed_because_a_phone_was_off_is_given_back_with_the_failure_or_not_at_all(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    await with_credit(sessions, brand, clock, "1.00")
    [message_id] = await written(sessions, brand)
    [outgoing] = await desk.claim(Lane.JOURNEYS, 10)
    await desk.record([Answered(message=outgoing, answer=ACCEPTED)])
    lost = a_receipt(message_id, MessageState.UNDELIVERED, clock)

    await report(sessions, clock, lost, crash=True)
    crashed = await stands(sessions, brand, clock), await message(sessions, message_id)
    await report(sessions, clock, lost)
    await report(sessions, clock, lost)
    after = await stands(sessions, brand, clock), await message(sessions, message_id)

    assert (crashed[0].reserved, crashed[1].state) == (PRICE, "accepted")
    assert (after[0].balance, after[0].reserved, after[0].available) == (ONE, NONE, ONE)
    assert after[1].state == "undelivered"
    assert await kinds(sessions, message_id) == ["reserve", "refund"]


@pytest.mark.req("D61", "blocks")
async def test_what_was_delivered_is_not_given_back(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    await with_credit(sessions, brand, clock, "1.00")
    [message_id] = await written(sessions, brand)
    [outgoing] = await desk.claim(Lane.JOURNEYS, 10)
    await desk.record([Answered(message=outgoing, answer=ACCEPTED)])

    await report(sessions, clock, a_receipt(message_id, MessageState.DELIVERED, clock))
    await report(sessions, clock, a_receipt(message_id, MessageState.UNDELIVERED, clock))

    assert await kinds(sessions, message_id) == ["reserve", "settle"]
    assert (await stands(sessions, brand, clock)).balance == Decimal("0.90")


async def test_every_attempt_is_reserved_anew(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    await with_credit(sessions, brand, clock, "0.10")
    [message_id] = await written(sessions, brand)

    [first] = await desk.claim(Lane.JOURNEYS, 10)
    await desk.record([Answered(message=first, answer=BUSY)])
    clock.advance(minutes=1)
    [second] = await desk.claim(Lane.JOURNEYS, 10)
    await desk.record([Answered(message=second, answer=REFUSED)])

    assert second.attempt == 2
    assert await kinds(sessions, message_id) == ["reserve", "release", "reserve", "release"]
    assert (await stands(sessions, brand, clock)).available == PRICE


async def test_what_nobody_speaks_of_any_more_is_settled(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    await with_credit(sessions, brand, clock, "1.00")
    [message_id] = await written(sessions, brand)
    [outgoing] = await desk.claim(Lane.JOURNEYS, 10)
    await desk.record([Answered(message=outgoing, answer=UNSURE)])
    freeing = CreditFreeing(sessions, clock)

    clock.at += NOTHING_MORE_COMES_AFTER
    early = await freeing.settle_silent()
    clock.advance(seconds=1)
    late = await freeing.settle_silent()

    assert (early, late) == (0, 1)
    assert await kinds(sessions, message_id) == ["reserve", "settle"]


async def test_a_brand_without_an_account_is_not_limited(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    await with_credit(sessions, brand, clock, "0")
    async with sessions() as tx, tx.begin():
        other = await a_brand(tx, "trakya-elektrik")
    [held] = await written(sessions, brand)
    [free] = await written(sessions, other)

    claimed = await desk.claim(Lane.JOURNEYS, 10)

    assert [one.id for one in claimed] == [free]
    assert (await message(sessions, held)).state == "queued"


# ---------------------------------------------------------------- what cannot be paid for


async def test_what_cannot_be_paid_for_waits_is_shown_and_leaves_after_a_top_up(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    await with_credit(sessions, brand, clock, "0.25")
    ids = await written(sessions, brand, 5)
    freeing = CreditFreeing(sessions, clock)

    first = await desk.claim(Lane.JOURNEYS, 10)
    kept = await message(sessions, ids[2])
    waits = await stands(sessions, brand, clock)
    nothing = await freeing.work(), await desk.claim(Lane.JOURNEYS, 10)
    await pay_in(sessions, brand, clock, "0.15")
    freed = await freeing.work()
    second = await desk.claim(Lane.JOURNEYS, 10)

    assert [one.id for one in first] == ids[:2]
    assert (kept.state, kept.code, kept.cost) == ("queued", "no_credit", PRICE)
    assert (waits.held_back, waits.held_back_cost) == (3, Decimal("0.30"))
    assert nothing == (0, ())
    assert freed == 2
    assert [one.id for one in second] == ids[2:4]
    assert (await stands(sessions, brand, clock)).held_back == 1


async def test_what_is_given_back_pays_for_what_waits(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    await with_credit(sessions, brand, clock, "0.10")
    ids = await written(sessions, brand, 2)
    [outgoing] = await desk.claim(Lane.JOURNEYS, 10)
    await desk.record([Answered(message=outgoing, answer=ACCEPTED)])

    await report(sessions, clock, a_receipt(ids[0], MessageState.UNDELIVERED, clock))
    freed = await CreditFreeing(sessions, clock).work()

    assert freed == 1
    assert [one.id for one in await desk.claim(Lane.JOURNEYS, 10)] == ids[1:]


async def test_what_waited_for_credit_too_long_ends(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    await with_credit(sessions, brand, clock, "0")
    [message_id] = await written(sessions, brand)
    await desk.claim(Lane.JOURNEYS, 10)

    clock.advance(hours=2)
    await CreditFreeing(sessions, clock).work()
    await desk.claim(Lane.JOURNEYS, 10)

    assert (await message(sessions, message_id)).state == "expired"


@pytest.mark.parametrize("may", [True, False])
async def test_only_what_the_law_orders_goes_below_zero_where_the_account_allows_it(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers, *, may: bool
) -> None:
    await with_credit(sessions, brand, clock, "0", Terms(may_go_negative=may))
    await written(sessions, brand)
    [mandatory] = await written(sessions, brand, kind=MessageClass.MANDATORY)

    claimed = await desk.claim(Lane.JOURNEYS, 10)

    assert [one.id for one in claimed] == ([mandatory] if may else [])
    assert (await stands(sessions, brand, clock)).available == (-PRICE if may else 0)


# ---------------------------------------------------------------- many at once


async def test_claimers_at_once_never_take_more_than_there_is(
    sessions: Sessions, brand: Brand, clock: SetClock
) -> None:
    await with_credit(sessions, brand, clock, "2.05")
    await written(sessions, brand, 60)
    desks = [a_desk(sessions, clock, routes=PRICED) for _ in range(4)]

    claimed = await asyncio.gather(
        *(desk.claim(Lane.JOURNEYS, 7) for desk in desks for _ in range(3))
    )

    left = [one.id for some in claimed for one in some]
    account = await stands(sessions, brand, clock)
    assert len(left) == len(set(left)) == 20
    assert (account.reserved, account.available) == (Decimal("2.00"), Decimal("0.05"))


async def test_settling_waits_for_nobody_who_has_the_account(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    await with_credit(sessions, brand, clock, "1.00")
    ids = await written(sessions, brand, 2)
    for one in await desk.claim(Lane.JOURNEYS, 10):
        await desk.record([Answered(message=one, answer=ACCEPTED)])

    async with sessions() as tx, tx.begin():
        await tx.execute(text("SELECT id FROM credit_accounts FOR NO KEY UPDATE"))
        async with asyncio.timeout(5):
            await report(sessions, clock, a_receipt(ids[0], MessageState.DELIVERED, clock))
            await report(sessions, clock, a_receipt(ids[1], MessageState.UNDELIVERED, clock))

    account = await stands(sessions, brand, clock)
    assert (account.balance, account.reserved) == (Decimal("0.90"), NONE)


@pytest.mark.req("D74", "blocks")
async def test_a_threshold_is_noted_once_however_many_cross_it(
    sessions: Sessions, brand: Brand, clock: SetClock
) -> None:
    terms = Terms(thresholds=(Decimal("1.00"),), mobile="+905320000999")
    await with_credit(sessions, brand, clock, "1.50", terms)
    await written(sessions, brand, 12)
    desks = [a_desk(sessions, clock, routes=PRICED) for _ in range(4)]

    async with sessions() as tx, tx.begin():
        await tx.execute(text("SELECT id FROM credit_accounts FOR NO KEY UPDATE"))
        claims = [asyncio.create_task(desk.claim(Lane.JOURNEYS, 3)) for desk in desks]
        await until(lambda: waits_for_a_lock(sessions, number=2))
    await asyncio.gather(*claims)

    assert await alerts(sessions) == [("sms", Decimal(1), "due")]


@pytest.mark.req("D74", "allows")
async def test_a_top_up_above_the_threshold_lets_it_be_crossed_again(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    terms = Terms(thresholds=(Decimal("1.00"),), email="cfo@anadolu.example")
    await with_credit(sessions, brand, clock, "1.05", terms)
    await written(sessions, brand, 5)

    async def noted(limit: int) -> int:
        await desk.claim(Lane.JOURNEYS, limit)
        return len(await alerts(sessions))

    at_first = await noted(1)
    still_below = await noted(1)
    await pay_in(sessions, brand, clock, "0.10")
    not_enough = await noted(1)
    await pay_in(sessions, brand, clock, "0.15")
    just_at_it = len(await alerts(sessions))

    assert (at_first, still_below, not_enough, just_at_it) == (1, 1, 1, 1)
    assert await noted(1) == 2


@pytest.mark.req("D74", "blocks")
async def test_what_was_given_back_counts_before_a_threshold_is_said_to_be_crossed(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    terms = Terms(thresholds=(Decimal("0.90"),), mobile="+905320000999")
    await with_credit(sessions, brand, clock, "1.00", terms)
    await written(sessions, brand, 2)

    [outgoing] = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record([Answered(message=outgoing, answer=REFUSED)])
    await desk.claim(Lane.JOURNEYS, 1)

    assert await alerts(sessions) == []
    assert (await stands(sessions, brand, clock)).available == Decimal("0.90")


async def test_several_thresholds_at_once_are_told_of_by_the_lowest(
    sessions: Sessions, brand: Brand, clock: SetClock, desk: HandOvers
) -> None:
    terms = Terms(
        thresholds=(Decimal("0.95"), Decimal("1.00")), mobile="05320000999", alert_reserve=PRICE
    )
    await with_credit(sessions, brand, clock, "1.00", terms)
    await written(sessions, brand, 1)

    await desk.claim(Lane.JOURNEYS, 1)

    assert await alerts(sessions) == [
        ("sms", Decimal("0.95"), "due"),
        ("sms", Decimal("1.00"), "covered"),
    ]


# ---------------------------------------------------------------- by hand


async def test_lines_stay_as_they_were_written(
    sessions: Sessions, brand: Brand, clock: SetClock
) -> None:
    await with_credit(sessions, brand, clock, "1.00")

    for change in (
        "UPDATE credit_entries SET amount = 2",
        "DELETE FROM credit_entries",
        "TRUNCATE credit_entries",
    ):
        with pytest.raises(DBAPIError):
            async with sessions() as tx, tx.begin():
                await tx.execute(text(change))


async def test_an_adjustment_says_why_and_takes_no_more_than_there_is(
    sessions: Sessions, brand: Brand, clock: SetClock
) -> None:
    await with_credit(sessions, brand, clock, "1.00")
    credit = Credit(clock)

    async def adjust(amount: str, note: str) -> Decimal:
        async with sessions() as tx, tx.begin():
            account = await credit.adjust(
                tx, brand.id, MAIN, Decimal(amount), note=note, by="finance"
            )
        return account.balance

    with pytest.raises(InvalidInputError):
        await adjust("-0.5", "")
    with pytest.raises(ConflictError):
        await adjust("-1.5", "charged twice")
    assert await adjust("-0.5", "paid in twice") == Decimal("0.5")


async def test_one_currency_has_one_account(
    sessions: Sessions, brand: Brand, clock: SetClock
) -> None:
    await with_credit(sessions, brand, clock, "0")

    with pytest.raises(ConflictError):
        async with sessions() as tx, tx.begin():
            await an_account(tx, brand, clock, name="other")
    async with sessions() as tx, tx.begin():
        await an_account(tx, brand, clock, name="abroad", currency="EUR")


# ---------------------------------------------------------------- whatever happens

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "claim",
                "both_claim",
                "accept",
                "refuse",
                "busy",
                "unsure",
                "deliver",
                "lose",
                "top_up",
                "free",
                "later",
            ]
        ),
        st.integers(min_value=1, max_value=4),
        st.booleans(),
    ),
    min_size=4,
    max_size=25,
)


class Crashing(Progress):
    """Moves messages, and lets the transaction die after it, as a process that is killed does."""

    async def move(self, tx: AsyncSession, moves: Sequence[Move]) -> None:
        await super().move(tx, moves)
        dies()


class Play:
    """One account and its messages, under whatever happens."""

    def __init__(self, sessions: Sessions, brand: Brand, clock: SetClock) -> None:
        self.sessions, self.brand, self.clock = sessions, brand, clock
        self.desks = [a_desk(sessions, clock, routes=PRICED) for _ in range(2)]
        self.leaving: list[Answered] = []
        self.taken: list[str] = []

    async def step(self, what: str, number: int, *, crash: bool) -> None:
        match what:
            case "claim" | "both_claim":
                await self._claim(number, crash=crash, both=what == "both_claim")
            case "accept" | "refuse" | "busy" | "unsure":
                answers = {"accept": ACCEPTED, "refuse": REFUSED, "busy": BUSY, "unsure": UNSURE}
                await self._answer(answers[what], number, crash=crash)
            case "deliver" | "lose":
                state = MessageState.DELIVERED if what == "deliver" else MessageState.UNDELIVERED
                some, self.taken = self.taken[:number], self.taken[number:]
                receipts = [a_receipt(one, state, self.clock) for one in some]
                await report(self.sessions, self.clock, *receipts, crash=crash)
            case "top_up":
                await pay_in(self.sessions, self.brand, self.clock, f"0.{number}5")
            case "free":
                await CreditFreeing(self.sessions, self.clock).work()
            case _:
                self.clock.at += timedelta(minutes=number)

    async def _claim(self, number: int, *, crash: bool, both: bool) -> None:
        desks = self.desks if both else self.desks[:1]
        if crash:
            with pytest.raises(CrashError):
                await self._dies_claiming(number)
        claims = await asyncio.gather(*(desk.claim(Lane.JOURNEYS, number) for desk in desks))
        self.leaving += [Answered(message=one, answer=ACCEPTED) for some in claims for one in some]

    async def _dies_claiming(self, number: int) -> None:
        """Reserve as a claim does, and die before the commit."""
        asked = [
            Asked(
                want=Want(message_id=f"never-{n}", cost=PRICE),
                attempt=1,
                brand_id=self.brand.id,
                currency="TRY",
            )
            for n in range(number)
        ]
        async with self.sessions() as tx, tx.begin():
            await reserve(tx, asked, self.clock.now())
            dies()

    async def _answer(self, answer: HandOver, number: int, *, crash: bool) -> None:
        some = [replace(one, answer=answer) for one in self.leaving[:number]]
        if crash and some:
            routes = Routes(self.sessions, self.clock, PRICED)
            progress = Crashing(self.clock)
            wait = timedelta(seconds=5)
            dying = Answers(self.sessions, self.clock, progress, routes, reconcile_after=wait)
            with pytest.raises(CrashError):
                await dying.record(some)
        await self.desks[0].record(some)
        self.leaving = self.leaving[number:]
        self.taken += [one.message.id for one in some if answer in {ACCEPTED, UNSURE}]

    async def check(self, *, may_go_negative: bool) -> None:
        account = await stands(self.sessions, self.brand, self.clock)
        by_kind = await sums(self.sessions, account)
        closed = by_kind[_K.SETTLE] + by_kind[_K.REFUND] + by_kind[_K.RELEASE]

        assert account.balance == by_kind[_K.TOP_UP] - by_kind[_K.SETTLE]
        assert account.reserved == by_kind[_K.RESERVE] - closed == await self._under_way()
        assert account.available == account.balance - account.reserved
        if not may_go_negative:
            assert account.available >= 0

    async def _under_way(self) -> Decimal:
        """Return what the messages cost that are with a provider and have not come to an end."""
        query = text(
            "SELECT coalesce(sum(cost), 0) FROM messages WHERE brand_id = :brand "
            "AND state IN ('handing_over', 'accepted', 'sent', 'unknown')"
        )
        async with self.sessions() as tx:
            return Decimal((await tx.execute(query, {"brand": self.brand.id})).scalar_one())


@pytest.mark.req("D61")
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, may_go_negative=st.booleans())
async def test_whatever_happens_the_sums_hold(
    sessions: Sessions, steps: list[tuple[str, int, bool]], *, may_go_negative: bool
) -> None:
    clock = SetClock()
    async with sessions() as tx, tx.begin():
        await tx.execute(text("UPDATE messages SET state = 'cancelled'"))
        brand = await a_brand(tx, f"brand-{new_id()}")
        terms = Terms(may_go_negative=may_go_negative, thresholds=(Decimal("0.2"),))
        await an_account(tx, brand, clock, "0.35", terms=terms)
        kinds_ = [MessageClass.SERVICE, MessageClass.MANDATORY]
        for n in range(12):
            await a_message(tx, brand, message_class=kinds_[n % 2])
    play = Play(sessions, brand, clock)

    for what, number, crash in steps:
        await play.step(what, number, crash=crash)
        await play.check(may_go_negative=may_go_negative)
