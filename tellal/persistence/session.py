"""Connections: one pool per process, one transaction per use case."""

import time

from sqlalchemy import event
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
    # The connection that was used last is used next: few stay warm, with their statements planned.
    engine = create_async_engine(
        database_url, pool_size=pool, max_overflow=0, pool_timeout=10, pool_use_lifo=True
    )
    event.listen(engine.sync_engine, "checkout", _ping_if_rested)
    event.listen(engine.sync_engine, "checkin", _note_rest)
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
    except Exception as error:
        raise DisconnectionError from error


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Make sessions whose objects stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)
