"""Callbacks: believed when signed, or sent to the secret address, and harmless otherwise."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from twilio.request_validator import RequestValidator

from api.app import NetgsmPushes, create_app
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from tellal.settings import NetgsmSettings, Settings
from tests.support.api import (
    NETGSM_SECRET,
    PUBLIC_URL,
    TWILIO_TOKEN,
    Served,
    Tenant,
    log_in,
    put_customer,
)

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


@pytest.mark.parametrize(
    ("status", "end"),
    [("completed", ("delivered", "")), ("no-answer", ("undelivered", "no-answer"))],
)
async def test_a_calls_end_comes_to_the_same_address(
    bank: Tenant, served: Served, accepted: str, status: str, end: tuple[str, str]
) -> None:
    async with served.sessions() as tx, tx.begin():
        change = update(_messages).where(_messages.c.id == accepted)
        await tx.execute(change.values(provider="twilio_calls", reference="CA1", channel="call"))

    for one in ("initiated", "ringing", status):
        answer = await call_back(served, {"CallSid": "CA1", "CallStatus": one}, accepted)
        assert answer.status_code == 204

    found = (await read(bank, accepted))["message"]
    assert (found["state"], found["code"]) == end


@pytest.mark.req("D61")
@pytest.mark.req("D62", "allows")
async def test_who_was_not_reached_is_listed_with_the_reason_and_the_time(
    bank: Tenant, served: Served, accepted: str
) -> None:
    before = (await bank.client.get("/v1/messages?state=undelivered")).json()["items"]
    served.clock.pass_by(timedelta(minutes=7))
    at = served.clock.now()
    await call_back(served, says("undelivered", ErrorCode="30003"), accepted)

    [listed] = (await bank.client.get("/v1/messages?state=undelivered")).json()["items"]
    [receipt] = (await read(bank, accepted))["receipts"]

    assert before == []
    assert (listed["id"], listed["customer"], listed["code"]) == (accepted, "ayse", "30003")
    assert (receipt["state"], receipt["code"]) == ("undelivered", "30003")
    for told in (listed["state_at"], receipt["received_at"]):
        assert datetime.fromisoformat(told) == at


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


# ---------------------------------------------------------------- NetGSM

JOB = "17377215342605050417149344"


async def push(
    served: Served, form: Mapping[str, str], secret: str = NETGSM_SECRET
) -> httpx.Response:
    async with served.client() as client:
        answer = await client.post(f"/v1/hooks/netgsm/{secret}", data=dict(form))
    await served.work_receipts_in()
    return answer


def reports(message_id: str, status: int) -> dict[str, str]:
    return {"jobid": JOB, "number": "5320000101", "status": str(status), "referansID": message_id}


@pytest.fixture
async def taken_by_netgsm(served: Served, accepted: str) -> str:
    """A message that NetGSM has taken."""
    async with served.sessions() as tx, tx.begin():
        change = update(_messages).where(_messages.c.id == accepted)
        await tx.execute(change.values(provider="netgsm", reference=JOB))
    return accepted


async def test_a_report_to_the_secret_address_moves_its_message(
    bank: Tenant, served: Served, taken_by_netgsm: str
) -> None:
    for status in (0, 1, 1):
        answer = await push(served, reports(f"{taken_by_netgsm}-1", status))
        assert answer.status_code == 204

    found = await read(bank, taken_by_netgsm)
    assert found["message"]["state"] == "delivered"
    assert sorted(one["state"] for one in found["receipts"]) == ["accepted", "delivered"]


async def test_a_report_without_our_id_is_known_by_its_job(
    bank: Tenant, served: Served, taken_by_netgsm: str
) -> None:
    assert (await push(served, reports("", 3))).status_code == 204

    assert (await read(bank, taken_by_netgsm))["message"]["state"] == "failed"


async def test_a_report_to_another_address_is_refused_and_the_address_told_to_nobody(
    bank: Tenant, served: Served, taken_by_netgsm: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await push(served, reports(f"{taken_by_netgsm}-1", 1), "a-guess")
        async with served.client() as client:
            measured = (await client.get("/metrics")).text

    ours = [record for record in caplog.records if not record.name.startswith("http")]
    assert answer.status_code == 403
    assert "a-guess" not in answer.text
    assert not [record for record in ours if "a-guess" in str(record.__dict__)]
    assert 'route="/v1/hooks/netgsm/{secret}"' in measured
    assert "a-guess" not in measured
    assert (await read(bank, taken_by_netgsm))["message"]["state"] == "accepted"


@pytest.mark.parametrize("secret", ["", NETGSM_SECRET, "a-guess"])
async def test_without_a_secret_there_is_no_address(served: Served, secret: str) -> None:
    unset = Served(app=create_app(Settings()), clock=served.clock, settings=Settings())
    unset.app.state.desk = replace(served.desk, netgsm=NetgsmPushes(NetgsmSettings()))

    answer = await push(unset, reports("", 1), secret)

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("form", "field"),
    [
        pytest.param({"jobid": JOB, "status": "99"}, "status", id="status"),
        pytest.param({"status": "1"}, "jobid", id="job"),
    ],
)
async def test_what_is_no_report_is_refused(
    served: Served, form: dict[str, str], field: str
) -> None:
    answer = await push(served, form)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
