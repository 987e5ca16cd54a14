"""Mails that came back, brought over HTTP by a mail system with a key."""

import pytest
from sqlalchemy import update

from tellal.carrier.reports import Kind
from tellal.domain.channels import Channel
from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.keys import Scope
from tests.support.api import Served, Tenant, Tenants
from tests.support.bounces import came_back, return_address
from tests.support.builders import a_customer
from tests.support.ledger import a_message, message

PATH = "/v1/inbound/bounces"
RAW = {"Content-Type": "message/rfc822"}
_messages = table(MessageRow)


@pytest.fixture
async def mail(bank: Tenant, served: Served) -> str:
    """A mail that the relay took."""
    async with served.sessions() as tx, tx.begin():
        reader = await a_customer(tx, bank.brand, contacts={Channel.EMAIL: "cem@example.com"})
        message_id = await a_message(tx, bank.brand, customer_id=reader, channel=Channel.EMAIL)
        await tx.execute(
            update(_messages)
            .where(_messages.c.id == message_id)
            .values(
                state=MessageState.ACCEPTED.value,
                attempt=1,
                provider="smtp",
                receipts="bounce_only",
                reference=f"<{message_id}@anadolu.example>",
            )
        )
    return message_id


async def test_a_bounce_is_taken_once_and_shown_with_the_message(
    bank: Tenant, served: Served, mail: str
) -> None:
    headers = RAW | {"Idempotency-Key": "queue-id-1"}

    first = await bank.client.post(PATH, content=came_back(mail), headers=headers)
    again = await bank.client.post(PATH, content=came_back(mail), headers=headers)
    await served.work_receipts_in()

    assert first.status_code == 200, first.text
    assert first.json() == {
        "said": "failed",
        "message": mail,
        "code": "5.1.1",
        "fault": "address",
    }
    # The mail itself was written anew, with another Message-ID: another body, says the key.
    assert again.status_code == 422
    shown = (await bank.client.get(f"/v1/messages/{mail}")).json()
    told = shown["message"]
    assert (told["state"], told["code"]) == ("undelivered", "5.1.1")
    assert [one["state"] for one in shown["receipts"]] == ["undelivered"]


async def test_a_repeat_under_the_same_key_is_answered_the_same(bank: Tenant, mail: str) -> None:
    headers, raw = RAW | {"Idempotency-Key": "queue-id-2"}, came_back(mail, Kind.ABUSE)

    first = await bank.client.post(PATH, content=raw, headers=headers)
    again = await bank.client.post(PATH, content=raw, headers=headers)

    assert first.json() == again.json()
    assert again.headers["Idempotent-Replay"] == "true"
    listed = (await bank.client.get("/v1/complaints")).json()["items"]
    assert [(one["message_id"], one["source"]) for one in listed] == [(mail, "feedback_loop")]


async def test_another_brand_fails_no_mail_of_yours(
    served: Served, mail: str, distributor: Tenant
) -> None:
    answer = await distributor.client.post(PATH, content=came_back(mail), headers=RAW)
    await served.work_receipts_in()

    assert answer.json() == {"said": "nothing", "message": None, "code": "", "fault": ""}
    assert (await message(served.sessions, mail)).state == "accepted"


async def test_the_envelope_may_say_to_whom_it_came(bank: Tenant, mail: str) -> None:
    raw = b"From: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n\r\nSorry.\r\n"

    answer = await bank.client.post(
        PATH, content=raw, params={"to": return_address(mail)}, headers=RAW
    )

    assert (answer.json()["message"], answer.json()["code"]) == (mail, "bounced")


async def test_what_is_no_mail_is_refused_with_a_hint(bank: Tenant) -> None:
    answer = await bank.client.post(PATH, content=b"", headers=RAW)

    assert answer.status_code == 422
    assert "send the mail as it came" in answer.text


async def test_it_needs_a_key_in_earnest_that_may(
    served: Served, tenants: Tenants, mail: str
) -> None:
    reader = await tenants.make("reader", [Scope.MESSAGES_READ])
    async with served.client() as stranger:
        unknown = await stranger.post(PATH, content=came_back(mail), headers=RAW)
    forbidden = await reader.client.post(PATH, content=came_back(mail), headers=RAW)

    assert (unknown.status_code, forbidden.status_code) == (401, 403)
