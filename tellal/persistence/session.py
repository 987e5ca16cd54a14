"""Connections: one pool per process, one transaction per use case."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

_RESTS_SINCE = "tellal_rests_since"
_RESTED_S = 1.0

Sessions = async_sessionmaker[AsyncSession]


def make_engine(database_url: str, *, pool: int = 10) -> AsyncEngine:
    """Make the process's connection pool; `database_url` starts with postgresql+psycopg://."""
    engine = create_async_engine(
        database_url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=10,
        # The connection used last is the one whose statements are prepared and that need no ping.
        pool_use_lifo=True,
        skip_autocommit_rollback=True,
    )
    event.listen(engine.sync_engine, "checkout", _ping_if_rested)
    event.listen(engine.sync_engine, "checkin", _note_rest)
    event.listen(engine.sync_engine, "do_executemany", _execute_one)
    return engine


def _note_rest(_: object, record: ConnectionPoolEntry) -> None:
    record.info[_RESTS_SINCE] = time.monotonic()


def _ping_if_rested(
    connection: PoolProxiedConnection, record: ConnectionPoolEntry, _: object
) -> None:
    """Try a connection that has rested: the server may have gone in the meantime.

    A ping at every checkout, as SQLAlchemy offers, is a round trip more for every request.
    """
    since = record.info.get(_RESTS_SINCE)
    if since is None or time.monotonic() - since < _RESTED_S:
        return
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        connection.commit()
    except Exception as error:
        raise DisconnectionError from error


def _execute_one(cursor: DBAPICursor, statement: str, parameters: Sequence[Any], _: object) -> bool:
    """Execute a list of one as what it is: for a longer one psycopg opens a pipeline first."""
    if len(parameters) != 1:
        return False
    cursor.execute(statement, parameters[0])
    return True


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Make sessions whose objects stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


def make_singles(sessions: Sessions) -> Sessions:
    """Make sessions over the same pool in which each statement stands for itself.

    They are for what only reads, and for what is written in one statement. Reading, they see what
    other sessions would, because those read what is committed at each statement, too. But nothing
    has to be begun and committed; and nothing is rolled back, after which psycopg would prepare
    all of its statements anew.
    """
    engine = sessions.kw["bind"].execution_options(isolation_level="AUTOCOMMIT")
    return async_sessionmaker(engine, expire_on_commit=False)
