"""Every route asks who calls, says how it fails, and shows an example that it would take."""

import re
from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel, SecretStr, TypeAdapter

from api.app import create_app
from tellal.settings import Settings
from tests.support.api import Served

OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    # Counts, of nobody in particular.
    ("GET", "/metrics"),
    # Signed by the carrier instead.
    ("POST", "/v1/hooks/twilio/status"),
    ("POST", "/v1/hooks/twilio/inbound"),
    # The public: its address is signed by us.
    ("GET", "/unsubscribe/{token}"),
    ("POST", "/unsubscribe/{token}"),
    ("GET", "/preferences/{token}"),
    ("POST", "/preferences/{token}"),
    # The public: outages are everybody's to know.
    ("GET", "/status"),
    ("GET", "/status.json"),
    ("GET", "/status.atom"),
    ("GET", "/status.ics"),
    ("GET", "/banner.json"),
    ("GET", "/hotline.txt"),
    ("GET", "/cap/{outage_id}.xml"),
    ("GET", "/cap/{outage_id}/{number}.xml"),
    # The public: whoever has the code of a case may see where it is, and nothing of anybody.
    ("GET", "/track"),
    ("GET", "/track/{code}"),
    ("GET", "/track/{code}/barcode.svg"),
    # The public: anybody may apply to a brand that has opened its form.
    ("GET", "/apply/{brand}"),
    ("POST", "/apply/{brand}"),
    # Told by a secret in its address.
    ("POST", "/v1/hooks/netgsm/{secret}"),
}
WRITES = {"POST", "PUT", "PATCH", "DELETE"}

APP = create_app(Settings(database_url=SecretStr("postgresql+psycopg://nowhere/nothing")))


CONSOLE = "/console"
"""Pages for whoever has signed in (tests/api/test_console.py); no description names them."""
PAGES = {("GET", "/docs"), ("GET", "/docs/oauth2-redirect")}
"""The pages that describe the API; they show nothing of anybody."""


def served_routes(app: FastAPI) -> Iterator[tuple[str, str, APIRoute]]:
    """Walk the routes as they are served: method, whole path, route."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            for method in context.methods or ():
                yield method, str(context.path), route


def routes(app: FastAPI) -> Iterator[tuple[str, str, APIRoute]]:
    """Walk the routes of the API itself."""
    for method, path, route in served_routes(app):
        if (method, path) not in PAGES and not path.startswith(CONSOLE):
            yield method, path, route


def every_route(*, methods: set[str] | None = None) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("method", "path"),
        [
            pytest.param(method, path, id=f"{method} {path}")
            for method, path, _ in routes(APP)
            if (method, path) not in OPEN and (methods is None or method in methods)
        ],
    )


def operation(method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = APP.openapi()["paths"][path][method.lower()]
    return found


def test_the_walk_sees_every_route() -> None:
    documented = {
        (method.upper(), path) for path, item in APP.openapi()["paths"].items() for method in item
    }

    assert {(method, path) for method, path, _ in routes(APP)} == documented
    assert documented > OPEN


async def test_the_pages_need_no_other_host(served: Served) -> None:
    async with served.client() as client:
        page = (await client.get("/docs")).text
        needed = re.findall(r'(?:src|href)="([^"]+)"', page)
        answers = [await client.get(address) for address in needed]

    assert any(address.endswith(".js") for address in needed)
    assert all(address.startswith("/") for address in needed)
    assert {answer.status_code for answer in answers} == {200}


@every_route()
async def test_nobody_gets_in_without_a_key(served: Served, method: str, path: str) -> None:
    address = re.sub(r"{\w+}", "something", path)

    async with served.client() as client:
        answer = await client.request(method, address, json={})

    assert answer.status_code == 401


@every_route()
def test_every_route_says_how_it_fails(method: str, path: str) -> None:
    described = operation(method, path)
    problems = {s: r for s, r in described["responses"].items() if int(s) >= 400}

    assert {"401", "403", "503"} <= problems.keys()
    for response in problems.values():
        schema = response["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
    if "{" in path and method != "PUT":
        assert "404" in problems


@every_route()
def test_every_route_says_what_it_does_and_with_which_scope(method: str, path: str) -> None:
    described = operation(method, path)

    assert described["description"]
    (security,) = described["security"]
    assert all(
        re.fullmatch(r"[a-z]+:(read|write|approve|admin)", s) for s in security["HTTPBearer"]
    )
    assert security["HTTPBearer"]


@every_route(methods=WRITES)
def test_every_write_may_be_repeated(method: str, path: str) -> None:
    described = operation(method, path)
    headers = {one["name"]: one for one in described["parameters"] if one["in"] == "header"}

    assert "Idempotent-Replay" in headers["Idempotency-Key"]["description"]
    assert "409" in described["responses"]
    assert "422" in described["responses"]


def bodies() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for method, path, route in routes(APP):
        if route.body_field is not None:
            said = route.body_field.field_info.annotation
            (kind,) = (one for one in get_args(said) or (said,) if one is not NoneType)
            assert isinstance(kind, type)
            assert issubclass(kind, BaseModel)
            found[f"{method} {path}"] = kind
    return found


@pytest.mark.parametrize("where", [pytest.param(where, id=where) for where in bodies()])
def test_a_body_can_be_written_after_its_example(where: str) -> None:
    body = bodies()[where]

    for example in body.model_json_schema().get("examples", []) or [example_of_fields(body)]:
        body.model_validate(example)


def example_of_fields(body: type[BaseModel]) -> dict[str, object]:
    """Put a body together from the examples of its fields, and check each of them."""
    example = {}
    for name, info in body.model_fields.items():
        for shown in info.examples or []:
            TypeAdapter(info.rebuild_annotation()).validate_python(shown)
            example[name] = shown
        assert info.examples or not info.is_required(), f"{name} has neither example nor default"
    return example


def test_descriptions_refer_to_what_is_described() -> None:
    description = APP.openapi()
    schemas = description["components"]["schemas"]

    named = set(re.findall(r"#/components/schemas/([\w.-]+)", str(description)))

    assert named <= schemas.keys()
