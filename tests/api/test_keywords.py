"""ONAY and RET over HTTP, as Twilio brings them: who is refused, what stops, what is answered."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from twilio.request_validator import RequestValidator

from tellal.domain.channels import Channel, MessageClass
from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow, CustomerRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.refusing import ConfirmationRow, InboundRow
from tests.support.api import PUBLIC_URL, TWILIO_TOKEN, Served, Tenant, Tenants, put_customer
from tests.support.ledger import a_message, message

INBOUND = "/v1/hooks/twilio/inbound"
COMPANY = {
    "trade_name": "Deneme A.Ş.",
    "mersis": "0481 0058 5900 0012",
    "phone": "0850 222 0 724",
    "email": "iletisim@deneme.example",
}
_brands = table(BrandRow)
_messages = table(MessageRow)
_consents = table(ConsentRow)
_customers = table(CustomerRow)
_inbound = table(InboundRow)


@dataclass(kw_only=True)
class Phone:
    """Somebody's phone, whose texts Twilio brings to us."""

    served: Served
    number: str = field(default_factory=lambda: f"+90532{secrets.randbelow(10**7):07}")

    async def write(
        self, text: str, to: str, *, sid: str = "", token: str = TWILIO_TOKEN, **more: str
    ) -> int:
        form = {
            "From": self.number,
            "To": to,
            "Body": text,
            "MessageSid": sid or f"SM{secrets.token_hex(8)}",
            **more,
        }
        signature = RequestValidator(token).compute_signature(f"{PUBLIC_URL}{INBOUND}", form)
        async with self.served.client() as client:
            answer = await client.post(
                INBOUND, data=form, headers={"X-Twilio-Signature": signature}
            )
        return answer.status_code

    async def answers(self) -> list[str]:
        """Return the texts of the automatic answers that are on their way to any brand's him."""
        query = (
            select(_messages.c.variables)
            .where(_messages.c.topic == "keyword_reply")
            .where(_messages.c.customer_id.in_(self._his()))
            .order_by(_messages.c.id)
        )
        async with self.served.sessions() as tx:
            return [row.variables["reply"]["text"] for row in await tx.execute(query)]

    async def said(self) -> list[tuple[str, str, str]]:
        """Return what the ledgers of all brands hold of him: brand, state, source."""
        query = select(_consents.c.brand_id, _consents.c.state, _consents.c.source)
        query = query.where(_consents.c.address == self.number).order_by(_consents.c.id)
        async with self.served.sessions() as tx:
            return [(row.brand_id, row.state, row.source) for row in await tx.execute(query)]

    def _his(self) -> Any:  # noqa: ANN401
        points = table(ContactPointRow).c
        return select(points.customer_id).where(points.address == self.number)


@pytest.fixture
def phone(served: Served) -> Phone:
    return Phone(served=served)


@pytest.fixture
def code() -> str:
    """A short number that no other test has."""
    return f"{10**6 + secrets.randbelow(9 * 10**6)}"


async def listens(tenant: Tenant, code: str, keyword: str = "") -> None:
    said = {**COMPANY, "short_codes": [{"code": code, "keyword": keyword}]}
    answer = await tenant.client.put("/v1/sender", json=said)
    assert answer.status_code == 200, answer.text


async def knows(tenant: Tenant, phone: Phone, ref: str = "ayse", **said: object) -> None:
    await put_customer(tenant, ref, contacts=[{"channel": "sms", "address": phone.number}], **said)


async def promotes(
    served: Served,
    tenant: Tenant,
    ref: str = "ayse",
    *,
    message_class: MessageClass = MessageClass.COMMERCIAL,
    handed: bool = False,
    channel: Channel = Channel.SMS,
) -> str:
    """Write a message to a customer, which waits, or was handed over."""
    async with served.sessions() as tx, tx.begin():
        query = select(_customers.c.id).where(
            _customers.c.brand_id == tenant.brand.id, _customers.c.ref == ref
        )
        customer_id = (await tx.execute(query)).scalar_one()
        message_id = await a_message(
            tx,
            tenant.brand,
            customer_id=customer_id,
            channel=channel,
            message_class=message_class,
            state=MessageState.DELIVERED if handed else MessageState.QUEUED,
        )
        if handed:
            of_it = update(_messages).where(_messages.c.id == message_id)
            await tx.execute(of_it.values(attempt=1))
    return message_id


