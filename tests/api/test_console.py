"""The console over HTTP: signing in, forms, calls, approvals, live outages, and what is refused."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.publishing import Action, Actor, Kind, Proposal
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.console import ConsoleSessionRow
from tellal.persistence.tables.operations import CallTaskRow, CaseRow
from tellal.services import proposals, revisions
from tellal.services.editions import Edition
from tellal.services.keys import Role, Scope, create_key, revoke_key
from tests.support.api import Served, Tenant, Tenants, open_case, put_customer

_sessions = table(ConsoleSessionRow)
_cases = table(CaseRow)
_tasks = table(CallTaskRow)
EVE = Actor(person="eve@bank.example", key_id="k")
OUTAGE = {
    "incident": "power_failure",
    "title": "Transformer failure in Tepebaşı",
    "areas": [{"district": "tepebasi"}],
    "workaround": "Acil durumda 186'yı arayın.",
    "hotline": "186",
}


@asynccontextmanager
async def console(
    served: Served, token: str, officer: str = ""
) -> AsyncIterator[httpx.AsyncClient]:
    """Sign in as a browser would, and keep the cookie."""
    async with served.client() as client:
        client.headers["Accept-Language"] = "en"
        answer = await client.post("/console/sign-in", data={"key": token, "officer": officer})
        assert answer.status_code == 303, answer.text
        yield client


@pytest.fixture
async def desk(served: Served, distributor: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with console(served, distributor.token, "Desk 3") as client:
        yield client


@pytest.fixture
async def task(distributor: Tenant) -> dict[str, Any]:
    """A call that is to be made: a team has answered a case."""
    await put_customer(distributor)
    number = (await open_case(distributor))["number"]
    for command, body in (("route", {"team": "metering"}), ("answer", {"answer": "<b>new</b>"})):
        answer = await distributor.client.post(f"/v1/cases/{number}/{command}", json=body)
        assert answer.status_code == 200, answer.text
    found = (await distributor.client.get("/v1/call-tasks")).json()["items"][0]
    return dict(found)


async def proposed(tx: AsyncSession, edition: Edition, now: datetime) -> Proposal:
    """Have Eve propose a revision that concerns enough people to wait for a second person."""
    await revisions.store(tx, edition, author=EVE.person, note="", now=now)
    return await proposals.add(
        tx,
        EVE,
        revision=edition.revision,
        base="",
        kind=Kind.PUBLISH,
        affected=5,
        threshold=0,
        note="",
        now=now,
    )


def fields(page: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form that goes to an address."""
    [form] = re.findall(
        rf'<form method="post" action="{re.escape(action)}">(.*?)</form>', page, re.DOTALL
    )
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))


async def sent(client: httpx.AsyncClient, shown: str, action: str, **filled: str) -> httpx.Response:
    """Look at a page and send one of its forms."""
    page = await client.get(shown)
    return await client.post(action, data={**fields(page.text, action), **filled})


# ---------------------------------------------------------------- signing in


async def test_nobody_sees_anything_without_signing_in(
    served: Served, task: dict[str, Any]
) -> None:
    async with served.client() as stranger:
        answers = [
            await stranger.get(path)
            for path in ("/console", f"/console/calls/{task['id']}", "/console/outages/x")
        ]
        command = await stranger.post(f"/console/calls/{task['id']}/claim", data={"form": "x"})

    assert {one.headers["location"] for one in (*answers, command)} == {"/console/sign-in"}


async def test_a_key_opens_a_session_and_is_kept_nowhere(
    served: Served, distributor: Tenant
) -> None:
    async with served.client() as client:
        answer = await client.post("/console/sign-in", data={"key": f" {distributor.token} "})
        cookie = answer.headers["set-cookie"]
        inbox = await client.get("/console")

    secret = re.findall(r"tellal_console=([^;]+)", cookie)[0]
    assert {"HttpOnly", "Path=/console", "SameSite=strict"} <= set(cookie.split("; "))
    assert distributor.token not in cookie
    assert inbox.status_code == 200
    assert inbox.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in inbox.headers["content-security-policy"]
    assert "<script" not in inbox.text
    async with served.sessions() as tx:
        kept = (await tx.execute(select(_sessions.c.digest))).scalars().all()
    assert secret not in kept


