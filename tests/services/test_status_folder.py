"""The files that any web server can show: whole, in every language, and of now."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tellal.domain.customers import Brand
from tellal.persistence.session import Sessions
from tellal.services.status_folder import StatusFolder
from tests.support.builders import a_brand
from tests.support.house import SetClock
from tests.support.public import INCIDENTS, NOON, an_entry, an_outage
from tests.support.waiting import until

pytestmark = pytest.mark.req("B05")


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


def folder_of(sessions: Sessions, clock: SetClock, folder: Path) -> StatusFolder:
    return StatusFolder(
        sessions, clock, INCIDENTS, folder=folder, public_url="https://durum.example"
    )


async def fail(sessions: Sessions, brand: Brand, **said: object) -> str:
    async with sessions() as tx, tx.begin():
        outage_id = await an_outage(tx, brand, "suspected", **said)
        await an_entry(tx, outage_id, "confirm", "confirmed", public={"tr": "Arıza var."})
    return outage_id


def times_of(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.req("B05", "allows")
async def test_every_channel_is_a_file_in_every_language(
    sessions: Sessions, brand: Brand, tmp_path: Path
) -> None:
    outage_id = await fail(sessions, brand)

    written = await folder_of(sessions, SetClock(NOON), tmp_path).look()

    home = tmp_path / brand.name
    names = set(times_of(home))
    assert written == (brand.name,)
    for name, ending in (
        ("status", "html"),
        ("status", "json"),
        ("status", "atom"),
        ("status", "ics"),
        ("banner", "json"),
        ("hotline", "txt"),
    ):
        assert {f"{name}.{ending}"} | {f"{name}.{one}.{ending}" for one in ("tr", "en", "pl")} <= (
            names
        )
    assert {f"cap/{outage_id}.xml", f"cap/{outage_id}/1.xml", "snapshot.json"} <= names
    assert len(names) == 6 * 4 + 3
    assert outage_id in (home / "status.html").read_text("utf-8")
    assert (home / "status.html").read_bytes() == (home / "status.tr.html").read_bytes()
    assert (home / "status.html").stat().st_mode & 0o777 == 0o644
    assert json.loads((home / "status.pl.json").read_text("utf-8"))["stale"] is False


async def test_only_what_has_changed_is_written_and_the_time_stays_young(
    sessions: Sessions, brand: Brand, tmp_path: Path
) -> None:
    clock = SetClock(NOON)
    folder = folder_of(sessions, clock, tmp_path)
    outage_id = await fail(sessions, brand)
    await folder.look()
    first = times_of(tmp_path)

    clock.pass_by(timedelta(seconds=30))
    assert await folder.look() == ()
    assert times_of(tmp_path) == first

    clock.pass_by(timedelta(seconds=31))
    assert await folder.look() == (brand.name,)
    second = times_of(tmp_path)
    newer = {name for name in second if second[name] != first[name]}
    assert f"{brand.name}/status.html" in newer
    assert f"{brand.name}/status.atom" not in newer

    async with sessions() as tx, tx.begin():
        await an_entry(tx, outage_id, "update", "confirmed", minutes=1, public={"tr": "Sürüyor."})
    assert await folder.look() == (brand.name,)
    assert "Sürüyor." in (tmp_path / brand.name / "status.atom").read_text("utf-8")
    assert (tmp_path / brand.name / "cap" / outage_id / "2.xml").is_file()


async def test_alerts_that_are_long_over_go(
    sessions: Sessions, brand: Brand, tmp_path: Path
) -> None:
    clock = SetClock(NOON)
    folder = folder_of(sessions, clock, tmp_path)
    outage_id = await fail(sessions, brand, resolved_at=NOON)
    await folder.look()
    before = [name for name in times_of(tmp_path) if outage_id in name]

    clock.pass_by(timedelta(days=91))
    await folder.look()

    assert len(before) == 2
    assert [name for name in times_of(tmp_path) if outage_id in name] == []


@pytest.mark.req("B05", "blocks")
async def test_rehearsals_are_in_no_file(sessions: Sessions, brand: Brand, tmp_path: Path) -> None:
    outage_id = await fail(sessions, brand, simulated=True)

    await folder_of(sessions, SetClock(NOON), tmp_path).look()

    texts = [(tmp_path / name).read_text("utf-8") for name in times_of(tmp_path)]
    assert texts
    assert not any(outage_id in text for text in texts)


async def test_whoever_reads_meanwhile_finds_every_file_whole(
    sessions: Sessions, brand: Brand, tmp_path: Path
) -> None:
    clock = SetClock(NOON)
    folder = folder_of(sessions, clock, tmp_path)
    await folder.look()
    page = tmp_path / brand.name / "status.html"
    read: list[str] = []

    async def keep_reading() -> None:
        while True:
            read.append(await asyncio.to_thread(page.read_text, "utf-8"))
            await asyncio.sleep(0)

    reading = asyncio.create_task(keep_reading())
    for _ in range(10):
        clock.pass_by(timedelta(minutes=2))
        await folder.look()
    reading.cancel()

    assert len(set(read)) > 1
    assert all(text.endswith("</html>\n") for text in read)
    assert not [name for name in times_of(tmp_path) if name.startswith(f"{brand.name}/.")]


@pytest.mark.req("B14", "allows")
async def test_a_worker_s_loop_shows_a_new_failure_within_seconds(
    sessions: Sessions, brand: Brand, tmp_path: Path
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(folder_of(sessions, SetClock(NOON), tmp_path).run(stop))
    page = tmp_path / brand.name / "status.html"

    async def written() -> bool:
        return page.is_file()

    await until(written)
    outage_id = await fail(sessions, brand)

    async def shows_it() -> bool:
        return outage_id in page.read_text("utf-8")

    await until(shows_it, timeout_s=5)
    stop.set()
    await running
