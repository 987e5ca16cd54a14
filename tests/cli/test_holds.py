"""Stopping messages at the command line, on a real database."""

from datetime import UTC, datetime

import pytest

from tellal.domain.customers import Brand
from tellal.persistence.session import Sessions
from tests.support.builders import a_brand
from tests.support.ledger import a_message
from tests.support.terminal import Said, run

NAME = "anadolu-bank"


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx, NAME)


async def test_a_hold_is_placed_listed_and_released_at_the_command_line(
    brand: Brand, database_url: str, sessions: Sessions
) -> None:
    async with sessions() as tx, tx.begin():
        await a_message(tx, brand, expires_at=datetime(2100, 1, 1, tzinfo=UTC))
        await a_message(tx, brand)

    def hold(*words: str) -> Said:
        return run("hold", *words, "--brand", NAME, TELLAL_DATABASE_URL=database_url)

    preview = hold("place", "--topic", "phishing", "--preview")
    placed = hold("place", "--topic", "phishing", "--reason", "wrong text", "--by", "Ops")
    hold_id = placed.out.split()[2]
    listed = hold("list")
    released = hold("release", hold_id)
    again = hold("release", hold_id, "--by", "Ops")

    assert "It would hold 2 messages, of which 1 have expired." in preview.out
    assert "It holds 2 messages" in placed.out
    assert f"tellal hold release {hold_id} --brand {NAME}" in placed.out
    assert f"{hold_id}  in force  topic phishing" in listed.out
    assert "It frees 2 messages, of which 1 have expired." in released.out
    assert (again.code, "released this hold already" in again.err) == (1, True)
    assert hold("list").out == "Nothing is held.\n"


def test_a_hold_without_a_reason_is_refused_in_a_sentence(brand: Brand, database_url: str) -> None:
    said = run("hold", "place", "--brand", brand.name, TELLAL_DATABASE_URL=database_url)

    assert (said.code, said.err) == (1, "a hold needs a reason\n")
