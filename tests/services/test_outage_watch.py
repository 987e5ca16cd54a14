"""What the clock brings about in an outage: each thing once, and the next instant in the future."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tellal import metrics
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.journeys import OutageStep
from tellal.domain.messages import MessageState, OutcomeState
from tellal.domain.outages import NoticeKind, OutageCommand
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.persistence.tables.outages import OutageNoticeRow, WebhookCallRow
from tellal.services.house import House
from tellal.services.outage_sayings import Change, Go, Review
from tellal.services.outage_views import EntryView, OutageView
from tellal.services.outage_watch import SWEEP_AGAIN
from tellal.services.outage_words import NEXT_UPDATE
from tellal.services.webhooks import add_webhook
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock
from tests.support.outages import (
    IN_TEPEBASI,
    confirmed,
    decided,
    declared,
    handed_over,
    messages_of,
    resolved,
    seen,
)

_calls = table(WebhookCallRow)
_notices = table(OutageNoticeRow)
_outcomes = table(OutcomeRow)

ESCALATED_AFTER = timedelta(minutes=10)
"""As the kind `power_failure` says."""
COMPENSATED_AFTER = timedelta(hours=12)
REVIEWED_WITHIN = timedelta(days=5)
SETTLED_AT_LAST = timedelta(days=7)


@pytest.fixture
async def brand(house: House) -> Brand:
    """A distributor with three people in Tepebaşı, and somebody who listens to its webhooks."""
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        for n in range(3):
            await a_resident(tx, brand, n)
        await add_webhook(
            tx,
            brand.id,
            url="https://ops.example/hook",
            means="",
            made_by="ada",
            now=house.clock.now(),
        )
        return brand


async def a_resident(tx: Any, brand: Brand, n: int) -> str:  # noqa: ANN401 - a session
    contacts = {Channel.SMS: f"+90535000000{n}"}
    return await a_customer(tx, brand, f"in-{n}", contacts=contacts, facts=IN_TEPEBASI)


async def look(house: House, outage: OutageView) -> OutageStep:
    """Look once; whatever comes next lies in the future."""
    step = await house.outage_desk.look(outage.id)
    assert step.wait_until is None or step.wait_until > house.clock.now()
    return step


async def commands(house: House, brand: Brand, outage: OutageView) -> list[str]:
    return [one.command for one in await history(house, brand, outage)]


async def history(house: House, brand: Brand, outage: OutageView) -> tuple[EntryView, ...]:
    async with house.sessions() as tx:
        return await house.outages.history(tx, brand.id, outage.id)


async def calls(house: House, kind: str) -> list[Mapping[str, Any]]:
    async with house.sessions() as tx:
        query = select(_calls.c.body).where(_calls.c.kind == kind).order_by(_calls.c.id)
        return list((await tx.execute(query)).scalars())


def pages(why: str) -> float:
    return metrics.EVENTS.get_sample_value("tellal_outage_pages_total", {"why": why}) or 0.0


async def change(house: House, brand: Brand, outage: OutageView, **said: Any) -> None:  # noqa: ANN401
    async with house.sessions() as tx, tx.begin():
        await house.outages.update(
            tx, brand=brand, outage_id=outage.id, change=Change(**said), by="ada"
        )


async def reopened(house: House, brand: Brand, outage: OutageView) -> None:
    async with house.sessions() as tx, tx.begin():
        await house.outages.reopen(tx, brand=brand, outage_id=outage.id, change=Change(), by="ada")


async def announced(house: House, brand: Brand, begins: datetime, lasts_h: int = 2) -> OutageView:
    outage = await declared(
        house,
        brand,
        incident="planned_power",
        starts_at=begins,
        expected_end=begins + timedelta(hours=lasts_h),
        variables={},
    )
    async with house.sessions() as tx, tx.begin():
        return await house.outages.announce(tx, brand=brand, outage_id=outage.id, by="ada")


async def closed(house: House, outage: OutageView) -> None:
    """Bring every outcome of an outage to its end, as journeys do."""
    causes = select(_notices.c.cause_id).where(_notices.c.outage_id == outage.id)
    async with house.sessions() as tx, tx.begin():
        await tx.execute(
            update(_outcomes)
            .where(_outcomes.c.cause_id.in_(causes), _outcomes.c.state == OutcomeState.OPEN.value)
            .values(state=OutcomeState.TOLD.value)
        )


async def power_failure(house: House, brand: Brand, **said: Any) -> OutageView:  # noqa: ANN401
    """Confirm a failure with three people, all of whom have their notice."""
    outage = await confirmed(house, brand, incident="power_failure", **said)
    await decided(house, outage)
    await handed_over(house, [one.id for one in await messages_of(house, outage, "notice")])
    await closed(house, outage)
    return outage


# ---------------------------------------------------------------- suspected


@pytest.mark.req("B17", "blocks")
@pytest.mark.req("B17", "allows")
async def test_a_suspicion_that_stands_too_long_pages_once(
    house: House, brand: Brand, clock: SetClock
) -> None:
    first = clock.now() - timedelta(minutes=4)
    outage = await declared(house, brand, incident="power_failure", first_signal_at=first)
    before = pages("escalate")

    early = await look(house, outage)
    clock.at = first + ESCALATED_AFTER
    late = await look(house, outage)
    clock.pass_by(timedelta(hours=3))
    later = await look(house, outage)

    assert early.wait_until == first + ESCALATED_AFTER
    assert (late.state, late.wait_until, later.wait_until) == ("suspected", None, None)
    assert (await seen(house, brand, outage)).escalated_at == first + ESCALATED_AFTER
    assert await commands(house, brand, outage) == ["declare", "escalate"]
    [call] = await calls(house, "on_call.escalate")
    assert (call["outage_id"], call["state"]) == (outage.id, "suspected")
    assert call["seconds_since_first_signal"] == ESCALATED_AFTER.total_seconds()
    assert pages("escalate") == before + 1


@pytest.mark.req("B17", "blocks")
async def test_a_suspicion_that_is_rehearsed_calls_nobody(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await declared(house, brand, incident="power_failure", simulated=True)
    before = pages("escalate")
    clock.pass_by(ESCALATED_AFTER)

    await look(house, outage)

    assert "escalate" in await commands(house, brand, outage)
    assert await calls(house, "on_call.escalate") == []
    assert pages("escalate") == before


@pytest.mark.req("B17", "blocks")
async def test_who_decides_in_time_is_not_paged(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await declared(house, brand, incident="power_failure")
    clock.pass_by(ESCALATED_AFTER - timedelta(seconds=1))
    async with house.sessions() as tx, tx.begin():
        await house.outages.end(
            tx, brand=brand, outage_id=outage.id, command=OutageCommand.DISMISS, by="ada"
        )
    clock.pass_by(timedelta(hours=1))

    step = await look(house, outage)

    assert (step.state, step.over) == ("dismissed", True)
    assert await calls(house, "on_call.escalate") == []


# ---------------------------------------------------------------- planned works

BEGINS = datetime(2026, 3, 9, 7, tzinfo=UTC)
"""A week after the morning at which the clock stands; reminded 24 hours before in Turkey."""


@pytest.mark.req("B10", "allows")
@pytest.mark.req("B04", "allows")
async def test_planned_works_are_reminded_and_begun_by_the_clock(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await announced(house, brand, BEGINS)
    await decided(house, outage)
    far = await look(house, outage)

    clock.at = BEGINS - timedelta(hours=24) - timedelta(seconds=1)
    await decided(house, outage)
    eve = await look(house, outage)
    clock.at = BEGINS - timedelta(hours=24)
    await decided(house, outage)
    await decided(house, outage)
    reminded = await seen(house, brand, outage)
    clock.at = BEGINS + timedelta(minutes=3)
    await decided(house, outage)
    begun = await seen(house, brand, outage)

    assert far.wait_until == datetime(2026, 3, 2, 7, 5, tzinfo=UTC)
    assert (eve.state, eve.wait_until) == ("announced", BEGINS - timedelta(hours=24))
    assert reminded.state == "reminded"
    assert [one.kind for one in reminded.rounds] == ["notice", "reminder"]
    assert len({m.customer_id for m in await messages_of(house, outage, "reminder")}) == 3
    assert (begun.state, begun.started_at) == ("in_progress", BEGINS)
    assert (await commands(house, brand, outage))[-2:] == ["remind", "start"]
    assert (await history(house, brand, outage))[-1].by == "clock"


@pytest.mark.req("B10", "allows")
async def test_works_that_were_announced_too_late_to_be_reminded_are_so_half_way(
    house: House, brand: Brand, clock: SetClock
) -> None:
    begins = clock.now() + timedelta(hours=10)
    outage = await declared(
        house,
        brand,
        incident="planned_power",
        starts_at=begins,
        expected_end=begins + timedelta(hours=1),
        variables={},
    )
    async with house.sessions() as tx, tx.begin():
        await house.outages.announce(
            tx, brand=brand, outage_id=outage.id, go=Go(reason="a pole leans"), by="ada"
        )
    clock.pass_by(timedelta(hours=4, minutes=58))
    await decided(house, outage)

    step = await look(house, outage)

    assert (step.state, step.wait_until) == ("announced", begins - timedelta(hours=5))


@pytest.mark.req("B10", "blocks")
@pytest.mark.req("B10", "allows")
@pytest.mark.req("B13", "blocks")
@pytest.mark.req("B13", "allows")
async def test_who_has_just_heard_of_new_times_is_not_reminded_of_them_at_once(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await announced(house, brand, BEGINS)
    await decided(house, outage)
    clock.at = BEGINS - timedelta(hours=24)
    await decided(house, outage)

    clock.at = BEGINS - timedelta(hours=20)
    later = BEGINS + timedelta(hours=2)
    await change(house, brand, outage, starts_at=later, expected_end=later + timedelta(hours=2))
    await decided(house, outage)
    rounds = [one.kind for one in (await seen(house, brand, outage)).rounds]
    clock.at = later - timedelta(hours=11)
    await decided(house, outage)

    assert rounds == ["notice", "reminder", "update"]
    assert [one.kind for one in (await seen(house, brand, outage)).rounds] == [*rounds, "reminder"]


@pytest.mark.req("B13", "blocks")
async def test_nobody_is_reminded_again_because_the_end_moves_a_little(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await announced(house, brand, BEGINS)
    await decided(house, outage)
    clock.at = BEGINS - timedelta(hours=24)
    await decided(house, outage)

    await change(house, brand, outage, expected_end=BEGINS + timedelta(hours=2, minutes=5))
    await decided(house, outage)

    rounds = [one.kind for one in (await seen(house, brand, outage)).rounds]
    assert rounds == ["notice", "reminder"]


# ---------------------------------------------------------------- while it runs


async def test_an_overdue_end_pages_once_for_each_end_that_was_promised(
    house: House, brand: Brand, clock: SetClock
) -> None:
    end = clock.now() + timedelta(hours=3)
    outage = await power_failure(house, brand, expected_end=end)
    before = pages("overdue")

    clock.at = end - timedelta(seconds=1)
    await decided(house, outage)
    none_yet = await calls(house, "on_call.overdue")
    for _ in range(3):
        clock.at = max(clock.at, end) + timedelta(minutes=6)
        await decided(house, outage)
    await change(house, brand, outage, expected_end=end + timedelta(hours=2))
    await decided(house, outage)
    once = await calls(house, "on_call.overdue")
    clock.at = end + timedelta(hours=2)
    await decided(house, outage)
    await decided(house, outage)

    assert (none_yet, len(once)) == ([], 1)
    assert len(await calls(house, "on_call.overdue")) == 2
    assert (await commands(house, brand, outage)).count("overdue") == 2
    assert pages("overdue") == before + 2


async def test_without_an_expected_end_the_news_are_overdue(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await power_failure(house, brand)
    begun = clock.now()

    clock.at = begun + timedelta(minutes=40)
    await change(house, brand, outage, text={"en": "A crew is on its way."})
    clock.at = begun + NEXT_UPDATE
    await decided(house, outage)
    kept_promise = await calls(house, "on_call.overdue")
    clock.at = begun + timedelta(minutes=40) + NEXT_UPDATE
    await decided(house, outage)
    await decided(house, outage)

    assert kept_promise == []
    assert len(await calls(house, "on_call.overdue")) == 1


async def test_an_end_that_has_passed_is_no_promise_and_keeps_nobody_from_being_told(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await power_failure(house, brand, expected_end=clock.now() + timedelta(hours=2))
    clock.pass_by(timedelta(hours=3))

    await change(house, brand, outage, workaround="Mobil santral meydanda")
    await decided(house, outage)

    updates = await messages_of(house, outage, "update")
    assert len({m.customer_id for m in updates}) == 3
    assert all(m.expires_at > clock.now() for m in updates)
    # The test's variables name the old end; it is the operator's own word.
    async with house.sessions() as tx:
        query = select(_notices.c.expires_at).where(_notices.c.outage_id == outage.id)
        assert list((await tx.execute(query.order_by(_notices.c.number))).scalars())[1] is None


@pytest.mark.req("B02", "blocks")
async def test_a_plan_that_tells_nobody_directly_tells_nobody(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await confirmed(
        house,
        brand,
        incident="mobile_banking_down",
        expected_end=clock.now() + timedelta(hours=1),
    )

    await decided(house, outage)

    found = await seen(house, brand, outage)
    assert (found.plan["told"], found.plan["parts"]) == (0, [])
    assert (found.state, found.rounds) == ("confirmed", ())
    assert await messages_of(house, outage, "notice") == []


async def test_whoever_moves_into_the_area_is_told_by_the_next_sweep_and_nobody_else_again(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await power_failure(house, brand)
    before = await messages_of(house, outage, "notice")
    async with house.sessions() as tx, tx.begin():
        newcomer = await a_resident(tx, brand, 3)

    clock.pass_by(SWEEP_AGAIN - timedelta(seconds=1))
    await decided(house, outage)
    early = await messages_of(house, outage, "notice")
    clock.pass_by(timedelta(seconds=1))
    await decided(house, outage)
    clock.pass_by(SWEEP_AGAIN)
    await decided(house, outage)

    after = await messages_of(house, outage, "notice")
    told = {m.id for m in before}
    assert {m.id for m in early} == told
    assert {m.customer_id for m in after if m.id not in told} == {newcomer}
    assert len({m.id for m in after}) == len(before) + 1


# ---------------------------------------------------------------- compensation


async def test_compensation_is_told_once_and_the_outage_goes_on_being_watched(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await power_failure(house, brand)
    begun = clock.now()

    clock.at = begun + COMPENSATED_AFTER - timedelta(seconds=1)
    await decided(house, outage)
    none_yet = await messages_of(house, outage, "compensation")
    eve = await look(house, outage)
    clock.at = begun + COMPENSATED_AFTER
    await decided(house, outage)
    at_noon = await messages_of(house, outage, "compensation")
    clock.pass_by(SWEEP_AGAIN * 3)
    await decided(house, outage)
    step = await look(house, outage)

    assert none_yet == []
    assert eve.wait_until == begun + COMPENSATED_AFTER
    assert len({m.customer_id for m in at_noon}) == 3
    assert step.undecided == ()
    assert len(await messages_of(house, outage, "compensation")) == len(at_noon)


async def test_what_the_law_gives_is_told_though_the_outage_ends_meanwhile(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await power_failure(house, brand)
    clock.pass_by(COMPENSATED_AFTER)
    await decided(house, outage)

    await change(house, brand, outage, workaround="Mobil santral meydanda")
    await resolved(house, brand, outage)
    await decided(house, outage)

    told = await messages_of(house, outage, "compensation")
    assert {m.state for m in told} <= {"queued", "deferred"}
    assert len({m.customer_id for m in told}) == 3


@pytest.mark.parametrize(
    ("lasted", "rounds"),
    [
        pytest.param(COMPENSATED_AFTER - timedelta(minutes=1), 0, id="in time"),
        pytest.param(COMPENSATED_AFTER + timedelta(minutes=1), 1, id="too long"),
    ],
)
async def test_compensation_counts_how_long_it_lasted_not_when_the_ledger_is_read(
    house: House, brand: Brand, clock: SetClock, lasted: timedelta, rounds: int
) -> None:
    outage = await power_failure(house, brand)
    clock.pass_by(lasted)
    await resolved(house, brand, outage)
    clock.pass_by(timedelta(hours=2))

    await decided(house, outage)
    await decided(house, outage)

    kinds = [one.kind for one in (await seen(house, brand, outage)).rounds]
    assert kinds.count(NoticeKind.COMPENSATION) == rounds


# ---------------------------------------------------------------- the end


async def test_a_late_hand_over_gets_the_all_clear_though_somebody_got_another_one_since(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await confirmed(house, brand, incident="power_failure")
    await decided(house, outage)
    first, second, third = [
        m for m in await messages_of(house, outage, "notice") if m.channel == "sms"
    ]
    await handed_over(house, [first.id, second.id])
    await handed_over(house, [third.id], MessageState.HANDING_OVER)
    await resolved(house, brand, outage)
    await decided(house, outage)
    async with house.sessions() as tx, tx.begin():
        await house.signals.still_out(
            tx,
            brand,
            outage.id,
            customer_id=first.customer_id,
            source="hotline",
            reference="",
            by="ada",
        )
        await house.outages.restored(tx, brand=brand, outage_id=outage.id, refs=[], by="ada")
    await decided(house, outage)

    await handed_over(house, [third.id])
    clock.pass_by(timedelta(seconds=5))
    await decided(house, outage)

    clear = [m.customer_id for m in await messages_of(house, outage, "all_clear")]
    assert sorted(clear) == sorted(
        [first.customer_id, first.customer_id, second.customer_id, third.customer_id]
    )


async def test_it_is_over_when_nobody_is_open_and_somebody_has_written_what_was_learnt(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await power_failure(house, brand)
    await resolved(house, brand, outage)
    await decided(house, outage)
    ended = clock.now()

    open_yet = await look(house, outage)
    async with house.sessions() as tx, tx.begin():
        said = Review(what_happened="A fuse", what_was_late="", what_changes="A spare one")
        await house.outages.review(tx, brand=brand, outage_id=outage.id, said=said, by="ada")
    reviewed = await look(house, outage)
    await closed(house, outage)
    clock.pass_by(timedelta(minutes=1))
    over = await look(house, outage)

    assert (open_yet.over, open_yet.stage, open_yet.open_outcomes) == (False, "settling", 3)
    assert open_yet.wait_until == ended + timedelta(seconds=2)
    assert not reviewed.over
    assert (over.over, over.wait_until, over.open_outcomes) == (True, None, 0)


@pytest.mark.req("B13")
async def test_a_review_is_waited_for_until_its_time_has_passed(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await power_failure(house, brand)
    await resolved(house, brand, outage)
    ended = clock.now()
    await decided(house, outage)
    await closed(house, outage)

    waiting = await look(house, outage)
    clock.at = ended + REVIEWED_WITHIN - timedelta(seconds=1)
    waits_yet = await look(house, outage)
    clock.at = ended + REVIEWED_WITHIN
    over = await look(house, outage)

    assert (waiting.over, waiting.wait_until) == (False, ended + REVIEWED_WITHIN)
    assert (waits_yet.over, over.over) == (False, True)


async def test_who_never_comes_to_an_end_does_not_keep_it_open_for_ever(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await power_failure(house, brand)
    await resolved(house, brand, outage)
    ended = clock.now()
    await decided(house, outage)

    clock.at = ended + SETTLED_AT_LAST - timedelta(seconds=1)
    open_yet = await look(house, outage)
    clock.at = ended + SETTLED_AT_LAST
    over = await look(house, outage)

    assert (open_yet.over, open_yet.open_outcomes) == (False, 3)
    assert open_yet.wait_until == clock.now() + timedelta(minutes=5) - timedelta(seconds=1)
    assert (over.over, over.open_outcomes) == (True, 3)


async def test_what_is_opened_again_runs_as_before(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await power_failure(house, brand)
    await resolved(house, brand, outage)
    await decided(house, outage)
    clock.pass_by(timedelta(hours=4))

    await reopened(house, brand, outage)
    await decided(house, outage)
    step = await look(house, outage)

    assert (step.state, step.over) == ("confirmed", False)
    assert await calls(house, "on_call.overdue") == []
    fresh = [m for m in await messages_of(house, outage, "notice") if m.state == "queued"]
    assert len({m.customer_id for m in fresh}) == 3
