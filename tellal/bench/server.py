"""A PostgreSQL server of a benchmark's own, for those that need nothing else of the stack."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from tellal.persistence.migrate import upgrade
from tellal.persistence.session import make_engine
from tellal.stack.postgres import Postgres
from tellal.stack.premises import Premises

Measured = dict[str, object]


def on_a_server(measure: Callable[[AsyncEngine], Awaitable[Measured]]) -> Measured:
    """Run a benchmark on a migrated database; nothing is left of it afterwards."""
    with Premises.make_temporary() as place:
        server = Postgres(place)
        server.start()
        try:
            upgrade(server.url)
            return asyncio.run(_with_engine(server.url, measure))
        finally:
            server.stop()


async def _with_engine(url: str, measure: Callable[[AsyncEngine], Awaitable[Measured]]) -> Measured:
    engine = make_engine(url, pool=2)
    try:
        return await measure(engine)
    finally:
        await engine.dispose()
