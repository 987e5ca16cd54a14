"""What a user can mend is said in a sentence; no traceback."""

import socket
import subprocess
import sys

import pytest

from tellal.stack.ports import LOOPBACK, free_port
from tests.support.terminal import ROOT, run


def test_every_wrong_setting_is_named_by_its_variable_and_not_quoted() -> None:
    said = run(
        "db",
        "upgrade",
        TELLAL_LEASE_S="soon",
        TELLAL_TWILIO__TIMEOUT_S="s3cret",
        TELLAL_TWILIO__TOKEN="s3cret",
    )

    assert said.code == 1
    assert "TELLAL_LEASE_S: Input should be a valid number" in said.err
    assert "TELLAL_TWILIO__TIMEOUT_S: " in said.err
    assert "TELLAL_TWILIO__TOKEN: " in said.err
    assert "s3cret" not in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("address", "words"),
    [
        pytest.param("somewhere", "TELLAL_DATABASE_URL is no address", id="no address"),
        pytest.param(
            f"postgresql+psycopg://{LOOPBACK}:1/tellal", "PostgreSQL does not let us in", id="away"
        ),
    ],
)
def test_a_database_that_cannot_be_reached(address: str, words: str) -> None:
    said = run("db", "upgrade", TELLAL_DATABASE_URL=address)

    assert said.code == 1
    assert words in said.err
    assert "Traceback" not in said.err


def test_the_schema_is_brought_up_twice(database_url: str) -> None:
    said = run("db", "upgrade", TELLAL_DATABASE_URL=database_url)

    assert (said.code, said.out) == (0, "The database has the present schema.\n")


def test_a_taken_port_is_named() -> None:
    with socket.socket() as somebody:
        somebody.bind((LOOPBACK, free_port()))
        somebody.listen()
        port = somebody.getsockname()[1]

        said = run("carrier", "--port", str(port))

    assert said.code != 0
    assert "address already in use" in said.err
    assert "Traceback" not in said.err


def test_help_loads_nothing_heavy() -> None:
    heavy = {"sqlalchemy", "temporalio", "fastapi", "uvicorn", "pydantic", "durable", "jinja2"}
    code = f"import sys, tellal.cli; print(*{heavy!r} & set(sys.modules))"

    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert loaded.stdout.split() == []


def test_help_lists_the_commands() -> None:
    said = run("--help")

    assert said.code == 0
    for command in ("demo", "dev", "api", "worker", "carrier", "mailbox", "db", "rules", "bench"):
        assert f" {command} " in said.out


def test_an_unknown_bench_is_refused() -> None:
    said = run("bench", "patience")

    assert said.code == 2
    assert "there is no bench 'patience'" in said.err