async def report(tenant: Tenant, served: Served) -> dict[str, Any]:
    now = served.clock.now()
    period = {
        "from": (now - timedelta(days=1)).isoformat(),
        "until": (now + timedelta(days=1)).isoformat(),
    }
    answer = await tenant.client.get("/v1/reports/inbound", params=period)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def state_of(served: Served, message_id: str) -> tuple[str, str]:
    row = await message(served.sessions, message_id)
    return row.state, row.code


@pytest.mark.req("D01", "blocks")
@pytest.mark.req("D01", "allows")
@pytest.mark.req("D03", "blocks")
@pytest.mark.req("D03", "allows")
@pytest.mark.req("D07", "blocks")
@pytest.mark.req("D07", "allows")
@pytest.mark.req("D09", "blocks")
@pytest.mark.req("D06", "blocks")
@pytest.mark.req("D06", "allows")
@pytest.mark.req("D13", "blocks")
@pytest.mark.req("D13", "allows")
async def test_ret_refuses_and_stops_what_waits_at_once(
    bank: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code, "MARKA")
    await knows(bank, phone)
    promotion = await promotes(served, bank)
    service = await promotes(served, bank, message_class=MessageClass.SERVICE)

    status = await phone.write("marka  RET!", code, sid="SMret1")

    assert status == 204
    assert await phone.said() == [(bank.brand.id, "refused", "HS_MESAJ")]
    assert await state_of(served, promotion) == ("cancelled", "no_consent")
    assert await state_of(served, service) == ("queued", "")
    (one,) = (await bank.client.get("/v1/customers/ayse/consents")).json()["items"]
    assert one["evidence"] == {
        "text": "marka  RET!",
        "number": phone.number,
        "to": code,
        "provider": "twilio",
        "message": "SMret1",
    }


@pytest.mark.req("D10", "blocks")
@pytest.mark.req("D10", "allows")
@pytest.mark.req("D48", "allows")
async def test_ret_is_answered_once_without_a_question(
    bank: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code)
    await knows(bank, phone, locale="tr-TR")

    for _ in range(2):
        await phone.write("RET", code, sid="SMtwice" + phone.number)

    assert await phone.answers() == [
        "Talebiniz alındı; bu kanaldan size artık ticari ileti gönderilmeyecek. Deneme A.Ş."
    ]
    assert len(await phone.said()) == 1
    assert len((await report(bank, served))["items"]) == 1


@pytest.mark.req("D08", "allows")
@pytest.mark.req("D03", "allows")
async def test_a_number_that_nobody_knows_joins_the_list_by_the_keyword(
    bank: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code, "MARKA")

    await phone.write("Marka", code)

    (item,) = (await report(bank, served))["items"]
    standing = await bank.client.get(f"/v1/customers/{item['customer']}/consents/sms")
    customer = (await bank.client.get(f"/v1/customers/{item['customer']}")).json()
    assert (item["did"], item["keyword"], item["code"]) == ("granted", "MARKA", code)
    assert (standing.json()["allowed"], standing.json()["state"]) == (True, "granted")
    assert standing.json()["settled_by"]["source"] == "HS_MESAJ"
    assert [one["address"] for one in customer["contacts"]] == [phone.number]
    assert phone.number.removeprefix("+") not in item["customer"]
    (answer,) = await phone.answers()
    assert answer == (
        "Ticari ileti onayınız kaydedildi. Dilediğinizde ücretsiz reddetmek için "
        f"{code} numarasına MARKA RET yazın. Deneme A.Ş."
    )


@pytest.mark.req("D33", "allows")
async def test_the_answer_to_onay_is_its_confirmation(
    bank: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code)
    await phone.write("ONAY", code)

    confirmations = table(ConfirmationRow)
    async with served.sessions() as tx:
        query = select(confirmations).where(confirmations.c.brand_id == bank.brand.id)
        row = (await tx.execute(query)).one()
        topic = select(_messages.c.topic).where(_messages.c.id == row.message_id)
        assert (await tx.execute(topic)).scalar_one() == "keyword_reply"
    assert row.state == "posted"


