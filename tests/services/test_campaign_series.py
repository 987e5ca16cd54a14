"""Series: later words with waits and conditions, which branch on facts and on what happened."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from tellal.domain.campaigns import Plan
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import CampaignRoundRow
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.services.broadcasting import Broadcasting
from tellal.services.campaign_rounds import CampaignRounds
from tellal.services.campaigns import Staff
from tellal.services.house import House
from tellal.services.prices import Prices
from tests.support.builders import a_brand, a_customer
from tests.support.house import ROUTES, SetClock

_customers = table(CustomerRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_rounds = table(CampaignRoundRow)

ADA = Staff(by="ada@bank.example", personal=True)
EMRE = Staff(by="emre@bank.example", personal=True)
TOPIC = "tariff_change"
NEXT = "card_delivery"
"""Another topic, because the first says nothing twice to who was told."""
TEN = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
"""Ten o'clock in Istanbul on a Monday."""
DAY = timedelta(days=1)
MASS = {"customer.segment": "mass"}
PLAN: Mapping[str, Any] = {
    "topic": TOPIC,
    "variables": {},
    "when": {"at": "2026-03-02T10:00", "zone": "Europe/Istanbul"},
}


@pytest.fixture
def clock() -> SetClock:
    return SetClock(TEN - timedelta(hours=2))


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        return await a_brand(tx)


async def people(house: House, brand: Brand, *refs: str) -> dict[str, str]:
    async with house.sessions() as tx, tx.begin():
        return {
            ref: await a_customer(
                tx,
                brand,
                ref,
                contacts={Channel.EMAIL: f"{ref}@example.com"},
                facts={"customer.segment": "mass"},
            )
            for ref in refs
        }


async def begun(house: House, brand: Brand, clock: SetClock, *steps: object, **plan: Any) -> str:  # noqa: ANN401 - of a plan
    said = {**PLAN, "steps": list(steps), **plan}
    async with house.sessions() as tx, tx.begin():
        one = await house.campaigns.make(tx, brand=brand, name="series", plan=said, who=ADA)
        await house.campaigns.submit(tx, brand=brand, campaign_id=one.id, who=ADA)
        await house.campaigns.approve(tx, brand=brand, campaign_id=one.id, who=EMRE)
    clock.at = TEN
    await decided(house, one.id)
    return one.id


async def decided(house: House, campaign_id: str) -> None:
    """Look, and decide whatever may be decided now."""
    for _ in range(200):
        step = await house.campaign_desk.look(campaign_id)
        if not step.run_id:
            return
        turn = await house.campaign_desk.decide_some(step.run_id)
        if not turn.done and turn.wait_until is not None:
            return
    pytest.fail("it comes to no end")


async def came(house: House, **states: str) -> None:
    """Have open outcomes of customers end in a state, and their messages with them."""
    async with house.sessions() as tx, tx.begin():
        for ref, state in states.items():
            whose = select(_customers.c.id).where(_customers.c.ref == ref)
            of_his = _outcomes.c.customer_id.in_(whose), _outcomes.c.state == "open"
            now = house.clock.now()
            if state == "told":
                his = _messages.c.customer_id.in_(whose), _messages.c.handed_at.is_(None)
                left = update(_messages).where(*his)
                await tx.execute(left.values(state="delivered", handed_at=now))
            await tx.execute(update(_outcomes).where(*of_his).values(state=state, closed_at=now))


async def meant(house: House) -> dict[int, set[str]]:
    """Say who has an outcome in which step."""
    query = (
        select(_rounds.c.step, _customers.c.ref)
        .join(_outcomes, _outcomes.c.cause_id == _rounds.c.cause_id)
        .join(_customers, _customers.c.id == _outcomes.c.customer_id)
    )
    found: dict[int, set[str]] = {}
    async with house.sessions() as tx:
        for step, ref in await tx.execute(query):
            found.setdefault(step, set()).add(ref)
    return found


async def does(house: House, brand: Brand, ref: str, type: str) -> None:
    async with house.sessions() as tx, tx.begin():
        await house.events.record(tx, brand=brand, customer_ref=ref, type=type, payload={})


async def moves_to(house: House, ref: str, segment: str) -> None:
    async with house.sessions() as tx, tx.begin():
        change = update(_customers).where(_customers.c.ref == ref)
        await tx.execute(change.values(facts={"customer.segment": segment}))


async def test_an_awareness_series_branches_on_what_happened_and_on_facts(
    house: House, brand: Brand, clock: SetClock
) -> None:
    """Burak does not hear the first word, Can converts, Derya moves out of the segment."""
    await people(house, brand, "ayse", "burak", "can", "derya")
    series = await begun(
        house,
        brand,
        clock,
        {"after": "1d", "topic": TOPIC, "only": "told", "segment": MASS},
        {"after": "1d", "topic": TOPIC, "only": "not_told"},
        {"after": "3d", "topic": TOPIC, "only": "not_converted", "segment": MASS},
        goal={"event": "debt_paid", "within": "7d"},
    )
    await came(house, ayse="told", burak="failed", can="told", derya="told")
    clock.at = TEN + DAY
    await decided(house, series)
    await came(house, ayse="told", burak="told", can="told", derya="told")
    await does(house, brand, "can", "debt_paid")
    await moves_to(house, "derya", "private")
    clock.at = TEN + 3 * DAY

    await decided(house, series)

    assert await meant(house) == {
        0: {"ayse", "burak", "can", "derya"},
        1: {"ayse", "can", "derya"},
        2: {"burak"},
        3: {"ayse", "burak"},
    }


