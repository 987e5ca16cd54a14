"""Outages: an audience by rule, a stop that holds, and a ledger that adds up."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError, RefusedTransitionError
from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.services.house import House
from tellal.services.moves import Move
from tellal.services.outages import OutageView
from tests.support.builders import a_brand, a_customer

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)

AFFECTED = 7
VARIABLES = {"area": "Tepebaşı", "expected_end": "18:30", "workaround": "-", "hotline": "186"}


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        for n in range(AFFECTED):
            await a_customer(
                tx,
                brand,
                f"in-{n}",
                contacts={Channel.SMS: f"+90535000000{n}"},
                facts={"customer.district": "tepebasi"},
            )
        await a_customer(tx, brand, "out", facts={"customer.district": "odunpazari"})
        await a_customer(
            tx,
            brand,
            "mute",
            contacts={Channel.WHATSAPP: "+905350000099"},
            facts={"customer.district": "tepebasi"},
        )
        return brand


async def declared(house: House, brand: Brand) -> OutageView:
    async with house.sessions() as tx, tx.begin():
        return await house.outages.declare(
            tx,
            brand=brand,
            title="Transformer",
            topic="outage_notice",
            segment={"customer.district": "tepebasi"},
            variables=VARIABLES,
        )


async def confirmed(house: House, brand: Brand) -> OutageView:
    outage = await declared(house, brand)
    async with house.sessions() as tx, tx.begin():
        return await house.outages.confirm(tx, brand_id=brand.id, outage_id=outage.id)


async def decided(house: House, outage: OutageView, limit: int = 3) -> None:
    after: str | None = ""
    while after is not None:
        after = await house.outage_audience.decide_page(outage.id, after, limit)


async def test_nobody_is_decided_while_it_is_suspected(house: House, brand: Brand) -> None:
    outage = await declared(house, brand)

    await decided(house, outage)

    async with house.sessions() as tx:
        assert (await house.outages.view(tx, brand.id, outage.id)).counts["audience"] == 0


@pytest.mark.req("B11")
@pytest.mark.req("D62")
async def test_only_the_segment_is_decided_and_the_ledger_adds_up(
    house: House, brand: Brand
) -> None:
    outage = await confirmed(house, brand)

    await decided(house, outage)
    await decided(house, outage)

    async with house.sessions() as tx:
        counts = (await house.outages.view(tx, brand.id, outage.id)).counts
    assert counts["audience"] == AFFECTED + 1
    assert (counts["open"], counts["suppressed"]) == (AFFECTED, 1)
    assert counts["audience"] == sum(n for state, n in counts.items() if state != "audience")


async def test_resolving_spares_the_unsent_and_counts_what_is_in_flight(
    house: House, brand: Brand
) -> None:
    outage = await confirmed(house, brand)
    await decided(house, outage)
    async with house.sessions() as tx, tx.begin():
        first = (
            await tx.execute(select(_messages.c.id).order_by(_messages.c.id).limit(1))
        ).scalar()
        await tx.execute(
            update(_messages)
            .where(_messages.c.id == first)
            .values(state=MessageState.HANDING_OVER, provider="twilio", receipts="delivery")
        )

    async with house.sessions() as tx, tx.begin():
        resolved = await house.outages.resolve(tx, brand_id=brand.id, outage_id=outage.id)

    assert resolved.in_flight_at_stop == 1
    assert (resolved.counts["cancelled"], resolved.counts["open"]) == (AFFECTED - 1, 1)
    assert await house.outage_audience.decide_page(outage.id, "", 100) is None


@pytest.mark.req("D62")
@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        pytest.param(MessageState.QUEUED, "cancelled", "stopped", id="it did not take it"),
        pytest.param(MessageState.FAILED, "failed", "stopped", id="it refused it"),
        pytest.param(MessageState.ACCEPTED, "told", "", id="it delivered it"),
    ],
)
async def test_what_was_in_flight_at_the_stop_comes_to_an_end(
    house: House, brand: Brand, answer: MessageState, state: str, reason: str
) -> None:
    """A 429 after the stop must not leave a message waiting for a cause that never runs again."""
    outage = await confirmed(house, brand)
    await decided(house, outage)
    async with house.sessions() as tx, tx.begin():
        found = await tx.execute(select(_messages).order_by(_messages.c.id).limit(1))
        first = found.one()
        await tx.execute(
            update(_messages)
            .where(_messages.c.id == first.id)
            .values(state=MessageState.HANDING_OVER, provider="twilio", receipts="delivery")
        )
    async with house.sessions() as tx, tx.begin():
        await house.outages.resolve(tx, brand_id=brand.id, outage_id=outage.id)

    async with house.sessions() as tx, tx.begin():
        await house.progress.move(tx, [Move(message_id=first.id, state=answer)])
        if answer is MessageState.ACCEPTED:
            delivered = Move(message_id=first.id, state=MessageState.DELIVERED)
            await house.progress.move(tx, [delivered])
    await house.journeys.advance(first.outcome_id)

    async with house.sessions() as tx:
        ended = (
            await tx.execute(select(_outcomes).where(_outcomes.c.id == first.outcome_id))
        ).one()
        written = await tx.execute(select(_messages).where(_messages.c.outcome_id == ended.id))
        counts = (await house.outages.view(tx, brand.id, outage.id)).counts
    assert (ended.state, ended.reason) == (state, reason)
    assert len(written.all()) == 1
    assert (counts["open"], counts[state]) == (0, AFFECTED if state == "cancelled" else 1)


async def test_an_outage_is_resolved_once(house: House, brand: Brand) -> None:
    outage = await confirmed(house, brand)
    async with house.sessions() as tx, tx.begin():
        await house.outages.resolve(tx, brand_id=brand.id, outage_id=outage.id)

    async with house.sessions() as tx, tx.begin():
        with pytest.raises(RefusedTransitionError) as refused:
            await house.outages.resolve(tx, brand_id=brand.id, outage_id=outage.id)

    assert refused.value.code == "already_resolved"


async def test_a_segment_that_is_no_condition_is_refused(house: House, brand: Brand) -> None:
    async with house.sessions() as tx, tx.begin():
        with pytest.raises(InvalidInputError) as refused:
            await house.outages.declare(
                tx,
                brand=brand,
                title="x",
                topic="outage_notice",
                segment={"customer.distrct": "tepebasi"},
                variables=VARIABLES,
            )

    assert "customer.district" in refused.value.hint


@pytest.mark.parametrize(
    "workaround", ["https://ornek.example/kesinti", "Bkz. porsukedas.com.tr", "bit.ly/3xYz"]
)
async def test_a_text_with_a_link_that_no_route_carries_is_refused_when_it_is_declared(
    house: House, brand: Brand, workaround: str
) -> None:
    async with house.sessions() as tx, tx.begin():
        with pytest.raises(InvalidInputError, match="twilio carries no links to TR") as refused:
            await house.outages.declare(
                tx,
                brand=brand,
                title="Transformer",
                topic="outage_notice",
                segment={"customer.district": "tepebasi"},
                variables={**VARIABLES, "workaround": workaround},
            )

    assert refused.value.field == "variables"
    assert "phone number" in refused.value.hint


async def test_a_link_is_taken_where_a_route_carries_it(house: House, brand: Brand) -> None:
    async with house.sessions() as tx, tx.begin():
        outage = await house.outages.declare(
            tx,
            brand=replace(brand, country="PL"),
            title="Transformer",
            topic="outage_notice",
            segment={"customer.district": "tepebasi"},
            variables={**VARIABLES, "workaround": "https://ornek.example/kesinti"},
        )

    assert outage.state == "suspected"
