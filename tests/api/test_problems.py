"""Errors: what is wrong, where, how to mend it, and nothing that is nobody's business."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api import problems
from api.app import create_app
from api.problems import Problem
from tellal.settings import Settings
from tests.support.api import Served, Tenant, open_case, put_customer

SECRET = "Ayşe, 0532 000 01 01"


def problem_of(answer: httpx.Response) -> Problem:
    """Read a problem document; every error must be one."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    found = Problem.model_validate_json(answer.content)
    assert found.status == answer.status_code
    assert found.type == f"urn:tellal:problem:{found.code}"
    assert found.request_id == answer.headers["X-Request-Id"]
    return found


async def test_a_body_that_is_no_json_is_refused(bank: Tenant) -> None:
    answer = await bank.client.post(
        "/v1/cases", content="{", headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422
    assert problem_of(answer).errors


async def test_every_part_that_is_wrong_is_named(bank: Tenant) -> None:
    answer = await bank.client.post("/v1/cases", json={"channel": 7, "colour": "red"})

    assert answer.status_code == 422
    fields = {error.field for error in problem_of(answer).errors}
    assert fields == {"customer", "channel", "subject", "colour"}


@pytest.mark.parametrize(
    ("body", "field", "hint"),
    [
        pytest.param(
            {"customer": "ayse", "type": "login", "date": {}},
            "date",
            "did you mean 'data'?; there are customer, data, occurred_at, type",
            id="misspelt",
        ),
        pytest.param(
            {"customer": "ayse", "type": "login", "zzz": {}},
            "zzz",
            "there are customer, data, occurred_at, type",
            id="nothing like it",
        ),
    ],
)
async def test_a_field_that_there_is_not_is_answered_with_those_that_there_are(
    bank: Tenant, body: dict[str, object], field: str, hint: str
) -> None:
    found = problem_of(await bank.client.post("/v1/events", json=body))

    [error] = [one for one in found.errors if one.field == field]
    assert error.hint == found.hint == hint


async def test_the_fields_of_an_entry_of_a_list_are_known_too(bank: Tenant) -> None:
    body = {"contacts": [{"channel": "email", "adress": "ayse@example.com"}]}

    answer = await bank.client.put("/v1/customers/ayse", json=body)

    hints = {error.field: error.hint for error in problem_of(answer).errors}
    assert hints["contacts.0.adress"].startswith("did you mean 'address'?; there are address, ")
    assert hints["contacts.0.address"] == ""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/v1/nothing", 404, id="no such address"),
        pytest.param("PATCH", "/v1/customers/ayse", 405, id="no such method"),
        pytest.param("GET", "/v1/customers/nobody", 404, id="no such customer"),
        pytest.param("GET", "/v1/decisions", 422, id="a part is missing"),
    ],
)
async def test_what_is_not_there_is_a_problem_too(
    bank: Tenant, method: str, path: str, status: int
) -> None:
    answer = await bank.client.request(method, path)

    assert answer.status_code == status
    assert problem_of(answer).detail


async def test_a_stranger_and_a_key_without_the_scope_get_problems(served: Served) -> None:
    async with served.client() as client:
        answer = await client.get("/v1/customers")

    assert answer.status_code == 401
    assert problem_of(answer).detail


@pytest.mark.req("E38", "blocks")
async def test_a_refused_transition_names_the_step_that_is_missing(bank: Tenant) -> None:
    await put_customer(bank)
    number = (await open_case(bank))["number"]
    await bank.client.post(f"/v1/cases/{number}/route", json={"team": "metering"})
    await bank.client.post(f"/v1/cases/{number}/answer", json={"answer": "replaced"})

    answer = await bank.client.post(f"/v1/cases/{number}/resolve", json={"result": "replaced"})

    assert answer.status_code == 409
    found = problem_of(answer)
    assert found.code == "call_missing"
    assert "must be called" in found.detail


async def test_every_answer_has_an_id_of_its_own(bank: Tenant) -> None:
    answers = [await bank.client.get("/v1/customers") for _ in range(2)]

    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 2


async def test_what_nobody_foresaw_is_answered_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError(SECRET)

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tellal") as client:
        answer = await client.get("/broken")

    assert answer.status_code == 500
    found = problem_of(answer)
    assert SECRET not in answer.text
    (record,) = [one for one in caplog.records if one.name == "api.problems"]
    assert record.__dict__["request_id"] == found.request_id
    assert SECRET not in str(record.__dict__)


@pytest.fixture
async def without_database() -> AsyncIterator[httpx.AsyncClient]:
    """The application, with nobody at the database's address."""
    url = SecretStr("postgresql+psycopg://postgres@127.0.0.1:9/nothing")
    app = create_app(Settings(database_url=url))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="http://tellal",
        ) as client,
    ):
        yield client


async def test_without_a_database_callers_are_told_to_come_back(
    without_database: httpx.AsyncClient,
) -> None:
    key = {"Authorization": "Bearer tlk_01M837NRNXEYD9M2SCPHQYZW89_secret"}

    answer = await without_database.get("/v1/customers", headers=key)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert problem_of(answer).code == "database_unavailable"
    assert "127.0.0.1" not in answer.text


async def test_without_a_database_the_process_lives_and_is_not_ready(
    without_database: httpx.AsyncClient,
) -> None:
    alive = await without_database.get("/healthz")
    ready = await without_database.get("/readyz")

    assert alive.status_code == 200
    assert ready.status_code == 503


async def test_with_a_database_the_process_is_ready(served: Served) -> None:
    async with served.client() as client:
        assert (await client.get("/readyz")).json() == {
            "status": "ok",
            "database": "ok",
            "rulebook": "ok",
        }
