"""Tests to colleagues over the API: on the list, once for each key, and never a rehearsal's."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from activities.assembly import SendersOnDemand
from rules.holder import RulebookHolder
from rules.routing import load_routes
from tellal.services.allow_list import AllowList
from tellal.services.keys import create_key
from tellal.services.trials import Trials
from tellal.settings import Settings
from templates.environment import JinjaRenderer
from tests.support.api import Served, Tenant, put_customer
from tests.support.carrier import MailboxProbe

TO = "elif@bank.example"
WHERE = "/v1/templates/case_opened/test"
BODY = {"channel": "email", "to": TO, "customer_like": "ayse", "by": "Elif"}


@pytest.fixture
async def over_the_mailbox(served: Served, mailbox: MailboxProbe) -> AsyncIterator[MailboxProbe]:
    """Let the application send tests to the mailbox, to one domain."""
    senders = SendersOnDemand(Settings(smtp=mailbox.smtp()))
    before = served.desk
    trials = Trials(
        served.sessions,
        served.clock,
        books=RulebookHolder(None),
        renderer=JinjaRenderer(),
        senders=senders,
        routes=load_routes().with_providers({"smtp"}),
        allow_list=AllowList.of(["@bank.example"]),
    )
    served.app.state.desk = replace(before, trials=trials)
    yield mailbox
    served.app.state.desk = before
    await senders.close()


async def test_a_test_arrives_once_however_often_it_is_asked_for(
    over_the_mailbox: MailboxProbe, bank: Tenant
) -> None:
    await put_customer(bank)
    headers = {"Idempotency-Key": "once"}

    first = await bank.client.post(WHERE, json=BODY, headers=headers)
    again = await bank.client.post(WHERE, json=BODY, headers=headers)

    [mail] = over_the_mailbox.mails(TO)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.json()["answer"] == "accepted"
    assert first.json()["to"] == "e…@bank.example"
    assert first.json()["sent_by"] == "crm (Elif)"
    assert mail["subject"] == first.json()["subject"]
    assert mail["subject"].startswith("[TEST] Başvurunuz alındı")


@pytest.mark.req("D63", "blocks")
async def test_a_strangers_address_is_refused_with_how_to_mend_it(
    over_the_mailbox: MailboxProbe, bank: Tenant
) -> None:
    await put_customer(bank)

    refused = await bank.client.post(WHERE, json={**BODY, "to": "elif@other.example"})

    assert refused.status_code == 422
    assert "TELLAL_ALLOW_LIST" in refused.text
    assert "other.example" not in refused.text
    assert over_the_mailbox.mails() == []


async def test_another_brands_customer_lends_nothing(
    over_the_mailbox: MailboxProbe, bank: Tenant, distributor: Tenant
) -> None:
    await put_customer(distributor)

    assert (await bank.client.post(WHERE, json=BODY)).status_code == 404
    assert over_the_mailbox.mails() == []


async def test_a_rehearsal_key_sends_nothing(
    over_the_mailbox: MailboxProbe, bank: Tenant, served: Served
) -> None:
    await put_customer(bank)
    async with served.sessions() as tx, tx.begin():
        _, token = await create_key(
            tx, bank.brand.id, "dry", ["messages:write"], now=served.clock.now(), rehearses=True
        )

    async with served.client(token) as client:
        refused = await client.post(WHERE, json=BODY)

    assert refused.status_code == 409
    assert over_the_mailbox.mails() == []
