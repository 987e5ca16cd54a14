"""Why: of decisions that were made, of those that would be, and of moments that are over."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from rules.decide import decide
from rules.rulebook import load_rulebook
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.decisions import Verdict
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import DecisionRow, MessageRow, OutcomeRow
from tellal.services.explaining import Explaining, Explanation, Of, find_decision, revisions
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock

_decisions = table(DecisionRow)
_customers = table(CustomerRow)
PROMO = "iscep_promo"


@pytest.fixture
def clock() -> SetClock:
    """Ids say when they were made, so the clock begins where the machine's stands."""
    now = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
    return SetClock(now + timedelta(days=1))


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(
            tx,
            brand,
            contacts={Channel.EMAIL: "ayse@deneme.example"},
            consents={Channel.EMAIL: "granted"},
            facts={"customer.age": 17},
        )
        return brand


async def log_in(house: House, brand: Brand) -> list[str]:
    async with house.sessions() as tx, tx.begin():
        recorded = await house.events.record(
            tx,
            brand=brand,
            customer_ref="ayse",
            type="login",
            payload={"method": "password", "surface": "web"},
        )
    return [decision.id for decision in recorded.decisions]


async def why(
    house: House, brand: Brand, at: datetime | None = None, topic: str = PROMO
) -> Explanation:
    explaining = Explaining(house.deciding.asking, revisions(house.books))
    async with house.sessions() as tx:
        return await explaining.explain(tx, brand.id, "ayse", topic, house.clock.now(), at=at)


async def grow_up(house: House) -> None:
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_customers).values(facts={"customer.age": 18}))


@pytest.mark.req("A06")
async def test_the_question_stands_beside_the_decision_and_leads_to_it_again(
    house: House, brand: Brand
) -> None:
    ids = await log_in(house, brand)

    async with house.sessions() as tx:
        stored = [await find_decision(tx, one, brand.id) for one in ids]
        rows = (await tx.execute(select(_decisions.c.asked))).scalars().all()

    assert {one.decision.topic for one in stored} == {PROMO, "phishing_awareness"}
    for one in stored:
        assert one.question is not None
        again = decide(load_rulebook(), one.question)
        assert again == one.decision
    assert "ayse@deneme.example" not in str(rows)


async def test_somebody_of_whom_nobody_asked_is_explained_and_nothing_is_written(
    house: House, brand: Brand
) -> None:
    found = await why(house, brand)

    assert (found.rules, found.facts, found.label) == (Of.NOW, Of.NOW, "rules and facts of today")
    assert found.decision.reasons[0].code == "minor"
    async with house.sessions() as tx:
        for rows in (DecisionRow, OutcomeRow, MessageRow):
            assert (await tx.execute(select(func.count()).select_from(table(rows)))).scalar() == 0


async def test_a_moment_that_is_over_is_explained_by_what_was_known_then(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await log_in(house, brand)
    then = clock.at + timedelta(hours=1)
    await grow_up(house)
    clock.pass_by(timedelta(days=3))

    past, today = await why(house, brand, then), await why(house, brand)

    assert (past.rules, past.facts) == (Of.THEN, Of.THEN)
    assert past.label.startswith("rules of then, facts stored with decision ")
    assert past.decision.at == then
    assert [reason.code for reason in past.decision.reasons] == ["minor"]
    assert today.decision.verdict is Verdict.SEND


async def test_a_moment_of_which_nothing_is_kept_is_explained_by_the_facts_of_today(
    house: House, brand: Brand, clock: SetClock
) -> None:
    before = clock.at - timedelta(days=30)
    first = await why(house, brand, before)
    await log_in(house, brand)
    then = clock.at + timedelta(hours=1)
    clock.pass_by(timedelta(days=3))
    second = await why(house, brand, then, topic="case_opened")

    assert (first.rules, first.facts) == (Of.NOW, Of.NOW)
    assert first.decision.at == before
    assert second.label == "rules of then, facts of today"


async def test_rules_that_are_not_kept_are_said_to_be_of_today(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await log_in(house, brand)
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_decisions).values(revision="sha256:of-last-year"))
    then = clock.at + timedelta(hours=1)
    clock.pass_by(timedelta(days=3))

    found = await why(house, brand, then)

    assert (found.rules, found.facts) == (Of.NOW, Of.THEN)
    assert found.label.startswith("rules of today, facts stored with decision ")


async def test_nobody_and_nothing_are_said_to_be_unknown(house: House, brand: Brand) -> None:
    explaining = Explaining(house.deciding.asking, revisions(house.books))
    async with house.sessions() as tx:
        with pytest.raises(NotFoundError):
            await explaining.explain(tx, brand.id, "nobody", PROMO, house.clock.now())
        with pytest.raises(InvalidInputError):
            await explaining.explain(tx, brand.id, "ayse", "weather", house.clock.now())
        with pytest.raises(NotFoundError):
            await find_decision(tx, "01NOTHING", brand.id)
