"""Reports of campaigns over HTTP: answers, downloads, and streams that end as they should."""

import asyncio
import csv
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO, StringIO
from typing import IO

import httpx
import pytest
import uvicorn
from openpyxl import load_workbook
from sqlalchemy import text, update
from sqlalchemy.pool import QueuePool

from api.downloads import written
from api.event_streams import News, Pace, events
from tellal.domain.errors import NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.campaigns import CampaignRow
from tellal.services.brands import create_brand
from tellal.services.campaign_progress import read_progress
from tellal.services.keys import Scope, create_key
from tellal.stack.ports import free_port
from tests.support.api import Served, Tenant, Tenants
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
from tests.support.terminal import start
from tests.support.waiting import until

pytestmark = pytest.mark.req("D62")


@pytest.fixture
async def campaign(served: Served, bank: Tenant) -> Written:
    return await a_finished_run(served.sessions, bank.brand)


@asynccontextmanager
async def on_loopback(served: Served) -> AsyncIterator[str]:
    """Serve the application on a port: streams are read while they are written."""
    port = free_port()
    config = uvicorn.Config(served.app, port=port, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def next_event(lines: AsyncIterator[str]) -> dict[str, str]:
    """Read an event: its fields; comments come under no name."""
    found: dict[str, str] = {}
    async for line in lines:
        if not line and found:
            return found
        name, _, value = line.partition(":")
        found[name] = value.strip()
    return found


async def next_progress(lines: AsyncIterator[str]) -> dict[str, object]:
    while True:
        event = await next_event(lines)
        assert event, "the stream has ended"
        if event.get("event") == "progress":
            said: dict[str, object] = json.loads(event["data"])
            return said


async def set_state(served: Served, campaign: Written, state: str) -> None:
    rows = table(CampaignRow)
    async with served.sessions() as tx, tx.begin():
        await tx.execute(update(rows).where(rows.c.id == campaign.id).values(state=state))


@pytest.mark.req("D66", "allows")
async def test_progress_and_report_say_the_same(bank: Tenant, campaign: Written) -> None:
    progress = (await bank.client.get(f"/v1/campaigns/{campaign.id}/progress")).json()
    report = (await bank.client.get(f"/v1/campaigns/{campaign.id}/report?run=1")).json()

    assert progress["totals"] == report["people"]["totals"]
    assert progress["totals"]["audience"] == 11
    assert report["identity"] == {"audience": 11, "sum": 11, "counted": 11, "holds": True}
    assert report["messages"]["cost"] == {"TRY": "0.300000"}


@pytest.mark.parametrize("path", ["progress", "progress/stream", "report", "recipients"])
@pytest.mark.parametrize("end", ["", "?run=7"])
async def test_what_is_not_there_is_said(
    bank: Tenant, distributor: Tenant, campaign: Written, path: str, end: str
) -> None:
    asker = bank if end else distributor

    answer = await asker.client.get(f"/v1/campaigns/{campaign.id}/{path}{end}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.req("D66", "blocks")
async def test_another_scope_opens_nothing(tenants: Tenants) -> None:
    narrow = await tenants.make("narrow", [Scope.REPORTS_READ])

    answer = await narrow.client.get("/v1/campaigns/something/report")

    assert answer.status_code == 403


@pytest.mark.req("D66")
async def test_recipients_come_in_pages(bank: Tenant, campaign: Written) -> None:
    path = f"/v1/campaigns/{campaign.id}/recipients?limit=8"
    first = (await bank.client.get(path)).json()
    second = (await bank.client.get(f"{path}&after={first['next']}")).json()
    told = (await bank.client.get(f"{path}&outcome=told&state=delivered")).json()

    assert (len(first["items"]), len(second["items"]), second["next"]) == (8, 3, None)
    assert {one["customer"] for one in told["items"]} == {"ayse", "burak", "firat"}
    wrong = await bank.client.get(f"{path}&after=nonsense")
    assert wrong.status_code == 422


async def test_recipients_are_downloads(bank: Tenant, campaign: Written) -> None:
    base = f"/v1/campaigns/{campaign.id}/recipients"
    plain = await bank.client.get(f"{base}.csv?outcome=told")
    book = await bank.client.get(f"{base}.xlsx")

    assert plain.headers["content-type"] == "text/csv; charset=utf-8"
    assert plain.headers["content-disposition"].startswith("attachment")
    rows = list(csv.DictReader(StringIO(plain.content.decode("utf-8-sig"))))
    assert {row["customer"] for row in rows} == {"ayse", "burak", "firat"}
    assert load_workbook(BytesIO(book.content)).worksheets[0].max_row == 12


async def test_a_stream_tells_what_changes_and_ends_with_the_campaign(
    served: Served, bank: Tenant, campaign: Written
) -> None:
    async with on_loopback(served) as url, httpx.AsyncClient(headers=_key(bank)) as client:
        address = f"{url}/v1/campaigns/{campaign.id}/progress/stream"
        async with client.stream("GET", address, timeout=60) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            first = await next_progress(lines)
            async with served.sessions() as tx, tx.begin():
                [one] = [one for one in campaign.rounds if one.variant == "a"]
                await a_person(tx, campaign, one, "mert", Said(state="delivered"))
            second = await next_progress(lines)
            await set_state(served, campaign, "ended")
            last = await next_progress(lines)
            end = await next_event(lines)
            after = await next_event(lines)
        audiences = [said["totals"]["audience"] for said in (first, second, last)]  # type: ignore[index]

    assert audiences == [11, 12, 12]
    assert (last["state"], end["event"], after) == ("ended", "end", {})


async def test_who_has_heard_the_end_need_not_come_again(
    served: Served, bank: Tenant, campaign: Written
) -> None:
    await set_state(served, campaign, "ended")
    address = f"/v1/campaigns/{campaign.id}/progress/stream"

    first = await bank.client.get(address)
    [known] = [line[4:] for line in first.text.splitlines() if line.startswith("id: ")]
    again = await bank.client.get(address, headers={"Last-Event-ID": known})
    stranger = await bank.client.get(address, headers={"Last-Event-ID": "of another server"})

    assert (first.status_code, again.status_code, stranger.status_code) == (200, 204, 200)
    assert "event: progress" in stranger.text


async def test_a_closed_connection_leaves_nothing_behind(
    served: Served, bank: Tenant, campaign: Written
) -> None:
    pool = served.sessions.kw["bind"].pool
    assert isinstance(pool, QueuePool)
    async with on_loopback(served) as url:
        before = len(asyncio.all_tasks())
        async with httpx.AsyncClient(headers=_key(bank)) as client:
            address = f"{url}/v1/campaigns/{campaign.id}/progress/stream"
            async with client.stream("GET", address, timeout=60) as answer:
                await next_progress(answer.aiter_lines())
                during = len(asyncio.all_tasks())

        async def gone() -> bool:
            return len(asyncio.all_tasks()) <= before and pool.checkedout() == 0

        await until(gone)

    assert during > before


async def test_a_revoked_key_hears_no_more(served: Served, bank: Tenant, campaign: Written) -> None:
    async with on_loopback(served) as url, httpx.AsyncClient(headers=_key(bank)) as client:
        address = f"{url}/v1/campaigns/{campaign.id}/progress/stream"
        async with client.stream("GET", address, timeout=60) as answer:
            lines = answer.aiter_lines()
            await next_progress(lines)
            async with served.sessions() as tx, tx.begin():
                await tx.execute(
                    text("UPDATE api_keys SET revoked_at = :now WHERE id = :id"),
                    {"now": BEGAN, "id": bank.key.id},
                )
            assert await next_event(lines) == {}


async def test_silence_is_broken_by_a_comment() -> None:
    ending = asyncio.Event()
    news = News(matter="", data="{}", over=False)
    looks = 0

    async def look() -> News:
        nonlocal looks
        looks += 1
        return news

    pace = Pace(look_every_s=0.005, heartbeat_s=0.05)
    said = events(news, look, ending, pace=pace)
    heard = [await anext(said) for _ in range(4)]
    ending.set()
    rest = [chunk async for chunk in said]

    assert heard[0] == b"retry: 3000\n\n"
    assert heard[1].endswith(b"event: progress\ndata: {}\n\n")
    assert heard[2:] == [b": still here\n\n"] * 2
    # Ten looks for each comment, and nothing after the process was told to end.
    assert looks >= 18
    assert rest == []


async def test_the_process_ends_with_a_stream_open(sessions: Sessions, database_url: str) -> None:
    async with sessions() as tx, tx.begin():
        brand = await create_brand(
            tx,
            name="bank",
            trade_name="Deneme A.Ş.",
            phone="08500000001",
            email="iletisim@deneme.example",
            mersis="0000000000000011",
            now=BEGAN,
        )
        _, token = await create_key(tx, brand.id, "crm", [Scope.CAMPAIGNS_READ], now=BEGAN)
        campaign = await a_campaign(tx, brand)
    port = free_port()
    process = start("api", "--port", str(port), TELLAL_DATABASE_URL=database_url)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:

            async def serves() -> bool:
                try:
                    return (await client.get(f"{url}/healthz")).is_success
                except httpx.TransportError:
                    return False

            await until(serves, timeout_s=60)
            address = f"{url}/v1/campaigns/{campaign.id}/progress/stream"
            async with client.stream("GET", address, timeout=60) as answer:
                lines = answer.aiter_lines()
                await next_progress(lines)
                process.send_signal(signal.SIGTERM)
                assert await next_event(lines) == {}

            async def ended() -> bool:
                return process.poll() is not None

            await until(ended, timeout_s=30)
    finally:
        process.kill()
        process.communicate()


# Of this transaction and what its connection has not told of yet, of what grows with people.
_ROWS_READ = text(
    "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)"
    " FROM pg_stat_xact_user_tables WHERE relname IN ('outcomes', 'messages', 'customers')"
)


async def test_progress_costs_no_more_with_many_people(served: Served, tenants: Tenants) -> None:
    """No row of anybody is read, however many there are."""
    tenant = await tenants.make("many")
    touched = []
    for number in (10, 5_000):
        async with served.sessions() as tx, tx.begin():
            campaign = await a_campaign(tx, tenant.brand, f"of-{number}")
            one = await a_round(tx, campaign, await a_run(tx, campaign))
        await many_people(served.sessions, campaign, one, number, stem=f"p{number}-")
        async with served.sessions() as tx, tx.begin():
            before = int((await tx.execute(_ROWS_READ)).scalar_one())
            said = await read_progress(tx, tenant.brand.id, campaign.id, BEGAN)
            touched.append(int((await tx.execute(_ROWS_READ)).scalar_one()) - before)
        assert said.totals.told == number

    assert touched == [0, 0]


def _key(tenant: Tenant) -> dict[str, str]:
    return {"Authorization": f"Bearer {tenant.token}"}


async def test_a_download_comes_while_it_is_written() -> None:
    go_on = asyncio.Event()

    async def write(file: IO[bytes]) -> None:
        file.write(b"first ")
        file.flush()
        await go_on.wait()
        file.write(b"second")

    chunks = written(write)
    first = await anext(chunks)
    go_on.set()
    rest = [chunk async for chunk in chunks]

    assert (first, b"".join(rest)) == (b"first ", b"second")


async def test_a_download_that_fails_is_no_whole_file() -> None:
    async def write(file: IO[bytes]) -> None:
        file.write(b"first ")
        raise NotFoundError("it has gone")

    with pytest.raises(NotFoundError, match="it has gone"):
        [chunk async for chunk in written(write)]


async def test_who_goes_away_has_the_writing_ended(served: Served, tenants: Tenants) -> None:
    tenant = await tenants.make("gone")
    async with served.sessions() as tx, tx.begin():
        campaign = await a_campaign(tx, tenant.brand)
        one = await a_round(tx, campaign, await a_run(tx, campaign))
    await many_people(served.sessions, campaign, one, 20_000, stem="gone-")
    pool = served.sessions.kw["bind"].pool
    assert isinstance(pool, QueuePool)
    async with on_loopback(served) as url:
        before = len(asyncio.all_tasks())
        async with httpx.AsyncClient(headers=_key(tenant)) as client:
            address = f"{url}/v1/campaigns/{campaign.id}/recipients.csv"
            async with client.stream("GET", address, timeout=60) as answer:
                await anext(answer.aiter_bytes())
                during = pool.checkedout()

        async def gone() -> bool:
            return len(asyncio.all_tasks()) <= before and pool.checkedout() == 0

        await until(gone)

    assert during >= 1
