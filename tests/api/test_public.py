"""The public channels over HTTP: nobody needs a key, caches are told, brands share nothing."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import feedparser
import httpx
import pytest
from icalendar import Calendar
from pydantic import SecretStr

from api.app import create_app
from tellal.persistence.migrate import upgrade
from tellal.persistence.session import make_engine, make_sessions
from tellal.services.brands import create_brand
from tellal.services.public_status import NOTHING_SAID
from tellal.services.status_folder import StatusFolder
from tellal.settings import Settings
from tellal.stack.ports import free_port
from tellal.stack.postgres import Postgres
from tellal.stack.premises import Premises
from tests.support.api import Served, Tenant
from tests.support.house import SetClock
from tests.support.public import NOON, an_entry, an_outage

CHANNELS = {
    "/status": "text/html",
    "/status.json": "application/json",
    "/status.atom": "application/atom+xml",
    "/status.ics": "text/calendar",
    "/banner.json": "application/json",
    "/hotline.txt": "text/plain",
}


@pytest.fixture
async def outage(bank: Tenant, served: Served) -> str:
    """A confirmed failure of the bank, with one update."""
    served.clock.at = NOON + timedelta(minutes=30)
    async with served.sessions() as tx, tx.begin():
        outage_id = await an_outage(tx, bank.brand, "suspected", hotline="444 0 000")
        await an_entry(tx, outage_id, "confirm", "confirmed", public={"tr": "Arıza var."})
        await an_entry(tx, outage_id, "update", "confirmed", minutes=9, public={"tr": "Sürüyor."})
    return outage_id


async def get(
    served: Served, path: str, headers: dict[str, str] | None = None, /, **query: str
) -> httpx.Response:
    async with served.client() as client:
        return await client.get(path, params=query, headers=headers)


@pytest.mark.req("B05", "allows")
@pytest.mark.parametrize(("path", "media_type"), CHANNELS.items())
async def test_every_channel_is_served_without_a_key(
    served: Served, bank: Tenant, outage: str, path: str, media_type: str
) -> None:
    answer = await get(served, path, brand=bank.brand.name, lang="tr")

    assert answer.status_code == 200, answer.text
    assert outage
    assert answer.headers["Content-Type"] == f"{media_type}; charset=utf-8"
    assert answer.headers["Cache-Control"].startswith("public, max-age=")
    assert answer.headers["ETag"]
    assert "Accept-Language" in answer.headers["Vary"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", CHANNELS)
async def test_who_knows_it_is_told_so_until_something_changes(
    served: Served, bank: Tenant, outage: str, path: str
) -> None:
    asked = {"brand": bank.brand.name, "lang": "tr"}
    first = await get(served, path, **asked)
    known = {"If-None-Match": f'"other", {first.headers["ETag"]}'}

    served.clock.pass_by(timedelta(seconds=20))
    same = await get(served, path, known, **asked)
    other_language = await get(served, path, known, brand=bank.brand.name, lang="pl")
    async with served.sessions() as tx, tx.begin():
        await an_entry(tx, outage, "update", "confirmed", minutes=20, public={"tr": "Az kaldı."})
    changed = await get(served, path, known, **asked)

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["ETag"] == first.headers["ETag"]
    assert other_language.status_code == 200
    assert changed.status_code == 200


@pytest.mark.req("B14", "allows")
async def test_a_confirmed_failure_is_public_at_once(
    served: Served, bank: Tenant, outage: str
) -> None:
    brand = bank.brand.name

    document = (await get(served, "/status.json", brand=brand, lang="tr")).json()
    banner = (await get(served, "/banner.json", brand=brand)).json()
    feed = feedparser.parse((await get(served, "/status.atom", brand=brand)).text)
    page = (await get(served, "/status", brand=brand, lang="tr")).text
    text = (await get(served, "/hotline.txt", brand=brand, lang="tr")).text

    assert [one["id"] for one in document["incidents"]] == [outage]
    assert document["page"]["url"].startswith("https://tellal.example/status?brand=")
    assert banner["banners"]["login"]["outage"] == outage
    assert banner["banners"]["app"]["hotline"] == "444 0 000"
    assert [one.content[0].value for one in feed.entries] == ["Sürüyor.", "Arıza var."]
    assert f'id="outage-{outage}"' in page
    assert "Sürüyor." in text


async def test_works_are_a_calendar(served: Served, bank: Tenant) -> None:
    async with served.sessions() as tx, tx.begin():
        works = await an_outage(
            tx, bank.brand, "draft", kind="planned", starts_at=NOON + timedelta(days=1)
        )
        await an_entry(tx, works, "announce", "announced")

    answer = await get(served, "/status.ics", brand=bank.brand.name)

    (event,) = Calendar.from_ical(answer.text).walk("VEVENT")
    assert event["UID"] == f"{works}@tellal.example"


async def test_alerts_are_counted_and_the_newest_is_at_the_short_address(
    served: Served, bank: Tenant, outage: str
) -> None:
    newest = await get(served, f"/cap/{outage}.xml")
    first = await get(served, f"/cap/{outage}/1.xml", brand=bank.brand.name)
    second = await get(served, f"/cap/{outage}/2.xml")
    known = await get(served, f"/cap/{outage}/2.xml", {"If-None-Match": second.headers["ETag"]})

    assert newest.headers["Content-Type"].startswith("application/cap+xml")
    assert newest.text == second.text
    assert ET.fromstring(first.text).findtext("{*}msgType") == "Alert"
    assert ET.fromstring(second.text).findtext("{*}msgType") == "Update"
    assert known.status_code == 304
    for path in (f"/cap/{outage}/3.xml", "/cap/nothing.xml"):
        assert (await get(served, path)).status_code == 404
    assert (await get(served, f"/cap/{outage}.xml", brand="another")).status_code == 404
    assert (await get(served, f"/cap/{outage}.xml", exercise="1")).status_code == 404


@pytest.mark.req("B16", "blocks")
@pytest.mark.req("B16", "allows")
async def test_a_suspicion_is_no_alert_and_not_on_the_page(served: Served, bank: Tenant) -> None:
    async with served.sessions() as tx, tx.begin():
        hidden = await an_outage(tx, bank.brand, "suspected")
        shown = await an_outage(tx, bank.brand, "suspected", shown_at=NOON)
        await an_entry(tx, shown, "show", "suspected", public={"tr": "İnceliyoruz."})

    page = (await get(served, "/status", brand=bank.brand.name, lang="tr")).text

    assert hidden not in page
    assert shown in page
    assert "İnceliyoruz." in page
    assert "Tepebaşı trafo arızası" not in page
    assert (await get(served, f"/cap/{shown}.xml")).status_code == 404


async def test_a_brand_shows_nothing_of_another(
    served: Served, bank: Tenant, distributor: Tenant, outage: str
) -> None:
    for path in CHANNELS:
        assert outage not in (await get(served, path, brand=distributor.brand.name)).text

    assert outage in (await get(served, "/status.json", brand=bank.brand.name)).text


async def test_whose_page_is_meant_must_be_clear(
    served: Served, bank: Tenant, distributor: Tenant
) -> None:
    unnamed = await get(served, "/status")
    unknown = await get(served, "/status.json", brand="nobody")

    assert bank.brand.name != distributor.brand.name
    assert unnamed.status_code == unknown.status_code == 404
    assert "?brand=" in unnamed.json()["detail"]
    assert "nobody" in unknown.json()["detail"]


async def test_rehearsed_outages_are_seen_in_the_exercise_only(
    served: Served, bank: Tenant, outage: str
) -> None:
    async with served.sessions() as tx, tx.begin():
        rehearsed = await an_outage(tx, bank.brand, "suspected", simulated=True)
        await an_entry(tx, rehearsed, "confirm", "confirmed")

    real = (await get(served, "/status", brand=bank.brand.name, lang="en")).text
    exercise = (await get(served, "/status", brand=bank.brand.name, exercise="1", lang="en")).text
    alert = await get(served, f"/cap/{rehearsed}.xml", exercise="1")

    assert rehearsed not in real
    assert "EXERCISE" not in real
    assert rehearsed in exercise
    assert outage not in exercise
    assert "EXERCISE" in exercise
    assert "noindex" in exercise
    assert (await get(served, f"/cap/{rehearsed}.xml")).status_code == 404
    assert ET.fromstring(alert.text).findtext("{*}status") == "Exercise"


async def test_the_page_speaks_the_reader_s_language(served: Served, bank: Tenant) -> None:
    pages = [
        await get(served, "/status", {"Accept-Language": accepted}, brand=bank.brand.name)
        for accepted in ("pl,en;q=0.5", "de")
    ]
    pages.append(
        await get(served, "/status", {"Accept-Language": "pl"}, brand=bank.brand.name, lang="en")
    )

    assert [page.headers["Content-Language"] for page in pages] == ["pl", "tr", "en"]
    assert '<html lang="pl">' in pages[0].text


@asynccontextmanager
async def a_client(settings: Settings, clock: SetClock) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application of its own."""
    app = create_app(settings, clock=clock)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://tellal") as client,
    ):
        yield client