async def test_a_step_waits_for_its_time(house: House, brand: Brand, clock: SetClock) -> None:
    await people(house, brand, "ayse")
    series = await begun(house, brand, clock, {"after": "1d", "topic": TOPIC})
    await came(house, ayse="told")
    clock.at = TEN + DAY - timedelta(seconds=1)
    await decided(house, series)
    early = await meant(house)
    clock.at = TEN + DAY

    await decided(house, series)

    assert (early, await meant(house)) == ({0: {"ayse"}}, {0: {"ayse"}, 1: {"ayse"}})


async def test_a_segment_is_asked_when_the_step_comes(
    house: House, brand: Brand, clock: SetClock
) -> None:
    """Together with that of the audience; two steps part people by a fact."""
    await people(house, brand, "ayse", "burak", "can")
    series = await begun(
        house,
        brand,
        clock,
        {"after": "1d", "topic": TOPIC, "segment": MASS},
        {"after": "1d", "topic": TOPIC, "segment": {"unless": MASS}},
        audience={"segment": {"customer.segment": ["mass", "private"]}},
    )
    await moves_to(house, "burak", "private")
    await moves_to(house, "can", "youth")
    clock.at = TEN + DAY

    await decided(house, series)

    assert await meant(house) == {0: {"ayse", "burak", "can"}, 1: {"ayse"}, 2: {"burak"}}


async def test_nobody_is_meant_by_two_steps_of_one_time_whatever_happens_between(
    house: House, brand: Brand, clock: SetClock
) -> None:
    """The receipt comes after the one branch has been decided, and before the other is."""
    await people(house, brand, "ayse")
    await begun(
        house,
        brand,
        clock,
        {"after": "1d", "topic": TOPIC, "only": "not_told"},
        {"after": "1d", "topic": TOPIC, "only": "told"},
    )
    clock.at = TEN + DAY
    deciding = Broadcasting(
        house.sessions, house.deciding, CampaignRounds(clock, Prices(house.books, ROUTES))
    )
    async with house.sessions() as tx:
        query = select(_rounds.c.id).where(_rounds.c.step > 0).order_by(_rounds.c.step)
        one, other = (await tx.execute(query)).scalars()

    await deciding.decide_chunk(one, 100)
    await came(house, ayse="told")
    await deciding.decide_chunk(other, 100)

    assert await meant(house) == {0: {"ayse"}, 1: {"ayse"}}


async def test_a_step_after_a_branch_goes_by_what_came_of_either_way(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, "ayse", "burak", "can")
    series = await begun(
        house,
        brand,
        clock,
        {"after": "1d", "topic": NEXT, "only": "told"},
        {"after": "1d", "topic": NEXT, "only": "not_told"},
        {"after": "2d", "topic": TOPIC, "only": "told"},
    )
    await came(house, ayse="told", burak="failed", can="failed")
    clock.at = TEN + DAY
    await decided(house, series)
    await came(house, ayse="told", burak="told", can="failed")
    clock.at = TEN + 2 * DAY

    await decided(house, series)

    assert (await meant(house))[3] == {"ayse", "burak"}


def test_the_series_on_the_page_is_a_plan() -> None:
    page = (Path(__file__).parents[2] / "docs" / "campaigns.md").read_text(encoding="utf-8")
    block = page.partition("```json\n")[2].partition("```")[0]

    plan = Plan.of(json.loads(block))

    assert [one.only for one in plan.steps] == ["told", "not_told", "not_converted"]
    assert plan.steps[0].excludes(plan.steps[1])


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([{"after": "2d"}, {"after": "1d"}], "no step comes before"),
        ([{"after": "1d"}, {"after": "1d"}], "two steps that come at the same time"),
        (
            [{"after": "1d", "only": "told"}, {"after": "1d", "only": "not_converted"}],
            "two steps that come at the same time",
        ),
        (
            [{"after": "1d", "segment": MASS}, {"after": "1d", "segment": MASS}],
            "two steps that come at the same time",
        ),
        (
            [
                {"after": "1d", "only": "told"},
                {"after": "1d", "only": "not_told"},
                {"after": "1d", "only": "told"},
            ],
            "two steps that come at the same time",
        ),
        ([{"after": "1d", "segment": {"customer.nothing": 1}}], "customer.nothing"),
        ([{"after": "1d", "topic": "account_movements"}], "a campaign has none"),
    ],
)
async def test_a_series_that_does_not_fit_is_refused_with_words(
    house: House, brand: Brand, steps: list[dict[str, object]], words: str
) -> None:
    plan = {
        **PLAN,
        "goal": {"event": "debt_paid", "within": "7d"},
        "steps": [{"topic": TOPIC, **one} for one in steps],
    }
    async with house.sessions() as tx, tx.begin():
        with pytest.raises(InvalidInputError, match=words):
            await house.campaigns.make(tx, brand=brand, name="series", plan=plan, who=ADA)
