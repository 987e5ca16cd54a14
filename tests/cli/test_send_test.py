"""`tellal templates send-test`, as a person who writes texts uses it."""

import json

import pytest

from tellal.persistence.session import Sessions
from tests.support.builders import a_brand, a_customer
from tests.support.carrier import CarrierProbe
from tests.support.terminal import Said, run

TO = "+905321112233"


@pytest.mark.req("D63", "blocks")
@pytest.mark.req("D63", "allows")
async def test_a_text_is_sent_to_a_colleague_and_to_nobody_else(
    sessions: Sessions, database_url: str, carrier: CarrierProbe
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, "ayse")

    def send_test(to: str) -> Said:
        return run(
            *("templates", "send-test", "case_opened", "--channel", "sms", "--to", to),
            *("--customer-like", "ayse", "--by", "Elif"),
            TELLAL_DATABASE_URL=database_url,
            TELLAL_ALLOW_LIST=json.dumps([TO]),
            TELLAL_TWILIO__ACCOUNT_SID=carrier.account.account_sid,
            TELLAL_TWILIO__AUTH_TOKEN=carrier.account.auth_token,
            TELLAL_TWILIO__BASE_URL=carrier.url,
        )

    sent = send_test(TO)
    refused = send_test("+905321112234")

    [entry] = carrier.book()
    assert (sent.code, sent.err) == (0, "")
    assert sent.out.splitlines()[0] == "twilio over twilio: accepted"
    assert sent.out.splitlines()[-1] == entry["text"]
    assert entry["text"].startswith("[TEST] Başvurunuz")
    assert refused.code == 1
    assert "not on the allow-list" in refused.err
    assert carrier.requests() == 1
