"""Exports, erasures and what became of them at the command line."""

import asyncio
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from rules.keeping import load_periods
from tellal.cli.main import app
from tellal.domain.customers import Brand
from tellal.persistence.session import Sessions
from tellal.services.leases import Leases
from tellal.services.purging import Purging
from tests.support.builders import a_brand
from tests.support.house import SetClock
from tests.support.marked import MARK, REF, a_marked_person, where_named


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_marked_person(tx, brand, SetClock(datetime.now(UTC)))
        return brand


async def tellal(database_url: str, *words: str) -> Result:
    env = {"TELLAL_DATABASE_URL": database_url}

    def invoked() -> Result:
        return CliRunner().invoke(app, list(words), env=env)

    # The command runs a loop of its own.
    return await asyncio.to_thread(invoked)


async def test_a_person_is_exported_and_erased(
    brand: Brand, database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    file = tmp_path / "person.zip"
    person = ("--brand", brand.name)

    made = await tellal(database_url, "export", "person", str(file), *person, "--customer", REF)
    words = ("erase", "person", REF, *person, "--by", "DPO")
    asked = await tellal(database_url, *words)
    async with sessions() as tx:
        still = await where_named(tx, [MARK])
    erased = await tellal(database_url, *words, "--yes")
    listed = await tellal(database_url, "report", "erasures", *person)
    stranger = await tellal(
        database_url, "erase", "person", "nobody", *person, "--by", "D", "--yes"
    )

    with zipfile.ZipFile(file) as files:
        assert MARK in files.read("person.json").decode()
    assert (made.exit_code, asked.exit_code, erased.exit_code) == (0, 1, 0), erased.output
    assert still
    async with sessions() as tx:
        assert await where_named(tx, [MARK]) == {}
    assert "1 customer" in erased.output
    assert "by DPO" in listed.output
    assert "twilio SM1: due" in listed.output
    assert stranger.exit_code != 0


@pytest.mark.req("D54", "blocks")
@pytest.mark.req("D54", "allows")
async def test_reports_of_complaints_and_purges(
    brand: Brand, database_url: str, sessions: Sessions
) -> None:
    named = ("--brand", brand.name)
    on_time = await tellal(database_url, "report", "complaints", *named)
    async with sessions() as tx, tx.begin():
        late = "due_at = '2026-01-01Z', warn_at = '2025-12-20Z', authority = 'btk'"
        await tx.execute(text(f"UPDATE complaints SET {late}"))
    clock = SetClock(datetime.now(UTC))
    await Purging(sessions, clock, load_periods(), Leases(sessions, clock)).purge()

    too_late = await tellal(database_url, "report", "complaints", *named)
    purged = await tellal(database_url, "report", "purges", *named)

    assert (on_time.exit_code, on_time.output) == (0, "")
    assert too_late.exit_code == 1
    assert "late   by 2026-01-01" in too_late.output
    assert "message_texts" in purged.output
