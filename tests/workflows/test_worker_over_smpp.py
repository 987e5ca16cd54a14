"""A worker whose texts go over SMPP: out by segments, told when all of them are there, heard."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

import rules
from tellal.domain.cases import CaseCommand, VerifiedAs
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.brands import ShortCodeRow
from tellal.persistence.tables.customers import ConsentRow
from tellal.persistence.tables.ledger import MessagePartRow, MessageRow, OutcomeRow, ReceiptRow
from tellal.services.cases import CaseInput
from tellal.services.house import House
from tellal.stack.temporal import Temporal
from tests.support.builders import a_brand, a_customer
from tests.support.carrier import CarrierProbe
from tests.support.waiting import until
from tests.workflows.test_worker import Launch, lanes_free, office, workers

__all__ = ["lanes_free", "office"]

MOBILE = "+905320000102"
_PATIENCE_S = 40.0
_messages, _parts, _receipts = table(MessageRow), table(MessagePartRow), table(ReceiptRow)
RESULT = "Sayacınız değiştirildi; yeni sayacın ilk endeksi sıfırdır, eskisininki faturada yazılıdır"
OPERATOR = """
  - id: operator
    provider: smpp_operator
    channel: sms
    alphabets: [gsm7, ucs2]
    carries:
      - {classes: [commercial, service, mandatory], urls: true}
"""


@pytest.fixture
def launch(  # noqa: PLR0917 - fixtures come by their places
    tmp_path: Path,
    database_url: str,
    temporal_server: Temporal,
    task_queue: str,
    carrier: CarrierProbe,
    lanes_free: None,  # noqa: ARG001 - it must be so before a worker starts
) -> Iterator[Launch]:
    """Start workers that have nothing but an operator's message centre."""
    shipped = Path(rules.__file__).with_name("routes.yaml").read_text("utf-8")
    (tmp_path / "routes.yaml").write_text(shipped + OPERATOR, encoding="utf-8")
    account = carrier.account
    environment = {
        "PATH": os.environ["PATH"],
        "TELLAL_DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TELLAL_TASK_QUEUE": task_queue,
        "TELLAL_ROUTES": str(tmp_path / "routes.yaml"),
        "TELLAL_SMPP__OPERATOR__HOST": "127.0.0.1",
        "TELLAL_SMPP__OPERATOR__PORT": str(account.smpp_port),
        "TELLAL_SMPP__OPERATOR__SYSTEM_ID": account.smpp_system_id,
        "TELLAL_SMPP__OPERATOR__PASSWORD": account.smpp_password,
        "TELLAL_SMPP__OPERATOR__SENDER": "EDAS",
    }
    with workers(environment) as start:
        yield start


async def resolve(office: House, brand: Brand, number: str) -> None:
    """Conclude a case that concerned no team."""
    body = CaseInput(result=RESULT, verified_as=VerifiedAs.APPLICANT)
    async with office.sessions() as tx, tx.begin():
        await office.cases.command(
            tx,
            brand_id=brand.id,
            number=number,
            command=CaseCommand.RESOLVE,
            body=body,
            by="officer",
        )


async def test_a_case_is_told_of_over_smpp_and_who_refuses_there_is_heard(
    office: House,
    launch: Launch,
    carrier: CarrierProbe,
    sessions: Sessions,
) -> None:
    code = f"{10**5 + secrets.randbelow(9 * 10**5)}"
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, f"edas-{code}")
        await a_customer(tx, brand, "halil", contacts={Channel.SMS: MOBILE})
        await tx.execute(
            insert(table(ShortCodeRow)).values(brand_id=brand.id, code=code, keyword="")
        )
        case = await office.cases.open(
            tx, brand=brand, customer_ref="halil", channel="web", subject="meter", by="officer"
        )
    launch()

    async def told(times: int) -> bool:
        async with sessions() as tx:
            states = list((await tx.execute(select(table(OutcomeRow).c.state))).scalars())
        return states == ["told"] * times

    await until(lambda: told(1), timeout_s=_PATIENCE_S)
    await resolve(office, brand, case.number)
    await until(lambda: told(2), timeout_s=_PATIENCE_S)

    _, entry = carrier.book(to=MOBILE)
    references = entry["data"]["references"].split()
    assert RESULT in entry["text"]
    async with sessions() as tx:
        query = select(_messages).where(_messages.c.topic == "case_resolved_with_result")
        [message] = (await tx.execute(query)).all()
        parts = (await tx.execute(select(_parts).order_by(_parts.c.n))).all()
        query = select(_receipts.c.reference).where(_receipts.c.message_id == message.id)
        receipts = set((await tx.execute(query)).scalars())
    assert len(references) > 1, "the text is of several segments"
    assert (message.state, message.reference) == ("delivered", references[0])
    assert [(one.reference, one.state) for one in parts] == [
        (one, "delivered") for one in references
    ]
    assert receipts == set(references)

    carrier.people_write(MOBILE, code, "RET")
    async with sessions() as tx:
        query = select(table(ConsentRow)).where(table(ConsentRow).c.address == MOBILE)
        [refusal] = (await tx.execute(query)).all()
    assert (refusal.state, refusal.brand_id) == ("refused", brand.id)
    assert refusal.evidence["provider"] == "smpp_operator"
