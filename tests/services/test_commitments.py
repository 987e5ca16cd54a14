"""A commitment that ends is spoken of once, to those who agreed, until it is renewed or refused."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.decisions import Verdict
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import CapUseRow, MessageRow, OutcomeRow
from tellal.services.events import RecordedEvent
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_cap_uses = table(CapUseRow)


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "ornek-net")
        for ref, consents in (("agreed", {Channel.EMAIL: "granted"}), ("silent", {})):
            await a_customer(
                tx, brand, ref, contacts={Channel.EMAIL: f"{ref}@example.com"}, consents=consents
            )
        return brand


async def happened(
    house: House, brand: Brand, type: str, ref: str = "agreed", ends_in: int | None = None
) -> RecordedEvent:
    """Record an event; `ends_in` says in how many days the commitment ends."""
    payload = {}
    if ends_in is not None:
        day = (house.clock.now() + timedelta(days=ends_in)).date()
        payload = {"ends_on": day.isoformat()}
    async with house.sessions() as tx, tx.begin():
        return await house.events.record(
            tx, brand=brand, customer_ref=ref, type=type, payload=payload
        )


async def ended(house: House, days_ago: int) -> None:
    """Let all journeys end as told, begun so many days ago."""
    then = house.clock.now() - timedelta(days=days_ago)
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_outcomes).values(state="told", created_at=then, closed_at=then))
        await tx.execute(update(_messages).values(state="delivered"))


@pytest.mark.req("C11", "blocks")
@pytest.mark.req("C11", "allows")
async def test_one_attempt_for_each_commitment(house: House, brand: Brand) -> None:
    first = await happened(house, brand, "commitment_ending_soon", ends_in=20)
    while_open = await happened(house, brand, "commitment_ending_soon", ends_in=19)
    await ended(house, 1)
    after = await happened(house, brand, "commitment_ending_soon", ends_in=10)

    assert first.decisions[0].verdict == Verdict.SEND
    assert while_open.decisions[0].reason == "already_pending"
    assert after.decisions[0].reason == "attempts_exhausted"
    async with house.sessions() as tx:
        assert len((await tx.execute(select(_messages.c.id))).all()) == 1


@pytest.mark.req("C11", "blocks")
async def test_without_consent_and_after_a_refusal_nobody_is_spoken_to(
    house: House, brand: Brand
) -> None:
    silent = await happened(house, brand, "commitment_ending_soon", "silent", ends_in=20)
    await happened(house, brand, "renewal_refused")
    refused = await happened(house, brand, "commitment_ending_soon", ends_in=20)

    assert silent.decisions[0].reason == "no_consent"
    assert refused.decisions[0].reason == "renewal_refused"


@pytest.mark.req("C11", "blocks")
@pytest.mark.parametrize(
    ("type", "ends_in"), [("commitment_renewed", 385), ("renewal_refused", None)]
)
async def test_renewal_and_refusal_stop_what_is_under_way(
    house: House, brand: Brand, type: str, ends_in: int | None
) -> None:
    begun = await happened(house, brand, "commitment_ending_soon", ends_in=20)
    outcome_id = begun.decisions[0].outcome_id
    assert outcome_id is not None

    await happened(house, brand, type, ends_in=ends_in)
    await house.journeys.advance(outcome_id)

    async with house.sessions() as tx:
        [message] = (await tx.execute(select(_messages))).all()
        outcome = (await tx.execute(select(_outcomes))).one()
    assert (message.state, outcome.state) == ("cancelled", "cancelled")
    assert (message.code, outcome.reason) == ("converted", "converted")


@pytest.mark.req("C11", "blocks")
@pytest.mark.req("C11", "allows")
async def test_a_new_commitment_is_a_new_matter(house: House, brand: Brand) -> None:
    await happened(house, brand, "commitment_ending_soon", ends_in=20)
    await ended(house, 61)

    again = await happened(house, brand, "commitment_ending_soon", ends_in=20)

    # The slot of the cap was taken a moment ago, on the clock of this test.
    assert again.decisions[0].reason == "commitment_cap"
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_cap_uses).values(used_at=house.clock.now() - timedelta(days=61)))
    once_more = await happened(house, brand, "commitment_ending_soon", ends_in=20)
    assert once_more.decisions[0].verdict == Verdict.SEND
