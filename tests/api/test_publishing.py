"""Rulebooks are published over HTTP: with persons' keys, and in force everywhere soon after."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from pydantic import SecretStr

from api.app import create_app
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.persistence.session import Sessions
from tellal.services.editions import read_edition
from tellal.services.keys import Role, Scope, create_key
from tellal.settings import Settings, SmtpSettings, TwilioSettings
from tests.support.builders import a_brand, a_customer
from tests.support.carrier import free_port
from tests.support.house import SetClock
from tests.support.waiting import until

SHIPPED = read_edition(None)
RULES = {one.name: one.text for one in SHIPPED.rules}
BANNER = "phishing_awareness/banner.tr.j2"


def texts_with(line: str) -> dict[str, str]:
    """Say something else in the banner about phishing."""
    return {**SHIPPED.texts, BANNER: f"{SHIPPED.texts[BANNER].rstrip()} {line}\n"}


def settings_for(database_url: str) -> Settings:
    return Settings(
        database_url=SecretStr(database_url),
        twilio=TwilioSettings(account_sid="AC1", auth_token=SecretStr("token")),
        smtp=SmtpSettings(host="localhost"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Two processes of the API on one database, and keys of the people of a bank."""

    here: httpx.AsyncClient
    there: httpx.AsyncClient
    keys: dict[str, str]

    async def post(self, path: str, *, as_: str, **body: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[as_]}"}
        return await self.here.post(f"/v1/rulebook/{path}", json=body, headers=headers)

    async def get(self, path: str, *, as_: str = "auditor") -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[as_]}"}
        return await self.here.get(f"/v1/rulebook{path}", headers=headers)

    async def put_in_force(self, line: str) -> str:
        """Publish a text with two persons; return the revision."""
        proposed = await self.post(
            "revisions", as_="author", rules=RULES, templates=texts_with(line), note=line
        )
        revision: str = proposed.json()["revision"]
        await self.post(f"revisions/{revision}/approve", as_="approver")
        done = await self.post(f"revisions/{revision}/publish", as_="author")
        assert done.status_code == 200, done.text
        return revision


@pytest.fixture
async def bank(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, contacts={Channel.SMS: "+905320000101"})
    return brand


@asynccontextmanager
async def serving(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings_for(database_url), clock=SetClock())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="http://tellal",
        ) as client,
    ):
        yield client


async def keys_of(
    sessions: Sessions, bank: Brand, *more: tuple[str, str, Iterable[str]]
) -> dict[str, str]:
    """Make a key for each role, of a person of that name, and a shared one that may do all."""
    now = SetClock().now()
    tokens = {}
    async with sessions() as tx, tx.begin():
        for role in Role:
            person = f"{role.value}@bank.example"
            _, tokens[role.value] = await create_key(
                tx, bank.id, role.value, (), now=now, person=person, roles=[role]
            )
        _, tokens["shared"] = await create_key(tx, bank.id, "core", tuple(Scope), now=now)
        for name, person, scopes in more:
            _, tokens[name] = await create_key(tx, bank.id, name, scopes, now=now, person=person)
    return tokens


@pytest.fixture
async def at(database_url: str, sessions: Sessions, bank: Brand) -> AsyncIterator[Installation]:
    own = ("own", "author@bank.example", tuple(Scope))
    tokens = await keys_of(sessions, bank, own)
    async with AsyncExitStack() as held:
        here = await held.enter_async_context(serving(database_url))
        there = await held.enter_async_context(serving(database_url))
        yield Installation(here=here, there=there, keys=tokens)


