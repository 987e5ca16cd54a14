"""The console in a real browser: by keyboard alone, without a script, and open to everybody."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Page, async_playwright

from tests.support.api import Served, Tenant, open_case, put_customer
from tests.support.browser import CHROMIUM
from tests.support.carrier import free_port
from tests.support.waiting import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on PATH (Debian: chromium)"),
]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OUTAGE = {
    "incident": "power_failure",
    "title": "Transformer failure in Tepebaşı",
    "areas": [{"district": "tepebasi"}],
    "workaround": "Acil durumda 186'yı arayın.",
    "hotline": "186",
}


@asynccontextmanager
async def listening(served: Served) -> AsyncIterator[str]:
    """Let the application answer on the loopback, too."""
    port = free_port()
    config = uvicorn.Config(served.app, port=port, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    try:
        await until(started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def browser(scheme: str = "light") -> AsyncIterator[Page]:
    """Open a browser that runs no script of any page."""
    async with async_playwright() as play:
        shown = await play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = await shown.new_context(
            java_script_enabled=False,
            locale="en-GB",
            color_scheme="dark" if scheme == "dark" else "light",
        )
        try:
            yield await context.new_page()
        finally:
            await shown.close()


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called so."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if await focused.count() and name in (await focused.aria_snapshot()):
            return
    raise AssertionError(f"{name!r} cannot be reached with the keyboard")


async def a_call(tenant: Tenant) -> str:
    await put_customer(tenant)
    number: str = (await open_case(tenant))["number"]
    for command, body in (("route", {"team": "metering"}), ("answer", {"answer": "replaced"})):
        await tenant.client.post(f"/v1/cases/{number}/{command}", json=body)
    return number


async def test_a_call_is_made_and_an_outage_ended_by_keyboard_alone(
    served: Served, distributor: Tenant
) -> None:
    number = await a_call(distributor)
    outage = (await distributor.client.post("/v1/outages", json=OUTAGE)).json()
    await distributor.client.post(f"/v1/outages/{outage['id']}/confirm")

    async with listening(served) as address, browser() as page:
        await page.goto(f"{address}/console")
        await tab_to(page, "API key")
        await page.keyboard.type(distributor.token)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console")

        await tab_to(page, number)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/calls/*")
        await tab_to(page, "Take it")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**?done")
        await tab_to(page, "Reached")
        await page.keyboard.press("Space")
        await tab_to(page, "Not verified")
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("ArrowUp")
        await tab_to(page, "Note")
        await page.keyboard.type("Prefers the evening")
        await tab_to(page, "Record the call")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console?done")

        await tab_to(page, str(OUTAGE["title"]))
        await page.keyboard.press("Enter")
        await tab_to(page, "Resolve")
        await page.keyboard.press("Enter")
        await tab_to(page, "Yes, end it")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console?done")

    case = (await distributor.client.get(f"/v1/cases/{number}")).json()
    assert (case["calls"], case["verified_as"]) == (1, "applicant")
    ended = (await distributor.client.get(f"/v1/outages/{outage['id']}")).json()
    assert ended["state"] == "resolved"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_on_its_pages_keeps_anybody_out(
    served: Served, distributor: Tenant, scheme: str
) -> None:
    """Axe-core's rules of WCAG 2.2 A and AA; it is a script, so it is put in by the browser."""
    await a_call(distributor)
    outage = (await distributor.client.post("/v1/outages", json=OUTAGE)).json()
    axe = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    [task] = (await distributor.client.get("/v1/call-tasks")).json()["items"]
    await distributor.client.post(f"/v1/call-tasks/{task['id']}/claim", json={})

    async with listening(served) as address, async_playwright() as play:
        shown = await play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = await shown.new_context(
            bypass_csp=True, color_scheme="dark" if scheme == "dark" else "light"
        )
        page = await context.new_page()
        await page.goto(f"{address}/console/sign-in")
        found = {"sign-in": await _violations(page, axe)}
        await page.get_by_label("API key").fill(distributor.token)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console")
        for path in ("", f"/calls/{task['id']}", f"/outages/{outage['id']}/dismiss"):
            await page.goto(f"{address}/console{path}")
            found[path] = await _violations(page, axe)
        if folder := os.environ.get("TELLAL_PICTURES"):
            await page.goto(f"{address}/console")
            await page.screenshot(path=Path(folder) / f"console-{scheme}.png", full_page=True)
        await shown.close()

    assert {path: said for path, said in found.items() if said} == {}


async def _violations(page: Page, axe: str) -> list[str]:
    await page.evaluate(axe)
    found = await page.evaluate("axe.run(document)")
    assert found["passes"], "it looked at nothing"
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]
