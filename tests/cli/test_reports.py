"""The report on annoyance at the command line, on a real database."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from tellal.domain.messages import MessageState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.refusing import InboundEffectRow, InboundRow
from tests.support.builders import a_brand, a_customer
from tests.support.ledger import NOON, a_message
from tests.support.terminal import run

NAME = "anadolu-bank"


@pytest.mark.req("A10", "allows")
async def test_the_report_is_a_table(sessions: Sessions, database_url: str) -> None:
    messages = table(MessageRow)
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, NAME)
        for _ in range(2):
            await a_message(tx, brand, state=MessageState.DELIVERED)
        await a_message(tx, brand)
        arrived = update(messages).where(messages.c.state == MessageState.DELIVERED.value)
        await tx.execute(arrived.values(handed_at=NOON))
    period = ("--until", (NOON + timedelta(days=1)).isoformat(), "--days", "2")

    said = run("report", "annoyance", "--brand", NAME, *period, TELLAL_DATABASE_URL=database_url)

    assert (said.code, said.err) == (0, "")
    lines = [line.split() for line in said.out.splitlines()]
    assert said.out.startswith("2 messages, 2026-03-01 to 2026-03-03 (UTC)\n")
    assert ["customers", "by", "messages", "0", "1", "2", "3-5", "6-10", "11+"] in lines
    for kind in ("all", "class service", "channel sms", "topic phishing"):
        assert [*kind.split(), "1", "2", "0", "0", "0", "0"] in lines
    assert ["phishing", "2", "0", "0", "0"] in lines
    assert [line[1] for line in lines[lines.index(["most", "messages"]) + 1 :]] == ["1", "1"]


@pytest.mark.req("A10", "blocks")
def test_a_moment_without_its_offset_is_refused(database_url: str) -> None:
    said = run(
        "report", "annoyance", "--brand", NAME, "--until", "2026-03-01",
        TELLAL_DATABASE_URL=database_url,
    )  # fmt: skip

    assert said.code == 2
    assert "with its offset" in said.err


@pytest.mark.req("D11", "allows")
async def test_every_word_that_came_is_listed(sessions: Sessions, database_url: str) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, NAME)
        customer_id = await a_customer(tx, brand)
        for place, did in enumerate(("granted", "refused", "refused")):
            inbound_id = new_id()
            at = NOON + timedelta(minutes=place)
            await tx.execute(
                insert(table(InboundRow)).values(
                    id=inbound_id,
                    provider="twilio",
                    reference=f"SM{place}",
                    channel="sms",
                    sender="+905320000101",
                    recipient="4605",
                    text="MARKA",
                    does="grant",
                    keyword="MARKA",
                    answer="sent",
                    received_at=at,
                )
            )
            await tx.execute(
                insert(table(InboundEffectRow)).values(
                    id=new_id(),
                    inbound_id=inbound_id,
                    brand_id=brand.id,
                    customer_id=customer_id,
                    did=did,
                    cancelled=2,
                    received_at=at,
                )
            )
    period = ("--until", (NOON + timedelta(minutes=2)).isoformat(), "--days", "1")

    said = run("report", "inbound", "--brand", NAME, *period, TELLAL_DATABASE_URL=database_url)

    assert (said.code, said.err) == (0, "")
    lines = [line.split() for line in said.out.splitlines()]
    assert said.out.startswith("2 words, 2026-03-01 to 2026-03-02 (UTC)\n")
    assert ["granted", "1"] in lines
    assert ["4605", "2"] in lines
    assert ["messages", "4"] in lines
    assert ["2026-03-02", "12:01", "refused", "sms", "ayse", "4605", "MARKA"] in lines
    assert "+905320000101" not in said.out
