"""The public form: anybody may apply, nobody learns who is known, and nothing is told twice."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select, text

from api.routes.apply import APPLYING, PER_ADDRESS
from rules.web_forms import WebForms
from tellal.domain.errors import RulebookError
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.persistence.tables.intake import ApplicationRow
from tellal.persistence.tables.operations import CaseRow
from tellal.persistence.tables.privacy import ShownNoticeRow
from tests.support.api import Served, Tenant, put_customer
from tests.support.browser import CHROMIUM, found_by_axe
from tests.support.forms import FORM, NOTICE, open_form
from tests.templates.test_status_page import structure_of

pytestmark = pytest.mark.req("E37")

SAID = {
    "contact": "mehmet@example.com",
    "subject": "Meter",
    "text": "The meter shows\r\ntoo much.",
    "notice": "read",
}


@pytest.fixture(autouse=True)
async def nobody_has_asked(served: Served) -> AsyncIterator[None]:
    """Leave full buckets behind: the clock of tests stands still, and fills none."""
    yield
    async with served.sessions() as tx, tx.begin():
        await tx.execute(text("TRUNCATE rate_buckets"))


@pytest.fixture
async def path(served: Served, distributor: Tenant) -> str:
    """The form of a brand that has opened it."""
    open_form(served, distributor)
    return f"/apply/{distributor.brand.name}"


async def send(
    served: Served,
    path: str,
    said: Mapping[str, str],
    *,
    client: httpx.AsyncClient | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    async with client or served.client() as sender:
        return await sender.post(path, data=dict(said), headers=headers)


async def rows(served: Served, tenant: Tenant, kind: type[Any]) -> list[Any]:
    held = table(kind)
    query = select(held).where(held.c.brand_id == tenant.brand.id).order_by(held.c.id)
    async with served.sessions() as tx:
        return list((await tx.execute(query)).all())


async def test_what_is_sent_becomes_a_case_whose_code_is_shown(
    served: Served, distributor: Tenant, path: str
) -> None:
    sent = await send(served, f"{path}?lang=en", SAID)
    async with served.client() as client:
        page = await client.get(sent.headers["location"])

    (case,) = await rows(served, distributor, CaseRow)
    assert sent.status_code == 303
    assert urlsplit(sent.headers["location"]).path == f"/track/{case.tracking_code}"
    assert page.status_code == 200
    assert "We have received your application" in page.text
    assert (case.channel, case.source_system, case.subject) == ("web", "CRM", "Meter")
    officer = await distributor.client.get(f"/v1/cases/{case.number}/application")
    assert officer.json() == {
        "channel": "web",
        "text": "The meter shows\ntoo much.",
        "attachments": [],
    }


async def test_a_stranger_becomes_known_by_what_he_wrote_and_no_more(
    served: Served, distributor: Tenant, path: str
) -> None:
    await send(served, f"{path}?lang=pl", {**SAID, "contact": "0532 000 07 07"})

    (customer,) = await rows(served, distributor, CustomerRow)
    (point,) = await rows(served, distributor, ContactPointRow)
    assert (point.channel, point.address) == ("sms", "+905320000707")
    assert (customer.locale, customer.first_name, customer.facts) == ("pl-PL", "", {})
    assert customer.ref.startswith("applicant:")


async def test_nobody_learns_whether_an_address_is_known(
    served: Served, distributor: Tenant, path: str
) -> None:
    known = {"channel": "email", "address": "ayse@example.com"}
    await put_customer(distributor, contacts=[known])

    answers = [
        await send(served, path, {**SAID, "contact": contact})
        for contact in ("AYSE@example.com", "stranger@example.com")
    ]

    cases = await rows(served, distributor, CaseRow)
    refs = [one.ref for one in await rows(served, distributor, CustomerRow)]
    assert len({case.customer_id for case in cases}) == len(refs) == 2
    assert refs[0] == "ayse"
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    shapes = {re.sub(r"/track/\w{13}", "", answer.headers["location"]) for answer in answers}
    assert len(shapes) == 1


@pytest.mark.req("E19")
async def test_of_two_customers_on_one_number_neither_gets_the_other_s_case(
    served: Served, distributor: Tenant, path: str
) -> None:
    for ref in ("ayse", "ali"):
        await put_customer(distributor, ref)

    for _ in range(2):
        await send(served, path, {**SAID, "contact": "0532 000 01 01"})

    refs = {one.id: one.ref for one in await rows(served, distributor, CustomerRow)}
    whose = {refs[case.customer_id] for case in await rows(served, distributor, CaseRow)}
    assert len(whose) == 1
    assert whose.isdisjoint({"ayse", "ali"})


async def test_sent_twice_it_is_one_case(served: Served, distributor: Tenant, path: str) -> None:
    async with served.client() as client:
        page = (await client.get(path)).text
    (form,) = re.findall(r'name="form" value="(\w{26})"', page)

    first, second = await asyncio.gather(
        *(send(served, path, {**SAID, "form": form}) for _ in range(2))
    )

    assert first.headers["location"] == second.headers["location"]
    assert len(await rows(served, distributor, CaseRow)) == 1
    assert len(await rows(served, distributor, CustomerRow)) == 1


@pytest.mark.req("E15")
async def test_the_notice_is_recorded_as_it_was_shown(
    served: Served, distributor: Tenant, path: str
) -> None:
    async with served.client() as client:
        turkish = (await client.get(path, params={"lang": "tr"})).text
    await send(served, f"{path}?lang=tr", SAID)
    await send(served, f"{path}?lang=pl", {**SAID, "contact": "another@example.com"})

    shown = await rows(served, distributor, ShownNoticeRow)
    assert NOTICE in turkish
    assert [(one.notice, one.version, one.language, one.way) for one in shown] == [
        ("aydinlatma-web", "4", "tr", "web"),
        ("aydinlatma-web", "4", "en", "web"),
    ]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"contact": ""}, "contact", "This field must not be empty."),
        ({"contact": "12"}, "contact", "This is no e-mail address and no mobile number."),
        ({"contact": "a@b"}, "contact", "This is no e-mail address and no mobile number."),
        ({"subject": " \n"}, "subject", "This field must not be empty."),
        ({"subject": "x" * 201}, "subject", "This is too long; please make it shorter."),
        ({"text": "x" * 4001}, "text", "This is too long; please make it shorter."),
        ({"notice": ""}, "notice", "Say that you have read the privacy notice"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(
    served: Served,
    distributor: Tenant,
    path: str,
    *,
    change: dict[str, str],
    field: str,
    words: str,
) -> None:
    answer = await send(served, f"{path}?lang=en", {**SAID, **change})

    page = structure_of(answer.text)
    (input_,) = [one for one in page.all("input", "textarea") if one.get("id") == field]
    assert answer.status_code == 422
    assert page.mistakes == []
    assert input_["aria-invalid"] == "true"
    assert f"{field}-wrong" in input_["aria-describedby"].split()
    assert re.search(rf'id="{field}-wrong">{re.escape(words)}', answer.text)
    assert re.search(rf'href="#{field}"', answer.text)
    for name, value in SAID.items():
        if name not in change and name != "notice":
            assert value.split("\r")[0] in answer.text
    assert await rows(served, distributor, CaseRow) == []


async def test_what_somebody_writes_is_shown_as_words_and_kept_without_controls(
    served: Served, distributor: Tenant, path: str
) -> None:
    hostile = '"><script>alert(1)</script>'
    back = await send(served, path, {**SAID, "subject": hostile, "text": hostile, "notice": ""})
    await send(served, path, {**SAID, "subject": "a\x00b\x1b[2J", "text": "c\x00\x07d"})

    assert "<script" not in back.text
    (case,) = await rows(served, distributor, CaseRow)
    (application,) = await rows(served, distributor, ApplicationRow)
    assert (case.subject, application.text) == ("ab[2J", "cd")


async def test_a_machine_that_fills_in_everything_opens_nothing(
    served: Served, distributor: Tenant, path: str
) -> None:
    answer = await send(served, path, {**SAID, "website": "https://spam.example"})

    assert answer.status_code == 303
    assert await rows(served, distributor, CaseRow) == []
    async with served.client() as client:
        page = structure_of((await client.get(path)).text)
    (trap,) = [one for one in page.all("input") if one.get("name") == "website"]
    assert trap["tabindex"] == "-1"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json"},
    ],
)
async def test_a_form_of_another_site_is_refused(
    served: Served, distributor: Tenant, path: str, headers: dict[str, str]
) -> None:
    answer = await send(served, path, SAID, headers=headers)

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert await rows(served, distributor, CaseRow) == []


async def test_no_more_is_read_than_the_form_holds(served: Served, path: str) -> None:
    answer = await send(served, path, {**SAID, "text": "x" * 70_000})

    assert answer.status_code == 413


async def test_a_client_and_an_address_are_told_only_so_much(
    served: Served, distributor: Tenant, path: str
) -> None:
    from_one = [
        await send(served, path, {**SAID, "contact": f"nr{n}@example.com"})
        for n in range(APPLYING.each.burst + 1)
    ]
    served.clock.pass_by(timedelta(hours=1))
    to_one = []
    for n in range(PER_ADDRESS.each.burst + 1):
        transport = httpx.ASGITransport(app=served.app, client=(f"203.0.113.{n}", 1))
        client = httpx.AsyncClient(transport=transport, base_url="http://tellal")
        victim = {**SAID, "contact": "Victim@Example.com" if n % 2 else "victim@example.com"}
        to_one.append(await send(served, path, victim, client=client))

    assert [one.status_code for one in from_one] == [303] * APPLYING.each.burst + [429]
    assert [one.status_code for one in to_one] == [303] * PER_ADDRESS.each.burst + [429]
    assert int(from_one[-1].headers["retry-after"]) == 60
    expected = APPLYING.each.burst + PER_ADDRESS.each.burst
    assert len(await rows(served, distributor, CaseRow)) == expected


async def test_forms_are_closed_unless_a_file_opens_them(
    served: Served, distributor: Tenant, bank: Tenant
) -> None:
    open_form(served, bank)
    paths = [f"/apply/{distributor.brand.name}", "/apply/nobody", "/apply/..%2Fetc", "/apply/A"]
    async with served.client() as client:
        answers = [await client.get(path, params={"lang": "en"}) for path in paths]
        opened = await client.get(f"/apply/{bank.brand.name}")
        sent = await client.post(paths[0], data=SAID)

    assert {answer.status_code for answer in answers[:2]} == {404}
    assert len({answer.text for answer in answers[:2]}) == 1
    assert {answer.status_code for answer in answers} == {404}
    assert opened.status_code == 200
    assert sent.status_code == 404


async def test_a_channel_that_is_switched_off_takes_no_form(
    served: Served, distributor: Tenant, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = served.desk.house.cases._profiles
    off = {**profiles, "web": replace(profiles["web"], enabled=False)}
    monkeypatch.setattr(served.desk.house.cases, "_profiles", off)

    answer = await send(served, path, SAID)

    assert answer.status_code == 404
    assert await rows(served, distributor, CustomerRow) == []


def test_a_broken_form_is_said_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bank.yaml").write_text("notice: x\nversion: '1'\ntexts: {de: Hallo}\n")

    with pytest.raises(RulebookError, match=r"bank.yaml:3"):
        WebForms(tmp_path).check()


def test_a_file_that_changes_counts_at_once(tmp_path: Path) -> None:
    forms, file = WebForms(tmp_path), tmp_path / "bank.yaml"
    assert forms.of("bank") is None
    file.write_text(FORM, encoding="utf-8")
    before = forms.of("bank")
    file.write_text(FORM.replace('"4"', '"10"'), encoding="utf-8")
    after = forms.of("bank")
    file.unlink()

    assert before is not None
    assert after is not None
    assert (before.version, after.version) == ("4", "10")
    assert forms.of("bank") is None


@pytest.mark.parametrize("language", ["tr", "en", "pl"])
async def test_the_form_has_a_sound_structure_and_a_strict_policy(
    served: Served, path: str, language: str
) -> None:
    async with served.client() as client:
        answer = await client.get(path, params={"lang": language})

    page = structure_of(answer.text)
    labelled = {one["for"] for one in page.all("label")}
    inputs = [one for one in page.all("input", "textarea") if one.get("type") != "hidden"]
    assert page.mistakes == page.open == []
    assert page.all("html") == [{"lang": language}]
    assert {one["id"] for one in inputs} == labelled
    assert "<script" not in answer.text
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert "noindex" in answer.headers["x-robots-tag"]
    (form,) = page.all("form")
    assert parse_qs(form["action"].removeprefix("?")) == {"lang": [language]}


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser")
@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
@pytest.mark.parametrize("wrong", [False, True], ids=["empty", "wrong"])
async def test_a_browser_finds_nothing_that_keeps_people_out(
    served: Served, path: str, tmp_path: Path, *, scheme: str, width: int, wrong: bool
) -> None:
    async with served.client() as client:
        page = (await client.get(path)).text
    if wrong:
        page = (await send(served, path, {**SAID, "contact": "12", "notice": ""})).text

    found = await asyncio.to_thread(found_by_axe, page, tmp_path, scheme, width)

    assert found["violations"] == []
    assert found["passes"] > 15
    assert found["wide"] <= max(found["width"], 500)