async def banner(client: httpx.AsyncClient, token: str) -> str:
    """Log in where a banner can be shown, and return what it says."""
    answer = await client.post(
        "/v1/events",
        json={
            "customer": "ayse",
            "type": "login",
            "data": {"method": "password", "surface": "web", "can_show_banner": True},
        },
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_second_person_publishes_and_every_process_speaks_the_new_text(
    at: Installation,
) -> None:
    proposed = await at.post(
        "revisions", as_="author", rules=RULES, templates=texts_with("Yeni söz."), note="clearer"
    )
    revision = proposed.json()["revision"]
    alone = await at.post(f"revisions/{revision}/publish", as_="author")
    approved = await at.post(f"revisions/{revision}/approve", as_="approver")
    published = await at.post(f"revisions/{revision}/publish", as_="author")

    async def in_force_there() -> bool:
        head = {"Authorization": f"Bearer {at.keys['auditor']}"}
        answer = await at.there.get("/v1/rulebook", headers=head)
        return bool(answer.json()["revision"] == revision)

    await until(in_force_there)

    assert proposed.status_code == 201
    assert (proposed.json()["needs_approval"], proposed.json()["affected"]) == (True, 1)
    assert (alone.status_code, alone.json()["code"]) == (409, "approval_needed")
    assert approved.json()["approver"] == "approver@bank.example"
    assert published.json()["state"] == "published"
    assert "Yeni söz." in await banner(at.there, at.keys["shared"])


@pytest.mark.parametrize(
    ("who", "code"),
    [
        pytest.param("author", "forbidden", id="a key without the scope"),
        pytest.param("own", "own_revision", id="the author by another key"),
        pytest.param("shared", "personal_key_needed", id="a shared key"),
        pytest.param("operator", "forbidden", id="an operator"),
    ],
)
async def test_who_is_no_second_person_does_not_approve(
    at: Installation, who: str, code: str
) -> None:
    proposed = await at.post(
        "revisions", as_="author", rules=RULES, templates=texts_with("Yeni söz.")
    )

    answer = await at.post(f"revisions/{proposed.json()['revision']}/approve", as_=who)

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


async def test_a_shared_key_does_not_propose(at: Installation) -> None:
    answer = await at.post("revisions", as_="shared", rules=RULES)

    assert (answer.status_code, answer.json()["code"]) == (403, "personal_key_needed")


async def test_what_is_broken_is_answered_with_its_place(at: Installation) -> None:
    broken = {**RULES, "iscep.yaml": RULES["iscep.yaml"].replace("uses_iscep: true", "uses_it: 1")}

    answer = await at.post("revisions", as_="author", rules=broken)

    problem = answer.json()
    place = next(one for one in problem["findings"] if "uses_it" in one["message"])
    assert (answer.status_code, problem["code"]) == (422, "rulebook_broken")
    assert place["file"] == "iscep.yaml"
    assert "uses_it" in broken["iscep.yaml"].splitlines()[place["line"] - 1]


@pytest.mark.parametrize("name", ["../law.yaml", "law.txt", ".yaml", "sub/law.yaml"])
async def test_files_are_called_as_files_of_a_folder_are(at: Installation, name: str) -> None:
    answer = await at.post("revisions", as_="author", rules={**RULES, name: "version: 1\n"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_a_repeat_happens_once(at: Installation) -> None:
    head = {"Authorization": f"Bearer {at.keys['author']}", "Idempotency-Key": "one"}
    body = {"rules": RULES, "templates": texts_with("Yeni söz.")}

    first = await at.here.post("/v1/rulebook/revisions", json=body, headers=head)
    again = await at.here.post("/v1/rulebook/revisions", json=body, headers=head)

    assert again.headers["Idempotent-Replay"] == "true"
    assert again.json() == first.json()
    assert len((await at.get("/history")).json()["items"]) == 1


async def test_one_reads_what_is_published_and_how_it_came_about(at: Installation) -> None:
    old = await at.put_in_force("Eski söz.")
    new = await at.put_in_force("Yeni söz.")

    listed = (await at.get("/revisions")).json()["items"]
    shown = (await at.get(f"/revisions/{new[7:17]}")).json()
    first = (await at.get("/history?limit=4")).json()
    rest = (await at.get(f"/history?before={first['next']}")).json()

    assert {one["revision"]: one["in_force"] for one in listed} == {old: False, new: True}
    assert shown["files"][f"templates/{BANNER}"].endswith("Yeni söz.\n")
    assert shown["proposals"][0]["approver"] == "approver@bank.example"
    records = [*first["items"], *rest["items"]]
    assert [one["action"] for one in records] == ["publish", "approve", "propose"] * 2
    assert [one["previous"] for one in records] == [*(one["hash"] for one in records[1:]), ""]


async def test_an_operator_rolls_back_with_a_second_person(at: Installation) -> None:
    old = await at.put_in_force("Eski söz.")
    await at.put_in_force("Yeni söz.")

    asked = await at.post("rollback", as_="operator", revision=old, note="wrong")
    await at.post(f"revisions/{old}/approve", as_="officer")
    done = await at.post(f"revisions/{old}/publish", as_="operator")

    assert (asked.json()["kind"], asked.json()["needs_approval"]) == ("rollback", True)
    assert done.json()["state"] == "published"
    assert (await at.get("/history")).json()["items"][0]["action"] == "rollback"

    async def speaks_as_before() -> bool:
        return bool((await at.get("")).json()["revision"] == old)

    await until(speaks_as_before)
    assert "Eski söz." in await banner(at.here, at.keys["shared"])


async def test_the_preview_says_how_many_journeys_are_where(at: Installation) -> None:
    await banner(at.here, at.keys["shared"])
    old, new = "phishing_awareness", "phishing_notice"
    renamed = {name: text.replace(old, new) for name, text in RULES.items()}
    texts = {path.replace(old, new): text for path, text in SHIPPED.texts.items()}
    proposed = await at.post("revisions", as_="author", rules=renamed, templates=texts)
    revision = proposed.json()["revision"]
    await at.post(f"revisions/{revision}/approve", as_="approver")

    preview = (await at.get(f"/revisions/{revision}/preview")).json()
    refused = await at.post(f"revisions/{revision}/publish", as_="author")

    (journeys,) = (one for one in preview["journeys"] if one["lacks"])
    assert (journeys["topic"], journeys["open"]) == ("phishing_awareness", 1)
    assert "the topic" in journeys["lacks"]
    assert (refused.status_code, refused.json()["code"]) == (409, "journeys_need_it")
    assert "phishing_awareness (1 open)" in refused.json()["detail"]


@pytest.mark.parametrize("kind", ["cases", "outages", "campaigns"])
async def test_what_goes_on_keeps_its_topics(at: Installation, kind: str) -> None:
    headers = {"Authorization": f"Bearer {at.keys['shared']}"}
    bodies: dict[str, dict[str, object]] = {
        "cases": {"customer": "ayse", "channel": "web", "subject": "The meter shows too much"},
        "outages": {
            "title": "Transformer failure",
            "segment": {"customer.district": "tepebasi"},
            "variables": {
                "area": "Tepebaşı",
                "expected_end": "18:30",
                "workaround": "186'yı arayın.",
                "hotline": "186",
            },
        },
        "campaigns": {
            "name": "spring",
            "topic": "card_delivery",
            "variants": [{"name": "only", "share": 100, "topic": "tariff_change"}],
            "when": {"at": "2100-03-01T10:00", "zone": "Europe/Istanbul"},
        },
    }
    begun = await at.here.post(f"/v1/{kind}", json=bodies[kind], headers=headers)
    if kind == "campaigns":
        path = f"/v1/campaigns/{begun.json()['id']}/submit"
        assert (await at.here.post(path, headers=headers)).status_code == 200
    old = {
        "cases": "case_resolved_with_result",
        "outages": "outage_notice",
        "campaigns": "tariff_change",
    }[kind]
    renamed = {name: text.replace(old, f"{old}s") for name, text in RULES.items()}
    texts = {path.replace(f"{old}/", f"{old}s/"): text for path, text in SHIPPED.texts.items()}
    proposed = await at.post("revisions", as_="author", rules=renamed, templates=texts)
    revision = proposed.json()["revision"]
    await at.post(f"revisions/{revision}/approve", as_="approver")

    refused = await at.post(f"revisions/{revision}/publish", as_="author")

    assert begun.status_code == 201, begun.text
    assert refused.json()["code"] == "journeys_need_it"
    assert f"{old} (1 {kind}) the topic" in refused.json()["detail"]


async def test_halves_of_characters_are_refused(at: Installation) -> None:
    answer = await at.here.post(
        "/v1/rulebook/revisions",
        content=b'{"rules": {"law.yaml": "version: 1 # \\ud800"}}',
        headers={"Authorization": f"Bearer {at.keys['author']}"},
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


# Keys of persons


async def make_key(at: Installation, as_: str, **said: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {at.keys[as_]}"}
    return await at.here.post("/v1/keys", json={"name": "new", **said}, headers=headers)


async def test_a_role_opens_its_scopes_for_a_person(at: Installation) -> None:
    made = await make_key(at, "own", person="Zoe@bank.example", roles=["approver"])
    nobody = await make_key(at, "own", roles=["approver"])

    key = made.json()["key"]
    assert (key["person"], key["roles"]) == ("zoe@bank.example", ["approver"])
    assert set(key["scopes"]) == {
        "rulebook:approve",
        "campaigns:approve",
        "campaigns:read",
        "decisions:read",
    }
    assert (nobody.status_code, nobody.json()["errors"][0]["field"]) == (422, "person")


async def test_nobody_makes_himself_a_second_person(at: Installation) -> None:
    """The author makes a key for somebody, or a shared key does, and the author approves by it."""
    proposed = await at.post(
        "revisions", as_="author", rules=RULES, templates=texts_with("Yeni söz.")
    )
    by_shared = await make_key(at, "shared", person="zoe@bank.example", roles=["approver"])
    made = await make_key(at, "own", person="zoe@bank.example", roles=["approver"])
    at.keys["zoe"] = made.json()["token"]

    answer = await at.post(f"revisions/{proposed.json()['revision']}/approve", as_="zoe")

    assert (by_shared.status_code, by_shared.json()["code"]) == (403, "personal_key_needed")
    assert (answer.status_code, answer.json()["code"]) == (403, "key_of_author")


async def test_who_rotates_anothers_key_has_made_it(at: Installation) -> None:
    proposed = await at.post(
        "revisions", as_="author", rules=RULES, templates=texts_with("Yeni söz.")
    )
    headers = {"Authorization": f"Bearer {at.keys['own']}"}
    listed = (await at.here.get("/v1/keys", headers=headers)).json()["items"]
    of_approver = next(one for one in listed if one["person"] == "approver@bank.example")
    rotated = await at.here.post(f"/v1/keys/{of_approver['id']}/rotate", json={}, headers=headers)
    at.keys["stolen"] = rotated.json()["token"]

    answer = await at.post(f"revisions/{proposed.json()['revision']}/approve", as_="stolen")

    assert (answer.status_code, answer.json()["code"]) == (403, "key_of_author")


# A process of its own


@pytest.fixture
def process(database_url: str) -> Iterator[str]:
    """Start the API as a deployment does; return its address."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "TELLAL_DATABASE_URL": database_url,
        "TELLAL_TWILIO__ACCOUNT_SID": "AC1",
    }
    running = subprocess.Popen(
        [sys.executable, "-m", "tellal", "api", "--port", str(port)], env=environment
    )
    yield f"http://127.0.0.1:{port}"
    running.terminate()
    running.wait(20)


async def test_a_running_api_takes_a_revision_into_force_within_seconds(
    process: str, at: Installation
) -> None:
    async with httpx.AsyncClient(base_url=process) as client:

        async def serves() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx.HTTPError:
                return False

        await until(serves)
        before = (
            await client.get(
                "/v1/rulebook", headers={"Authorization": f"Bearer {at.keys['auditor']}"}
            )
        ).json()["revision"]
        revision = await at.put_in_force("Yeni söz.")
        began = asyncio.get_running_loop().time()

        async def switched() -> bool:
            answer = await client.get(
                "/v1/rulebook", headers={"Authorization": f"Bearer {at.keys['auditor']}"}
            )
            return bool(answer.json()["revision"] == revision)

        await until(switched, timeout_s=5)
        took = asyncio.get_running_loop().time() - began
        said = await banner(client, at.keys["shared"])

    assert before != revision
    assert took < 3
    assert "Yeni söz." in said


async def test_a_second_person_approves_at_the_console(at: Installation) -> None:
    proposed = await at.post(
        "revisions", as_="author", rules=RULES, templates=texts_with("Yeni söz."), note="<clearer>"
    )
    revision = proposed.json()["revision"]
    here = f"/console/revisions/{revision}"
    await at.here.post("/console/sign-in", data={"key": at.keys["approver"]})
    inbox = await at.here.get("/console")
    page = await at.here.get(here)
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    approved = await at.here.post(f"{here}/approve", data=form)
    published = await at.post(f"revisions/{revision}/publish", as_="author")

    assert f'href="{here}"' in inbox.text
    assert "author@bank.example" in page.text
    assert "&lt;clearer&gt;" in page.text
    assert approved.status_code == 303
    assert published.json()["approver"] == "approver@bank.example"
