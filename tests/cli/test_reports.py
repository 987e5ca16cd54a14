"""The report on annoyance at the command line, on a real database."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow
from tests.support.builders import a_brand
from tests.support.ledger import NOON, a_message
from tests.support.terminal import run

pytestmark = pytest.mark.req("A10")

NAME = "anadolu-bank"


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


def test_a_moment_without_its_offset_is_refused(database_url: str) -> None:
    said = run(
        "report", "annoyance", "--brand", NAME, "--until", "2026-03-01",
        TELLAL_DATABASE_URL=database_url,
    )  # fmt: skip

    assert said.code == 2
    assert "with its offset" in said.err
