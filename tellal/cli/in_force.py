"""Lets a command work with the rules that are in force: what was published, else the folder."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from tellal.persistence.session import make_engine, make_sessions
from tellal.services.shelf import Shelf
from tellal.settings import Settings
from templates.environment import JinjaRenderer

T = TypeVar("T")


def with_rules_in_force(
    settings: Settings, work: Callable[[AsyncSession, RulebookHolder, Shelf], Awaitable[T]]
) -> T:
    """Do some work in one transaction, with the rules and texts in force at hand."""

    async def run() -> T:
        engine = make_engine(settings.database_url.get_secret_value(), pool=2)
        try:
            sessions = make_sessions(engine)
            books = RulebookHolder(settings.rulebook)
            shelf = Shelf(sessions, books, JinjaRenderer())
            await shelf.refresh()
            async with sessions() as tx, tx.begin():
                return await work(tx, books, shelf)
        finally:
            await engine.dispose()

    return asyncio.run(run())
