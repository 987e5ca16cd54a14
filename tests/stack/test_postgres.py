"""The PostgreSQL server of the stack through restarts, kills and a taken port."""

import socket
from collections.abc import Iterator

import psycopg
import pytest

from tellal.stack.ports import LOOPBACK, free_port
from tellal.stack.postgres import Postgres
from tellal.stack.premises import Premises


@pytest.fixture
def own(premises: Premises, request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """A server that the test may kill."""
    server = Postgres(premises, name=f"own-{abs(hash(request.node.name))}")
    server.start()
    yield server
    server.stop()


def connect(server: Postgres) -> psycopg.Connection:
    return psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True)


def test_a_commit_survives_a_kill(own: Postgres) -> None:
    with connect(own) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('yes')")
        before = own.url

        own.kill()
        own.start()

    with connect(own) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("yes",)]
    assert own.url == before


def test_a_stopped_server_is_not_alive_and_comes_back(own: Postgres) -> None:
    own.stop()
    stopped = own.alive

    own.start()

    assert (stopped, own.alive) == (False, True)


def test_a_port_that_somebody_takes_is_given_up(premises: Premises) -> None:
    port = free_port()
    with socket.socket() as somebody:
        somebody.bind((LOOPBACK, port))
        somebody.listen()
        server = Postgres(premises, port=port, name="crowded")
        server.start()

    with connect(server) as connection:
        assert connection.info.port != port
    server.stop()


def test_the_log_holds_no_values_of_a_failed_statement(own: Postgres) -> None:
    with connect(own) as connection:
        connection.execute("CREATE TABLE people (address text UNIQUE)")
        connection.execute("INSERT INTO people VALUES (%s)", ["+905551112233"])
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO people VALUES (%s)", ["+905551112233"])

    assert "duplicate key" in own.log_tail()
    assert "5551112233" not in own.log.read_text()


def test_nobody_enters_without_the_password(own: Postgres) -> None:
    with connect(own) as connection:
        port = connection.info.port

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"host={LOOPBACK} port={port} user=tellal dbname=tellal password=guess")
