"""Lets a command do one thing in the database that the settings name."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from tellal.persistence.session import make_engine, make_sessions

T = TypeVar("T")


def in_transaction(database_url: str, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Do some work in one transaction, and commit it."""

    async def run() -> T:
        engine = make_engine(database_url, pool=1)
        try:
            async with make_sessions(engine)() as tx, tx.begin():
                return await work(tx)
        finally:
            await engine.dispose()

    return asyncio.run(run())
