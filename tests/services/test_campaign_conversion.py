"""Whether a campaign reached its goal, compared with those who were kept out."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from tellal.domain.customers import Brand
from tellal.domain.statistics import Finding
from tellal.persistence.session import Sessions
from tellal.services.campaign_conversion import (
    Conversion,
    Goal,
    conversion,
    goal_of,
    split_of,
)
from tests.support.builders import a_brand
from tests.support.campaigns import (
    BEGAN,
    Said,
    Written,
    a_campaign,
    a_finished_run,
    a_person,
    a_round,
    a_run,
    did,
    many_people,
)

pytestmark = pytest.mark.req("D62")

GOAL = Goal(event="loan_applied", within=timedelta(days=7))
LONG_AFTER = BEGAN + timedelta(days=30)


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


async def counted(
    sessions: Sessions, campaign: Written, now: datetime = LONG_AFTER, *, decided: bool = True
) -> Conversion:
    causes = [one.cause_id for one in campaign.rounds]
    async with sessions() as tx:
        return await conversion(tx, causes, GOAL, now, decided=decided)


async def test_who_did_it_in_time_counts(sessions: Sessions, brand: Brand) -> None:
    campaign = await a_finished_run(sessions, brand)
    day = timedelta(days=1)
    async with sessions() as tx, tx.begin():
        await did(tx, campaign, "ayse", GOAL.event, at=BEGAN + day)
        await did(tx, campaign, "ayse", GOAL.event, at=BEGAN + 2 * day)
        await did(tx, campaign, "burak", GOAL.event, at=BEGAN - day)
        await did(tx, campaign, "derya", GOAL.event, at=BEGAN + day)
        await did(tx, campaign, "firat", GOAL.event, at=BEGAN + 8 * day)
        await did(tx, campaign, "gizem", "login", at=BEGAN + day)
        await did(tx, campaign, "kaan", GOAL.event, at=BEGAN + day)

    said = await counted(sessions, campaign)

    shown = [
        (
            one.variant,
            one.held_out,
            one.decided.number,
            one.decided.of,
            one.told.number,
            one.told.of,
        )
        for one in said.groups
    ]
    # derya was not told and did it all the same; firat did it too late.
    assert shown == [("a", False, 2, 5, 1, 2), ("b", False, 0, 4, 0, 1), ("", True, 1, 2, 0, 0)]
    assert said.groups[2].vs_hold_out is None


async def test_being_told_begins_when_the_message_left(sessions: Sessions, brand: Brand) -> None:
    campaign = await a_finished_run(sessions, brand)
    # firat's message left 80 minutes after he was decided.
    async with sessions() as tx, tx.begin():
        await did(tx, campaign, "firat", GOAL.event, at=BEGAN + timedelta(minutes=30))

    said = await counted(sessions, campaign)

    b = said.groups[1]
    assert (b.decided.number, b.told.number) == (1, 0)


async def test_a_person_of_two_steps_counts_once(sessions: Sessions, brand: Brand) -> None:
    async with sessions() as tx, tx.begin():
        campaign = await a_campaign(tx, brand)
        run = await a_run(tx, campaign)
        for step in (0, 1):
            one = await a_round(tx, campaign, run, step=step)
            await a_person(tx, campaign, one, "ayse", Said(state="delivered"))
        await did(tx, campaign, "ayse", GOAL.event, at=BEGAN + timedelta(hours=1))

    said = await counted(sessions, campaign)

    assert [(one.told.number, one.told.of) for one in said.groups] == [(1, 1)]


_HELD_OUT = """
UPDATE outcomes SET state = 'suppressed', reason = 'hold_out' WHERE right(id, 12)::int > 300
"""
_APPLIED = """
INSERT INTO events (id, brand_id, customer_id, type, payload, occurred_at, received_at)
SELECT 'e' || id, brand_id, id, 'loan_applied', '{}', :at, :at FROM customers
WHERE right(id, 12)::int <= 90 OR right(id, 12)::int > 390
"""


@pytest.fixture
async def compared(sessions: Sessions, brand: Brand) -> Written:
    """A campaign in which 90 of 300 did it who were decided, and 10 of 100 who were kept out."""
    async with sessions() as tx, tx.begin():
        campaign = await a_campaign(tx, brand)
        one = await a_round(tx, campaign, await a_run(tx, campaign))
    await many_people(sessions, campaign, one, 400)
    async with sessions() as tx, tx.begin():
        await tx.execute(text(_HELD_OUT))
        await tx.execute(text(_APPLIED), {"at": BEGAN + timedelta(days=1)})
    return campaign


async def test_a_clear_difference_is_said_when_everybody_had_his_time(
    sessions: Sessions, compared: Written
) -> None:
    said = await counted(sessions, compared)

    found = said.groups[0].vs_hold_out
    assert found is not None
    assert found.finding is Finding.HIGHER
    assert found.difference == pytest.approx(0.2)
    # Newcombe's method 10 of 90/300 and 10/100, by hand from Wilson's 0.2510 to 0.3541 and 0.0552
    # to 0.1744: 0.2 - √(0.0490² + 0.0744²) and 0.2 + √(0.0541² + 0.0448²).
    assert found.interval.low == pytest.approx(0.1110, abs=2e-4)
    assert found.interval.high == pytest.approx(0.2702, abs=2e-4)


@pytest.mark.parametrize(
    ("now", "decided"),
    [(LONG_AFTER, False), (BEGAN + timedelta(days=6), True)],
    ids=["still deciding", "time left"],
)
async def test_before_that_nothing_is_said(
    sessions: Sessions,
    compared: Written,
    now: datetime,
    decided: bool,
) -> None:
    said = await counted(sessions, compared, now, decided=decided)

    found = said.groups[0].vs_hold_out
    assert found is not None
    assert found.finding is Finding.NOT_YET
    assert not said.final


def test_a_plan_says_its_goal() -> None:
    assert goal_of({"goal": {"event": "loan_applied", "within": "7d"}}) == GOAL
    assert goal_of({}) is None
    assert goal_of({"goal": {"event": "loan_applied", "within": "soon"}}) is None


def test_a_split_counts_the_hold_out_as_a_group() -> None:
    plan = {
        "variants": [{"name": "a", "share": 50}, {"name": "b", "share": 50}],
        "hold_out": 10,
    }

    even = split_of(plan, {"a": 4510, "b": 4490}, 1000)
    odd = split_of(plan, {"a": 4800, "b": 4200}, 1000)

    assert even is not None
    assert odd is not None
    assert even[1] == ("a", "b", "hold_out")
    assert even[0].expected == pytest.approx((4500, 4500, 1000))
    assert (even[0].mismatch, odd[0].mismatch) == (False, True)
    assert split_of({}, {"": 1000}, 0) is None
