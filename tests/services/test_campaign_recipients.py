"""Recipients one by one: pages, filters, and tables that memory does not notice."""

import csv
import tracemalloc
from datetime import datetime, timedelta
from io import BytesIO, StringIO
from tempfile import TemporaryFile

import pytest
from openpyxl import load_workbook

from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import MessageState, OutcomeState
from tellal.persistence.session import Sessions
from tellal.services.campaign_recipients import (
    Recipient,
    Wanted,
    every_recipient,
    page_of_recipients,
)
from tellal.services.recipient_tables import COLUMNS, write_csv, write_xlsx
from tests.support.builders import a_brand
from tests.support.campaigns import (
    BEGAN,
    Said,
    Written,
    a_campaign,
    a_finished_run,
    a_person,
    a_round,
    a_run,
    many_people,
)

pytestmark = pytest.mark.req("D62")

FEW, MANY = 2_000, 10_000
EVERYBODY = Wanted()


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


async def listed(
    sessions: Sessions, campaign: Written, wanted: Wanted = EVERYBODY, *, limit: int = 4
) -> list[Recipient]:
    """Walk all pages."""
    found: list[Recipient] = []
    after: str | None = ""
    async with sessions() as tx:
        while after is not None:
            items, after = await page_of_recipients(
                tx, campaign.brand.id, campaign.id, wanted, after=after, limit=limit
            )
            assert len(items) == limit or after is None
            found += items
    return found


async def test_pages_list_everybody_once(sessions: Sessions, brand: Brand) -> None:
    campaign = await a_finished_run(sessions, brand)

    found = await listed(sessions, campaign)

    assert sorted(one.customer for one in found) == sorted(campaign.customers)
    assert [one.variant for one in found] == ["a"] * 6 + ["b"] * 5
    burak = next(one for one in found if one.customer == "burak")
    assert (burak.outcome, burak.channel, burak.state, burak.messages) == (
        "told",
        "email",
        "delivered",
        2,
    )
    can = next(one for one in found if one.customer == "can")
    assert (can.code, can.words) == ("30003", "handset unreachable or switched off")
    assert can.handed_at == BEGAN + timedelta(minutes=1)
    derya = next(one for one in found if one.customer == "derya")
    assert (derya.outcome, derya.reason, derya.channel) == ("suppressed", "no_consent", "")


@pytest.mark.parametrize(
    ("wanted", "refs"),
    [
        (Wanted(outcome=OutcomeState.TOLD), {"ayse", "burak", "firat"}),
        (Wanted(state=MessageState.UNDELIVERED), {"can"}),
        (Wanted(outcome=OutcomeState.TOLD, run=1), {"ayse", "burak", "firat"}),
    ],
)
async def test_filters_leave_the_others_out(
    sessions: Sessions, brand: Brand, wanted: Wanted, refs: set[str]
) -> None:
    campaign = await a_finished_run(sessions, brand)

    found = await listed(sessions, campaign, wanted, limit=2)

    assert {one.customer for one in found} == refs
    assert len(found) == len(refs)


async def test_a_place_that_is_none_is_refused(sessions: Sessions, brand: Brand) -> None:
    campaign = await a_finished_run(sessions, brand)

    async with sessions() as tx:
        with pytest.raises(InvalidInputError, match="no `next`"):
            await page_of_recipients(tx, brand.id, campaign.id, EVERYBODY, after="nowhere", limit=5)


async def a_table(sessions: Sessions, campaign: Written, kind: str) -> bytes:
    out = BytesIO()
    async with sessions() as tx, tx.begin():
        batches = every_recipient(tx, campaign.brand.id, campaign.id, EVERYBODY)
        await (write_csv if kind == "csv" else write_xlsx)(batches, out)
    return out.getvalue()


@pytest.fixture
async def sly(sessions: Sessions, brand: Brand) -> Written:
    """A campaign to somebody whose reference is a formula."""
    async with sessions() as tx, tx.begin():
        campaign = await a_campaign(tx, brand)
        one = await a_round(tx, campaign, await a_run(tx, campaign))
        for ref in ("=cmd|' /C calc'!A0", "+905320000101", "-2+3", "@SUM(A1)", "\t=1", "müşteri-1"):
            await a_person(tx, campaign, one, ref, Said(state="delivered"))
    return campaign


async def test_no_formula_gets_into_a_csv(sessions: Sessions, sly: Written) -> None:
    content = await a_table(sessions, sly, "csv")

    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(StringIO(content.decode("utf-8-sig"))))
    assert {row["customer"] for row in rows} == {
        "'=cmd|' /C calc'!A0",
        "'+905320000101",
        "'-2+3",
        "'@SUM(A1)",
        "'\t=1",
        "müşteri-1",
    }
    assert rows[0]["cost"] == "0.050000"
    assert rows[0]["handed_at"] == "2026-03-02T07:01:00+00:00"


async def test_no_formula_gets_into_a_workbook(sessions: Sessions, sly: Written) -> None:
    sheet = load_workbook(BytesIO(await a_table(sessions, sly, "xlsx"))).worksheets[0]

    rows = list(sheet.iter_rows())
    assert tuple(cell.value for cell in rows[0]) == COLUMNS
    customers = [row[COLUMNS.index("customer")] for row in rows[1:]]
    assert {cell.value for cell in customers} == set(sly.customers)
    assert {cell.data_type for cell in customers} == {"s"}
    assert rows[1][COLUMNS.index("handed_at")].value == datetime(2026, 3, 2, 7, 1)  # noqa: DTZ001
    assert rows[1][COLUMNS.index("cost")].value == pytest.approx(0.05)


async def test_what_does_not_fit_on_a_sheet_goes_on_on_the_next(
    sessions: Sessions, brand: Brand
) -> None:
    campaign = await a_finished_run(sessions, brand)
    out = BytesIO()
    async with sessions() as tx, tx.begin():
        batches = every_recipient(tx, brand.id, campaign.id, EVERYBODY)
        number = await write_xlsx(batches, out, rows_of_a_sheet=4)

    sheets = load_workbook(BytesIO(out.getvalue())).worksheets
    assert number == 11
    assert [sheet.max_row - 1 for sheet in sheets] == [4, 4, 3]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_memory_stays_flat(sessions: Sessions, brand: Brand, kind: str) -> None:
    peaks = []
    for number in (FEW, MANY):
        async with sessions() as tx, tx.begin():
            campaign = await a_campaign(tx, brand, f"of-{number}")
            one = await a_round(tx, campaign, await a_run(tx, campaign))
        await many_people(sessions, campaign, one, number, stem=f"p{number}-")
        with TemporaryFile() as out:
            async with sessions() as tx, tx.begin():
                batches = every_recipient(tx, brand.id, campaign.id, EVERYBODY)
                tracemalloc.start()
                written = await (write_csv if kind == "csv" else write_xlsx)(batches, out)
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
        assert written == number

    few, many = peaks
    # Five times the rows, and no more memory than a few batches.
    assert many < 1.75 * few
    assert many < 10_000_000
