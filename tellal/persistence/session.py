"""Connections: one pool per process, one transaction per use case."""

from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

Sessions = async_sessionmaker[AsyncSession]


def make_engine(database_url: str, *, pool: int = 10) -> AsyncEngine:
    """Make the process's connection pool; `database_url` starts with postgresql+psycopg://."""
    return create_async_engine(
        database_url, pool_size=pool, max_overflow=0, pool_pre_ping=True, pool_timeout=10
    )


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Make sessions whose objects stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)