async def a_failure_of_the_only_brand(url: str, folder: Path | None = None) -> str:
    """Write a brand with a confirmed failure, and its files if they are wanted."""
    engine = make_engine(url)
    sessions = make_sessions(engine)
    async with sessions() as tx, tx.begin():
        brand = await create_brand(tx, name="only", trade_name="Tek A.Ş.", now=NOON)
        outage_id = await an_outage(tx, brand, "suspected")
        await an_entry(tx, outage_id, "confirm", "confirmed", public={"tr": "Arıza var."})
    if folder is not None:
        writer = StatusFolder(
            sessions, SetClock(NOON), NOTHING_SAID, folder=folder, public_url="https://t.example"
        )
        await writer.look()
    await engine.dispose()
    return outage_id


@pytest.mark.req("B05", "allows")
async def test_it_goes_on_with_the_last_state_when_postgresql_has_stopped() -> None:
    with Premises.make_temporary() as place:
        server = Postgres(place)
        server.start()
        url = server.url_of("postgres")
        upgrade(url)
        outage_id = await a_failure_of_the_only_brand(url)
        clock = SetClock(NOON)
        settings = Settings(database_url=SecretStr(url), status_fresh_s=0)
        async with a_client(settings, clock) as client:
            before = await client.get("/status", params={"lang": "tr"})
            server.stop()
            clock.pass_by(timedelta(minutes=10))
            after = {path: await client.get(path, params={"lang": "tr"}) for path in CHANNELS}
            alert = await client.get(f"/cap/{outage_id}.xml")
            ready = await client.get("/readyz")

    assert before.status_code == 200
    assert "ulaşılamıyor" not in before.text
    assert ready.status_code == 503
    assert {answer.status_code for answer in (*after.values(), alert)} == {200}
    assert outage_id in after["/status"].text
    assert "ulaşılamıyor" in after["/status"].text
    assert 'datetime="2026-03-02T09:00:00+00:00"' in after["/status"].text
    assert after["/status"].headers["ETag"] != before.headers["ETag"]
    assert after["/status.json"].json()["stale"] is True
    assert after["/banner.json"].json()["stale"] is True