async def test_over_https_the_cookie_is_secure(served: Served, distributor: Tenant) -> None:
    transport = httpx.ASGITransport(app=served.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://tellal") as client:
        answer = await client.post("/console/sign-in", data={"key": distributor.token})

    assert "Secure" in answer.headers["set-cookie"]


async def test_what_opens_nothing_is_refused_and_may_not_be_tried_for_ever(served: Served) -> None:
    async with served.client() as client:
        client.headers["Accept-Language"] = "en"
        tries = [await client.post("/console/sign-in", data={"key": "tlk_x"}) for _ in range(12)]

    assert tries[0].status_code == 401
    assert "This key opens nothing." in tries[0].text
    assert tries[-1].status_code == 429
    assert int(tries[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize("ends", ["revoked", "idle", "old", "signed out"])
async def test_a_session_ends(served: Served, distributor: Tenant, ends: str) -> None:
    async with console(served, distributor.token) as client:
        assert (await client.get("/console")).status_code == 200
        if ends == "revoked":
            async with served.sessions() as tx, tx.begin():
                now = served.clock.now()
                await revoke_key(tx, distributor.brand.id, distributor.key.id, now=now)
        elif ends == "idle":
            served.clock.at += timedelta(minutes=31)
        elif ends == "old":
            for _ in range(24):
                served.clock.at += timedelta(minutes=29)
                assert (await client.get("/console")).status_code == 200
            served.clock.at += timedelta(minutes=29)
        else:
            secret = client.cookies["tellal_console"]
            await sent(client, "/console", "/console/sign-out")
            client.cookies.set("tellal_console", secret, domain="tellal.local", path="/console")
        answer = await client.get("/console")

    assert answer.headers["location"] == "/console/sign-in"


# ---------------------------------------------------------------- forms


async def test_a_form_of_elsewhere_does_nothing(
    desk: httpx.AsyncClient, distributor: Tenant, task: dict[str, Any]
) -> None:
    action = f"/console/calls/{task['id']}/claim"
    page = await desk.get(f"/console/calls/{task['id']}")
    good = fields(page.text, action)

    answers = [
        await desk.post(action, data={**good, "form": ""}),
        await desk.post(action, data={**good, "form": "0" * 64}),
        await desk.post(action, data=good, headers={"Sec-Fetch-Site": "cross-site"}),
        await desk.post(action, json=good),
    ]

    assert {one.status_code for one in answers} == {403}
    assert "did not come from this page" in answers[0].text
    read = (await distributor.client.get(f"/v1/call-tasks/{task['id']}")).json()
    assert read["state"] == "open"


async def test_a_form_of_another_session_does_nothing(
    served: Served, distributor: Tenant, desk: httpx.AsyncClient, task: dict[str, Any]
) -> None:
    action = f"/console/calls/{task['id']}/claim"
    async with console(served, distributor.token) as other:
        foreign = fields((await other.get(f"/console/calls/{task['id']}")).text, action)

    assert (await desk.post(action, data=foreign)).status_code == 403


# ---------------------------------------------------------------- calls


async def test_an_officer_takes_a_call_and_tells_how_it_went(
    desk: httpx.AsyncClient, distributor: Tenant, task: dict[str, Any]
) -> None:
    here = f"/console/calls/{task['id']}"
    inbox = await desk.get("/console")
    claimed = await sent(desk, here, f"{here}/claim")
    mine = await desk.get(here)
    told = {"outcome": "reached", "verified_as": "applicant", "told_result": "yes"}
    data = {**fields(mine.text, f"{here}/outcome"), **told}
    first = await desk.post(f"{here}/outcome", data=data)
    again = await desk.post(f"{here}/outcome", data=data)

    assert f'href="{here}"' in inbox.text
    assert claimed.headers["location"] == f"{here}?done"
    assert "&lt;b&gt;new&lt;/b&gt;" in mine.text, "what people wrote is no markup"
    assert 'href="tel:+90532' in mine.text
    assert "Desk 3" in mine.text
    assert (first.status_code, again.status_code) == (303, 303), "twice is once"
    case = (await distributor.client.get(f"/v1/cases/{task['case']}")).json()
    assert (case["state"], case["calls"]) == ("called", 1)
    assert any("Desk 3" in entry["by"] for entry in case["entries"])


async def test_a_refusal_is_shown_beside_what_was_typed(
    served: Served, desk: httpx.AsyncClient, distributor: Tenant, task: dict[str, Any]
) -> None:
    here = f"/console/calls/{task['id']}"
    await sent(desk, here, f"{here}/claim")
    page = await desk.get(here)
    async with served.sessions() as tx, tx.begin():
        await tx.execute(
            update(_tasks).where(_tasks.c.id == task["id"]).values(claimed_by="crm (Desk 9)")
        )
    data = {**fields(page.text, f"{here}/outcome"), "outcome": "busy", "note": "after <six>"}
    answer = await desk.post(f"{here}/outcome", data=data)

    assert answer.status_code == 409
    assert "another officer has this task" in answer.text
    assert "after &lt;six&gt;" in answer.text
    case = (await distributor.client.get(f"/v1/cases/{task['case']}")).json()
    assert case["calls"] == 0


async def test_a_key_shows_only_what_it_may(
    served: Served, tenants: Tenants, task: dict[str, Any], distributor: Tenant
) -> None:
    bank = await tenants.make("bank")
    async with served.sessions() as tx, tx.begin():
        _, reader = await create_key(
            tx, distributor.brand.id, "reader", [Scope.CASES_READ], now=served.clock.now()
        )
    here = f"/console/calls/{task['id']}"
    async with console(served, bank.token) as stranger:
        foreign = await stranger.get(here)
        nothing = await stranger.get("/console")
    async with console(served, reader) as looking:
        seen = await looking.get(here)
        inbox = await looking.get("/console")
        form = fields(inbox.text, "/console/sign-out")
        refused = await looking.post(f"{here}/claim", data={**form, "once": "1"})
        outage = await looking.get("/console/outages/x")

    assert foreign.status_code == 404
    assert task["case"] not in nothing.text
    assert "tel:" not in seen.text
    assert f"{here}/claim" not in seen.text
    assert "Live outages</h2>" not in inbox.text
    assert (refused.status_code, outage.status_code) == (403, 403)
    assert "cases:write" in refused.text


async def test_a_refused_form_shows_nothing_that_the_key_may_not_read(
    served: Served, distributor: Tenant, task: dict[str, Any]
) -> None:
    outage = (await distributor.client.post("/v1/outages", json=OUTAGE)).json()
    plan = {"name": "spring", "topic": "tariff_change", "when": {"at": "2030-03-01T10:00"}}
    campaign = (await distributor.client.post("/v1/campaigns", json=plan)).json()
    async with served.sessions() as tx, tx.begin():
        _, blind = await create_key(
            tx, distributor.brand.id, "blind", [Scope.EVENTS_WRITE], now=served.clock.now()
        )
        proposal = await proposed(tx, Edition({"rules/c.yaml": new_id()}), served.clock.now())
    async with console(served, blind) as client:
        form = fields((await client.get("/console")).text, "/console/sign-out")
        answers = {
            path: await client.post(f"/console/{path}", data={**form, "once": path[:40]})
            for path in (
                f"calls/{task['id']}/claim",
                f"calls/{task['id']}/outcome",
                f"outages/{outage['id']}/resolve",
                f"campaigns/{campaign['id']}/approve",
                f"campaigns/{campaign['id']}/return",
                f"revisions/{proposal.revision}/approve",
                f"revisions/{proposal.revision}/refuse",
            )
        }
    async with served.sessions() as tx, tx.begin():  # the rulebook is every brand's
        await proposals.move(tx, proposal, Action.WITHDRAW, EVE, now=served.clock.now())

    assert {path: one.status_code for path, one in answers.items()} == dict.fromkeys(answers, 403)
    said = "".join(one.text for one in answers.values())
    secrets = (task["case"], "The meter shows too much", str(OUTAGE["title"]), "tariff_change")
    assert [one for one in (*secrets, EVE.person) if one in said] == []


async def test_of_what_is_overdue_the_longest_comes_first(
    served: Served, desk: httpx.AsyncClient, distributor: Tenant
) -> None:
    await put_customer(distributor)
    now = served.clock.now()
    numbers = [(await open_case(distributor))["number"] for _ in range(3)]
    async with served.sessions() as tx, tx.begin():
        for number, days in zip(numbers, (1, 3, 2), strict=True):
            row = update(_cases).where(_cases.c.number == number)
            row = row.where(_cases.c.brand_id == distributor.brand.id)
            await tx.execute(row.values(escalated_at=now, due_at=now - timedelta(days=days)))

    page = (await desk.get("/console")).text

    places = [page.index(f'<th scope="row">{number}</th>') for number in numbers]
    assert places[1] < places[2] < places[0]


async def test_what_is_overdue_comes_first(
    served: Served, desk: httpx.AsyncClient, task: dict[str, Any]
) -> None:
    async with served.sessions() as tx, tx.begin():
        late = served.clock.now() - timedelta(days=1)
        mine = update(_cases).where(_cases.c.number == task["case"])
        await tx.execute(mine.values(escalated_at=served.clock.now(), due_at=late))

    page = (await desk.get("/console")).text

    first, second = page.index("Overdue cases"), page.index("Calls to make</h2>")
    assert first < page.index(task["case"]) < second


# ---------------------------------------------------------------- approvals


@pytest.fixture
async def approver(served: Served, bank: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with AsyncExitStack() as held:
        async with served.sessions() as tx, tx.begin():
            _, token = await create_key(
                tx,
                bank.brand.id,
                "ada",
                (),
                now=served.clock.now(),
                person="ada@bank.example",
                roles=[Role.APPROVER],
            )
        yield await held.enter_async_context(console(served, token))


@pytest.fixture
async def campaign(bank: Tenant) -> dict[str, Any]:
    plan = {"name": "spring", "topic": "tariff_change", "when": {"at": "2030-03-01T10:00"}}
    made = (await bank.client.post("/v1/campaigns", json=plan)).json()
    submitted = await bank.client.post(f"/v1/campaigns/{made['id']}/submit")
    assert submitted.json()["state"] == "submitted", submitted.text
    return dict(made)


async def test_a_second_person_approves_the_plan_that_was_shown(
    approver: httpx.AsyncClient, bank: Tenant, campaign: dict[str, Any]
) -> None:
    here = f"/console/campaigns/{campaign['id']}"
    inbox = await approver.get("/console")
    page = await approver.get(here)
    good = fields(page.text, f"{here}/approve")
    other = await approver.post(f"{here}/approve", data={**good, "digest": "f" * 64, "once": "2"})
    answer = await approver.post(f"{here}/approve", data=good)

    assert f'href="{here}"' in inbox.text
    assert "tariff_change" in page.text
    assert other.status_code == 409
    assert answer.status_code == 303
    read = (await bank.client.get(f"/v1/campaigns/{campaign['id']}")).json()
    assert (read["state"], read["approved_by"]) == ("approved", "ada@bank.example")
    assert here not in (await approver.get("/console")).text


async def test_a_campaign_is_sent_back_with_the_reason(
    approver: httpx.AsyncClient, bank: Tenant, campaign: dict[str, Any]
) -> None:
    here = f"/console/campaigns/{campaign['id']}"
    answer = await sent(approver, here, f"{here}/return", reason="Too late in the year")

    assert answer.status_code == 303
    history = (await bank.client.get(f"/v1/campaigns/{campaign['id']}/history")).json()
    assert history[-1]["body"]["reason"] == "Too late in the year"


async def test_a_shared_key_approves_nothing(
    served: Served, bank: Tenant, campaign: dict[str, Any]
) -> None:
    here = f"/console/campaigns/{campaign['id']}"
    async with console(served, bank.token) as client:
        answer = await sent(client, here, f"{here}/approve")

    assert answer.status_code == 403
    read = (await bank.client.get(f"/v1/campaigns/{campaign['id']}")).json()
    assert read["state"] == "submitted"


async def test_a_proposal_waits_however_many_came_after_it(
    served: Served, approver: httpx.AsyncClient
) -> None:
    now = served.clock.now()
    first, second = Edition({"rules/a.yaml": new_id()}), Edition({"rules/b.yaml": new_id()})
    async with served.sessions() as tx, tx.begin():
        waits = await proposed(tx, first, now)
        for _ in range(50):
            later = await proposed(tx, second, now)
            await proposals.move(tx, later, Action.WITHDRAW, EVE, now=now)
    page = (await approver.get("/console")).text
    async with served.sessions() as tx, tx.begin():  # the rulebook is every brand's
        await proposals.move(tx, waits, Action.WITHDRAW, EVE, now=now)

    assert f"/console/revisions/{first.revision}" in page
    assert f"/console/revisions/{second.revision}" not in page


# ---------------------------------------------------------------- outages


async def test_an_outage_is_ended_after_its_numbers_were_shown(
    desk: httpx.AsyncClient, distributor: Tenant
) -> None:
    made = (await distributor.client.post("/v1/outages", json=OUTAGE)).json()
    await distributor.client.post(f"/v1/outages/{made['id']}/confirm")
    here = f"/console/outages/{made['id']}"
    inbox = await desk.get("/console")
    page = await desk.get(here)
    asked = await desk.get(f"{here}/resolve")
    answer = await sent(desk, f"{here}/resolve", f"{here}/resolve")
    late = await desk.get(f"{here}/resolve")

    assert str(OUTAGE["title"]) in inbox.text
    assert f'href="{here}/resolve"' in page.text
    assert f'href="{here}/dismiss"' not in page.text, "a confirmed failure is not dismissed"
    assert "will hear that it is over" in asked.text
    assert answer.status_code == 303
    read = (await distributor.client.get(f"/v1/outages/{made['id']}")).json()
    assert read["state"] == "resolved"
    assert '<form method="post" action="/console/outages' not in late.text


@pytest.mark.parametrize("path", ["outages/none", "outages/x/explode", "revisions/none", "calls/x"])
async def test_what_is_not_there_is_a_page_that_says_so(desk: httpx.AsyncClient, path: str) -> None:
    answer = await desk.get(f"/console/{path}")

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("accepted", "words"), [("tr", "Gelen kutusu"), ("pl-PL,pl", "Skrzynka"), ("de", "Inbox")]
)
async def test_it_speaks_the_readers_language(
    desk: httpx.AsyncClient, accepted: str, words: str
) -> None:
    page = await desk.get("/console", headers={"Accept-Language": accepted})

    assert f"<h1>{words}</h1>" in page.text


async def test_old_sessions_are_not_kept(served: Served, distributor: Tenant) -> None:
    async with console(served, distributor.token):
        served.clock.at += timedelta(hours=13)
    async with console(served, distributor.token), served.sessions() as tx:
        mine = select(func.count()).where(_sessions.c.key_id == distributor.key.id)
        assert (await tx.execute(mine)).scalar_one() == 1