@pytest.mark.req("D05", "allows")
async def test_on_a_number_of_its_own_a_brand_needs_no_keyword(
    bank: Tenant, served: Served, phone: Phone
) -> None:
    number = f"+4873{secrets.randbelow(10**7):07}"
    async with served.sessions() as tx, tx.begin():
        mine = update(_brands).where(_brands.c.id == bank.brand.id)
        await tx.execute(mine.values(sms_sender=number))

    await phone.write("ONAY", number)
    await phone.write("STOP", number)
    await phone.write("onay", number)

    assert [state for _, state, _ in await phone.said()] == ["granted", "refused", "granted"]


@pytest.mark.req("D04", "blocks")
@pytest.mark.req("D04", "allows")
async def test_a_shared_number_leads_to_the_brand_of_the_keyword(
    bank: Tenant, distributor: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code, "MAVI")
    await listens(distributor, code, "YESIL")
    for tenant in (bank, distributor):
        await knows(tenant, phone)
        await promotes(served, tenant, handed=True)

    await phone.write("Mavi ret", code)

    assert await phone.said() == [(bank.brand.id, "refused", "HS_MESAJ")]
    assert (await report(distributor, served))["items"] == []


@pytest.mark.req("D04", "blocks")
@pytest.mark.req("D04", "allows")
@pytest.mark.parametrize("word", ["RET", "STOP"])
async def test_ret_alone_on_a_shared_number_refuses_all_that_wrote_to_him(
    tenants: Tenants, served: Served, phone: Phone, code: str, word: str
) -> None:
    wrote, also, never, elsewhere = [
        await tenants.make(name) for name in ("a", "b", "never", "elsewhere")
    ]
    for place, tenant in enumerate((wrote, also, never)):
        await listens(tenant, code, f"FIRMA{place}")
    for tenant in (wrote, also, never, elsewhere):
        await knows(tenant, phone)
    for tenant in (wrote, also, elsewhere):
        await promotes(served, tenant, handed=True)
    waits = await promotes(served, wrote)

    await phone.write(word, code)

    refused = {brand for brand, state, _ in await phone.said() if state == "refused"}
    assert refused == {wrote.brand.id, also.brand.id}
    assert await state_of(served, waits) == ("cancelled", "no_consent")
    assert len(await phone.answers()) == 1


@pytest.mark.req("D04", "blocks")
@pytest.mark.req("D05", "blocks")
async def test_onay_alone_on_a_shared_number_changes_nothing_and_says_what_to_write(
    bank: Tenant, distributor: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code, "MAVI")
    await listens(distributor, code, "YESIL")
    await knows(distributor, phone)
    await promotes(served, distributor, handed=True)

    await phone.write("ONAY", code)

    assert await phone.said() == []
    (answer,) = await phone.answers()
    assert answer.endswith("Onay vermek için yazın: YESIL ONAY / MAVI ONAY")
    (item,) = (await report(distributor, served))["items"]
    assert (item["did"], item["consent"]) == ("asked", None)


@pytest.mark.parametrize("keyword", ["RET", "stop", "Onay", "YARDIM"])
async def test_no_brand_may_be_called_as_what_people_write(
    bank: Tenant, code: str, keyword: str
) -> None:
    said = {**COMPANY, "short_codes": [{"code": code, "keyword": keyword}]}

    answer = await bank.client.put("/v1/sender", json=said)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "short_codes"


async def test_ret_alone_from_somebody_to_whom_nobody_wrote_refuses_nobody(
    bank: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code, "MAVI")

    await phone.write("RET", code)

    assert await phone.said() == []
    assert await phone.answers() == []
    assert (await report(bank, served))["items"] == []


async def test_a_refusal_to_a_number_that_no_profile_names_counts_all_the_same(
    bank: Tenant, served: Served, phone: Phone
) -> None:
    await knows(bank, phone)
    await promotes(served, bank, handed=True)

    await phone.write("STOP", "+15005550006")

    assert await phone.said() == [(bank.brand.id, "refused", "HS_MESAJ")]


