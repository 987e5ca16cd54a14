"""What the message centre brings: receipts and people's texts, answered for once they are kept."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr
from smpp34 import DeliverSm

from activities.providers.smpp.binding import BindRefusedError
from activities.providers.smpp.codes import STATES
from activities.providers.smpp.reception import Ear, SmppReception
from activities.providers.smpp.sms import SmppSms
from tellal.domain.keywords import Inbound
from tellal.domain.messages import MessageState, Receipt
from tellal.settings import SmppSettings
from tellal.smpp.pdus import Pdu, Status
from tellal.smpp.receipts import IS_RECEIPT, State
from tests.providers.test_smpp_sms import a_text
from tests.support.carrier import CarrierProbe
from tests.support.waiting import until

FROM = "+905321112233"


@dataclass
class Kept:
    """An ear that keeps what it hears in memory, and at first has no room for so many."""

    receipts: list[Receipt] = field(default_factory=list)
    texts: list[Inbound] = field(default_factory=list)
    no_room_for: int = 0
    refused: int = 0

    async def receipt(self, receipt: Receipt) -> None:
        self._room()
        self.receipts.append(receipt)

    async def text(self, said: Inbound) -> None:
        self._room()
        self.texts.append(said)

    def _room(self) -> None:
        if self.refused < self.no_room_for:
            self.refused += 1
            raise ConnectionError("the database is away")


@asynccontextmanager
async def heard(settings: SmppSettings, kept: Kept) -> AsyncIterator[None]:
    ear = Ear(receipt=kept.receipt, text=kept.text)
    listening = asyncio.create_task(SmppReception("operator", settings, ear).listen())
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


@pytest.fixture
async def sms(carrier: CarrierProbe) -> AsyncGenerator[SmppSms]:
    sender = SmppSms("operator", carrier.smpp())
    yield sender
    await sender.close()


async def receipts_of(carrier: CarrierProbe, sms: SmppSms, count: int = 1) -> list[Receipt]:
    kept = Kept()
    async with heard(carrier.smpp(), kept):
        await sms.send(a_text())

        async def enough() -> bool:
            return len(kept.receipts) >= count

        await until(enough)
    return kept.receipts


async def test_a_text_on_the_phone_is_told_of(carrier: CarrierProbe, sms: SmppSms) -> None:
    [receipt] = await receipts_of(carrier, sms)

    [entry] = carrier.book(to=FROM)
    assert (receipt.provider, receipt.reference) == ("smpp_operator", entry["reference"])
    assert (receipt.state, receipt.code) == (MessageState.DELIVERED, "")
    assert entry["status"] == "delivered"


@pytest.mark.parametrize("state", list(State))
async def test_each_state_of_a_receipt_means_what_the_table_says(
    carrier: CarrierProbe, sms: SmppSms, state: State
) -> None:
    carrier.fault("error", code=state.value)

    [receipt] = await receipts_of(carrier, sms)

    meant, remedy = STATES[state]
    assert (receipt.state, receipt.remedy) == (meant, remedy)
    assert receipt.code == (state.value if remedy else "")


async def test_a_receipt_may_come_twice(carrier: CarrierProbe, sms: SmppSms) -> None:
    carrier.fault("duplicate_callbacks")

    first, second = await receipts_of(carrier, sms, 2)

    assert (first.reference, first.state) == (second.reference, second.state)


async def test_a_receipt_may_come_before_the_answer_that_names_it(
    carrier: CarrierProbe, sms: SmppSms
) -> None:
    carrier.fault("reorder_callbacks")
    kept = Kept()
    async with heard(carrier.smpp(), kept):
        answer = await sms.send(a_text())

        assert [one.reference for one in kept.receipts] == [answer.reference]


async def test_what_cannot_be_kept_is_brought_again(carrier: CarrierProbe, sms: SmppSms) -> None:
    kept = Kept(no_room_for=2)
    async with heard(carrier.smpp(), kept):
        await sms.send(a_text())

        async def is_kept() -> bool:
            return bool(kept.receipts)

        await until(is_kept)
    assert kept.refused == 2
    assert len(kept.receipts) == 1


async def test_what_came_while_nobody_listened_is_brought_then(
    carrier: CarrierProbe, sms: SmppSms
) -> None:
    answer = await sms.send(a_text())
    kept = Kept()
    async with heard(carrier.smpp(), kept):

        async def is_kept() -> bool:
            return bool(kept.receipts)

        await until(is_kept)
    assert [one.reference for one in kept.receipts] == [answer.reference]


@pytest.mark.parametrize(
    ("way", "given", "meant"),
    [
        ("same", "1f", "1f"),
        ("decimal", "31", "1f"),
        ("hexadecimal", "1f", "31"),
        ("hexadecimal", "no number", "no number"),
    ],
)
def test_ids_are_turned_into_those_of_the_answers(
    carrier: CarrierProbe, way: str, given: str, meant: str
) -> None:
    kept = Kept()
    reception = SmppReception(
        "operator",
        carrier.smpp(receipt_ids=way),
        Ear(receipt=kept.receipt, text=kept.text),
    )

    assert reception._reference(given) == meant


@pytest.mark.parametrize("text", ["BANKA RET", "Ślij mi to", "ŞUBE RET"])
async def test_a_persons_text_is_brought_as_he_wrote_it(carrier: CarrierProbe, text: str) -> None:
    kept = Kept()
    async with heard(carrier.smpp(), kept):
        await asyncio.to_thread(carrier.people_write, FROM, "4605", text)

    [said] = kept.texts
    assert (said.sender, said.recipient, said.text) == (FROM, "4605", text)
    assert said.provider == "smpp_operator"


async def test_a_long_text_is_for_people_and_nothing_of_it_is_kept(carrier: CarrierProbe) -> None:
    kept = Kept()
    async with heard(carrier.smpp(), kept):
        await asyncio.to_thread(carrier.people_write, FROM, "4605", "Bana sunu anlatin. " * 20)
        await asyncio.to_thread(carrier.people_write, FROM, "4605", "RET")

    assert [said.text for said in kept.texts] == ["RET"]


async def test_who_is_not_let_in_hears_why(carrier: CarrierProbe) -> None:
    wrong = carrier.smpp().model_copy(update={"password": SecretStr("wrong")})
    kept = Kept()
    reception = SmppReception("operator", wrong, Ear(receipt=kept.receipt, text=kept.text))

    with pytest.raises(BindRefusedError, match="0x0e"):
        await reception.listen()


@pytest.mark.parametrize(
    ("esm_class", "text", "status", "heard_of"),
    [
        pytest.param(IS_RECEIPT, b"id:a\x00b stat:DELIVRD", Status.NEVER, [], id="a receipt"),
        pytest.param(IS_RECEIPT, b"no receipt", Status.NEVER, [], id="no receipt at all"),
        pytest.param(0, "R\0ET".encode("utf-16-be"), Status.OK, ["RET"], id="a text"),
    ],
)
async def test_what_no_database_keeps_does_not_come_again_without_end(
    carrier: CarrierProbe, esm_class: int, text: bytes, status: Status, heard_of: list[str]
) -> None:
    kept = Kept()
    ear = Ear(receipt=kept.receipt, text=kept.text)
    reception = SmppReception("operator", carrier.smpp(), ear)
    unit = DeliverSm(
        "905321112233", "4605", text, source_addr_ton=1, esm_class=esm_class, data_coding=8
    )

    answer = await reception._take(Pdu(unit.encode()))

    assert answer.status == status
    assert [said.text for said in kept.texts] == heard_of
    assert kept.receipts == []
