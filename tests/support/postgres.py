"""One PostgreSQL server for the test run; a fresh, migrated database for every test."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from tellal.ids import new_id
from tellal.persistence.migrate import upgrade
from tellal.persistence.session import Sessions, make_engine, make_sessions
from tellal.stack.postgres import Postgres
from tellal.stack.premises import Premises

_TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def premises() -> Iterator[Premises]:
    """A temporary folder for the test run's servers."""
    with Premises.make_temporary() as place:
        yield place


@pytest.fixture(scope="session")
def postgres(premises: Premises) -> Iterator[Postgres]:
    """The server, with the migrated database from which the tests' databases are copied."""
    server = Postgres(premises)
    server.start()
    _execute(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    upgrade(server.url_of(_TEMPLATE))
    yield server
    server.stop()


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """The address of a database of this test's own, in the present schema."""
    name = f"test_{new_id().lower()}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    _execute(postgres, create.format(sql.Identifier(name), sql.Identifier(_TEMPLATE)))
    yield postgres.url_of(name)
    _execute(postgres, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    """Sessions on this test's database."""
    engine = make_engine(database_url)
    yield make_sessions(engine)
    await engine.dispose()


async def waits_for_a_lock(sessions: Sessions, *, number: int = 1) -> bool:
    """Say whether so many in this test's database wait for a lock."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with sessions() as tx:
        return int((await tx.execute(query)).scalar_one()) >= number


def _execute(server: Postgres, statement: sql.Composed) -> None:
    address = server.url_of("postgres").replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement)
