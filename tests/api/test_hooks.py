"""Twilio's callbacks: believed when signed over the public address, and harmless otherwise."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from twilio.request_validator import RequestValidator

from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from tests.support.api import PUBLIC_URL, TWILIO_TOKEN, Served, Tenant, log_in, put_customer

PATH = "/v1/hooks/twilio/status"
_messages = table(MessageRow)


async def call_back(
    served: Served,
    form: Mapping[str, str],
    message_id: str,
    *,
    token: str = TWILIO_TOKEN,
    base: str = PUBLIC_URL,
) -> httpx.Response:
    query = f"?m={message_id}&a=1"
    signature = RequestValidator(token).compute_signature(f"{base}{PATH}{query}", dict(form))
    async with served.client() as client:
        answer = await client.post(
            f"{PATH}{query}", data=dict(form), headers={"X-Twilio-Signature": signature}
        )
    await served.work_receipts_in()
    return answer


def says(status: str, **more: str) -> dict[str, str]:
    return {"MessageSid": "SM1", "MessageStatus": status, "AccountSid": "AC1", **more}


@pytest.fixture
async def accepted(bank: Tenant, served: Served) -> str:
    """A message that Twilio has taken."""
    await put_customer(bank)
    login = await log_in(bank)
    (message_id,) = (d["message_id"] for d in login["decisions"] if d["message_id"])
    async with served.sessions() as tx, tx.begin():
        change = update(_messages).where(_messages.c.id == message_id)
        await tx.execute(
            change.values(state="accepted", provider="twilio", reference="SM1", receipts="delivery")
        )
    return str(message_id)


async def read(tenant: Tenant, message_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client.get(f"/v1/messages/{message_id}")).json()
    return found


async def test_a_signed_receipt_moves_its_message(
    bank: Tenant, served: Served, accepted: str
) -> None:
    answer = await call_back(served, says("delivered"), accepted)

    assert answer.status_code == 204
    found = await read(bank, accepted)
    assert found["message"]["state"] == "delivered"
    assert [receipt["state"] for receipt in found["receipts"]] == ["delivered"]


async def test_repeats_and_stragglers_change_nothing(
    bank: Tenant, served: Served, accepted: str
) -> None:
    for status in ("delivered", "delivered", "sent", "queued"):
        assert (await call_back(served, says(status), accepted)).status_code == 204

    found = await read(bank, accepted)
    assert found["message"]["state"] == "delivered"
    states = [receipt["state"] for receipt in found["receipts"]]
    assert sorted(states) == ["accepted", "delivered", "sent"]


async def test_reading_a_whatsapp_message_counts_as_its_delivery_over_whatsapp(
    bank: Tenant, served: Served, accepted: str
) -> None:
    async with served.sessions() as tx, tx.begin():
        change = update(_messages).where(_messages.c.id == accepted)
        await tx.execute(change.values(channel="whatsapp", provider="twilio_whatsapp"))
    form = says("read", To="whatsapp:+905320000101", ChannelPrefix="whatsapp", EventType="READ")

    answer = await call_back(served, form, accepted)

    found = (await read(bank, accepted))["message"]
    assert answer.status_code == 204
    assert (found["state"], found["provider"]) == ("delivered", "twilio_whatsapp")


@pytest.mark.parametrize(
    "forgery",
    [
        pytest.param({"token": "another"}, id="another token"),
        pytest.param({"base": "http://tellal"}, id="another address"),
    ],
)
async def test_a_forged_receipt_is_refused(
    bank: Tenant, served: Served, accepted: str, forgery: dict[str, str]
) -> None:
    answer = await call_back(served, says("delivered"), accepted, **forgery)

    assert answer.status_code == 403
    assert (await read(bank, accepted))["message"]["state"] == "accepted"


async def test_a_signature_covers_what_the_address_says(
    bank: Tenant, served: Served, accepted: str
) -> None:
    form = says("delivered")
    url = f"{PUBLIC_URL}{PATH}?m={new_id()}&a=1"
    signature = RequestValidator(TWILIO_TOKEN).compute_signature(url, form)

    async with served.client() as client:
        answer = await client.post(
            f"{PATH}?m={accepted}&a=1", data=form, headers={"X-Twilio-Signature": signature}
        )

    assert answer.status_code == 403
    assert (await read(bank, accepted))["message"]["state"] == "accepted"


async def test_a_receipt_of_no_message_of_ours_is_taken_without_a_word(served: Served) -> None:
    assert (await call_back(served, says("sent"), new_id())).status_code == 204


async def test_a_status_that_twilio_does_not_have_is_refused(served: Served, accepted: str) -> None:
    answer = await call_back(served, says("teleported"), accepted)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "MessageStatus"
