"""Counts of a rulebook, as the ledger gives them."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from rules.holder import RulebookHolder
from rules.situations import Tally
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import lock_customer
from tellal.persistence.tables.customers import EventRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.entries import Matter
from tellal.services.history import tallies
from tellal.services.house import House
from tests.rules.writing import write
from tests.support.builders import a_brand, a_customer

BOOK = """
topics:
  - {id: offer, means: An offer, class: service, expires: 1d}
events:
  - {type: login}
  - {type: logout}
channels:
  - {id: any, when: {topic: offer}, send: [sms]}
counts:
  - {id: offers, of: messages, topics: [offer], within: 7d}
  - {id: mails, of: messages, topics: [offer], channel: email, within: 7d}
  - {id: logins, of: events, types: [login], within: 2d}
suppress:
  - id: enough
    when:
      any:
        - count.offers: {gte: 2}
        - count.mails: {gte: 1}
        - count.logins: {gte: 3}
    reason: enough
    text: Enough
"""

_messages = table(MessageRow)


@pytest.fixture
def books(tmp_path: Path) -> RulebookHolder:
    return RulebookHolder(write(tmp_path, BOOK))


async def test_messages_that_left_and_events_are_counted_within_their_window(
    house: House, books: RulebookHolder
) -> None:
    house.deciding.asking.books = books
    counts = books.current.counts_of("offer")
    assert [count.id for count in counts] == ["logins", "mails", "offers"]
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand)
        customer = await lock_customer(tx, brand.id, "ayse")
        now = house.clock.now()
        for n, (type, days) in enumerate(
            [("login", 0.5), ("login", 1.9), ("login", 2.1), ("logout", 0.1), ("login", -0.1)]
        ):
            await tx.execute(
                insert(table(EventRow)).values(
                    id=f"event-{n}",
                    brand_id=brand.id,
                    customer_id=customer.id,
                    type=type,
                    payload={},
                    occurred_at=now - timedelta(days=days),
                    received_at=now,
                )
            )

        async def said(state: str, days: float) -> None:
            matter = Matter(topic="offer", cause_kind="test", cause_key=new_id())
            decided = await house.deciding.decide(tx, brand, customer, matter)
            assert decided.posted is not None
            await tx.execute(
                update(_messages)
                .where(_messages.c.id == decided.posted.message_id)
                .values(state=state, handed_at=now - timedelta(days=days))
            )

        await said("delivered", 1)
        await said("failed", 2)
        await said("delivered", 8)

        found = await tallies(tx, customer.id, counts, now)
        assert found["offers"] == Tally(1, now - timedelta(days=1))
        assert found["mails"] == Tally(0, None)
        assert found["logins"] == Tally(2, now - timedelta(days=0.5))

        await said("unknown", 3)
        matter = Matter(topic="offer", cause_kind="test", cause_key="last")
        decided = await house.deciding.decide(tx, brand, customer, matter)
        assert [reason.code for reason in decided.decision.reasons] == ["enough"]