@pytest.mark.req("D10", "blocks")
@pytest.mark.parametrize("more", [{"OptOutType": "STOP"}], ids=["advanced opt-out"])
async def test_nobody_is_answered_twice_if_the_carrier_answers(
    bank: Tenant, served: Served, phone: Phone, code: str, more: dict[str, str]
) -> None:
    await listens(bank, code)

    await phone.write("STOP", code, **more)

    assert await phone.answers() == []
    (item,) = (await report(bank, served))["items"]
    assert (item["did"], item["answer"]) == ("refused", "carrier")


@pytest.mark.req("D10", "blocks")
@pytest.mark.req("D10", "allows")
async def test_another_machine_is_answered_three_times_a_day_and_heard_every_time(
    bank: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code)

    for word in ("RET", "ONAY", "RET", "ONAY", "RET"):
        await phone.write(word, code)
    capped = await phone.answers()
    served.clock.pass_by(timedelta(hours=24, seconds=1))
    await phone.write("RET", code)

    assert len(capped) == 3
    assert len(await phone.answers()) == 4
    assert [state for _, state, _ in await phone.said()] == [
        "refused", "granted", "refused", "granted", "refused",
    ]  # fmt: skip


async def test_a_short_number_or_a_name_that_writes_is_a_machine(
    bank: Tenant, served: Served, code: str
) -> None:
    await listens(bank, code)

    for sender in ("4605", "OPERATOR", "whatsapp:4605", ""):
        assert await Phone(served=served, number=sender).write("STOP", code) == 204

    assert (await report(bank, served))["items"] == []


@pytest.mark.req("D10", "allows")
async def test_help_says_who_it_is_and_how_to_refuse(bank: Tenant, phone: Phone, code: str) -> None:
    await listens(bank, code, "MAVI")
    await knows(bank, phone, locale="en")

    await phone.write("MAVI HELP", code)

    (answer,) = await phone.answers()
    assert answer == (
        "Deneme A.Ş., contact: 0850 222 0 724. To refuse commercial messages, free of charge, "
        f"write MAVI RET to {code}."
    )
    assert await phone.said() == []


