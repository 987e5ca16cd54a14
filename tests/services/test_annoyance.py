"""Sums of what people got, from the ledger."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from tellal.domain.channels import Channel
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import lock_customer
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.annoyance import TopicAnnoyance, annoyance
from tellal.services.complaints import ComplaintInput, Complaints
from tellal.services.deciding import Matter
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer

_messages = table(MessageRow)


@pytest.mark.req("A10")
async def test_messages_that_arrived_are_counted_per_person_and_complaints_per_topic(
    house: House,
) -> None:
    now = house.clock.now()
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        for ref in ("much", "once", "never"):
            contacts = {Channel.SMS: "+905320000101"}
            await a_customer(tx, brand, ref, contacts=contacts)

        async def got(ref: str, state: str, days: int = 1, *, simulated: bool = False) -> None:
            customer = await lock_customer(tx, brand.id, ref)
            matter = Matter(
                topic="case_opened",
                cause_kind="test",
                cause_key=new_id(),
                workflow_id="case/1",
                simulated=simulated,
            )
            decided = await house.deciding.decide(tx, brand, customer, matter)
            assert decided.posted is not None
            await tx.execute(
                update(_messages)
                .where(_messages.c.id == decided.posted.message_id)
                .values(state=state, handed_at=now - timedelta(days=days))
            )

        for state in ("delivered", "sent", "accepted", "unknown", "failed", "undelivered"):
            await got("much", state)
        await got("once", "delivered")
        await got("once", "delivered", days=40)
        await got("once", "delivered", simulated=True)
        complaints = Complaints(house.books, house.progress, house.clock)
        said = ComplaintInput(customer="much", source="web", topic="case_opened")
        await complaints.file(tx, brand.id, said, by="test")

        report = await annoyance(tx, brand.id, now - timedelta(days=30), now + timedelta(days=1))

    assert report.messages == 5
    assert report.customers == {"0": 1, "1": 1, "2": 0, "3-5": 1, "6-10": 0, "11+": 0}
    assert report.most == [("much", 4), ("once", 1)]
    assert (report.by_class, report.by_channel) == ({"service": 5}, {"sms": 5})
    assert report.topics == [
        TopicAnnoyance(topic="case_opened", messages=5, complaints=1, per_thousand=200.0)
    ]
