"""The call centre's desk over HTTP: one agent per call, its number for him alone, and once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.messages import MessageState, OutgoingMessage
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow
from tellal.services.agent_calls import owe
from tests.support.api import Served, Tenant, put_customer
from tests.support.ledger import a_message, message

NUMBER = "+902122520000"
_customers = table(CustomerRow).c


@pytest.fixture
async def call(served: Served, bank: Tenant) -> str:
    """Return a call that somebody of the bank's is to make."""
    await put_customer(bank, contacts=[{"channel": "call", "address": NUMBER}])
    async with served.sessions() as tx, tx.begin():
        query = select(_customers.id).where(_customers.brand_id == bank.brand.id)
        message_id = await a_message(
            tx,
            bank.brand,
            customer_id=(await tx.execute(query)).scalar_one(),
            channel=Channel.CALL,
            state=MessageState.ACCEPTED,
            expires_at=served.clock.now() + timedelta(days=1),
        )
    outgoing = OutgoingMessage(
        id=message_id,
        attempt=1,
        channel=Channel.CALL,
        message_class=MessageClass.SERVICE,
        lane=Lane.JOURNEYS,
        sender="",
        address=NUMBER,
        text="Sayacınız yarın değişecek.",
        language="tr",
    )
    return await owe(served.sessions, served.clock, outgoing)


async def test_an_agent_claims_a_call_makes_it_and_tells_once(
    served: Served, bank: Tenant, call: str
) -> None:
    listed = (await bank.client.get("/v1/agent-calls", params={"due": True})).json()["items"]
    key = {"Idempotency-Key": f"claim-{call}"}
    claimed = await bank.client.post(
        f"/v1/agent-calls/{call}/claim", json={"agent": "ayla"}, headers=key
    )
    repeated = await bank.client.post(
        f"/v1/agent-calls/{call}/claim", json={"agent": "ayla"}, headers=key
    )
    told = [
        await bank.client.post(
            f"/v1/agent-calls/{call}/outcome",
            json={"agent": "ayla", "outcome": "reached"},
            headers={"Idempotency-Key": f"told-{call}"},
        )
        for _ in range(2)
    ]

    assert [(one["id"], one["number"], one["script"]) for one in listed] == [(call, "", "")]
    assert (claimed.json()["number"], claimed.json()["language"]) == (NUMBER, "tr")
    assert claimed.json()["script"] == "Sayacınız yarın değişecek."
    assert (repeated.status_code, repeated.json()["number"]) == (200, "")
    assert [one.json()["state"] for one in told] == ["done", "done"]
    seen = (await bank.client.get(f"/v1/agent-calls/{call}")).json()
    assert (seen["tries"], seen["last_outcome"], seen["number"]) == (1, "reached", "")
    assert (await message(served.sessions, seen["message"])).state == "delivered"


async def test_a_call_can_be_given_back(bank: Tenant, call: str) -> None:
    await bank.client.post(f"/v1/agent-calls/{call}/claim", json={"agent": "ayla"})
    taken = await bank.client.post(f"/v1/agent-calls/{call}/release", json={"agent": "berk"})
    back = await bank.client.post(f"/v1/agent-calls/{call}/release", json={"agent": "ayla"})

    assert (taken.status_code, taken.json()["code"]) == (409, "claimed_by_other")
    assert (back.status_code, back.json()["state"]) == (200, "open")


@pytest.mark.parametrize("what", ["claim", "release", "outcome"])
async def test_another_brands_call_is_not_there(distributor: Tenant, call: str, what: str) -> None:
    body = {"agent": "ayla", **({"outcome": "reached"} if what == "outcome" else {})}

    answer = await distributor.client.post(f"/v1/agent-calls/{call}/{what}", json=body)
    read = await distributor.client.get(f"/v1/agent-calls/{call}")

    assert (answer.status_code, read.status_code) == (404, 404)
    assert (await distributor.client.get("/v1/agent-calls")).json()["items"] == []
