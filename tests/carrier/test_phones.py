"""What people write at the simulator arrives at a hook as Twilio brings it."""

import asyncio
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

from tests.support.answering import Answering
from tests.support.carrier import CarrierProbe


async def test_a_text_is_brought_signed_and_again_with_the_same_id(carrier: CarrierProbe) -> None:
    async with Answering(204) as hook:
        said = {"from": "+4915112340302", "to": "4605", "text": "Marka onaylıyorum"}
        body = said | {"hook": f"{hook.url}/inbound", "times": 2}
        answer = await asyncio.to_thread(carrier.http.post, "/_carrier/texts", json=body)

    assert answer.status_code == 201
    forms = [dict(parse_qsl(one.body)) for one in hook.requests]
    assert [form["MessageSid"] for form in forms] == [answer.json()["sid"]] * 2
    assert (forms[0]["From"], forms[0]["To"], forms[0]["Body"]) == tuple(said.values())
    validator = RequestValidator(carrier.account.auth_token)
    signature = hook.requests[0].headers["x-twilio-signature"]
    assert validator.validate(f"{hook.url}/inbound", forms[0], signature)
