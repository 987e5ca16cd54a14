"""Following a case by its code: whoever has it sees where it is, and nobody sees anything else."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, text

from api.app import create_app
from tellal.ids import new_tracking_code
from tellal.persistence.columns import table
from tellal.persistence.tables.intake import RateBucketRow
from tellal.persistence.tables.operations import CaseRow
from tellal.services.rate_limits import client_of
from tellal.services.tracking import LOOKING
from tests.support.api import Served, Tenant, open_case, put_customer
from tests.support.browser import CHROMIUM, found_by_axe
from tests.templates.test_status_page import structure_of

pytestmark = pytest.mark.req("E18")

LANGUAGES = ("tr", "en", "pl")


@pytest.fixture(autouse=True)
async def nobody_has_asked(served: Served) -> AsyncIterator[None]:
    """Leave full buckets behind: the clock of tests stands still, and fills none."""
    yield
    async with served.sessions() as tx, tx.begin():
        await tx.execute(text("TRUNCATE rate_buckets"))


async def code_of(served: Served, number: str, brand_id: str) -> str:
    cases = table(CaseRow).c
    query = select(cases.tracking_code).where(cases.number == number, cases.brand_id == brand_id)
    async with served.sessions() as tx:
        return str((await tx.execute(query)).scalar_one())


@pytest.fixture
async def code(served: Served, distributor: Tenant) -> str:
    """The code of a case that a team is looking into."""
    await put_customer(distributor, first_name="Ayşe")
    case = await open_case(distributor)
    served.clock.pass_by(timedelta(hours=3))
    routed = await distributor.client.post(
        f"/v1/cases/{case['number']}/route", json={"team": "metering-of-ayse"}
    )
    assert routed.status_code == 200
    return await code_of(served, case["number"], distributor.brand.id)


async def get(served: Served, path: str, language: str = "", **params: str) -> httpx.Response:
    async with served.client() as client:
        return await client.get(path, params=params, headers={"Accept-Language": language or "*"})


async def test_a_code_shows_where_the_case_is_with_the_dates_and_whom_to_ask(
    served: Served, distributor: Tenant, code: str
) -> None:
    page = (await get(served, f"/track/{code}", lang="en")).text

    assert "The team concerned is looking into your application" in page
    assert re.findall(r"<time datetime=\"[^\"]+\">([^<]+)</time> – <b>([^<]+)", page) == [
        ("2 March 2026, 10:00", "Application received"),
        ("2 March 2026, 13:00", "Passed to the team concerned"),
    ]
    assert "Web form" in page
    assert f"{code[:4]}-{code[4:8]}-{code[8:]}" in page
    assert distributor.brand.phone in page
    assert distributor.brand.email in page
    assert page.count("<svg") == 2


async def test_it_says_nothing_of_anybody(served: Served, code: str) -> None:
    answers = [await get(served, f"/track/{code}{more}") for more in ("", "/barcode.svg")]

    for answer in answers:
        said = answer.text + str(answer.headers)
        assert answer.status_code == 200
        for word in ("Ayşe", "ayse", "532", "meter", "2026-0000", "metering", "crm"):
            assert word not in said


@pytest.mark.parametrize(
    ("language", "params", "word"),
    [
        ("pl-PL,pl;q=0.9", {}, "Otrzymano zgłoszenie"),
        ("en", {"lang": "tr"}, "Başvuru alındı"),
        ("", {}, "Başvuru alındı"),
        ("fr", {"lang": "en"}, "Application received"),
    ],
)
async def test_it_speaks_as_the_reader_does(
    served: Served, code: str, language: str, params: dict[str, str], word: str
) -> None:
    answer = await get(served, f"/track/{code}", language, **params)

    assert word in answer.text
    assert f'<html lang="{answer.headers["content-language"]}"' in answer.text


async def test_a_code_is_found_as_people_write_it(served: Served, code: str) -> None:
    slipped = code.lower().replace("0", "o").replace("1", "i")
    written = f" {slipped[:4]}-{slipped[4:8]} {slipped[8:]} "

    direct = await get(served, f"/track/{written}")
    asked = await get(served, "/track", code=written, lang="en")
    async with served.client() as client:
        led = await client.get(asked.headers["location"])

    assert direct.status_code == led.status_code == 200
    assert asked.status_code == 303
    assert "Application received" in led.text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_unknown_malformed_and_erased_codes_answer_alike(
    served: Served, distributor: Tenant, code: str, language: str
) -> None:
    erased = await distributor.client.post("/v1/customers/ayse/erase", json={})
    assert erased.status_code == 200, erased.text
    strange = [
        code,
        new_tracking_code(),
        "no-code",
        "'; DROP TABLE cases; --",
        "x" * 2000,
        "0" * 13,
    ]

    pages = [await get(served, f"/track/{one}", lang=language) for one in strange]
    marks = [await get(served, f"/track/{one}/barcode.svg", lang=language) for one in strange]

    assert {answer.status_code for answer in pages + marks} == {404}
    assert len({answer.text for answer in pages + marks}) == 1
    assert len({str(sorted(a.headers.items())) for a in without_ids(pages + marks)}) == 1
    assert "<svg" not in pages[0].text


def without_ids(answers: list[httpx.Response]) -> list[httpx.Response]:
    for answer in answers:
        answer.headers.pop("x-request-id", None)
        answer.headers.pop("request-id", None)
    return answers


async def test_whatever_is_typed_into_the_form_leads_to_a_page_of_ours(served: Served) -> None:
    for typed in ("../v1/cases", "https://elsewhere.example/", "//elsewhere.example", "--", "é/é"):
        answer = await get(served, "/track", code=typed)
        location = answer.headers["location"]
        async with served.client() as client:
            led = await client.get(location)

        assert answer.status_code == 303
        assert re.fullmatch(r"/track/[^/?]+", location)
        assert led.status_code == 404


async def test_nobody_finds_keeps_frames_or_passes_it_on(served: Served, code: str) -> None:
    for path in ("/track", f"/track/{code}", f"/track/{code}/barcode.svg", "/track/none"):
        headers = (await get(served, path)).headers

        assert "noindex" in headers["x-robots-tag"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]
        assert "set-cookie" not in headers


async def test_who_asks_too_often_is_told_when_to_come_again_and_others_are_not(
    served: Served, code: str
) -> None:
    async with served.client() as client:
        answers = [
            await client.get(f"/track/{code}", params={"lang": "en"})
            for _ in range(LOOKING.each.burst + 2)
        ]
    served.clock.pass_by(timedelta(seconds=int(answers[-1].headers["retry-after"])))
    async with client_from(served, "203.0.113.9") as other:
        elsewhere = await other.get(f"/track/{code}")
    later = await get(served, f"/track/{code}")

    assert [answer.status_code for answer in answers] == [200] * LOOKING.each.burst + [429] * 2
    assert "Too many people" in answers[-1].text
    assert elsewhere.status_code == later.status_code == 200


async def test_the_limit_is_one_for_all_processes(served: Served, code: str) -> None:
    app = create_app(served.settings, clock=served.clock)
    other = Served(app=app, clock=served.clock, settings=served.settings)
    async with other.app.router.lifespan_context(other.app):
        answers = [
            await get(other if turn % 2 else served, f"/track/{code}")
            for turn in range(LOOKING.each.burst + 4)
        ]

    refused = [answer.status_code for answer in answers].count(429)
    assert 3 <= refused <= 4


async def test_everybody_together_is_limited_too(served: Served, code: str) -> None:
    async with served.sessions() as tx, tx.begin():
        await tx.execute(
            text("INSERT INTO rate_buckets VALUES ('track/all', 0, 0.5, :now)"),
            {"now": served.clock.now()},
        )

    answers = [await get(served, f"/track/{code}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [429, 429]
    assert answers[0].headers["retry-after"] == "1"


async def test_no_address_is_kept_of_those_who_ask(served: Served, code: str) -> None:
    async with client_from(served, "203.0.113.9") as client:
        await client.get(f"/track/{code}")

    async with served.sessions() as tx:
        rows = (await tx.execute(select(table(RateBucketRow)))).all()
    assert {row.name for row in rows} == {"track/each", "track/all"}
    assert all(0 <= row.slot < 2**16 for row in rows)
    assert "203" not in str([row.name for row in rows])


def test_a_network_of_ipv6_is_one_client() -> None:
    assert client_of("2001:db8:1:2::1") == client_of("2001:db8:1:2:ffff::9")
    assert client_of("2001:db8:1:3::1") != client_of("2001:db8:1:2::1")
    assert client_of("203.0.113.9") != client_of("203.0.113.10")
    assert client_of("testclient") == "testclient"


@pytest.mark.req("E14")
async def test_the_bar_code_stands_alone_for_a_receipt(served: Served, code: str) -> None:
    answer = await get(served, f"/track/{code.lower()}/barcode.svg")

    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.startswith("<svg xmlns=")
    assert f"{code[:4]}-{code[4:8]}-{code[8:]}" in answer.text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_pages_have_a_sound_structure(served: Served, code: str, language: str) -> None:
    for path in ("/track", f"/track/{code}", "/track/none"):
        html = (await get(served, path, lang=language)).text
        page = structure_of(html)
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
        ids = [one["id"] for _, one in page.elements if "id" in one]

        assert page.mistakes == page.open == []
        assert page.all("html") == [{"lang": language}]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert len(page.all("main")) == 1
        assert next(one for tag, one in page.elements if tag == "a")["href"] == "#content"
        assert len(ids) == len(set(ids))
        assert "<script" not in html
        assert "@media print" in html


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser")
@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
@pytest.mark.parametrize("which", ["case", "form"])
async def test_a_browser_finds_nothing_that_keeps_people_out(
    served: Served, code: str, tmp_path: Path, *, scheme: str, width: int, which: str
) -> None:
    path = f"/track/{code}" if which == "case" else "/track"
    page = (await get(served, path, lang="tr")).text

    found = await asyncio.to_thread(found_by_axe, page, tmp_path, scheme, width)

    assert found["violations"] == []
    assert found["passes"] > 15
    assert found["wide"] <= max(found["width"], 500)


def client_from(served: Served, host: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=served.app, client=(host, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://tellal")