async def test_whatsapp_refuses_whatsapp(
    bank: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await put_customer(
        bank,
        contacts=[{"channel": name, "address": phone.number} for name in ("sms", "whatsapp")],
    )
    async with served.sessions() as tx, tx.begin():
        mine = update(_brands).where(_brands.c.id == bank.brand.id)
        await tx.execute(mine.values(whatsapp_sender=f"+{code}000"))

    number, phone.number = phone.number, f"whatsapp:{phone.number}"
    await phone.write("RET", f"whatsapp:+{code}000")

    items = (await bank.client.get("/v1/customers/ayse/consents")).json()["items"]
    assert [(one["channel"], one["address"]) for one in items] == [("whatsapp", number)]


async def test_what_means_nothing_and_what_is_forged_leaves_no_trace(
    bank: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code)

    talk = await phone.write("Kartım ne zaman gelir?", code)
    forged = await phone.write("RET", code, token="guessed")

    async with served.sessions() as tx:
        query = select(func.count()).where(_inbound.c.sender == phone.number)
        kept = (await tx.execute(query)).scalar_one()
    assert (talk, forged, kept) == (204, 403, 0)
    assert await phone.said() == []


@pytest.mark.req("D11", "allows")
async def test_every_word_is_in_the_report_of_its_brand(
    bank: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code, "MAVI")
    await knows(bank, phone)
    await promotes(served, bank)

    for word in ("MAVI", "MAVI RET", "mavi ret", "MAVI HELP"):
        await phone.write(word, code)

    said = await report(bank, served)
    assert said["did"] == {"granted": 1, "refused": 2, "asked": 1}
    assert said["codes"] == {code: 4}
    assert said["answers"] == {"sent": 3, "capped": 1}
    assert (said["cancelled"], said["complete"]) == (1, True)
    assert [one["consent"] is None for one in said["items"]] == [False, False, True, True]
    assert phone.number not in str(said)


@pytest.mark.req("D11", "blocks")
async def test_the_report_ends_after_it_begins(bank: Tenant) -> None:
    period = {"from": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"}

    answer = await bank.client.get("/v1/reports/inbound", params=period)

    assert answer.status_code == 422


@pytest.mark.req("D13", "blocks")
async def test_a_spoken_refusal_stops_what_waits_too(
    bank: Tenant, served: Served, phone: Phone
) -> None:
    await knows(bank, phone)
    promotion = await promotes(served, bank)
    said = {"channel": "sms", "state": "refused", "source": "agent"}

    answer = await bank.client.post("/v1/customers/ayse/consents", json=said)

    assert answer.status_code == 201
    assert await state_of(served, promotion) == ("cancelled", "no_consent")


@pytest.mark.req("D13", "allows")
async def test_a_refusal_of_the_past_that_was_followed_by_a_grant_stops_nothing(
    bank: Tenant, served: Served, phone: Phone
) -> None:
    await knows(bank, phone)
    grant = {"channel": "sms", "state": "granted", "source": "branch"}
    late = {"channel": "sms", "state": "refused", "source": "agent"}
    late["given_at"] = (served.clock.now() - timedelta(days=3)).isoformat()
    promotion = await promotes(served, bank)

    await bank.client.post("/v1/customers/ayse/consents", json=grant)
    await bank.client.post("/v1/customers/ayse/consents", json=late)

    assert await state_of(served, promotion) == ("queued", "")


@pytest.mark.req("D13", "blocks")
@pytest.mark.req("D13", "allows")
async def test_turning_promotion_off_stops_what_waits(
    bank: Tenant, served: Served, phone: Phone
) -> None:
    await knows(bank, phone)
    promotion = await promotes(served, bank)
    service = await promotes(served, bank, message_class=MessageClass.SERVICE)

    await bank.client.patch("/v1/customers/ayse/preferences", json={"service_only": True})

    assert await state_of(served, promotion) == ("cancelled", "service_only")
    assert await state_of(served, service) == ("queued", "")


# ---------------------------------------------------------------- gateways of a brand's own


async def brings(tenant: Tenant, phone: Phone, text: str, code: str, **more: object) -> Any:  # noqa: ANN401
    """Bring a text by a brand's own hand, as for a Turkish gateway."""
    body = {"gateway": "netgsm", "reference": "77", "sender": phone.number, "recipient": code}
    answer = await tenant.client.post("/v1/inbound", json={**body, "text": text, **more})
    return answer.json() if answer.status_code == 200 else answer.status_code


@pytest.mark.req("D07", "blocks")
@pytest.mark.req("D07", "allows")
async def test_a_brand_brings_what_another_gateway_heard(
    bank: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code, "MAVI")
    await knows(bank, phone)
    promotion = await promotes(served, bank)

    first = await brings(bank, phone, "MAVI RET", code)
    again = await brings(bank, phone, "MAVI RET", code)
    nothing = await brings(bank, phone, "Merhaba", code, reference="78")

    assert (first, again) == ({"did": ["refused"], "answer": "sent"}, {"did": [], "answer": "none"})
    assert nothing == {"did": [], "answer": "none"}
    assert await state_of(served, promotion) == ("cancelled", "no_consent")


async def test_nobody_brings_a_word_for_another_brand(
    bank: Tenant, distributor: Tenant, served: Served, phone: Phone, code: str
) -> None:
    await listens(bank, code, "MAVI")
    await listens(distributor, code, "YESIL")
    for tenant in (bank, distributor):
        await knows(tenant, phone)
        await promotes(served, tenant, handed=True)

    await brings(distributor, phone, "RET", code)

    assert await phone.said() == [(distributor.brand.id, "refused", "HS_MESAJ")]


async def test_a_gateways_word_needs_a_number_and_a_name(
    bank: Tenant, phone: Phone, code: str
) -> None:
    assert await brings(bank, phone, "RET", code, sender="4605") == 422
    assert await brings(bank, phone, "RET", code, gateway="Net GSM") == 422
