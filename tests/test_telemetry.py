"""Logs are JSON, with ids of their own and without the words of an error."""

import asyncio
import contextvars
import io
import json
import logging
from collections.abc import Iterator

import pytest

from tellal.telemetry import begin, bind, configure


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the process logs, from level INFO."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    written = io.StringIO()
    configure("info", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail() -> None:
    cause = ValueError("Key (address)=(+905551112233) already exists")
    raise RuntimeError("for +905551112233") from cause


def test_an_event_carries_its_ids_beside_a_constant_text(stream: io.StringIO) -> None:
    logging.getLogger("tellal.test").info("message handed over", extra={"message_id": "01A"})

    (line,) = lines(stream)
    assert line.pop("at")
    assert line == {
        "level": "info",
        "logger": "tellal.test",
        "event": "message handed over",
        "message_id": "01A",
    }


def test_an_error_is_its_class_and_place_but_not_its_words(stream: io.StringIO) -> None:
    try:
        fail()
    except RuntimeError:
        logging.getLogger("tellal.test").exception("it failed")

    assert "5551112233" not in stream.getvalue()
    error = lines(stream)[0]["error"]
    assert isinstance(error, list)
    assert [part["class"] for part in error] == ["builtins.RuntimeError", "builtins.ValueError"]
    assert "test_telemetry.py" in error[0]["where"][0]


def test_clients_do_not_log_the_addresses_they_ask(stream: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://x/?To=+905551112233")

    assert lines(stream) == []


def test_what_is_not_json_is_written_as_text(stream: io.StringIO) -> None:
    logging.getLogger("tellal.test").info("odd", extra={"thing": frozenset({1})})

    assert lines(stream)[0]["thing"] == "frozenset({1})"


def test_bound_ids_stand_in_every_line_until_something_else_begins(stream: io.StringIO) -> None:
    def serve() -> None:
        begin(request_id="01R")
        bind(brand_id="01B")
        logging.getLogger("tellal.test").info("served")
        begin(request_id="01S")
        logging.getLogger("tellal.test").info("served", extra={"route": "/x"})

    contextvars.copy_context().run(serve)

    first, second = lines(stream)
    assert (first["request_id"], first["brand_id"]) == ("01R", "01B")
    assert (second["request_id"], second["route"]) == ("01S", "/x")
    assert "brand_id" not in second


async def test_ids_of_one_task_stay_out_of_the_others(stream: io.StringIO) -> None:
    async def advance(outcome_id: str) -> None:
        bind(outcome_id=outcome_id)
        await asyncio.sleep(0)
        logging.getLogger("tellal.test").info("advanced")

    await asyncio.gather(advance("01A"), advance("01B"))
    logging.getLogger("tellal.test").info("done")

    assert [line.get("outcome_id") for line in lines(stream)] == ["01A", "01B", None]


def test_text_for_people_holds_the_same_fields_in_one_line(stream: io.StringIO) -> None:
    configure("info", stream, form="text")

    try:
        fail()
    except RuntimeError:
        logging.getLogger("tellal.test").exception("it failed", extra={"lane": "bulk"})

    (line,) = stream.getvalue().splitlines()
    assert 'ERROR   tellal.test: it failed  lane="bulk"  error=[{"class": "builtins.Runtime' in line
    assert "5551112233" not in line
