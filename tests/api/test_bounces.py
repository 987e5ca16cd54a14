"""Mails that came back, brought over HTTP by a mail system with a key."""

import pytest

from tellal.carrier.reports import Kind
from tellal.domain.channels import Channel
from tellal.domain.messages import MessageState
from tellal.services.keys import Scope
from tests.support.api import Served, Tenant, Tenants
from tests.support.bounces import came_back, return_address
from tests.support.builders import a_customer
from tests.support.desk import a_desk
from tests.support.ledger import a_message, message

PATH = "/v1/inbound/bounces"
RAW = {"Content-Type": "message/rfc822"}


@pytest.fixture
async def mail(bank: Tenant, served: Served) -> str:
    """A mail that the relay took."""
    async with served.sessions() as tx, tx.begin():
        customer_id = await a_customer(
            tx, bank.brand, contacts={Channel.EMAIL: "cem@example.com"}
        )
        message_id = await a_message(
            tx, bank.brand, customer_id=customer_id, channel=Channel.EMAIL
        )
    return message_id


async def taken(served: Served, message_id: str) -> None:
    """Have a lane hand all mails over, whosever they are."""
    from sqlalchemy import update

    from tellal.persistence.columns import table
    from tellal.persistence.tables.ledger import MessageRow

    rows = table(MessageRow)
    async with served.sessions() as tx, tx.begin():
        await tx.execute(
            update(rows)
            .where(rows.c.id == message_id)
            .values(
                state=MessageState.ACCEPTED.value,
                attempt=1,
                provider="smtp",
                receipts="bounce_only",
                reference=f"<{message_id}@anadolu.example>",
            )
        )