async def test_it_begins_with_the_files_of_a_folder_when_the_database_is_away(
    database_url: str, tmp_path: Path
) -> None:
    outage_id = await a_failure_of_the_only_brand(database_url, tmp_path)
    nowhere = SecretStr(f"postgresql+psycopg://127.0.0.1:{free_port()}/nothing")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "snapshot.json").write_text("{", encoding="utf-8")

    async with a_client(
        Settings(database_url=nowhere, status_folder=tmp_path), SetClock(NOON)
    ) as client:
        kept = await client.get("/status.json")
    async with a_client(Settings(database_url=nowhere), SetClock(NOON)) as client:
        unknown = [await client.get(path) for path in ("/status", f"/cap/{outage_id}.xml")]

    assert kept.status_code == 200
    assert kept.json()["stale"] is True
    assert [one["id"] for one in kept.json()["incidents"]] == [outage_id]
    assert {answer.status_code for answer in unknown} == {503}
    assert {answer.headers["Cache-Control"] for answer in unknown} == {"no-store"}
    assert json.loads(unknown[0].text)["code"] == "database_unavailable"


async def test_the_brand_that_is_set_is_shown_where_none_is_named(database_url: str) -> None:
    await a_failure_of_the_only_brand(database_url)
    settings = Settings(database_url=SecretStr(database_url), status_fresh_s=0)
    engine = make_engine(database_url)

    async with a_client(settings, SetClock(NOON)) as client:
        alone = await client.get("/status.json")
        async with make_sessions(engine)() as tx, tx.begin():
            await create_brand(tx, name="second", trade_name="İki A.Ş.", now=NOON)
        unclear = await client.get("/status.json")
    async with a_client(
        settings.model_copy(update={"status_brand": "second"}), SetClock(NOON)
    ) as client:
        told = await client.get("/status.json")
    await engine.dispose()

    assert alone.json()["page"]["name"] == "Tek A.Ş."
    assert unclear.status_code == 404
    assert told.json()["page"]["name"] == "İki A.Ş."
