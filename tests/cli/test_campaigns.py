"""Reports of campaigns at the command line, on a real database."""

import json

import pytest
from sqlalchemy import text

from tellal.persistence.session import Sessions
from tests.support.builders import a_brand
from tests.support.campaigns import BEGAN, a_finished_run, did
from tests.support.terminal import run

pytestmark = pytest.mark.req("D62")

NAME = "anadolu-bank"


async def written(sessions: Sessions) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, NAME)
    campaign = await a_finished_run(sessions, brand)
    async with sessions() as tx, tx.begin():
        await did(tx, campaign, "ayse", "loan_applied", at=BEGAN.replace(hour=12))


async def test_a_report_shows_the_identity_and_why(sessions: Sessions, database_url: str) -> None:
    await written(sessions)

    said = run(
        "campaigns", "report", "spring-loan", "--brand", NAME, TELLAL_DATABASE_URL=database_url
    )

    assert (said.code, said.err) == (0, "")
    assert (
        "audience 11 = told 3 + suppressed 3 + expired 1 + cancelled 1 + failed 1 + unknown 1"
        " + open 1 (holds)" in said.out
    )
    lines = [line.split() for line in said.out.splitlines()]
    assert ["a", "6", "2", "2", "1", "0", "1", "0", "0"] in lines
    assert ["30003", *["handset", "unreachable", "or", "switched", "off", "2"]] in lines
    assert "cost 0.30 TRY, to return 0.20 TRY" in said.out
    assert "variant a" in said.out
    assert "1 of 5, 20.0% (3.6% to 62.4%)" in said.out


async def test_machines_read_all_of_it(sessions: Sessions, database_url: str) -> None:
    await written(sessions)

    said = run(
        "campaigns", "report", "spring-loan", "--brand", NAME, "--run", "1", "--json",
        TELLAL_DATABASE_URL=database_url,
    )  # fmt: skip

    assert json.loads(said.out)["people"]["totals"]["audience"] == 11


async def test_numbers_that_do_not_add_up_are_an_error(
    sessions: Sessions, database_url: str
) -> None:
    await written(sessions)
    async with sessions() as tx, tx.begin():
        await tx.execute(text("UPDATE cause_counts SET told = told + 1"))

    said = run(
        "campaigns", "report", "spring-loan", "--brand", NAME, TELLAL_DATABASE_URL=database_url
    )

    assert said.code == 1
    assert "DOES NOT HOLD" in said.out


async def test_a_campaign_that_is_not_there_is_said(sessions: Sessions, database_url: str) -> None:
    await written(sessions)

    said = run("campaigns", "report", "winter", "--brand", NAME, TELLAL_DATABASE_URL=database_url)

    assert said.code != 0
    assert "there is no campaign 'winter'" in said.err
